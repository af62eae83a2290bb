import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { constantInts, requireRank } from '../shapes.js'

/** The gradient without what was added. */
export const padGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  const [x, paddings] = inputs as readonly [Tensor, Tensor]
  const rank = requireRank(node, x).length
  const known = constantInts(paddings)
  const begin =
    known === undefined
      ? graph.one('Reshape', [graph.one('Slice', [paddings, graph.vector('int32', [0, 0], 'begin'), graph.vector('int32', [rank, 1], 'size')]), graph.vector('int32', [-1], 'shape')])
      : graph.vector(paddings.dtype, known.filter((_, index) => index % 2 === 0), 'begin')
  const size = graph.one('Shape', [x], { out_type: paddings.dtype as 'int32' | 'int64' })
  return [graph.one('Slice', [gradients[0] as Tensor, begin, size])]
}
