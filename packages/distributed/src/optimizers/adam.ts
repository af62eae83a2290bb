import { isIndexedSlices } from '../gradients/index.js'
import { adamMoments, denseAdam, sparseAdam } from './adam-moments.js'
import type { Optimizer, OptimizerOptions } from './optimizer.js'

/** Options of {@link adam}. */
export interface AdamOptions extends OptimizerOptions {
  /** The part of the mean gradient that is kept. Default 0.9. */
  readonly beta1?: number | undefined
  /** The part of the mean square that is kept. Default 0.999. */
  readonly beta2?: number | undefined
  /** Added to the root of the corrected mean square. Default 1e-7. */
  readonly epsilon?: number | undefined
}

/**
 * Adam: `w -= rate * m' / (sqrt(v') + epsilon)`, where `m'` and `v'` are the mean gradient and mean square, corrected for their start
 * at 0, as in the paper and in TensorFlow.js. (TensorFlow's kernel and Keras add epsilon to the root before the correction.) The
 * correction follows the global step.
 */
export const adam = (options: AdamOptions): Optimizer => ({
  ...options,
  name: 'Adam',
  start: (step) => {
    const moments = adamMoments(step, options)
    return (variable, gradient) => (isIndexedSlices(gradient) ? sparseAdam(moments, variable, gradient) : denseAdam(moments, variable, gradient))
  },
})
