import { elementCount, type Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { constantInts, fromFront, refuseGradient, requireRank } from '../shapes.js'
import { spread } from './reductions.js'

/** The product of all others that were multiplied, from the products before and after each, so that zeros do no harm. */
export const prodGradient: GradientFunction = (context) => {
  const { graph, node, inputs, gradients } = context
  const [x, axesInput] = inputs as readonly [Tensor, Tensor]
  const shape = requireRank(node, x)
  const axes = constantInts(axesInput) ?? refuseGradient(node, 'its axes have to be constants')
  const reduced = [...new Set(axes.map((axis) => fromFront(axis, shape.length)))]
  const order = [...reduced, ...shape.map((_, axis) => axis).filter((axis) => !reduced.includes(axis))]
  const count = (from: readonly number[]): number | null => elementCount(from.map((axis) => shape[axis] as number | null))
  const [down, across] = [count(reduced), count(order.slice(reduced.length))]
  if (down === null && across === null) return refuseGradient(node, 'the dimensions that it multiplies, or the others, have to be known')
  const front = graph.one('Transpose', [x, graph.vector('int32', order, 'perm')])
  const columns = graph.one('Reshape', [front, graph.vector('int32', [down ?? -1, down === null ? (across as number) : -1], 'shape')])
  const product = (reverse: boolean): Tensor => graph.one('Cumprod', [columns, graph.scalar('int32', 0, 'axis')], { exclusive: true, reverse })
  const others = graph.one('Reshape', [graph.one('Mul', [product(false), product(true)]), graph.one('Shape', [front])])
  const back = graph.one('Transpose', [others, graph.vector('int32', shape.map((_, axis) => order.indexOf(axis)), 'perm')])
  return [graph.one('Mul', [back, spread(context, gradients[0] as Tensor)])]
}
