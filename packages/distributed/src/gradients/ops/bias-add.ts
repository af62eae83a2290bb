import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'

/** The gradient itself, and for the bias its sum over all but the bias's dimension. */
export const biasAddGradient: GradientFunction = ({ graph, node, gradients }) => {
  const g = gradients[0] as Tensor
  return [g, graph.one('BiasAddGrad', [g], { data_format: String(node.attrs['data_format']) })]
}
