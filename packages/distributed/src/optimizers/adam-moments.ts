import type { GraphNode, LoweredVariable, Tensor } from '@millrace/export'
import type { IndexedSlices } from '../gradients/index.js'
import type { AdamOptions } from './adam.js'
import type { OptimizerStep } from './optimizer.js'
import { touched } from './touched.js'

/** What all variables of one step of Adam share. */
export interface AdamMoments {
  readonly step: OptimizerStep
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** `beta1 ^ count`, `beta2 ^ count` */
  readonly power1: Tensor
  readonly power2: Tensor
  /** `sqrt(1 - power2)` */
  readonly root: Tensor
}

/** Adds the powers of a step. */
export const adamMoments = (step: OptimizerStep, { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }: AdamOptions): AdamMoments => {
  const { graph, count } = step
  const power = (beta: number): Tensor => graph.one('Pow', [graph.scalar('float32', beta), count])
  const [power1, power2] = [power(beta1), power(beta2)]
  const root = graph.one('Sqrt', [graph.one('Sub', [graph.scalar('float32', 1), power2])])
  return { step, beta1, beta2, epsilon, power1, power2, root }
}

const slots = ({ step }: AdamMoments, variable: LoweredVariable): [Tensor, Tensor] => [step.slot(variable, 'Adam'), step.slot(variable, 'Adam_1')]

/** The kernel's update. It adds epsilon before the correction, so it is given one that is corrected. */
export const denseAdam = (moments: AdamMoments, variable: LoweredVariable, gradient: Tensor, before: readonly GraphNode[] = []): GraphNode => {
  const { graph, rate } = moments.step
  const number = (value: number): Tensor => graph.scalar('float32', value)
  const epsilon = graph.one('Mul', [moments.root, number(moments.epsilon)])
  return graph.add(
    'ResourceApplyAdam',
    [
      variable.handle, ...slots(moments, variable), moments.power1, moments.power2, rate, number(moments.beta1), number(moments.beta2), epsilon, gradient,
    ],
    {},
    { control: before },
  )
}

/**
 * The update of looked up rows alone, for which TensorFlow has no kernel: moments of the rows are read, moved and written back.
 *
 * @param decay - the part of each row that is taken from it, a scalar. Default: nothing
 */
export const sparseAdam = (moments: AdamMoments, variable: LoweredVariable, slices: IndexedSlices, decay?: Tensor): GraphNode => {
  const { step: { graph, rate }, beta1, beta2 } = moments
  const number = (value: number): Tensor => graph.scalar('float32', value)
  const rows = touched(graph, slices)
  const written: GraphNode[] = []
  /** Moves a moment towards a value: `beta * moment + (1 - beta) * value`. */
  const move = (moment: Tensor, beta: number, value: Tensor): Tensor => {
    const kept = graph.one('Mul', [rows.read(moment), number(beta)])
    const moved = graph.one('AddV2', [kept, graph.one('Mul', [value, number(1 - beta)])])
    written.push(rows.write(moment, moved))
    return moved
  }
  const [first, second] = slots(moments, variable)
  const mean = graph.one('RealDiv', [move(first, beta1, rows.gradient), graph.one('Sub', [number(1), moments.power1])])
  const root = graph.one('RealDiv', [graph.one('Sqrt', [move(second, beta2, graph.one('Square', [rows.gradient]))]), moments.root])
  let change = graph.one('RealDiv', [graph.one('Mul', [mean, rate]), graph.one('AddV2', [root, number(moments.epsilon)])])
  if (decay !== undefined) change = graph.one('AddV2', [change, graph.one('Mul', [rows.read(variable.handle), decay])])
  return rows.subtract(variable.handle, change, written)
}
