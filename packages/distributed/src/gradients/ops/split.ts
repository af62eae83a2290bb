import type { Tensor } from '@millrace/export'
import type { GradientContext, GradientFunction } from '../gradient-function.js'

/** The parts' gradients side by side, zeros for those that nothing depends on. */
const joined = ({ graph, node, gradients }: GradientContext, axis: Tensor): Tensor => {
  const parts = gradients.map((g, index) => g ?? graph.one('ZerosLike', [node.outputs[index] as Tensor]))
  return parts.length === 1 ? (parts[0] as Tensor) : graph.one('ConcatV2', [parts, axis])
}

export const splitGradient: GradientFunction = (context) => [undefined, joined(context, context.inputs[0] as Tensor)]

export const splitVGradient: GradientFunction = (context) => [joined(context, context.inputs[2] as Tensor)]
