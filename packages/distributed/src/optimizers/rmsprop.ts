import { isIndexedSlices } from '../gradients/index.js'
import type { Optimizer, OptimizerOptions } from './optimizer.js'

/** Options of {@link rmsprop}. */
export interface RMSPropOptions extends OptimizerOptions {
  /** The part of the mean square that is kept. Default 0.9. */
  readonly decay?: number | undefined
  /** Default 0. */
  readonly momentum?: number | undefined
  /** Added to the mean square. Default 1e-7. */
  readonly epsilon?: number | undefined
  /** Divides by the deviation instead of the mean square: the mean gradient is kept, too. Default false. */
  readonly centered?: boolean | undefined
}

/**
 * RMSProp: `s = decay * s + (1 - decay) * g²; m = momentum * m + rate * g / sqrt(s + epsilon); w -= m`; centered, the root is that of
 * `s - mean² + epsilon`. The mean square starts at 0, as in TensorFlow.js and Keras (TensorFlow 1 started at 1).
 */
export const rmsprop = (options: RMSPropOptions): Optimizer => ({
  ...options,
  name: 'RMSProp',
  start: ({ graph, rate, slot }) => (variable, gradient) => {
    const number = (value: number): ReturnType<typeof graph.scalar> => graph.scalar('float32', value)
    const slots = [slot(variable, 'RMSProp'), slot(variable, 'RMSProp_1')] as const
    const rest = [rate, number(options.decay ?? 0.9), number(options.momentum ?? 0), number(options.epsilon ?? 1e-7)] as const
    const { handle } = variable
    if (options.centered === true) {
      const mean = slot(variable, 'RMSProp_2')
      return isIndexedSlices(gradient)
        ? graph.add('ResourceSparseApplyCenteredRMSProp', [handle, mean, ...slots, ...rest, gradient.values, gradient.indices])
        : graph.add('ResourceApplyCenteredRMSProp', [handle, mean, ...slots, ...rest, gradient])
    }
    return isIndexedSlices(gradient)
      ? graph.add('ResourceSparseApplyRMSProp', [handle, ...slots, ...rest, gradient.values, gradient.indices])
      : graph.add('ResourceApplyRMSProp', [handle, ...slots, ...rest, gradient])
  },
})
