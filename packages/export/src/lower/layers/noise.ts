import type { Tensor } from '../../graph/index.js'
import { onlyInput, type LayerContext, type LowerLayer } from './layer-context.js'

/** Numbers of a normal distribution around 0, in the shape of `x`; others in each step. */
const normal = (context: LayerContext, x: Tensor, deviation: number): Tensor => {
  const { graph } = context
  const drawn = graph.one('RandomStandardNormal', [graph.one('Shape', [x])], { dtype: 'float32', seed: 0, seed2: context.nextSeed() })
  return graph.one('Mul', [drawn, graph.scalar('float32', deviation, 'stddev')])
}

/** Nothing in serving, and with a rate of 0 or 1. */
const inTraining = (noise: (context: LayerContext, x: Tensor) => Tensor): LowerLayer => (context, inputs) => {
  const x = onlyInput(context, inputs)
  const { rate } = context.layer.config
  const isOff = typeof rate === 'number' && (rate <= 0 || rate >= 1)
  return context.mode === 'serving' || isOff ? x : noise(context, x)
}

/** `x + noise` */
export const lowerGaussianNoise = inTraining((context, x) =>
  context.graph.one('AddV2', [x, normal(context, x, Number(context.layer.config['stddev']))]),
)

/** `x (1 + noise)`, whose deviation is that of a dropout of the same rate. */
export const lowerGaussianDropout = inTraining((context, x) => {
  const { graph, layer } = context
  const rate = Number(layer.config['rate'])
  const factor = graph.one('AddV2', [normal(context, x, Math.sqrt(rate / (1 - rate))), graph.scalar('float32', 1)])
  return graph.one('Mul', [x, factor])
})

/** What is dropped takes the value that selu never falls below; then all is moved so that mean and variance stay (Klambauer et al., 2017). */
export const lowerAlphaDropout = inTraining((context, x) => {
  const { graph, layer } = context
  const number = (value: number): Tensor => graph.scalar('float32', value)
  const rate = Number(layer.config['rate'])
  const least = -1.6732632423543772 * 1.0507009873554805
  const scale = 1 / Math.sqrt((1 - rate) * (1 + rate * least ** 2))
  const random = graph.one('RandomUniform', [graph.one('Shape', [x])], { dtype: 'float32', seed: 0, seed2: context.nextSeed() })
  const kept = graph.one('SelectV2', [graph.one('GreaterEqual', [random, number(rate)]), x, number(least)])
  return graph.one('AddV2', [graph.one('Mul', [kept, number(scale)]), number(-scale * least * rate)])
})
