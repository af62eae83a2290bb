import {
  atPosition, countIn, expandInputs, failure, fromUnknown, job, makeStream, permutation, randomFrom, requireOptions, requireSeed, shownUrl,
  type Batch, type Job, type OptionRules, type Row, type Schema, type Stream,
} from '@millrace/core'
import { ExampleDecoder } from '../example/index.js'
import { DEFAULT_BATCH_ROWS, requireBatchRows } from '../reading/batch-assembler.js'
import { FRAME_FOOTER, FRAME_HEADER } from '../tfrecord/frame.js'
import { exampleSink } from '../tfrecord/kernel-sink.js'
import { TfRecordDecoder } from '../tfrecord/tfrecord-decoder.js'
import { wantedFields } from '../tfrecord/wanted-fields.js'
import type { RecordSink } from '../tfrecord/record-stream.js'
import { indexFile, indexRules, type IndexedFile, type IndexOptions } from './indexed-file.js'
import { readFrames, type WantedFrame } from './read-frames.js'

/** Records of a batch, together: more would only cost memory. */
const BATCH_BYTES = 8 * 1024 * 1024
/** An order of so many rows is held in memory. */
const MAX_ROWS = 2147483647

/** Options of {@link indexTfRecords}. */
export interface IndexTfRecordsOptions<S extends Schema> extends IndexOptions {
  /** The features to read; others in the records are passed over. */
  readonly schema: S
  /** Values of features that a record lacks, by column. Default: null where the field is nullable, else the record is bad. */
  readonly defaults?: Partial<Row<S>> | undefined
}

/** Options of {@link TfRecordIndex.shuffled}. */
export interface ShuffledOptions {
  /** Any safe integer; the same seed gives the same order of the same files, on every machine. */
  readonly seed: number
  /** Rows of a batch. A batch also ends at 8 MiB of records. Default 4,096. */
  readonly batchRows?: number | undefined
}

const rules: OptionRules<IndexTfRecordsOptions<Schema>> = { schema: 'any', ...indexRules, defaults: 'any' }
const shuffledRules: OptionRules<ShuffledOptions> = { seed: 'any', batchRows: 'any' }

/** What frames are decoded with; a sink remembers what of which decoder it has. */
interface Decoding<S extends Schema> {
  readonly sink: RecordSink<S>
  readonly records: TfRecordDecoder
}

/** TFRecord files whose records can be read in any order. Rows are numbered through all files, from 0. */
export class TfRecordIndex<S extends Schema = Schema> {
  /** Records of all files. */
  readonly rows: number
  /** Row at which each file begins. */
  private readonly firsts: readonly number[]
  private all: Decoding<S> | undefined

  /** @internal */
  constructor(
    private readonly files: readonly IndexedFile[],
    private readonly options: IndexTfRecordsOptions<S>,
  ) {
    let rows = 0
    this.firsts = files.map(({ starts }) => {
      const first = rows
      rows += starts.length - 1
      return first
    })
    this.rows = rows
  }

  /** The bytes of a record. @throws `Usage` NO_SUCH_ROW; `Corrupt` INDEX_STALE, `BadRecord` TFRECORD_DATA_CRC */
  async record(row: number, signal?: AbortSignal): Promise<Uint8Array> {
    const { bytes } = await this.frames([row], signal)
    return bytes.slice(FRAME_HEADER, bytes.length - FRAME_FOOTER)
  }

  /** One row. @throws as {@link batch} does */
  async row(row: number, signal?: AbortSignal): Promise<Row<S>> {
    return (await this.batch([row], signal)).row(0)
  }

  /**
   * The rows that are asked for, in that order. Records that lie near each other are read at once.
   *
   * @throws `Usage` NO_SUCH_ROW; `Corrupt` INDEX_STALE; `BadRecord` TFRECORD_DATA_CRC and EXAMPLE_…
   */
  batch(rows: ArrayLike<number>, signal?: AbortSignal): Promise<Batch<S>> {
    this.all ??= this.decoding(this.options.schema)
    return this.decoded(rows, this.all, signal)
  }

  /**
   * All rows in one random order over all files, not within windows. Positions say how many rows were given, and the order
   * is made anew from the seed: resuming reads nothing twice.
   *
   * @throws `Limit` for more than 2³¹ rows
   */
  shuffled(options: ShuffledOptions): Stream<S, 'cold'> {
    requireOptions('shuffled', options, shuffledRules)
    const { seed } = options
    const batchRows = requireBatchRows(options.batchRows, 'a shuffled reading')
    requireSeed(seed, 'the seed of a shuffled reading')
    const { schema } = this.options
    return makeStream<S, 'cold'>({
      schema,
      mode: 'cold',
      plan: { operator: 'read', options: { format: 'tfrecord-index', files: this.files.map(({ url }) => shownUrl(url)), seed, batchRows }, inputs: [] },
      stableOrder: true,
      positions: 'native',
      open: (context) => {
        const decoding = this.decoding(wantedFields(schema, {}, context) as S)
        return this.inOrder(seed, batchRows, context.from === undefined ? 0 : countIn(context.from, 'given'), decoding, context.signal, (rows) => context.tally.deliver(rows))
      },
    })
  }

