import { failure, fromUnknown } from '@millrace/core'
import { lossNotFinite } from './not-finite.js'

/** What once through the rows came to. */
export interface Pass {
  readonly rows: number
  readonly steps: number
  /** Means over the rows, in the order of the model's `metricsNames`. */
  readonly means: readonly number[]
}

/** Hears how far a pass is: the rows so far, and the means over them. */
export type StepListener = (rows: number, means: readonly number[]) => void

/** What computes a training, whatever it runs on. One call at a time. */
export interface Trainer {
  /** Goes once through the rows and learns from them. @param epoch - from 0 */
  train(epoch: number, onStep: StepListener): Promise<Pass>
  /** Goes once through the rows of validation. */
  validate(): Promise<Pass>
  /** Gives the model the weights as they are now, where it has them not anyway. */
  publish(): Promise<void>
  /** Gives the model the weights as they are now, and frees what was held. */
  close(): Promise<void>
}

/** Adds up what steps measure. */
export class PassSums {
  #rows = 0
  #steps = 0
  readonly #sums: number[] = []

  /** Adds the means of a step, or of several, the loss first. @throws `Model` when the loss is no number any more */
  add(means: readonly number[], { rows, steps }: Pick<Pass, 'rows' | 'steps'>, onStep?: StepListener): void {
    for (const [i, mean] of means.entries()) this.#sums[i] = (this.#sums[i] ?? 0) + mean * rows
    this.#rows += rows
    this.#steps += steps
    if (!Number.isFinite(this.#sums[0]!)) throw lossNotFinite(this.#sums[0], `after ${this.#steps} steps`)
    onStep?.(this.#rows, this.#means())
  }

  pass(): Pass {
    return { rows: this.#rows, steps: this.#steps, means: this.#means() }
  }

  #means(): number[] {
    return this.#sums.map((sum) => sum / this.#rows)
  }
}

/** What a runtime says of shapes, names and kernels is about the model. */
export const stepError = (runtime: string, thrown: unknown): unknown => {
  const error = fromUnknown(thrown)
  if (error._tag !== 'Internal' && error._tag !== 'Engine' && error.code !== 'BAD_FEED') return error
  return failure({ tag: 'Model', code: 'STEP_FAILED', problem: `${runtime} could not run a step: ${error.problem.split('\n')[0]!.replace(/\.$/, '')}`, cause: thrown })
}
