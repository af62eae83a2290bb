import { describe, expect, test } from 'vitest'
import { fromInt64, tensorflow } from '../proto/index.js'
import { Graph, tensorValue, type Shape } from './index.js'

const decode = (graph: Graph) => tensorflow.GraphDef.decode(graph.encode())

describe('adding nodes', () => {
  test('dtypes and counts follow from the inputs', () => {
    const graph = new Graph()
    const x = graph.placeholder('x', 'float32', [null, 2])
    const y = graph.placeholder('y', 'float32', [null, 3])
    const node = graph.add('ConcatV2', [[x, y], graph.scalar('int32', 1)])
    expect(node.attrs).toMatchObject({ N: 2, T: 'float32', Tidx: 'int32' })
    expect(node.outputs[0]).toMatchObject({ dtype: 'float32', shape: [null, 5], name: 'ConcatV2:0' })
  })

  test.each<[string, (graph: Graph) => unknown, RegExp]>([
    ['a wrong dtype', (g) => g.add('LogicalNot', [g.placeholder('x', 'float32', [])]), /takes bool, but x:0 is float32/],
    ['dtypes that differ', (g) => g.add('AddV2', [g.placeholder('x', 'float32', []), g.placeholder('i', 'int32', [])]), /makes T int32, but it is float32/],
    ['a dtype that is not allowed', (g) => g.add('Exp', [g.placeholder('x', 'int32', [])]), /T cannot be int32/],
    ['too few inputs', (g) => g.add('AddV2', [g.placeholder('x', 'float32', [])]), /takes 2 inputs \(x, y\), but 1 are given/],
    ['one tensor for a list', (g) => g.add('ConcatV2', [g.placeholder('x', 'float32', []), g.scalar('int32', 0)]), /takes a list of tensors/],
    ['a list that is too short', (g) => g.add('ConcatV2', [[g.placeholder('x', 'float32', [1])], g.scalar('int32', 0)]), /N is 1, less than 2/],
    ['an attribute that is missing', (g) => g.add('VarHandleOp', [], { dtype: 'float32' }), /lacks the attribute "shape"/],
    ['an attribute that does not exist', (g) => g.add('NoOp', [], { colour: 1 } as never), /has no attribute "colour"/],
    ['a bad name', (g) => g.add('NoOp', [], {}, { name: '_x' }), /"_x" is no name/],
    ['a device that is none', (g) => g.add('NoOp', [], {}, { device: 'gpu' }), /"gpu" is no device/],
    ['a device of a scope that is none', (g) => g.withDevice('/job:my-job', () => g.add('NoOp')), /is no device/],
    ['a name that only Python takes', (g) => g.add('NoOp', [], {}, { name: 'a\\b' }), /is no name/],
    ['a tensor of another graph', (g) => g.add('Relu', [new Graph().placeholder('x', 'float32', [])]), /is a node of another graph/],
    ['shapes that do not fit', (g) => g.add('MatMul', [g.placeholder('a', 'float32', [null, 2]), g.placeholder('b', 'float32', [3, 1])]), /inner dimensions differ/],
  ])('%s is refused', (_, build, message) => {
    expect(() => build(new Graph())).toThrow(message)
  })

  test('names are unique within scopes, whatever their case', () => {
    const graph = new Graph()
    graph.add('NoOp', [], {}, { name: 'a' })
    expect(graph.add('NoOp', [], {}, { name: 'A' }).name).toBe('A_1')
    expect(graph.scope('a', () => graph.add('NoOp').name)).toBe('a_2/NoOp')
    expect(graph.scope('b', () => graph.scope('c', () => graph.add('NoOp').name))).toBe('b/c/NoOp')
    expect(graph.scope('b', () => graph.atRoot(() => graph.add('NoOp').name))).toBe('NoOp')
  })

  test('devices and control inputs', () => {
    const graph = new Graph()
    const first = graph.withDevice('/job:ps/task:0', () => graph.add('NoOp', [], {}, { name: 'first' }))
    graph.add('NoOp', [], {}, { name: 'then', control: [first] })
    for (const device of ['', '/cpu:0', '/device:GPU:*', '/job:worker/replica:0/task:12/device:XLA_CPU:0']) expect(graph.add('NoOp', [], {}, { device }).device).toBe(device)
    const [one, two] = decode(graph).node
    expect(one).toMatchObject({ device: '/job:ps/task:0' })
    expect(two).toMatchObject({ device: '', input: ['^first'] })
  })
})

