import type { Tensor } from '../../graph/index.js'
import type { LayerDescription } from '../describe-model.js'
import { refuseLayer, type LayerContext, type LowerLayer } from './layer-context.js'
import { lowerRecurrent } from './recurrent.js'

interface InnerConfig {
  readonly className: string
  readonly config: Readonly<Record<string, unknown>>
}

/** The layer inside of a wrapper, with some of the wrapper's variables. */
export const innerLayer = ({ layer }: LayerContext, weights: LayerDescription['weights'], more: object = {}): LayerDescription => {
  const { className, config } = layer.config['layer'] as InnerConfig
  return { name: layer.name, className, config: { ...config, ...more }, weights }
}

/** A recurrent layer forwards and another backwards, their outputs side by side or merged; a state to begin with is half for each. */
export const lowerBidirectional: LowerLayer = (context, inputs) => {
  const { graph, layer, masks } = context
  const { config } = layer.config['layer'] as InnerConfig
  const [x, ...given] = inputs as readonly [Tensor, ...Tensor[]]
  const [half, begin] = [layer.weights.length / 2, given.length / 2]
  const along = (goBackwards: boolean, weights: LayerDescription['weights'], states: readonly Tensor[]): readonly [Tensor, ...Tensor[]] => {
    const made = lowerRecurrent({ ...context, layer: innerLayer(context, weights, { goBackwards }) }, [x, ...states])
    return [made].flat() as unknown as readonly [Tensor, ...Tensor[]]
  }
  const isBackwards = config['goBackwards'] === true
  const [forward, ...forwardStates] = along(isBackwards, layer.weights.slice(0, half), given.slice(0, begin))
  const [turned, ...backwardStates] = along(!isBackwards, layer.weights.slice(half), given.slice(begin))
  const isWhole = config['returnSequences'] === true
  const backward = isWhole ? graph.one('ReverseV2', [turned, graph.vector('int32', [1], 'axis')]) : turned
  const merged = merge(context, forward, backward)
  const mask = masks.get(x)
  if (isWhole && mask !== undefined) for (const output of merged) masks.set(output, mask)
  return [...merged, ...forwardStates, ...backwardStates]
}

const merge = (context: LayerContext, x: Tensor, y: Tensor): readonly Tensor[] => {
  const { graph, layer } = context
  const mode = layer.config['mergeMode']
  switch (mode) {
    case null:
      return [x, y]
    case undefined:
    case 'concat':
      return [graph.one('ConcatV2', [[x, y], graph.scalar('int32', -1, 'axis')])]
    case 'sum':
      return [graph.one('AddV2', [x, y])]
    case 'ave':
      return [graph.one('Mul', [graph.one('AddV2', [x, y]), graph.scalar('float32', 0.5)])]
    case 'mul':
      return [graph.one('Mul', [x, y])]
    default:
      return refuseLayer(context, `the mergeMode ${JSON.stringify(mode)} cannot be exported`)
  }
}
