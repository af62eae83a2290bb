import { isIndexedSlices } from '../gradients/index.js'
import type { Optimizer, OptimizerOptions } from './optimizer.js'

/** Plain gradient descent: `w -= rate * g`. */
export const sgd = (options: OptimizerOptions): Optimizer => ({
  ...options,
  name: 'SGD',
  start: ({ graph, rate }) => ({ handle }, gradient) =>
    isIndexedSlices(gradient)
      ? graph.add('ResourceScatterSub', [handle, gradient.indices, graph.one('Mul', [gradient.values, rate])])
      : graph.add('ResourceApplyGradientDescent', [handle, rate, gradient]),
})
