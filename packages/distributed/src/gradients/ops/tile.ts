import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { constantInts, requireRank } from '../shapes.js'

/** The sum over the copies: each dimension becomes two, copies and their length, and the first of each pair is summed. */
export const tileGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  const [x, multiples] = inputs as readonly [Tensor, Tensor]
  const shape = requireRank(node, x)
  const known = constantInts(multiples)
  const axes = graph.vector('int32', shape.map((_, axis) => axis * 2), 'axes')
  const pairs = (): Tensor => {
    if (known !== undefined && shape.filter((dim) => dim === null).length <= 1) {
      return graph.vector('int32', shape.flatMap((dim, axis) => [known[axis] as number, dim ?? -1]), 'shape')
    }
    const both = graph.one('Pack', [[multiples, graph.one('Shape', [x], { out_type: multiples.dtype as 'int32' | 'int64' })]], { axis: 1 })
    return graph.one('Reshape', [both, graph.vector('int32', [-1], 'shape')])
  }
  return [graph.one('Sum', [graph.one('Reshape', [gradients[0] as Tensor, pairs()]), axes])]
}
