import { describeValue, failure } from '@millrace/core'
import type { Graph, GraphNode, LoweredVariable, Tensor } from '@millrace/export'
import type { Gradient } from '../gradients/index.js'
import type { GradientClip } from './clip.js'
import type { LearningRate } from './schedules.js'

/** What every optimizer takes. */
export interface OptimizerOptions {
  /** A number, or a schedule that follows the global step. */
  readonly learningRate: LearningRate
  /** Limits the gradients before they are applied. Default: no limit. */
  readonly clip?: GradientClip | undefined
  /**
   * What a step does to rows of an embedding that it did not look up. `lazy`: nothing; their moments keep their values, and the
   * work is that of the batch. `dense`: what it does to every other variable, moments decaying and moving the rows on, as
   * TensorFlow.js has it; the work is that of the table. `lazy-parts`: `dense`, but `lazy` for a table that is cut into parts, since
   * that is as large as to be worth it. Without moments all are the same. Default `lazy`.
   */
  readonly sparse?: 'lazy' | 'dense' | 'lazy-parts' | undefined
}

/** How gradients change variables. Made by {@link sgd}, {@link adam} and their like. */
export interface Optimizer extends OptimizerOptions {
  /** Names its slots in checkpoints: `dense/kernel/Adam`. */
  readonly name: string
  /** Adds what all variables of a step share, and gives what adds the update of one. */
  start(step: OptimizerStep): UpdateVariable
}

/** Of callers without types. @throws `Usage` for what is no optimizer, such as its name or one of TensorFlow.js */
export const requireOptimizer = (optimizer: unknown): void => {
  if (typeof optimizer === 'object' && optimizer !== null && 'start' in optimizer && typeof optimizer.start === 'function') return
  throw failure({
    tag: 'Usage', code: 'OPTIMIZER', problem: `the optimizer is ${describeValue(optimizer)}, and none of Millrace's`,
    remedy: 'Make one with adam({ learningRate }), sgd or their like, or compile the model with one of TensorFlow.js.',
  })
}

/** What an optimizer has to work with in one step. */
export interface OptimizerStep {
  readonly graph: Graph
  /** The learning rate of this step, float32 scalar. */
  readonly rate: Tensor
  /** The number of this step, counted from 1, float32 scalar. */
  readonly count: Tensor
  /**
   * A variable beside another, of its shape and on its device, that keeps a moment from step to step.
   *
   * @param initial - what all its elements start with. Default 0
   */
  slot(variable: LoweredVariable, name: string, initial?: number): Tensor
}

/** Adds the update of one variable. Of looked up rows each index is there once. It runs on the variable's device. */
export type UpdateVariable = (variable: LoweredVariable, gradient: Gradient) => GraphNode
