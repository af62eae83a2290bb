import type { OptionRules, Schema } from '@millrace/core'
import type { Where } from '../values/index.js'
import { workerRules, type WorkerOptions } from '../workers/worker-options.js'

/** Options that all readers of files share. */
export interface InputOptions<S extends Schema = Schema> extends WorkerOptions {
  /** Whether the folder of the files must have the `_SUCCESS` that a job leaves when it has written all. Default false. */
  readonly requireSuccess?: boolean | undefined
  /**
   * Which partitions to read, of files in folders such as `date=2026-11-24/country=de`: `{ date: { gte: new Date('2026-11-01') } }`.
   * Files of others are not opened. Default: all.
   */
  readonly partitions?: Where<S> | undefined
  /** Rows from which the schema was inferred, if these were not all: errors of rows that contradict it say so. `inferSchema` fills it in. */
  readonly inferredFrom?: number | undefined
}

export const inputRules: OptionRules<InputOptions> = { ...workerRules, requireSuccess: 'boolean', partitions: 'any', inferredFrom: 'any' }
