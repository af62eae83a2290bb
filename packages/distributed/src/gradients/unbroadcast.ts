import type { Dim, Graph, Tensor } from '@millrace/export'
import { reshapeLike, shapeOf } from './shapes.js'

/** Which axes of the broadcast shape are summed; `undefined` where static shapes do not say. */
const axesToSum = (x: Tensor, others: readonly Tensor[]): readonly number[] | undefined => {
  const shapes = [x, ...others].map(({ shape }) => shape)
  if (!shapes.every((shape) => shape !== undefined)) return undefined
  const rank = Math.max(...shapes.map((shape) => shape.length))
  const dims = (axis: number): readonly Dim[] =>
    shapes.map((shape) => (axis < rank - shape.length ? 1 : (shape[axis - (rank - shape.length)] as Dim)))
  const axes: number[] = []
  for (let axis = 0; axis < rank; axis += 1) {
    const [own, ...rest] = dims(axis)
    if (own === 1) {
      // Summing over one element changes nothing, so only a shape that lacks the axis has to have it summed.
      if (rest.some((dim) => dim !== 1) || axis < rank - x.shape!.length) axes.push(axis)
    } else if (own === null && rest.some((dim) => dim !== 1)) {
      return undefined
    }
  }
  return axes
}

/**
 * Undoes broadcasting: sums the gradient of a broadcast result over the axes along which `x` was repeated, so that it gets the
 * shape of `x`. Where static shapes do not say which these are, BroadcastGradientArgs finds them when the graph runs.
 *
 * @param others - what `x` was broadcast with
 */
export const unbroadcast = (graph: Graph, gradient: Tensor, x: Tensor, others: readonly Tensor[]): Tensor => {
  if (others.every((other) => other === x)) return gradient
  const axes = axesToSum(x, others)
  if (axes === undefined) {
    const [summed] = graph.add('BroadcastGradientArgs', [shapeOf(graph, x), graph.one('Shape', [gradient])]).outputs as [Tensor]
    return graph.one('Reshape', [graph.one('Sum', [gradient, summed]), graph.one('Shape', [x])])
  }
  if (axes.length === 0) return gradient
  const rank = Math.max(...[x, ...others].map(({ shape }) => shape!.length))
  const missing = rank - x.shape!.length
  const indices = graph.vector('int32', axes, 'axes')
  if (missing === 0) return graph.one('Sum', [gradient, indices], { keep_dims: true })
  const sum = graph.one('Sum', [gradient, indices])
  return axes.length === missing ? sum : reshapeLike(graph, sum, x)
}
