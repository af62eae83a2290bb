import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { shapeOf } from '../shapes.js'
import { convolutionAttrs } from './window-attrs.js'

/** By the images and by the filter, each with a kernel of its own. */
export const depthwiseConv2DGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  const [x, filter] = inputs as readonly [Tensor, Tensor]
  const [g] = gradients as readonly [Tensor]
  const attrs = convolutionAttrs(node)
  return [
    graph.one('DepthwiseConv2dNativeBackpropInput', [shapeOf(graph, x), filter, g], attrs),
    graph.one('DepthwiseConv2dNativeBackpropFilter', [x, shapeOf(graph, filter), g], attrs),
  ]
}
