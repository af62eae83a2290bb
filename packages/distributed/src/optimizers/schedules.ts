import { describeValue, failure } from '@millrace/core'
import type { Graph, Tensor } from '@millrace/export'

/** A learning rate that follows the steps: adds its nodes, from the number of steps done so far (float32 scalar). */
export type Schedule = (graph: Graph, step: Tensor) => Tensor

/** A learning rate, constant or following the steps. */
export type LearningRate = number | Schedule

const number = (graph: Graph, value: number): Tensor => graph.scalar('float32', value)

/** `step / steps`, in whole numbers where the rate falls in stairs. */
const progress = (graph: Graph, step: Tensor, steps: number, staircase: boolean): Tensor => {
  const part = graph.one('RealDiv', [step, number(graph, steps)])
  return staircase ? graph.one('Floor', [part]) : part
}

/** Options of {@link exponentialDecay} and {@link inverseTimeDecay}. */
export interface DecayOptions {
  /** Learning rate of the first step. */
  readonly initial: number
  readonly steps: number
  readonly rate: number
  /** Falls once in `steps` steps instead of in each. Default false. */
  readonly staircase?: boolean | undefined
}

/** `initial * rate ^ (step / steps)` (`tf.compat.v1.train.exponential_decay`). */
export const exponentialDecay =
  ({ initial, steps, rate, staircase = false }: DecayOptions): Schedule =>
  (graph, step) =>
    graph.one('Mul', [number(graph, initial), graph.one('Pow', [number(graph, rate), progress(graph, step, steps, staircase)])])

/** `initial / (1 + rate * step / steps)` (`tf.compat.v1.train.inverse_time_decay`). */
export const inverseTimeDecay =
  ({ initial, steps, rate, staircase = false }: DecayOptions): Schedule =>
  (graph, step) => {
    const grown = graph.one('Mul', [number(graph, rate), progress(graph, step, steps, staircase)])
    return graph.one('RealDiv', [number(graph, initial), graph.one('AddV2', [grown, number(graph, 1)])])
  }

/** Options of {@link polynomialDecay}. */
export interface PolynomialDecayOptions {
  readonly initial: number
  /** Learning rate after `steps` steps, and from then on. Default 0.0001. */
  readonly final?: number | undefined
  readonly steps: number
  /** Default 1: a straight line. */
  readonly power?: number | undefined
}

/** `(initial - final) * (1 - step / steps) ^ power + final` (`tf.compat.v1.train.polynomial_decay`). */
export const polynomialDecay =
  ({ initial, final = 1e-4, steps, power = 1 }: PolynomialDecayOptions): Schedule =>
  (graph, step) => {
    const left = graph.one('Sub', [number(graph, 1), doneOf(graph, step, steps)])
    const fallen = graph.one('Mul', [number(graph, initial - final), graph.one('Pow', [left, number(graph, power)])])
    return graph.one('AddV2', [fallen, number(graph, final)])
  }

/** Options of {@link cosineDecay}. */
export interface CosineDecayOptions {
  readonly initial: number
  readonly steps: number
  /** The part of `initial` that is left at the end. Default 0. */
  readonly alpha?: number | undefined
}

/** Half a cosine from `initial` to `alpha * initial` (`tf.compat.v1.train.cosine_decay`). */
export const cosineDecay =
  ({ initial, steps, alpha = 0 }: CosineDecayOptions): Schedule =>
  (graph, step) => {
    const wave = graph.one('Cos', [graph.one('Mul', [doneOf(graph, step, steps), number(graph, Math.PI)])])
    const half = graph.one('Mul', [graph.one('AddV2', [wave, number(graph, 1)]), number(graph, 0.5 * (1 - alpha) * initial)])
    return graph.one('AddV2', [half, number(graph, alpha * initial)])
  }

/** How much of `steps` is done, at most 1. */
const doneOf = (graph: Graph, step: Tensor, steps: number): Tensor =>
  graph.one('RealDiv', [graph.one('Minimum', [step, number(graph, steps)]), number(graph, steps)])

/** Options of {@link piecewiseConstant}. */
export interface PiecewiseConstantOptions {
  /** The last step, counted from 0, of each piece but the last; rising. */
  readonly boundaries: readonly number[]
  /** The learning rate of each piece: one more than there are boundaries. */
  readonly values: readonly number[]
}

/** One learning rate after the other (`tf.compat.v1.train.piecewise_constant`). @throws `Usage` when the numbers do not fit */
export const piecewiseConstant = ({ boundaries, values }: PiecewiseConstantOptions): Schedule => {
  const isRising = boundaries.every((boundary, index) => index === 0 || boundary > (boundaries[index - 1] as number))
  if (values.length !== boundaries.length + 1 || !isRising) {
    throw failure({
      tag: 'Usage',
      code: 'SCHEDULE_PIECES',
      problem: `${boundaries.length} boundaries and ${values.length} values make no pieces`,
      remedy: 'Give rising boundaries, and one value more than boundaries.',
    })
  }
  return (graph, step) =>
    boundaries.reduceRight(
      (later, boundary, index) => {
        const isOver = graph.one('LessEqual', [step, number(graph, boundary)])
        return graph.one('SelectV2', [isOver, number(graph, values[index] as number), later])
      },
      number(graph, values.at(-1) as number),
    )
}

/** Adds the learning rate of a step. @throws `Usage` for what is none, of callers without types */
export const learningRateAt = (graph: Graph, rate: LearningRate, step: Tensor): Tensor => {
  if (typeof rate === 'number') return graph.scalar('float32', rate, 'learning_rate')
  if (typeof rate === 'function') return rate(graph, step)
  throw failure({ tag: 'Usage', code: 'LEARNING_RATE', problem: `the learning rate is ${describeValue(rate)}`, remedy: 'Give a number, or a schedule such as cosineDecay({ initial, steps }).' })
}
