import type { Graph, Tensor } from '@millrace/export'
import type { GradientContext, GradientFunction } from '../gradient-function.js'
import { refuseGradient } from '../shapes.js'

/** The kernel gives the gradient beside the loss; it is scaled by each row's own. */
const scaled = ({ graph, node, gradients }: GradientContext): Tensor => {
  const [g, second] = gradients
  if (second !== undefined || g === undefined) return refuseGradient(node, 'its second output, itself a gradient, has none')
  return graph.one('Mul', [column(graph, g), node.outputs[1] as Tensor])
}

const column = (graph: Graph, g: Tensor): Tensor => graph.one('ExpandDims', [g, graph.scalar('int32', -1, 'axis')])

/** By the logits, and by the labels where they are computed. */
export const softmaxCrossEntropyGradient: GradientFunction = (context) => {
  const { graph, inputs, gradients } = context
  const logits = scaled(context)
  const surprise = graph.one('Neg', [graph.one('LogSoftmax', [inputs[0] as Tensor])])
  return [logits, graph.one('Mul', [column(graph, gradients[0] as Tensor), surprise])]
}

/** By the logits; labels are whole numbers. */
export const sparseSoftmaxCrossEntropyGradient: GradientFunction = (context) => [scaled(context)]
