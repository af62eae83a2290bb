import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { unbroadcast } from '../unbroadcast.js'

/** As for one product, for each of the batch; batches that were broadcast are summed. */
export const batchMatMulGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  const [x, y] = inputs as readonly [Tensor, Tensor]
  const g = gradients[0] as Tensor
  const product = (left: Tensor, right: Tensor, adj_x: boolean, adj_y: boolean): Tensor =>
    graph.one('BatchMatMulV2', [left, right], { adj_x, adj_y })
  const [flipX, flipY] = [node.attrs['adj_x'] === true, node.attrs['adj_y'] === true]
  const byX = flipX ? product(y, g, flipY, true) : product(g, y, false, !flipY)
  const byY = flipY ? product(g, x, true, flipX) : product(x, g, !flipX, false)
  // The products have the batches of both operands, and the last two dimensions of one.
  return [unbroadcast(graph, byX, x, [byX]), unbroadcast(graph, byY, y, [byY])]
}
