import { describe, expect, test } from 'vitest'
import { Graph, type Tensor } from '@millrace/export'
import { gradients, isIndexedSlices, sumDuplicates, toDense } from './index.js'

const ops = (graph: Graph): string[] => graph.nodes.filter(({ name }) => name.startsWith('gradients')).map(({ op }) => op)
const variable = (graph: Graph, device = ''): Tensor =>
  graph.one('VarHandleOp', [], { dtype: 'float32', shape: [6, 3], shared_name: 'table' }, { name: 'table', device })
const lookUp = (graph: Graph, handle: Tensor): Tensor =>
  graph.one('ResourceGather', [handle, graph.vector('int32', [1, 1])], { dtype: 'float32' }, { device: handle.node.device })

describe('broadcasting is undone', () => {
  const sum = (left: readonly (number | null)[], right: readonly (number | null)[]): { ops: string[]; shapes: unknown[] } => {
    const graph = new Graph()
    const [x, y] = [graph.placeholder('x', 'float32', left), graph.placeholder('y', 'float32', right)]
    const results = gradients(graph, [graph.one('AddV2', [x, y])], [x, y]) as Tensor[]
    return { ops: ops(graph), shapes: results.map(({ shape }) => shape) }
  }

  test('by static shapes where they say enough, the batch unknown or not', () => {
    expect(sum([null, 3], [3])).toEqual({ ops: ['Const', 'Shape', 'Fill', 'Const', 'Sum'], shapes: [[null, 3], [3]] })
    expect(sum([null, 3], [1, 3]).ops).not.toContain('BroadcastGradientArgs')
  })

  test('when the graph runs where they do not', () => {
    expect(sum([null, 3], [null, 3]).ops.filter((op) => op === 'BroadcastGradientArgs')).toHaveLength(2)
  })
})

describe('rows that are looked up', () => {
  test('a gradient is as large as the lookup, not as the table', () => {
    const graph = new Graph()
    const handle = variable(graph)
    const [slices] = gradients(graph, [lookUp(graph, handle)], [handle])
    if (slices === undefined || !isIndexedSlices(slices)) throw new Error('the gradient is not sparse')
    expect(slices.values.shape).toEqual([2, 3])
    expect(ops(graph)).not.toContain('UnsortedSegmentSum')
    expect(sumDuplicates(graph, slices).values.shape).toEqual([null, 3])
    expect(toDense(graph, slices).shape).toEqual([6, 3])
  })

  test('is computed where the caller is, that of other nodes where they are', () => {
    const graph = new Graph()
    const handle = variable(graph, '/job:ps/task:0')
    const rows = lookUp(graph, handle)
    const squares = graph.one('Square', [rows], {}, { device: '/job:worker/task:1' })
    graph.withDevice('/job:worker/task:0', () => gradients(graph, [squares], [handle]))
    const devices = graph.nodes.filter(({ name }) => name.startsWith('gradients')).map(({ op, device }) => [op, device.slice(-6)])
    expect(devices).toContainEqual(['Mul', 'task:1'])
    expect(devices).toContainEqual(['Reshape', 'task:0'])
    expect(devices.some(([, device]) => device === '')).toBe(false)
    expect(graph.nodes.filter(({ device }) => device.startsWith('/job:ps'))).toHaveLength(2)
  })
})

describe('what has no derivative', () => {
  test('stops at whole numbers; an x that no y depends on has none', () => {
    const graph = new Graph()
    const [x, other] = [graph.placeholder('x', 'float32', [2]), graph.placeholder('other', 'float32', [2])]
    const counted = graph.one('Cast', [graph.one('Cast', [x], { DstT: 'int32' })], { DstT: 'float32' })
    expect(gradients(graph, [counted], [x, other])).toEqual([undefined, undefined])
  })

  test('an op without a known gradient is named', () => {
    const graph = new Graph()
    const x = graph.placeholder('x', 'float32', [2])
    expect(() => gradients(graph, [graph.one('Cos', [x], {}, { name: 'wave' })], [x])).toThrow(/Cos "wave" has no gradient/)
  })

  test('a form without a known gradient is named', () => {
    const graph = new Graph()
    const x = graph.placeholder('x', 'float32', [2, 3])
    const axes = graph.placeholder('axes', 'int32', [1])
    expect(() => gradients(graph, [graph.one('Sum', [x, axes])], [x])).toThrow(/Sum "Sum": its axes have to be constants/)
  })
})
