import { beforeAll, expect, test } from 'vitest'
import { tensorValue, type OpName, type Tensor } from '@millrace/export'
import { describePeer, runPython } from '../support/peer.js'
import { assign, cases, check, graph, input, inputOf, ints, script, variable, type Entry, type InputOptions } from './gradients/cases.js'
import './gradients/layer-cases.js'
import './gradients/window-cases.js'

type Unary = (x: Tensor) => Tensor
const one = (op: OpName): Unary => (x) => graph.one(op, [x])

const positive = inputOf({ from: 0.2, to: 3 })
const plain = inputOf({ from: -3, to: 3 })
const unary: readonly (readonly [string, Unary, (shape: readonly number[]) => Tensor])[] = [
  ...(['Neg', 'Abs', 'Exp', 'Square', 'Erf', 'Identity', 'Relu', 'Elu', 'Selu', 'Softplus', 'Softsign', 'Sigmoid', 'Tanh', 'Softmax', 'LogSoftmax'] as const)
    .map((op) => [op, one(op), plain] as const),
  ...(['Log', 'Log1p', 'Sqrt', 'Rsqrt', 'Reciprocal'] as const).map((op) => [op, one(op), positive] as const),
  ['Relu6', one('Relu6'), inputOf({ from: -2, to: 9 })],
  ['LeakyRelu', (x) => graph.one('LeakyRelu', [x], { alpha: 0.3 }), plain],
  ['Cast', (x) => graph.one('Cast', [graph.one('Cast', [x], { DstT: 'float64' })], { DstT: 'float32' }), plain],
  ['a factor that is not differentiated', (x) => graph.one('Mul', [x, graph.one('Floor', [x])]), plain],
  ['StopGradient', (x) => graph.one('Mul', [x, graph.one('StopGradient', [x])]), plain],
  ['ZerosLike', (x) => graph.one('AddV2', [x, graph.one('ZerosLike', [x])]), plain],
]
for (const [name, op, from] of unary) {
  check(name, () => {
    const x = from([3, 4])
    return { y: op(x), xs: [x], seedShape: [3, 4] }
  })
}

const binary = ['AddV2', 'Sub', 'Mul', 'RealDiv', 'Maximum', 'Minimum', 'SquaredDifference', 'Pow', 'FloorMod'] as const
const broadcasts: readonly (readonly [readonly number[], readonly number[], readonly number[]])[] = [
  [[3, 4], [3, 4], [3, 4]],
  [[3, 4], [4], [3, 4]],
  [[], [2, 3], [2, 3]],
  [[3, 1], [2, 1, 4], [2, 3, 4]],
  [[1, 4], [3, 1], [3, 4]],
  [[2, 1, 3, 1], [3, 5], [2, 1, 3, 5]],
]
for (const op of binary) {
  for (const [left, right, result] of broadcasts) {
    for (const hidden of ['nothing', 'the first dimension', 'all dimensions', 'the rank'] as const) {
      // Each op in each way once is enough where the op itself plays no part.
      if (hidden !== 'nothing' && op !== 'Mul' && op !== 'Pow') continue
      const known = (shape: readonly number[]): InputOptions['known'] =>
        hidden === 'all dimensions' ? shape.map(() => null) : hidden === 'the first dimension' ? shape.map((dim, axis) => (axis === 0 ? null : dim)) : shape
      check(`${op} [${left.join(', ')}] and [${right.join(', ')}], ${hidden} unknown`, () => {
        const from = op === 'Pow' || op === 'RealDiv' || op === 'FloorMod' ? 0.5 : -2
        // What is divided has to go into it more than once.
        const scalarRange = op === 'FloorMod' ? { from: 3, to: 4 } : { from: 0.5, to: 0.7 }
        const operands = [left, right].map((shape) =>
          input(shape, { ...(shape.length === 0 ? scalarRange : { from, to: 2.5 }), known: hidden === 'the rank' ? 'not even the rank' : known(shape) }),
        )
        return { y: graph.one(op, operands), xs: operands, seedShape: result }
      })
    }
  }
}
check('Maximum of equal operands', () => {
  const [x, y] = [input([3], {}, [1, 2, 3]), input([3], {}, [1, 0, 5])]
  return { y: graph.one('Mul', [graph.one('Maximum', [x, y]), graph.one('Minimum', [x, y])]), xs: [x, y], seedShape: [3] }
})
check('Pow of what is not positive', () => {
  const [x, y] = [input([4], {}, [-1.5, 0, 2, -2]), input([4], {}, [2, 3, 2, 3])]
  return { y: graph.one('Pow', [x, y]), xs: [x, y], seedShape: [4] }
})
check('a tensor with itself', () => {
  const x = input([2, 3], { known: [null, null] })
  return { y: graph.one('RealDiv', [graph.one('Mul', [x, x]), graph.one('AddV2', [x, x])]), xs: [x], seedShape: [2, 3] }
})
for (const known of [undefined, [null, null]] as const) {
  check(`SelectV2 ${known === undefined ? '' : 'of unknown shapes'}`, () => {
    const condition = graph.one('Greater', [input([3, 1], {}, [1, -1, 2]), graph.scalar('float32', 0)])
    const [t, e] = [input([3, 4], { known }), input([4])]
    return { y: graph.one('SelectV2', [condition, t, e]), xs: [t, e], seedShape: [3, 4] }
  })
}

