import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'

/** Products of the gradient with the other matrix, transposed as the operands were (`_MatMulGrad` of `math_grad.py`). */
export const matMulGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  const [a, b] = inputs as readonly [Tensor, Tensor]
  const g = gradients[0] as Tensor
  const product = (left: Tensor, right: Tensor, transpose_a: boolean, transpose_b: boolean): Tensor =>
    graph.one('MatMul', [left, right], { transpose_a, transpose_b })
  const [flipA, flipB] = [node.attrs['transpose_a'] === true, node.attrs['transpose_b'] === true]
  return [
    flipA ? product(b, g, flipB, true) : product(g, b, false, !flipB),
    flipB ? product(g, a, true, flipA) : product(a, g, !flipA, false),
  ]
}
