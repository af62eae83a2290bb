import { tensorValue, type Dim, type Tensor } from '../../graph/index.js'
import { onlyInput, refuseLayer, requireRank, type LayerContext, type LowerLayer } from './layer-context.js'
import { isChannelsFirst, numbersOf, withChannelsLast } from './windows.js'

type Pairs = readonly (readonly [number, number])[]

/** What is added or cut off above and below, left and right, for all four dimensions of images. */
const pairsOf = (context: LayerContext, key: string): Pairs => {
  const [height, width] = context.layer.config[key] as Pairs as readonly [Pairs[number], Pairs[number]]
  const none = [0, 0] as const
  return isChannelsFirst(context) ? [none, none, height, width] : [none, height, width, none]
}

/** Zeros around images. */
export const lowerZeroPadding2D: LowerLayer = (context, inputs) => {
  const paddings = tensorValue('int32', [4, 2], pairsOf(context, 'padding').flat())
  return context.graph.one('Pad', [onlyInput(context, inputs), context.graph.constant(paddings, 'paddings')])
}

/** Images without their edges. */
export const lowerCropping2D: LowerLayer = (context, inputs) => {
  const { graph } = context
  const x = onlyInput(context, inputs)
  const shape = requireRank(context, x)
  const pairs = pairsOf(context, 'cropping')
  const sizes = pairs.map(([before, after], axis) => {
    const dim = shape[axis] as Dim
    if (before + after === 0) return -1
    return dim === null ? refuseLayer(context, 'the height and width of its input have to be known') : dim - before - after
  })
  return graph.one('Slice', [x, graph.vector('int32', pairs.map(([before]) => before), 'begin'), graph.vector('int32', sizes, 'size')])
}

/** Images some times as high and as wide; corners are where TensorFlow.js has them, which is not where Keras has them when `bilinear`. */
export const lowerUpSampling2D: LowerLayer = (context, inputs) => {
  const { graph, layer } = context
  const [down, across] = numbersOf(context, 'size', 2, 2) as [number, number]
  const op = layer.config['interpolation'] === 'bilinear' ? 'ResizeBilinear' : 'ResizeNearestNeighbor'
  return withChannelsLast(context, onlyInput(context, inputs), (x) => graph.one(op, [x, timesSize(context, x, [down, across])]))
}

const timesSize = (context: LayerContext, x: Tensor, times: readonly [number, number]): Tensor => {
  const { graph } = context
  const [height, width] = requireRank(context, x).slice(1, 3)
  if (typeof height === 'number' && typeof width === 'number') return graph.vector('int32', [height * times[0], width * times[1]], 'size')
  const bounds = [[1], [3], [1]].map((bound) => graph.vector('int32', bound, 'bound'))
  return graph.one('Mul', [graph.one('StridedSlice', [graph.one('Shape', [x]), ...bounds]), graph.vector('int32', times, 'times')])
}

/** `x * scale + offset` */
export const lowerRescaling: LowerLayer = (context, inputs) => {
  const { graph, layer } = context
  const given = onlyInput(context, inputs)
  const x = given.dtype === 'float32' ? given : graph.one('Cast', [given], { DstT: 'float32' })
  const scaled = graph.one('Mul', [x, graph.scalar('float32', Number(layer.config['scale']), 'scale')])
  return graph.one('AddV2', [scaled, graph.scalar('float32', Number(layer.config['offset'] ?? 0), 'offset')])
}
