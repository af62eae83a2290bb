import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { scalarLike } from '../shapes.js'
import { unbroadcast } from '../unbroadcast.js'

/** To each branch what the condition chose of it; none to the condition. */
export const selectGradient: GradientFunction = ({ graph, inputs, gradients }) => {
  const [condition, t, e] = inputs as readonly [Tensor, Tensor, Tensor]
  const g = gradients[0] as Tensor
  const zero = scalarLike(graph, g, 0)
  return [
    undefined,
    unbroadcast(graph, graph.one('SelectV2', [condition, g, zero]), t, [condition, e]),
    unbroadcast(graph, graph.one('SelectV2', [condition, zero, g]), e, [condition, t]),
  ]
}
