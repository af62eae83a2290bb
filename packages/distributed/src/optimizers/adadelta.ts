import type { Tensor } from '@millrace/export'
import type { Optimizer, OptimizerOptions } from './optimizer.js'
import { touched } from './touched.js'

/** Options of {@link adadelta}. */
export interface AdadeltaOptions extends OptimizerOptions {
  /** The part of both means that is kept. Default 0.95. */
  readonly rho?: number | undefined
  /** Added to both means, under the roots. Default 1e-7. */
  readonly epsilon?: number | undefined
}

/**
 * Adadelta as TensorFlow.js has it: `u = g * sqrt(d + epsilon) / sqrt(s + epsilon); w -= rate * u`, then `s` moves towards `g²` and `d`
 * towards `u²`. TensorFlow's kernel and Keras move `s` first; with both means at 0, the first step here is `rate * g`.
 */
export const adadelta = (options: AdadeltaOptions): Optimizer => ({
  ...options,
  name: 'Adadelta',
  start: ({ graph, rate, slot }) => (variable, gradient) => {
    const { rho = 0.95, epsilon = 1e-7 } = options
    const number = (value: number): Tensor => graph.scalar('float32', value)
    const on = touched(graph, gradient)
    const [squares, changes] = [slot(variable, 'Adadelta'), slot(variable, 'Adadelta_1')]
    const root = (x: Tensor): Tensor => graph.one('Sqrt', [graph.one('AddV2', [x, number(epsilon)])])
    const moved = (mean: Tensor, value: Tensor): Tensor =>
      graph.one('AddV2', [graph.one('Mul', [mean, number(rho)]), graph.one('Mul', [graph.one('Square', [value]), number(1 - rho)])])
    const [square, change] = [on.read(squares), on.read(changes)]
    const update = graph.one('Mul', [graph.one('RealDiv', [root(change), root(square)]), on.gradient])
    const written = [on.write(squares, moved(square, on.gradient)), on.write(changes, moved(change, update))]
    return on.subtract(variable.handle, graph.one('Mul', [update, rate]), written)
  },
})