describe('bytes', () => {
  const build = (): Graph => {
    const graph = new Graph()
    const x = graph.placeholder('x', 'string', [null])
    graph.add('LookupTableFindV2', [
      graph.one('HashTableV2', [], { value_dtype: 'int64', key_dtype: 'string', shared_name: 't' }),
      x,
      graph.scalar('int64', -1n),
    ])
    return graph
  }

  test('the same calls give the same bytes', () => {
    expect(Buffer.from(build().encode())).toEqual(Buffer.from(build().encode()))
  })

  test('attributes are sorted; defaults are left out, other values written even where they are zero', () => {
    const table = decode(build()).node.find((node) => node.op === 'HashTableV2')
    expect(Object.keys(table?.attr ?? {})).toEqual(['key_dtype', 'shared_name', 'value_dtype'])
    const graph = new Graph()
    graph.one('OneHot', [graph.placeholder('i', 'int64', [null]), graph.scalar('int32', 3), graph.scalar('float32', 1), graph.scalar('float32', 0)], { axis: 0 })
    const oneHot = decode(graph).node.at(-1)
    expect(fromInt64(oneHot?.attr?.['axis']?.i)).toBe(0n)
    expect(Object.keys(oneHot?.attr ?? {})).toEqual(['T', 'axis'])
  })

  test('constants', () => {
    const graph = new Graph()
    graph.constant(tensorValue('int64', [2], [1n, -1n]))
    graph.constant(tensorValue('string', [2], ['é', new Uint8Array([255])]))
    const [ints, strings] = decode(graph).node.map((node) => node.attr?.['value']?.tensor)
    expect([...(ints?.tensorContent ?? [])]).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255])
    expect(strings?.stringVal?.map((bytes) => [...bytes])).toEqual([[0xc3, 0xa9], [255]])
  })
})

describe('static shapes', () => {
  const of = (graph: Graph, shape: Shape, dtype: 'float32' | 'int32' = 'float32') => graph.placeholder('x', dtype, shape)

  test.each<[string, (g: Graph) => Shape, Shape]>([
    ['broadcast', (g) => g.one('AddV2', [of(g, [null, 3]), of(g, [3])]).shape, [null, 3]],
    ['broadcast of unknown beside known', (g) => g.one('Mul', [of(g, [null]), of(g, [4])]).shape, [4]],
    ['broadcast of an unknown rank', (g) => g.one('Mul', [of(g, undefined), of(g, [4])]).shape, undefined],
    ['matrix product', (g) => g.one('MatMul', [of(g, [null, 2]), of(g, [5, 2])], { transpose_b: true }).shape, [null, 5]],
    ['reshape with -1', (g) => g.one('Reshape', [of(g, [6, 2]), g.vector('int32', [-1, 3])]).shape, [4, 3]],
    ['reshape of an unknown batch', (g) => g.one('Reshape', [of(g, [null, 2]), g.vector('int32', [-1, 2])]).shape, [null, 2]],
    ['expand at the end', (g) => g.one('ExpandDims', [of(g, [null]), g.scalar('int32', -1)]).shape, [null, 1]],
    ['gather rows', (g) => g.one('GatherV2', [of(g, [9, 4]), of(g, [null, 1], 'int32'), g.scalar('int32', 0)]).shape, [null, 1, 4]],
    ['one-hot', (g) => g.one('OneHot', [of(g, [null], 'int32'), g.scalar('int32', 7), g.scalar('float32', 1), g.scalar('float32', 0)]).shape, [null, 7]],
    ['mean of the batch', (g) => g.one('Mean', [of(g, [null, 3]), g.vector('int32', [0])]).shape, [3]],
    ['mean, kept', (g) => g.one('Mean', [of(g, [null, 3]), g.vector('int32', [-1])], { keep_dims: true }).shape, [null, 1]],
    ['concat of an unknown', (g) => g.one('ConcatV2', [[of(g, [null, 3]), of(g, [2, null])], g.scalar('int32', -1)]).shape, [2, null]],
    ['fill of a shape', (g) => g.one('Fill', [g.one('Shape', [of(g, [null, 3])]), g.scalar('float32', 0)]).shape, [null, 3]],
    ['reshape to a slice of a shape and a constant', (g) => {
      const x = of(g, [null, null, 3])
      const bounds = [[0], [-1], [1]].map((bound) => g.vector('int32', bound))
      const outer = g.one('StridedSlice', [g.one('Shape', [x]), ...bounds])
      return g.one('Reshape', [of(g, [null, 8]), g.one('ConcatV2', [[outer, g.vector('int32', [8])], g.scalar('int32', 0)])]).shape
    }, [null, null, 8]],
    ['transpose', (g) => g.one('Transpose', [of(g, [1, null, 3]), g.vector('int32', [2, 0, 1])]).shape, [3, 1, null]],
    ['pack', (g) => g.one('Pack', [[of(g, [null]), of(g, [2])]], { axis: 1 }).shape, [2, 2]],
    ['variable', (g) => g.one('ReadVariableOp', [g.one('VarHandleOp', [], { dtype: 'float32', shape: [3, 2] })], { dtype: 'float32' }).shape, [3, 2]],
  ])('%s', (_, build, shape) => {
    expect(build(new Graph())).toEqual(shape)
  })
})
