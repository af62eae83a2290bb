import { elementCount, type Graph, type GraphNode, type Tensor } from '@millrace/export'
import type { GradientContext, GradientFunction } from '../gradient-function.js'
import { constantInts, fromFront, refuseGradient, requireRank, scalarLike, shapeOf } from '../shapes.js'

/** A reduced tensor with the reduced axes put back, as dimensions of 1. */
const withAxes = (graph: Graph, node: GraphNode, reduced: Tensor): Tensor => {
  if (node.attrs['keep_dims'] === true) return reduced
  const [x, axesInput] = node.inputs as readonly [Tensor, Tensor]
  const axes = constantInts(axesInput) ?? refuseGradient(node, 'its axes have to be constants')
  const rank = requireRank(node, x).length
  return [...new Set(axes.map((axis) => fromFront(axis, rank)))]
    .sort((a, b) => a - b)
    .reduce((kept, axis) => graph.one('ExpandDims', [kept, graph.scalar('int32', axis, 'axis')]), reduced)
}

/** The gradient of what was reduced to all that it was reduced from. */
export const spread = ({ graph, node, inputs }: GradientContext, g: Tensor): Tensor =>
  graph.one('BroadcastTo', [withAxes(graph, node, g), shapeOf(graph, inputs[0] as Tensor)])

/** The same gradient to all that was summed. */
export const sumGradient: GradientFunction = (context) => [spread(context, context.gradients[0] as Tensor)]

/** The gradient in equal parts to all that the mean was taken of. */
export const meanGradient: GradientFunction = (context) => {
  const { graph, inputs, node, gradients } = context
  const [g, x, y] = [gradients[0] as Tensor, inputs[0] as Tensor, node.outputs[0] as Tensor]
  return [spread(context, graph.one('RealDiv', [g, averaged(graph, x, y)]))]
}

/** How many elements of x one element of its mean stands for. */
const averaged = (graph: Graph, x: Tensor, y: Tensor): Tensor => {
  const [from, to] = [elementCount(x.shape), elementCount(y.shape)]
  if (from !== null && to !== null) return scalarLike(graph, x, from / Math.max(to, 1))
  const least = graph.one('Maximum', [graph.one('Size', [y]), graph.scalar('int32', 1)])
  return graph.one('Cast', [graph.one('FloorDiv', [graph.one('Size', [x]), least])], { DstT: x.dtype })
}

/** The gradient to the largest (or smallest) element, in equal parts to several. */
export const extremeGradient: GradientFunction = ({ graph, inputs, node, gradients }) => {
  const [x, axes] = inputs as readonly [Tensor, Tensor]
  const kept = withAxes(graph, node, node.outputs[0] as Tensor)
  const chosen = graph.one('Cast', [graph.one('Equal', [kept, x])], { DstT: x.dtype })
  const count = graph.one('Sum', [chosen, axes], { keep_dims: true })
  const share = graph.one('RealDiv', [withAxes(graph, node, gradients[0] as Tensor), count])
  return [graph.one('Mul', [chosen, share])]
}