  private async *inOrder(seed: number, batchRows: number, from: number, decoding: Decoding<S>, signal: AbortSignal | undefined, deliver: (rows: number) => void): AsyncGenerator<Batch<S>, void, undefined> {
    if (this.rows > MAX_ROWS) throw failure({ tag: 'Limit', code: 'TOO_MANY_ROWS', problem: `${this.rows} rows are too many for one random order`, remedy: 'Shuffle parts of the files.' })
    const order = permutation(this.rows, randomFrom(seed))
    const part = (start: number): { readonly end: number; readonly batch: Promise<Batch<S>> } => {
      const end = this.batchEnd(order, start, batchRows)
      const batch = this.decoded(order.subarray(start, end), decoding, signal)
      // Its failure is told when it is waited for.
      batch.catch(() => undefined)
      return { end, batch }
    }
    let ahead = from < this.rows ? part(from) : undefined
    try {
      while (ahead !== undefined) {
        const { end, batch }: ReturnType<typeof part> = ahead
        const rows = await batch
        // The next one is read while this one is used.
        ahead = end < this.rows ? part(end) : undefined
        deliver(rows.numRows)
        yield atPosition(rows, { given: end })
      }
    } finally {
      await ahead?.batch.catch(() => undefined)
    }
  }

  private batchEnd(order: Int32Array, start: number, batchRows: number): number {
    let bytes = 0
    let end = start
    while (end < order.length && end - start < batchRows && bytes < BATCH_BYTES) {
      const { file, record } = this.place(order[end++]!)
      bytes += file.starts[record + 1]! - file.starts[record]!
    }
    return end
  }

  private decoding(schema: S): Decoding<S> {
    const { defaults, maxRecordBytes } = this.options
    return { sink: exampleSink(schema, { defaults, batchRows: DEFAULT_BATCH_ROWS, maxRecordBytes }), records: new TfRecordDecoder({ maxRecordBytes }) }
  }

  private async decoded(rows: ArrayLike<number>, { sink, records }: Decoding<S>, signal: AbortSignal | undefined): Promise<Batch<S>> {
    const { bytes, wanted } = await this.frames(rows, signal)
    // Nothing is waited for from here on: the sink is one for all batches.
    const before = records.recordAfter
    records.push(bytes)
    try {
      for (;;) {
        sink.decodeFrames?.(records, wanted.length - sink.length, bytes.length + 1)
        if (!records.next()) return sink.finish()
        sink.decode(records.bytes, records.start, records.end)
      }
    } catch (error) {
      sink.finish()
      const { file, record } = wanted[records.record - before]!
      throw fromUnknown(error, { source: file.url, byte: file.starts[record]!, record })
    }
  }

  private async frames(rows: ArrayLike<number>, signal: AbortSignal | undefined): Promise<{ readonly bytes: Uint8Array; readonly wanted: readonly WantedFrame[] }> {
    const wanted: WantedFrame[] = []
    let size = 0
    for (let i = 0; i < rows.length; i++) {
      const { file, record } = this.place(rows[i]!)
      wanted.push({ file, record, to: size })
      size += file.starts[record + 1]! - file.starts[record]!
    }
    const bytes = new Uint8Array(size)
    await readFrames(wanted, bytes, signal)
    return { bytes, wanted }
  }

  private place(row: number): { readonly file: IndexedFile; readonly record: number } {
    if (!Number.isInteger(row) || row < 0 || row >= this.rows) {
      throw failure({ tag: 'Usage', code: 'NO_SUCH_ROW', problem: `there is no row ${row}`, remedy: `Rows are 0 to ${this.rows - 1}.` })
    }
    let low = 0
    for (let high = this.files.length - 1; low < high; ) {
      const middle = (low + high + 1) >> 1
      if (this.firsts[middle]! <= row) low = middle
      else high = middle - 1
    }
    return { file: this.files[low]!, record: row - this.firsts[low]! }
  }
}

/**
 * Indexes TFRecord files of tf.train.Example, so that any row can be read without those before it, and all rows in one random order.
 *
 * Each file is read once, lengths with their checksums; the index is kept beside it and used again as long as the size of the file and
 * the checksum of its ends are the same. A record is checked whole when it is read. Files may be on any storage that reads parts of
 * files (local, http, …), and must not be packed.
 *
 * @param source - a path or URL, a folder, a glob, a shard specification (`train@4`), or a list of these
 * @throws `Usage` INDEX_PACKED for gzip and zlib; `Corrupt` TFRECORD_LENGTH_CRC, TFRECORD_TRUNCATED; `Limit` TFRECORD_TOO_LONG
 * @example
 * const index = await run(indexTfRecords('out/train-*', { schema: { origin: field.utf8(), delay: field.int32() } }))
 * console.log(index.rows, await index.row(17))
 * for await (const batch of index.shuffled({ seed: 7 })) train(batch)
 */
export const indexTfRecords = <S extends Schema>(source: string | readonly string[], options: IndexTfRecordsOptions<S>): Job<TfRecordIndex<S>> => {
  requireOptions('indexTfRecords', options, rules)
  // Made once here so that a schema that cannot be read is told at once.
  new ExampleDecoder(options.schema, { defaults: options.defaults })
  return job(async ({ signal, progress }) => {
    const found = await expandInputs(source, signal, { mayBeEmpty: true })
    const known = found.every(({ size }) => size !== undefined)
    const total = known ? found.reduce((sum, { size }) => sum + size!, 0) : undefined
    const stage = `indexing ${typeof source === 'string' ? shownUrl(source) : `${found.length} files`}`
    let done = 0
    const files: IndexedFile[] = []
    for (const file of found) {
      files.push(await indexFile(file, options, signal, (bytes) => {
        done += bytes
        progress?.({ stage, done, total, unit: 'bytes' })
      }))
    }
    progress?.({ stage, done, total, unit: 'bytes', finished: true })
    return new TfRecordIndex(files, options)
  })
}
