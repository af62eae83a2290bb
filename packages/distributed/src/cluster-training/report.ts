import type { SavedCheckpoint } from '../checkpoints/index.js'
import type { Fault } from './recovery.js'

/** Something that went wrong, and what was done about it. */
export interface RecoveryEvent {
  /** `worker 0` */
  readonly task: string
  /** When, ISO 8601. */
  readonly at: string
  readonly what: 'lost' | 'back' | 'initialized' | 'restored' | 'took over' | 'not saved' | 'gave up'
  readonly fault?: Fault | undefined
  /** For people. */
  readonly note: string
}

/** What the validation's rows came to. */
export interface ClusterEvaluation {
  readonly globalStep: number
  readonly rows: number
  /** `loss` (without regularisation) and the metrics, means over the rows. */
  readonly metrics: Readonly<Record<string, number>>
}

/** What one worker did. */
export interface WorkerReport {
  /** `worker 0` */
  readonly task: string
  readonly steps: number
  /** Rows of steps that are known to be done. */
  readonly rows: number
  /**
   * Rows that were fed a second time: after a restore, or because `delivery` is `at-least-once`. Not among them are those that are read
   * again because a checkpoint is of another number of workers, whose shares are others: how many they are at most is in the note of the
   * recovery `restored`.
   */
  readonly repeatedRows: number
  /** Rows of steps that were sent, and of which nobody knows whether they were done. They were not fed again. */
  readonly uncertainRows: number
  readonly restarts: number
  /** In step with others: steps whose gradients came too late, and were dropped. */
  readonly droppedSteps: number
  /** Other steps that were done between reading variables and changing them, as far as the worker could see. */
  readonly staleness: { readonly mean: number; readonly max: number }
  /** Why it came to no good end, if so. */
  readonly failed?: string | undefined
}

/** What a training on a cluster came to, as this process saw it. */
export interface ClusterTrainingReport {
  /** `ps 0`, `chief 0`, `worker 1`, or `driver` where one process drives all workers. */
  readonly role: string
  /** Steps done by all workers. */
  readonly globalStep: number
  readonly stoppedBy: 'steps' | 'data' | 'metric' | 'over'
  /** Workers that this process drove. */
  readonly workers: readonly WorkerReport[]
  /** Mean loss of the last steps that this process drove. */
  readonly loss: number | undefined
  readonly evaluations: readonly ClusterEvaluation[]
  /** Those that this process saved, also such as were removed since. */
  readonly checkpoints: readonly SavedCheckpoint[]
  readonly recoveries: readonly RecoveryEvent[]
  /** Variables too large to be fetched: the model keeps its own values of them. */
  readonly notFetched: readonly string[]
  readonly seconds: number
}