for (const op of ['Sum', 'Mean', 'Max', 'Min'] as const) {
  for (const [axes, keep_dims, shape] of [[[0], false, [3, 4]], [[-1], true, [2, 3, 1]], [[0, 2], false, [3]], [[2, -3], true, [1, 3, 1]], [[0, 1, 2], false, []]] as const) {
    for (const known of [undefined, [null, 3, null]] as const) {
      check(`${op} over [${axes.join(', ')}]${keep_dims ? ', kept' : ''}${known === undefined ? '' : ' of an unknown shape'}`, () => {
        const x = input([2, 3, 4], { known })
        return { y: graph.one(op, [x, ints(...axes)], { keep_dims }), xs: [x], seedShape: shape }
      })
    }
  }
}
check('Max of equal elements', () => {
  const x = input([2, 3], {}, [1, 3, 3, 2, 2, 2])
  return { y: graph.one('Max', [x, ints(1)]), xs: [x], seedShape: [2] }
})

for (const transpose_a of [false, true]) {
  for (const transpose_b of [false, true]) {
    const flip = (shape: readonly number[], flipped: boolean): readonly number[] => (flipped ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape)
    check(`MatMul, transposed ${String(transpose_a)} and ${String(transpose_b)}`, () => {
      const [a, b] = [input(flip([3, 4], transpose_a)), input(flip([4, 2], transpose_b))]
      return { y: graph.one('MatMul', [a, b], { transpose_a, transpose_b }), xs: [a, b], seedShape: [3, 2] }
    })
    for (const [left, right, result] of [[[2], [2], [2]], [[2, 1], [3], [2, 3]], [[], [3], [3]]] as const) {
      for (const isKnown of [true, false]) {
        check(`BatchMatMulV2 of [${left.join(', ')}] and [${right.join(', ')}], transposed ${String(transpose_a)} and ${String(transpose_b)}${isKnown ? '' : ', unknown'}`, () => {
          const operand = (shape: readonly number[]): Tensor => input(shape, { known: isKnown ? undefined : shape.map(() => null) })
          const [x, y] = [operand(flip([...left, 3, 4], transpose_a)), operand(flip([...right, 4, 2], transpose_b))]
          return { y: graph.one('BatchMatMulV2', [x, y], { adj_x: transpose_a, adj_y: transpose_b }), xs: [x, y], seedShape: [...result, 3, 2] }
        })
      }
    }
  }
}
for (const shape of [[3, 4], [2, 3, 4]]) {
  check(`BiasAdd to ${shape.length} dimensions`, () => {
    const [x, bias] = [input(shape), input([4])]
    return { y: graph.one('BiasAdd', [x, bias]), xs: [x, bias], seedShape: shape }
  })
}

