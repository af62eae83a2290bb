import { isIndexedSlices } from '../gradients/index.js'
import type { AdamOptions } from './adam.js'
import { adamMoments, denseAdam, sparseAdam } from './adam-moments.js'
import type { Optimizer } from './optimizer.js'

/** Options of {@link adamW}. */
export interface AdamWOptions extends AdamOptions {
  /** The part of each weight that a learning rate of 1 would take from it. Default 0.004. */
  readonly weightDecay?: number | undefined
  /** Whether a variable decays, by its name: `dense/bias`. Default: all do. */
  readonly decays?: ((name: string) => boolean) | undefined
}

/**
 * Adam with decoupled weight decay: each step also takes `rate * weightDecay * w`, which no moment sees. With `sparse: 'lazy'` rows
 * decay when they are looked up.
 */
export const adamW = (options: AdamWOptions): Optimizer => ({
  ...options,
  name: 'AdamW',
  start: (step) => {
    const { graph, rate } = step
    const moments = adamMoments(step, options)
    return (variable, gradient) => {
      const { handle, weight } = variable
      const isDecaying = options.decays?.(weight.name) ?? true
      const decay = isDecaying ? graph.one('Mul', [rate, graph.scalar('float32', options.weightDecay ?? 0.004)]) : undefined
      if (isIndexedSlices(gradient)) return sparseAdam(moments, variable, gradient, decay)
      if (decay === undefined) return denseAdam(moments, variable, gradient)
      // The forward pass has read the variable when there is a gradient, and not before.
      const value = graph.one('ReadVariableOp', [handle], { dtype: 'float32' }, { control: [gradient.node] })
      const decayed = graph.add('AssignSubVariableOp', [handle, graph.one('Mul', [value, decay])])
      return denseAdam(moments, variable, gradient, [decayed])
    }
  },
})
