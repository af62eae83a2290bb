import type { Tensor } from '../../graph/index.js'
import { onlyInput, type LayerContext, type LowerLayer } from './layer-context.js'
import { isChannelsFirst, numbersOf, paddingOf, withChannelsLast } from './windows.js'

type Pool = 'MaxPool' | 'AvgPool'

const pool = (context: LayerContext, op: Pool, x: Tensor, size: readonly number[], strides: readonly number[]): Tensor =>
  context.graph.one(op, [x], { ksize: [1, ...size, 1], strides: [1, ...strides, 1], padding: paddingOf(context) })

const pool2D = (op: Pool): LowerLayer => (context, inputs) => {
  const [size, strides] = [numbersOf(context, 'poolSize', 2, 2), numbersOf(context, 'strides', 2)]
  return withChannelsLast(context, onlyInput(context, inputs), (x) => pool(context, op, x, size, strides))
}

/** A sequence is an image of width 1. */
const pool1D = (op: Pool): LowerLayer => (context, inputs) => {
  const { graph } = context
  const [size, strides] = [numbersOf(context, 'poolSize', 1, 2), numbersOf(context, 'strides', 1)]
  const images = graph.one('ExpandDims', [onlyInput(context, inputs), graph.scalar('int32', 2, 'axis')])
  return graph.one('Squeeze', [pool(context, op, images, [...size, 1], [...strides, 1])], { squeeze_dims: [2] })
}

const poolAll = (op: 'Max' | 'Mean', axes: (isFirst: boolean) => readonly number[]): LowerLayer => (context, inputs) =>
  context.graph.one(op, [onlyInput(context, inputs), context.graph.vector('int32', axes(isChannelsFirst(context)), 'axes')])

const steps = (): readonly number[] => [1]
const places = (isFirst: boolean): readonly number[] => (isFirst ? [2, 3] : [1, 2])

/** The largest in each window, or its mean; of all steps or places, or of windows that move over them. */
export const poolingLayers = {
  AveragePooling1D: pool1D('AvgPool'),
  AveragePooling2D: pool2D('AvgPool'),
  GlobalAveragePooling1D: poolAll('Mean', steps),
  GlobalAveragePooling2D: poolAll('Mean', places),
  GlobalMaxPooling1D: poolAll('Max', steps),
  GlobalMaxPooling2D: poolAll('Max', places),
  MaxPooling1D: pool1D('MaxPool'),
  MaxPooling2D: pool2D('MaxPool'),
} as const satisfies Readonly<Record<string, LowerLayer>>
