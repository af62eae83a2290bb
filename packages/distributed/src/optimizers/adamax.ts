import type { Tensor } from '@millrace/export'
import { isIndexedSlices } from '../gradients/index.js'
import type { Optimizer, OptimizerOptions } from './optimizer.js'
import { touched } from './touched.js'

/** Options of {@link adamax}. */
export interface AdamaxOptions extends OptimizerOptions {
  /** The part of the mean gradient that is kept. Default 0.9. */
  readonly beta1?: number | undefined
  /** The part of the largest size that is kept. Default 0.999. */
  readonly beta2?: number | undefined
  /** Added to the largest size. Default 1e-7. */
  readonly epsilon?: number | undefined
  /** The learning rate of step `n`, counted from 0, is divided by `1 + decay * n`. Default 0. */
  readonly decay?: number | undefined
}

/**
 * Adamax: `w -= rate / (1 - beta1 ^ count) * m / (v + epsilon)`, where `m` is the mean gradient, and `v` the largest size of a gradient so
 * far, fading by `beta2` (ResourceApplyAdaMax; looked up rows alone, for which there is no kernel, by the same arithmetic).
 */
export const adamax = (options: AdamaxOptions): Optimizer => ({
  ...options,
  name: 'Adamax',
  start: ({ graph, rate: given, count, slot }) => {
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, decay = 0 } = options
    const number = (value: number): Tensor => graph.scalar('float32', value)
    const faded = (): Tensor => {
      const before = graph.one('Sub', [count, number(1)])
      return graph.one('RealDiv', [given, graph.one('AddV2', [graph.one('Mul', [before, number(decay)]), number(1)])])
    }
    const rate = decay === 0 ? given : faded()
    const power = graph.one('Pow', [number(beta1), count])
    return (variable, gradient) => {
      const [mean, largest] = [slot(variable, 'Adamax'), slot(variable, 'Adamax_1')]
      if (!isIndexedSlices(gradient)) {
        return graph.add('ResourceApplyAdaMax', [variable.handle, mean, largest, power, rate, number(beta1), number(beta2), number(epsilon), gradient])
      }
      const on = touched(graph, gradient)
      const kept = graph.one('Mul', [on.read(mean), number(beta1)])
      const moved = graph.one('AddV2', [kept, graph.one('Mul', [on.gradient, number(1 - beta1)])])
      const size = graph.one('Maximum', [graph.one('Mul', [on.read(largest), number(beta2)]), graph.one('Abs', [on.gradient])])
      const written = [on.write(mean, moved), on.write(largest, size)]
      const step = graph.one('RealDiv', [rate, graph.one('Sub', [number(1), power])])
      return on.subtract(variable.handle, graph.one('Mul', [step, graph.one('RealDiv', [moved, graph.one('AddV2', [size, number(epsilon)])])]), written)
    }
  },
})
