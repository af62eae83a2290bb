import type { Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'

const maskNames = ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'] as const

/** The gradient at the places that were taken, zeros elsewhere. */
export const stridedSliceGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  const [x, begin, end, strides] = inputs as readonly [Tensor, Tensor, Tensor, Tensor]
  const shape = graph.one('Shape', [x], { out_type: begin.dtype })
  const masks = Object.fromEntries(maskNames.map((mask) => [mask, Number(node.attrs[mask])]))
  return [graph.one('StridedSliceGrad', [shape, begin, end, strides, gradients[0] as Tensor], masks)]
}
