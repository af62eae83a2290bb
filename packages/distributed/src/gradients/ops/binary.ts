import type { Graph, Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { scalarLike } from '../shapes.js'
import { unbroadcast } from '../unbroadcast.js'

interface Operands {
  readonly graph: Graph
  /** Gradient of the result. */
  readonly g: Tensor
  readonly x: Tensor
  readonly y: Tensor
  /** The result. */
  readonly z: Tensor
}

/** The derivatives of a broadcasting op by its two operands, before broadcasting is undone. */
const operands =
  (byX: (operands: Operands) => Tensor, byY: (operands: Operands) => Tensor): GradientFunction =>
  ({ graph, node, inputs, gradients }) => {
    const [x, y] = inputs as readonly [Tensor, Tensor]
    const given = { graph, g: gradients[0] as Tensor, x, y, z: node.outputs[0] as Tensor }
    return [unbroadcast(graph, byX(given), x, [y]), unbroadcast(graph, byY(given), y, [x])]
  }

const zero = ({ graph, g }: Operands): Tensor => scalarLike(graph, g, 0)

/** The whole gradient goes to x where the condition holds, else to y: also where both are equal, as TensorFlow has it. */
const choosing = (op: 'GreaterEqual' | 'LessEqual'): GradientFunction => {
  const chosen = ({ graph, x, y }: Operands): Tensor => graph.one(op, [x, y])
  return operands(
    (given) => given.graph.one('SelectV2', [chosen(given), given.g, zero(given)]),
    (given) => given.graph.one('SelectV2', [chosen(given), zero(given), given.g]),
  )
}

/** `2 g (x - y)` */
const twiceDifference = ({ graph, g, x, y }: Operands): Tensor =>
  graph.one('Mul', [graph.one('Mul', [g, scalarLike(graph, g, 2)]), graph.one('Sub', [x, y])])

/** `log x`, and 0 where x is not positive and a power of it has no derivative by its exponent. */
const safeLog = (graph: Graph, x: Tensor): Tensor => {
  const positive = graph.one('Greater', [x, scalarLike(graph, x, 0)])
  const log = graph.one('Log', [graph.one('SelectV2', [positive, x, scalarLike(graph, x, 1)])])
  return graph.one('SelectV2', [positive, log, scalarLike(graph, x, 0)])
}

/** Arithmetic of two operands (`tensorflow/python/ops/math_grad.py`). */
export const binaryGradients = {
  AddV2: operands(({ g }) => g, ({ g }) => g),
  Sub: operands(({ g }) => g, ({ graph, g }) => graph.one('Neg', [g])),
  Mul: operands(({ graph, g, y }) => graph.one('Mul', [g, y]), ({ graph, g, x }) => graph.one('Mul', [g, x])),
  RealDiv: operands(
    ({ graph, g, y }) => graph.one('RealDiv', [g, y]),
    ({ graph, g, y, z }) => graph.one('Neg', [graph.one('Mul', [g, graph.one('RealDiv', [z, y])])]),
  ),
  FloorMod: operands(
    ({ g }) => g,
    ({ graph, g, x, y }) => graph.one('Neg', [graph.one('Mul', [g, graph.one('FloorDiv', [x, y])])]),
  ),
  Maximum: choosing('GreaterEqual'),
  Minimum: choosing('LessEqual'),
  SquaredDifference: operands(twiceDifference, (given) => given.graph.one('Neg', [twiceDifference(given)])),
  Pow: operands(
    ({ graph, g, x, y }) => {
      const lower = graph.one('Pow', [x, graph.one('Sub', [y, scalarLike(graph, y, 1)])])
      return graph.one('Mul', [g, graph.one('Mul', [y, lower])])
    },
    ({ graph, g, x, z }) => graph.one('Mul', [g, graph.one('Mul', [z, safeLog(graph, x)])]),
  ),
} satisfies Record<string, GradientFunction>
