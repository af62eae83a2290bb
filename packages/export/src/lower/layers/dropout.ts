import { onlyInput, refuseLayer, type LowerLayer } from './layer-context.js'

/**
 * Nothing in serving. In training, elements are set to 0 with probability `rate` and the others scaled by `1 / (1 - rate)`
 * (`tf.nn.dropout`); the random numbers follow the seed, and differ from step to step.
 */
export const lowerDropout: LowerLayer = (context, inputs) => {
  const { graph, layer, mode } = context
  const x = onlyInput(context, inputs)
  const rate = Number(layer.config['rate'])
  if (mode === 'serving' || rate === 0) return x
  if (layer.config['noiseShape'] !== undefined && layer.config['noiseShape'] !== null) return refuseLayer(context, 'a noiseShape cannot be lowered for training')
  const seed = typeof layer.config['seed'] === 'number' ? layer.config['seed'] : 0
  const random = graph.one('RandomUniform', [graph.one('Shape', [x])], { dtype: 'float32', seed, seed2: context.nextSeed() })
  const keep = graph.one('GreaterEqual', [random, graph.scalar('float32', rate, 'rate')])
  const scaled = graph.one('Mul', [x, graph.scalar('float32', 1 / (1 - rate), 'scale')])
  return graph.one('SelectV2', [keep, scaled, graph.one('ZerosLike', [x])])
}
