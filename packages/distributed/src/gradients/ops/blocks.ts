import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'

/** Each of the two undoes the other: what one adds around, the other cuts off. */
const undone = (op: 'SpaceToBatchND' | 'BatchToSpaceND'): GradientFunction => ({ graph, inputs, gradients }) => {
  const [, sizes, pairs] = inputs as readonly [Tensor, Tensor, Tensor]
  return [graph.one(op, [gradients[0] as Tensor, sizes, pairs])]
}

export const spaceToBatchGradient = undone('BatchToSpaceND')
export const batchToSpaceGradient = undone('SpaceToBatchND')
