import type { Tensor } from '../../graph/index.js'
import { activate } from './activation.js'
import { dilated } from './dilation.js'
import { findWeight, onlyInput, requireWeight, type LayerContext, type LowerLayer } from './layer-context.js'
import { numbersOf, paddingOf, withChannelsLast } from './windows.js'

/** Adds the layer's bias to the last dimension, where it has one. */
export const addBias = (context: LayerContext, x: Tensor): Tensor => {
  const bias = findWeight(context, 'bias')
  return bias === undefined ? x : context.graph.one('BiasAdd', [x, context.variables.read(bias)])
}

interface Moving {
  readonly strides: readonly number[]
  readonly dilation: readonly number[]
}

const convolve = (context: LayerContext, x: Tensor, filter: Tensor, { strides, dilation }: Moving): Tensor => {
  const { graph, mode } = context
  const padding = paddingOf(context)
  const moved = [1, ...strides, 1]
  const size = (filter.shape as readonly number[]).slice(0, 2)
  // In training there has to be a gradient.
  if (mode === 'training' && dilation.some((rate) => rate > 1)) {
    return dilated(context, x, { size, dilation, padding }, (apart) => graph.one('Conv2D', [apart, filter], { strides: moved, padding: 'VALID' }))
  }
  return graph.one('Conv2D', [x, filter], { strides: moved, padding, dilations: [1, ...dilation, 1] })
}

/** `activation(convolution of x with kernel + bias)` over images. */
export const lowerConv2D: LowerLayer = (context, inputs) => {
  const filter = context.variables.read(requireWeight(context, 'kernel'))
  const moving = { strides: numbersOf(context, 'strides', 2, 1), dilation: numbersOf(context, 'dilationRate', 2, 1) }
  const y = withChannelsLast(context, onlyInput(context, inputs), (x) => addBias(context, convolve(context, x, filter, moving)))
  return activate(context, y)
}

/** The same over sequences, which are images of height 1. */
export const lowerConv1D: LowerLayer = (context, inputs) => {
  const { graph, variables } = context
  const filter = variables.read(requireWeight(context, 'kernel'))
  const [stride, rate] = [numbersOf(context, 'strides', 1, 1), numbersOf(context, 'dilationRate', 1, 1)]
  const images = graph.one('ExpandDims', [onlyInput(context, inputs), graph.scalar('int32', 1, 'axis')])
  const filters = graph.one('ExpandDims', [filter, graph.scalar('int32', 0, 'axis')])
  const y = convolve(context, images, filters, { strides: [1, ...stride], dilation: [1, ...rate] })
  return activate(context, addBias(context, graph.one('Squeeze', [y], { squeeze_dims: [1] })))
}
