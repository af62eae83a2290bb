import { isIndexedSlices } from '../gradients/index.js'
import type { Optimizer, OptimizerOptions } from './optimizer.js'

/** Options of {@link momentum}. */
export interface MomentumOptions extends OptimizerOptions {
  /** The part of the last movement that goes on. Default 0.9. */
  readonly momentum?: number | undefined
  /** Looks ahead: the gradient counts as if the movement had gone on already. Default false. */
  readonly nesterov?: boolean | undefined
}

/**
 * Gradient descent with momentum: `m = momentum * m + g; w -= rate * m`, with Nesterov's look-ahead
 * `w -= rate * (g + momentum * m)` (ResourceApplyMomentum). Keras has the learning rate inside of `m`, which differs when it changes.
 */
export const momentum = (options: MomentumOptions): Optimizer => ({
  ...options,
  name: 'Momentum',
  start: ({ graph, rate, slot }) => (variable, gradient) => {
    const moved = slot(variable, 'Momentum')
    const part = graph.scalar('float32', options.momentum ?? 0.9, 'momentum')
    const attrs = { use_nesterov: options.nesterov ?? false }
    return isIndexedSlices(gradient)
      ? graph.add('ResourceSparseApplyMomentum', [variable.handle, moved, rate, gradient.values, gradient.indices, part], attrs)
      : graph.add('ResourceApplyMomentum', [variable.handle, moved, rate, gradient, part], attrs)
  },
})
