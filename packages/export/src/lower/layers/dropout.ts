import type { Tensor } from '../../graph/index.js'
import { batchShape } from './batch-shape.js'
import { onlyInput, refuseLayer, requireRank, type LayerContext, type LowerLayer } from './layer-context.js'

/**
 * Sets elements to 0 with probability `rate` and scales the others by `1 / (1 - rate)` (`tf.nn.dropout`); the random numbers follow
 * the seed, and differ from step to step.
 *
 * @param noise - the shape of what is drawn, which is broadcast. Default: that of `x`
 */
export const dropped = (context: LayerContext, x: Tensor, rate: number, noise?: Tensor): Tensor => {
  const { graph, layer } = context
  const seed = typeof layer.config['seed'] === 'number' ? layer.config['seed'] : 0
  const random = graph.one('RandomUniform', [noise ?? graph.one('Shape', [x])], { dtype: 'float32', seed, seed2: context.nextSeed() })
  const keep = graph.one('GreaterEqual', [random, graph.scalar('float32', rate, 'rate')])
  const scaled = graph.one('Mul', [x, graph.scalar('float32', 1 / (1 - rate), 'scale')])
  return graph.one('SelectV2', [keep, scaled, graph.one('ZerosLike', [x])])
}

const inTraining = (noise: (context: LayerContext, x: Tensor) => Tensor | undefined): LowerLayer => (context, inputs) => {
  const { layer, mode } = context
  const x = onlyInput(context, inputs)
  const rate = Number(layer.config['rate'])
  if (mode === 'serving' || rate <= 0 || rate >= 1) return x
  if (layer.config['noiseShape'] !== undefined && layer.config['noiseShape'] !== null) return refuseLayer(context, 'a noiseShape cannot be lowered for training')
  return dropped(context, x, rate, noise(context, x))
}

/** Nothing in serving, and with a rate of 0 or 1, as TensorFlow.js has it. */
export const lowerDropout = inTraining(() => undefined)

/** Drops whole channels of sequences, in training. */
export const lowerSpatialDropout1D = inTraining((context, x) => {
  const channels = requireRank(context, x)[2]
  if (typeof channels !== 'number') return refuseLayer(context, 'the number of channels has to be known')
  return batchShape(context, x, [1, channels])
})
