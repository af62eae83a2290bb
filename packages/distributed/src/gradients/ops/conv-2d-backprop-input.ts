import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { shapeOf } from '../shapes.js'
import { convolutionAttrs } from './window-attrs.js'

/** The transposed convolution: what it takes from is convolved with the same filter (`_Conv2DBackpropInputGrad` of `nn_grad.py`). */
export const conv2DBackpropInputGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  const [, filter, x] = inputs as readonly [Tensor, Tensor, Tensor]
  const [g] = gradients as readonly [Tensor]
  const attrs = convolutionAttrs(node)
  return [undefined, graph.one('Conv2DBackpropFilter', [g, shapeOf(graph, filter), x], attrs), graph.one('Conv2D', [g, filter], attrs)]
}
