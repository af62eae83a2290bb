import {
  BoolColumn, epochBatches, failure, FixedColumn, getBit, ListColumn, prefetch, requireColumn, shard, type Batch, type Column, type ColumnMap, type Json, type Position, type ShuffleRows, type Stream,
} from '@millrace/core'
import type { FeedValue, Tensor } from '@millrace/export'
import type { TfRecordShard } from '../input/index.js'

/** Where a worker stands in its share of the data. Plain JSON. */
export interface InputPosition {
  /** From 0. */
  readonly epoch: number
  /** In the epoch; `null` at its beginning. */
  readonly at: Position
  /** Rows of the worker's share that stand before it, those of earlier epochs among them. */
  readonly rows: number
}

export const beginning: InputPosition = { epoch: 0, at: null, rows: 0 }

/** One batch as it is fed. */
export interface FedBatch {
  /** In the order of the tensors. */
  readonly values: readonly FeedValue[]
  readonly rows: number
  /** How many steps it makes: one where it is fed. */
  readonly steps: number
  readonly before: InputPosition
  readonly after: InputPosition
}

/** A worker's batches. */
export interface WorkerInput {
  /**
   * `undefined` at the end of the data.
   *
   * @param steps - how many steps are wanted at most
   */
  next(steps: number): Promise<FedBatch | undefined>
  /** To be called when a step has met the end of the data. */
  end(): void
  /** Goes on from a position. */
  seek(position: InputPosition): Promise<void>
  close(): Promise<void>
}

/** Batches that the worker's own server reads: a run takes them by itself. What is left of a run at the end of the data is not counted. */
export const servedInput = (batchSize: number, stepsPerRun: number): WorkerInput => {
  let position = beginning
  let ended = false
  return {
    next: async (wanted) => {
      if (ended) return undefined
      // Each length of a run is a graph of its own for the server to make, so there are two of them.
      const [steps, before] = [wanted < stepsPerRun ? 1 : stepsPerRun, position]
      const rows = steps * batchSize
      position = { ...before, rows: before.rows + rows }
      return { values: [], rows, steps, before, after: position }
    },
    end: () => {
      ended = true
    },
    seek: async (to) => {
      position = to
      ended = false
    },
    close: async () => undefined,
  }
}

/** What {@link fedInput} reads. */
export interface FedInputOptions {
  readonly data: Stream<Stream['schema'], 'cold'>
  /** The worker's share: every `count`-th row, from row `index`. */
  readonly share: TfRecordShard
  readonly batchSize: number
  readonly shuffle?: ShuffleRows | undefined
  /** Without it, epochs go on for ever. */
  readonly epochs?: number | undefined
  /** Columns with the tensors that they are fed to. */
  readonly feeds: readonly (readonly [column: string, tensor: Tensor])[]
  readonly signal?: AbortSignal | undefined
}

/** Batches that are read while a step runs. */
const AHEAD = 2

/** A worker's share of a stream, epoch after epoch, as values to feed. */
export const fedInput = ({ data, share, batchSize, shuffle, epochs = Infinity, feeds, signal }: FedInputOptions): WorkerInput => {
  for (const [name] of feeds) requireColumn(data.schema, name, 'the training')
  const shared = share.count === 1 ? data : shard(share.index, share.count)(data)
  const open = epochBatches(prefetch(AHEAD)(shared), { batchSize, shuffle })
  let position = beginning
  let batches: AsyncIterator<Batch> | undefined
  const close = async (): Promise<void> => {
    const open = batches
    batches = undefined
    await open?.return?.()
  }
  return {
    seek: async (to) => {
      await close()
      position = to
    },
    close,
    end: () => {
      position = { ...position, epoch: epochs }
    },
    next: async () => {
      for (;;) {
        if (position.epoch >= epochs) return undefined
        batches ??= open(position.epoch, { signal, ...(position.at === null ? {} : { from: position.at }) })[Symbol.asyncIterator]()
        const { done, value: batch } = await batches.next()
        if (done === true) {
          if (position.at === null && position.rows === 0) throw noRows(share)
          await close()
          position = { ...position, epoch: position.epoch + 1, at: null }
          continue
        }
        const before = position
        // Streams whose batches have no position cannot be resumed: they begin the epoch again.
        position = { epoch: before.epoch, at: (batch.position ?? null) as Json, rows: before.rows + batch.numRows }
        return { values: feeds.map(([name, tensor]) => feedOf((batch.columns as ColumnMap)[name]!, name, tensor)), rows: batch.numRows, steps: 1, before, after: position }
      }
    },
  }
}

/** @param from - `the stream` @param look - what to check first */
const noRowsOf = (from: string, { index, count }: TfRecordShard, look: string): Error =>
  failure({
    tag: 'Usage', code: 'NO_ROWS', problem: `there is nothing to train on: ${count === 1 ? from : `share ${index + 1} of ${count} of ${from}`} that is given as data has no rows`,
    remedy: count === 1 ? `${look}.` : `${look}, and take no more workers than there are rows.`,
  })

const noRows = (share: TfRecordShard): Error => noRowsOf('the stream', share, 'Check its source, its filters and its split')

/** What a worker's server reads has come to its end before the first batch. */
export const noServedRows = (share: TfRecordShard): Error => noRowsOf('what the servers read', share, 'See that the files hold records')

/** A column in the shape of the tensor that it is fed to. */
export const feedOf = (column: Column, name: string, { dtype, shape }: Tensor): FeedValue => {
  if (column instanceof ListColumn) return reshaped(column, shape)
  if (dtype !== 'string' && column.nullCount > 0) {
    throw failure({ tag: 'Schema', code: 'NULL', problem: `the column holds ${column.nullCount} null${column.nullCount === 1 ? '' : 's'}, and tensors cannot`, remedy: 'Fill or filter them first.', position: { column: name } })
  }
  const full = [column.length, ...(shape ?? [null]).slice(1).map(() => 1)]
  if (full.length === 1) return column
  if (column instanceof FixedColumn) return { values: numbersFor(column, dtype), shape: full }
  if (column instanceof BoolColumn) return { values: Uint8Array.from({ length: column.length }, (_, row) => (getBit(column.bits, row) ? 1 : 0)), shape: full }
  return { values: column.toArray() as readonly string[], shape: full }
}

/** TensorFlow.js rounds labels and numbers to what a model takes; so do we. */
const numbersFor = ({ values }: FixedColumn, dtype: Tensor['dtype']): FixedColumn['values'] =>
  dtype === 'float32' && !(values instanceof Float32Array) ? Float32Array.from(values as ArrayLike<number | bigint>, Number) : values

/** Lists fill all dimensions behind the first. */
const reshaped = (column: ListColumn, shape: Tensor['shape']): FeedValue => {
  if (shape === undefined || shape.length <= 2 || !(column.items instanceof FixedColumn)) return column
  const [start, end] = [column.offsets[0]!, column.offsets[column.length]!]
  const known = shape.slice(1).map((dim) => dim ?? 1)
  return { values: (column.items.slice(start, end) as FixedColumn).values, shape: [column.length, ...known] }
}
