import type { Tensor } from '../../graph/index.js'
import type { WeightDescription } from '../describe-model.js'
import { findWeight, onlyInput, requireRank, requireWeight, type LayerContext, type LowerLayer } from './layer-context.js'

/**
 * `(x - mean) / sqrt(variance + epsilon) * gamma + beta` along one axis. In serving the mean and variance are the moving ones; in
 * training they are those of the batch (population variance, as TensorFlow.js takes it), and the moving ones follow with
 * `momentum`: two updates a call.
 */
export const lowerBatchNormalization: LowerLayer = (context, inputs) => {
  const { graph, layer, mode } = context
  const x = onlyInput(context, inputs)
  const shape = requireRank(context, x)
  const given = Number(layer.config['axis'] ?? -1)
  const axis = given < 0 ? given + shape.length : given
  const movingMean = requireWeight(context, 'moving_mean')
  const movingVariance = requireWeight(context, 'moving_variance')
  const width = movingMean.shape[0] as number

  const spread = (vector: Tensor): Tensor =>
    axis === shape.length - 1
      ? vector
      : graph.one('Reshape', [vector, graph.vector('int32', shape.map((_, index) => (index === axis ? width : 1)), 'shape')])
  const read = (weight: WeightDescription | undefined): Tensor | undefined =>
    weight === undefined ? undefined : spread(context.variables.read(weight))

  let mean: Tensor
  let variance: Tensor
  if (mode === 'training') {
    const axes = graph.vector('int32', shape.flatMap((_, index) => (index === axis ? [] : [index])), 'axes')
    const kept = graph.one('Mean', [x, axes], { keep_dims: true })
    const flatMean = graph.one('Reshape', [kept, graph.vector('int32', [width], 'width')])
    const flatVariance = graph.one('Mean', [graph.one('SquaredDifference', [x, kept]), axes])
    track(context, movingMean, flatMean)
    track(context, movingVariance, flatVariance)
    mean = spread(flatMean)
    variance = spread(flatVariance)
  } else {
    mean = spread(context.variables.read(movingMean))
    variance = spread(context.variables.read(movingVariance))
  }

  const gamma = read(findWeight(context, 'gamma'))
  const beta = read(findWeight(context, 'beta'))
  const epsilon = graph.scalar('float32', Number(layer.config['epsilon'] ?? 1e-3), 'epsilon')
  const inverse = graph.one('Rsqrt', [graph.one('AddV2', [variance, epsilon])])
  const scale = gamma === undefined ? inverse : graph.one('Mul', [inverse, gamma])
  const scaled = graph.one('Mul', [graph.one('Sub', [x, mean]), scale])
  return beta === undefined ? scaled : graph.one('AddV2', [scaled, beta])
}

/** `moving -= (moving - batch) * (1 - momentum)` */
const track = (context: LayerContext, moving: WeightDescription, batch: Tensor): void => {
  const { graph, layer, variables, updates } = context
  const decay = graph.scalar('float32', 1 - Number(layer.config['momentum'] ?? 0.99), 'decay')
  const delta = graph.one('Mul', [graph.one('Sub', [variables.read(moving), batch]), decay])
  updates.push(variables.subtract(moving, delta))
}
