import type { Tensor } from '../../graph/index.js'
import { activate } from './activation.js'
import { addBias } from './convolution.js'
import { dilated } from './dilation.js'
import { onlyInput, refuseLayer, requireWeight, type LayerContext, type LowerLayer } from './layer-context.js'
import { isChannelsFirst, numbersOf, paddingOf, withChannelsLast } from './windows.js'

/** Each channel with a filter of its own. TensorFlow's kernel moves it as far down as across. */
const depthwise = (context: LayerContext, x: Tensor, filter: Tensor, dilation: readonly number[]): Tensor => {
  const { graph } = context
  const given = numbersOf(context, 'strides', 2, 1)
  const padding = paddingOf(context)
  if (given[0] !== given[1]) return refuseLayer(context, `strides of ${given.join(' and ')} differ, for which TensorFlow has no kernel`)
  const strides = [1, ...given, 1]
  if (!dilation.some((rate) => rate > 1)) return graph.one('DepthwiseConv2dNative', [x, filter], { strides, padding })
  const size = (filter.shape as readonly number[]).slice(0, 2)
  return dilated(context, x, { size, dilation, padding }, (apart) => graph.one('DepthwiseConv2dNative', [apart, filter], { strides, padding: 'VALID' }))
}

/** `activation(depthwise convolution of x + bias)`. TensorFlow.js leaves its dilation out, so one other than 1 is refused. */
export const lowerDepthwiseConv2D: LowerLayer = (context, inputs) => {
  const filter = context.variables.read(requireWeight(context, 'depthwise_kernel'))
  if (numbersOf(context, 'dilationRate', 2, 1).some((rate) => rate > 1)) {
    return refuseLayer(context, 'TensorFlow.js leaves its dilationRate out, TensorFlow does not', 'Set dilationRate to 1 for what TensorFlow.js computes.')
  }
  return activate(context, withChannelsLast(context, onlyInput(context, inputs), (x) => addBias(context, depthwise(context, x, filter, [1, 1]))))
}

/** A depthwise convolution, then one of single points that mixes the channels. */
export const lowerSeparableConv2D: LowerLayer = (context, inputs) => {
  const { graph, variables } = context
  // TensorFlow.js adds the bias along the wrong dimension there.
  if (isChannelsFirst(context)) return refuseLayer(context, 'channelsFirst cannot be exported')
  const filters = ['depthwise_kernel', 'pointwise_kernel'].map((key) => variables.read(requireWeight(context, key)))
  const [own, mixing] = filters as [Tensor, Tensor]
  const channels = depthwise(context, onlyInput(context, inputs), own, numbersOf(context, 'dilationRate', 2, 1))
  return activate(context, addBias(context, graph.one('Conv2D', [channels, mixing], { strides: [1, 1, 1, 1], padding: 'VALID' })))
}
