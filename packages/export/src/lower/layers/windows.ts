import type { Tensor } from '../../graph/index.js'
import { refuseLayer, requireRank, type LayerContext } from './layer-context.js'

/** Numbers of a configuration, one for each dimension; a single number counts for all. */
export const numbersOf = (context: LayerContext, key: string, count: number, standard?: number): readonly number[] => {
  const given = context.layer.config[key] ?? standard
  const list = Array.isArray(given) && given.length === 1 ? (given[0] as unknown) : given
  const numbers = (Array.isArray(list) ? list : Array.from({ length: count }, () => list)) as readonly unknown[]
  if (numbers.length !== count || !numbers.every((one) => Number.isInteger(one) && (one as number) > 0)) {
    return refuseLayer(context, `${key} is ${JSON.stringify(given)}, not ${count} whole numbers`)
  }
  return numbers as readonly number[]
}

/** What TensorFlow calls the layer's padding. */
export const paddingOf = (context: LayerContext): 'SAME' | 'VALID' => {
  const padding = context.layer.config['padding'] ?? 'valid'
  if (padding === 'same') return 'SAME'
  return padding === 'valid' ? 'VALID' : refuseLayer(context, `the padding ${JSON.stringify(padding)} cannot be exported`, 'Use same or valid.')
}

export const isChannelsFirst = ({ layer }: LayerContext): boolean => layer.config['dataFormat'] === 'channelsFirst'

/** Runs `body` on what has its channels last, as TensorFlow's kernels for CPUs want it, and puts them back where the layer has them. */
export const withChannelsLast = (context: LayerContext, x: Tensor, body: (x: Tensor) => Tensor): Tensor => {
  if (!isChannelsFirst(context)) return body(x)
  const { graph } = context
  const middle = requireRank(context, x).slice(2).map((_, index) => index)
  const toLast = graph.vector('int32', [0, ...middle.map((index) => index + 2), 1], 'perm')
  const toFirst = graph.vector('int32', [0, middle.length + 1, ...middle.map((index) => index + 1)], 'perm')
  return graph.one('Transpose', [body(graph.one('Transpose', [x, toLast])), toFirst])
}
