import type { Tensor } from '../../graph/index.js'
import { findWeight, onlyInput, requireRank, type LowerLayer } from './layer-context.js'

/** `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and variance of each item along the layer's axes. */
export const lowerLayerNormalization: LowerLayer = (context, inputs) => {
  const { graph, layer, variables } = context
  const x = onlyInput(context, inputs)
  const shape = requireRank(context, x)
  const axes = [layer.config['axis'] ?? -1].flat().map((axis) => (Number(axis) < 0 ? Number(axis) + shape.length : Number(axis)))
  const over = graph.vector('int32', axes, 'axes')
  const mean = graph.one('Mean', [x, over], { keep_dims: true })
  const variance = graph.one('Mean', [graph.one('SquaredDifference', [x, mean]), over], { keep_dims: true })
  const epsilon = graph.scalar('float32', Number(layer.config['epsilon'] ?? 1e-3), 'epsilon')
  const normal = graph.one('Mul', [graph.one('Sub', [x, mean]), graph.one('Rsqrt', [graph.one('AddV2', [variance, epsilon])])])

  /** Its dimensions are the axes in the order in which the configuration names them. */
  const spread = (key: string): Tensor | undefined => {
    const weight = findWeight(context, key)
    if (weight === undefined) return undefined
    const value = variables.read(weight)
    if (axes.length === 1 && axes[0] === shape.length - 1) return value
    return graph.one('Reshape', [value, graph.vector('int32', shape.map((_, axis) => weight.shape[axes.indexOf(axis)] ?? 1), 'shape')])
  }
  const [gamma, beta] = [spread('gamma'), spread('beta')]
  const scaled = gamma === undefined ? normal : graph.one('Mul', [normal, gamma])
  return beta === undefined ? scaled : graph.one('AddV2', [scaled, beta])
}
