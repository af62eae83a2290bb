import { tensorValue, type Tensor } from '../../graph/index.js'
import { refuseLayer, requireRank, type LayerContext } from './layer-context.js'

/** A window whose elements lie apart. */
export interface DilatedWindow {
  /** Height and width of the filter. */
  readonly size: readonly number[]
  readonly dilation: readonly number[]
  readonly padding: 'SAME' | 'VALID'
}

/**
 * Moves a dilated window over images by moving a dense one over each of the interleaved images that they consist of: TensorFlow's CPU
 * kernels know no gradient of a dilated convolution, and those of depthwise convolutions no dilation
 * (`with_space_to_batch` of `nn_ops.py`).
 *
 * @param body - moves the dense window, without padding
 */
export const dilated = (context: LayerContext, x: Tensor, { size, dilation, padding }: DilatedWindow, body: (x: Tensor) => Tensor): Tensor => {
  const { graph } = context
  const [, ...sizes] = requireRank(context, x).slice(0, 3)
  const pairs = sizes.map((dim, axis): readonly [number, number, number] => {
    if (dim === null) return refuseLayer(context, 'the height and width of its input have to be known where it is dilated')
    const rate = dilation[axis] as number
    const around = padding === 'SAME' ? ((size[axis] as number) - 1) * rate : 0
    const before = Math.floor(around / 2)
    const missing = (rate - ((dim + around) % rate)) % rate
    return [before, around - before + missing, missing]
  })
  const blocks = graph.vector('int32', dilation, 'block_shape')
  const pairwise = (values: readonly (readonly [number, number])[], name: string): Tensor => graph.constant(tensorValue('int32', [values.length, 2], values.flat()), name)
  const apart = graph.one('SpaceToBatchND', [x, blocks, pairwise(pairs.map(([before, after]) => [before, after]), 'paddings')])
  return graph.one('BatchToSpaceND', [body(apart), blocks, pairwise(pairs.map(([, , missing]) => [0, missing]), 'crops')])
}
