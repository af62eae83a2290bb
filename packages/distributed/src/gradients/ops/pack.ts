import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'

/** To each input its slice of the gradient. */
export const packGradient: GradientFunction = ({ graph, node, inputs, gradients }) =>
  graph.add('Unpack', [gradients[0] as Tensor], { num: inputs.length, axis: Number(node.attrs['axis']) }).outputs

/** The gradients of the slices side by side, zeros for those that nothing depends on. */
export const unpackGradient: GradientFunction = ({ graph, node, gradients }) => {
  const slices = gradients.map((g, index) => g ?? graph.one('ZerosLike', [node.outputs[index] as Tensor]))
  return [graph.one('Pack', [slices], { axis: Number(node.attrs['axis']) })]
}