for (const known of [undefined, [null, 3, null]] as const) {
  const of = known === undefined ? '' : ' of an unknown shape'
  const x3 = (): Tensor => input([2, 3, 4], { known })
  const move = (name: string, op: (x: Tensor) => Tensor, seedShape: readonly number[]): void => {
    check(`${name}${of}`, () => {
      const x = x3()
      return { y: op(x), xs: [x], seedShape }
    })
  }
  move('Reshape', (x) => graph.one('Reshape', [x, ints(-1, 6)]), [4, 6])
  move('ExpandDims', (x) => graph.one('ExpandDims', [x, graph.scalar('int32', 1)]), [2, 1, 3, 4])
  move('Squeeze', (x) => graph.one('Squeeze', [graph.one('ExpandDims', [x, graph.scalar('int32', -1)])], { squeeze_dims: [3] }), [2, 3, 4])
  move('Transpose', (x) => graph.one('Transpose', [x, ints(2, 0, 1)]), [4, 2, 3])
  move('Transpose by an order that is computed', (x) => graph.one('Transpose', [x, graph.one('Identity', [ints(1, 2, 0)])]), [3, 4, 2])
  move('Slice', (x) => graph.one('Slice', [x, ints(0, 1, 2), ints(-1, 2, 1)]), [2, 2, 1])
  move('StridedSlice', (x) => graph.one('StridedSlice', [x, ints(1, 0, -1), ints(2, 3, 0), ints(1, 2, -2)], { begin_mask: 1, shrink_axis_mask: 0 }), [2, 2, 2])
  move('StridedSlice with masks', (x) => graph.one('StridedSlice', [x, ints(1, 0, 1), ints(0, 0, 3), ints(1, 1, 1)], { shrink_axis_mask: 1, begin_mask: 2, end_mask: 2 }), [3, 2])
  move('BroadcastTo', (x) => graph.one('BroadcastTo', [graph.one('Sum', [x, ints(1)], { keep_dims: true }), ints(5, 2, 3, 4)]), [5, 2, 3, 4])
  for (const axis of [1, -1]) {
    check(`ConcatV2 along ${axis}${of}`, () => {
      const xs = [x3(), input([2, axis === 1 ? 1 : 3, axis === 1 ? 4 : 2]), x3()]
      return { y: graph.one('ConcatV2', [xs, graph.scalar('int32', axis)]), xs, seedShape: axis === 1 ? [2, 7, 4] : [2, 3, 10] }
    })
    check(`Pack along ${axis}${of}`, () => {
      const xs = [x3(), x3()]
      return { y: graph.one('Pack', [xs], { axis }), xs, seedShape: axis === 1 ? [2, 2, 3, 4] : [2, 3, 4, 2] }
    })
  }
  move('Unpack, one of them unused', (x) => {
    const [first, , third] = graph.add('Unpack', [x], { num: 3, axis: 1 }).outputs as [Tensor, Tensor, Tensor]
    return graph.one('Mul', [first, third])
  }, [2, 4])
  move('AddN', (x) => graph.one('AddN', [[x, x, graph.one('Square', [x])]]), [2, 3, 4])
}

check('GatherV2 with duplicates', () => {
  const params = input([5, 3], { known: [null, 3] })
  return { y: graph.one('GatherV2', [params, ints(4, 1, 4, 0, 4), graph.scalar('int32', 0)]), xs: [params], seedShape: [5, 3] }
})
check('GatherV2 of what is computed', () => {
  const x = input([5, 3])
  const indices = graph.constant(tensorValue('int64', [2, 2], [4n, 1n, 4n, 0n]))
  return { y: graph.one('GatherV2', [graph.one('Square', [x]), indices, graph.scalar('int32', 0)]), xs: [x], seedShape: [2, 2, 3] }
})
for (const axis of [1, -1]) {
  check(`GatherV2 along ${axis}`, () => {
    const x = input([2, 5, 4])
    const indices = graph.constant(tensorValue('int32', [2, 2], [3, 1, 3, 0]))
    return { y: graph.one('GatherV2', [x, indices, graph.scalar('int32', axis)]), xs: [x], seedShape: axis === 1 ? [2, 2, 2, 4] : [2, 5, 2, 2] }
  })
}
const lookUp = (handle: Tensor, indices: Tensor): Tensor => graph.one('ResourceGather', [handle, indices], { dtype: 'float32' })
check('ResourceGather with duplicates', () => {
  const handle = variable([6, 3])
  const indices = graph.constant(tensorValue('int32', [2, 2], [5, 2, 5, 5]))
  return { y: lookUp(handle, indices), xs: [handle], seedShape: [2, 2, 3] }
})
check('two lookups of one variable, indices of two dtypes', () => {
  const handle = variable([6, 3])
  const y = graph.one('Mul', [lookUp(handle, ints(5, 2, 5)), lookUp(handle, graph.vector('int64', [0n, 5n, 1n]))])
  return { y, xs: [handle], seedShape: [3, 3] }
})
check('a variable that is read and looked up', () => {
  const handle = variable([6, 3])
  const read = graph.one('ReadVariableOp', [handle], { dtype: 'float32' })
  const y = graph.one('MatMul', [lookUp(handle, ints(5, 2, 5)), read], { transpose_b: true })
  return { y, xs: [handle], seedShape: [3, 6] }
})
check('GatherV2 of a variable that is read', () => {
  const handle = variable([6, 3])
  const read = graph.one('Identity', [graph.one('ReadVariableOp', [handle], { dtype: 'float32' })])
  return { y: graph.one('GatherV2', [read, ints(1, 1, 4), graph.scalar('int32', 0)]), xs: [handle], seedShape: [3, 3] }
})

