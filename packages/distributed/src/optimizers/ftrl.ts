import type { Tensor } from '@millrace/export'
import { isIndexedSlices } from '../gradients/index.js'
import type { Optimizer, OptimizerOptions } from './optimizer.js'

/** Options of {@link ftrl}. */
export interface FtrlOptions extends OptimizerOptions {
  /** Strength of the pull to 0 that makes weights exactly 0. Default 0. */
  readonly l1?: number | undefined
  /** Default 0. */
  readonly l2?: number | undefined
  /** A pull to small weights that counts in the gradient alone. Default 0. */
  readonly l2Shrinkage?: number | undefined
  /** How the learning rate falls with the sum of squares; at most 0. Default -0.5. */
  readonly learningRatePower?: number | undefined
  /** What the sum of squares starts with. Default 0.1. */
  readonly initialAccumulator?: number | undefined
}

/** Follow the regularised leader, as `tf.compat.v1.train.FtrlOptimizer` has it (McMahan et al., 2013; ResourceApplyFtrlV2). */
export const ftrl = (options: FtrlOptions): Optimizer => ({
  ...options,
  name: 'Ftrl',
  start: ({ graph, rate, slot }) => (variable, gradient) => {
    const state = [variable.handle, slot(variable, 'Ftrl', options.initialAccumulator ?? 0.1), slot(variable, 'Ftrl_1')] as const
    const { l1 = 0, l2 = 0, l2Shrinkage = 0, learningRatePower = -0.5 } = options
    const [first, ...others] = [l1, l2, l2Shrinkage, learningRatePower].map((value): Tensor => graph.scalar('float32', value)) as [Tensor, ...Tensor[]]
    return isIndexedSlices(gradient)
      ? graph.add('ResourceSparseApplyFtrlV2', [...state, gradient.values, gradient.indices, rate, first, ...others])
      : graph.add('ResourceApplyFtrlV2', [...state, gradient, rate, first, ...others])
  },
})
