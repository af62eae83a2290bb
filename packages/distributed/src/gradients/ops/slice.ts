import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import { requireRank } from '../shapes.js'

/** The gradient with zeros around it. */
export const sliceGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  const [x, begin] = inputs as readonly [Tensor, Tensor]
  const rank = requireRank(node, x).length
  const out_type = begin.dtype as 'int32' | 'int64'
  const whole = graph.one('Shape', [x], { out_type })
  const part = graph.one('Shape', [node.outputs[0] as Tensor], { out_type })
  const after = graph.one('Sub', [graph.one('Sub', [whole, part]), begin])
  const column = graph.vector('int32', [rank, 1], 'shape')
  const paddings = [begin, after].map((counts) => graph.one('Reshape', [counts, column]))
  return [graph.one('Pad', [gradients[0] as Tensor, graph.one('ConcatV2', [paddings, graph.scalar('int32', 1, 'axis')])])]
}