check('SoftmaxCrossEntropyWithLogits', () => {
  const [logits, scores] = [input([3, 4]), input([3, 4])]
  return { y: graph.one('SoftmaxCrossEntropyWithLogits', [logits, graph.one('Softmax', [scores])]), xs: [logits, scores], seedShape: [3] }
})
check('SparseSoftmaxCrossEntropyWithLogits', () => {
  const logits = input([3, 4])
  return { y: graph.one('SparseSoftmaxCrossEntropyWithLogits', [logits, ints(3, 0, 1)]), xs: [logits], seedShape: [3] }
})
check('several ys without seeds, and an x that none depends on', () => {
  const [x, other] = [input([2, 3], { known: [null, 3] }), input([2])]
  return { y: [graph.one('Square', [x]), graph.one('Mean', [graph.one('Exp', [x]), ints(0, 1)]), graph.one('Tanh', [x])], xs: [x, other] }
})
check('by what is computed on the way', () => {
  const x = input([2, 3])
  const middle = graph.one('Square', [x])
  return { y: graph.one('Mul', [graph.one('Exp', [middle]), x]), xs: [middle, x], seedShape: [2, 3] }
})
check('a product of three layers', () => {
  const x = input([5, 4], { known: [null, 4] })
  const [first, second] = [variable([4, 3]), variable([3, 2])]
  const bias = variable([3])
  const read = (handle: Tensor): Tensor => graph.one('ReadVariableOp', [handle], { dtype: 'float32' })
  const hidden = graph.one('Tanh', [graph.one('BiasAdd', [graph.one('MatMul', [x, read(first)]), read(bias)])])
  const centered = graph.one('Sub', [hidden, graph.one('Mean', [hidden, ints(0)], { keep_dims: true })])
  return { y: graph.one('MatMul', [centered, read(second)]), xs: [first, second, bias, x], seedShape: [5, 2] }
})

describePeer('gradients against tf.gradients', 'tensorflow', () => {
  let report: Record<string, readonly Entry[]>
  beforeAll(async () => {
    const sent = JSON.stringify({ graph: Buffer.from(graph.encode()).toString('base64'), assign, cases })
    report = JSON.parse(await runPython(script, { input: sent })) as typeof report
  })

  test.each(cases.map(({ name, xs }) => [name, xs.length] as const))('%s', (name, xs) => {
    const entries = report[name]!
    expect(entries).toHaveLength(xs)
    for (const { x, ours, theirs, shapes, error } of entries) {
      // A sum of lookups may be dense here where TensorFlow keeps slices, and the other way round; both were made dense.
      expect(ours === null, `${x}: ours ${String(ours)}, theirs ${String(theirs)}`).toBe(theirs === null)
      if (ours === null) continue
      expect(shapes?.[0], x).toEqual(shapes?.[1])
      expect(error, x).toBeLessThan(1e-5)
    }
  })

  test('lookups stay sparse, with their duplicates', () => {
    for (const name of ['ResourceGather with duplicates', 'two lookups of one variable, indices of two dtypes', 'GatherV2 of a variable that is read', 'GatherV2 with duplicates']) {
      expect(report[name]?.[0], name).toMatchObject({ ours: 'slices', theirs: 'slices', duplicates: true })
    }
    expect(report['a variable that is read and looked up']?.[0]).toMatchObject({ ours: 'dense' })
  })

  test('what is compared is not all zeros', () => {
    const compared = Object.values(report).flat().filter(({ largest }) => largest !== undefined)
    expect(compared.length).toBeGreaterThan(200)
    // Of a few operands none is chosen by what the other ones are.
    expect(compared.filter(({ largest }) => largest === 0).length).toBeLessThan(compared.length / 50)
  })
})
