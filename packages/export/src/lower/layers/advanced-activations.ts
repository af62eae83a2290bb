import { onlyInput, refuseLayer, requireRank, requireWeight, type LowerLayer } from './layer-context.js'

/** `max(x, 0)`, at most `maxValue` where that is given. */
export const lowerReLU: LowerLayer = (context, inputs) => {
  const { graph, layer } = context
  const y = graph.one('Relu', [onlyInput(context, inputs)])
  const { maxValue } = layer.config
  return typeof maxValue === 'number' ? graph.one('Minimum', [y, graph.scalar('float32', maxValue)]) : y
}

/** `x` where it is positive, else `alpha x`. */
export const lowerLeakyReLU: LowerLayer = (context, inputs) =>
  context.graph.one('LeakyRelu', [onlyInput(context, inputs)], { alpha: Number(context.layer.config['alpha'] ?? 0.3) })

/** `x` where it is positive, else `alpha x` with a learned alpha for each unit. */
export const lowerPReLU: LowerLayer = (context, inputs) => {
  const { graph, variables } = context
  const x = onlyInput(context, inputs)
  const negative = graph.one('Minimum', [x, graph.scalar('float32', 0)])
  return graph.one('AddV2', [graph.one('Relu', [x]), graph.one('Mul', [negative, variables.read(requireWeight(context, 'alpha'))])])
}

/** `x` where it is positive, else `exp(x) - 1`. TensorFlow.js knows no other alpha. */
export const lowerELU: LowerLayer = (context, inputs) => context.graph.one('Elu', [onlyInput(context, inputs)])

/** `x` above `theta`, else 0. */
export const lowerThresholdedReLU: LowerLayer = (context, inputs) => {
  const { graph, layer } = context
  const x = onlyInput(context, inputs)
  const above = graph.one('Greater', [x, graph.scalar('float32', Number(layer.config['theta'] ?? 1))])
  return graph.one('Mul', [x, graph.one('Cast', [above], { DstT: 'float32' })])
}

/** Softmax over the last dimension. */
export const lowerSoftmax: LowerLayer = (context, inputs) => {
  const x = onlyInput(context, inputs)
  if (context.masked) return refuseLayer(context, 'TensorFlow.js would give it the mask of another layer')
  const rank = requireRank(context, x).length
  const given = context.layer.config['axis']
  const axis = Array.isArray(given) && given.length === 1 ? (given[0] as unknown) : given
  if (axis !== -1 && axis !== rank - 1) return refuseLayer(context, `softmax over axis ${JSON.stringify(given)} cannot be exported`, 'Use the last axis, -1.')
  return context.graph.one('Softmax', [x])
}
