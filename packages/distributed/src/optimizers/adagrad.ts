import { isIndexedSlices } from '../gradients/index.js'
import type { Optimizer, OptimizerOptions } from './optimizer.js'

/** Options of {@link adagrad}. */
export interface AdagradOptions extends OptimizerOptions {
  /** What the sum of squares starts with. Default 0.1. */
  readonly initialAccumulator?: number | undefined
  /** Added to the sum of squares. Default 1e-7. */
  readonly epsilon?: number | undefined
}

/**
 * Adagrad: `a += g²; w -= rate * g / sqrt(a + epsilon)`. The kernel knows no epsilon under the root, so the slot holds `a + epsilon`
 * from the start.
 */
export const adagrad = (options: AdagradOptions): Optimizer => ({
  ...options,
  name: 'Adagrad',
  start: ({ graph, rate, slot }) => (variable, gradient) => {
    const squares = slot(variable, 'Adagrad', (options.initialAccumulator ?? 0.1) + (options.epsilon ?? 1e-7))
    return isIndexedSlices(gradient)
      ? graph.add('ResourceSparseApplyAdagrad', [variable.handle, squares, rate, gradient.values, gradient.indices])
      : graph.add('ResourceApplyAdagrad', [variable.handle, squares, rate, gradient])
  },
})
