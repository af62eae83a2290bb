import { availableParallelism } from 'node:os'
import { failure, requireCount, requireOneOf, type OptionRules } from '@millrace/core'

/** Options of readers of files that decode on worker threads. */
export interface WorkerOptions {
  /**
   * Threads that decode files, and parts of large ones: TFRecords, CSV of common dialects and JSON lines that are not packed, row groups of
   * Parquet. `auto` is one fewer than the machine runs at once, at most 8. Default 0: on the thread that reads. Files of storages that were registered, which
   * worker threads do not know, are read on the thread that reads and decoded on the others. Of tf.train.Examples from a worker, the columns of a
   * batch lie in one buffer: one that is kept keeps the others.
   */
  readonly workers?: number | 'auto' | undefined
  /**
   * `kept` (default): the rows come in the same order as without workers, and positions are the same, so that a stream may be resumed
   * with another number of workers. `any`: batches come as they are ready, of several files at a time; such a stream cannot be resumed.
   */
  readonly order?: 'kept' | 'any' | undefined
  /** Bytes of columns that workers may have ready before they are asked for, all together. A batch more a worker may come on top. Default 64 MiB. */
  readonly readAheadBytes?: number | undefined
  /** Workers read parts of files that are larger than so many bytes, where the format allows it. Default 8 MiB. */
  readonly splitBytes?: number | undefined
  /** Most MiB of the JavaScript heap of a worker; columns lie outside of it. Default: as Node has it. */
  readonly workerHeapMiB?: number | undefined
}

export const workerRules: OptionRules<WorkerOptions> = { workers: 'any', order: 'any', readAheadBytes: 'any', splitBytes: 'any', workerHeapMiB: 'any' }

/** {@link WorkerOptions} with defaults. */
export interface ResolvedWorkerOptions {
  readonly count: number
  readonly order: 'kept' | 'any'
  readonly readAheadBytes: number
  readonly splitBytes: number
  readonly heapMiB: number | undefined
}

const MOST_AUTO = 8
const MOST = 256
const READ_AHEAD = 64 * 1024 * 1024
/** Some hundred times what it costs to hand a part over; small enough that a few of them are held in memory. */
const SPLIT = 8 * 1024 * 1024

/** Fills in the defaults. @throws `Usage` for options that make no sense */
export const resolveWorkerOptions = (options: WorkerOptions): ResolvedWorkerOptions => {
  const { workers = 0, order = 'kept', readAheadBytes = READ_AHEAD, splitBytes = SPLIT, workerHeapMiB: heapMiB } = options
  const count = workers === 'auto' ? Math.min(MOST_AUTO, Math.max(1, availableParallelism() - 1)) : requireCount(workers, 0, 'workers of a reader')
  if (count > MOST) throw failure({ tag: 'Usage', code: 'BAD_COUNT', problem: `workers of a reader is ${count}, and at most ${MOST} threads are started`, remedy: "Give 'auto' for as many as the machine runs at once." })
  requireOneOf('order', order, ['kept', 'any'])
  requireCount(readAheadBytes, 0, 'readAheadBytes of a reader')
  requireCount(splitBytes, 1, 'splitBytes of a reader')
  if (heapMiB !== undefined) requireCount(heapMiB, 1, 'workerHeapMiB of a reader')
  return { count, order, readAheadBytes, splitBytes, heapMiB }
}
