import { atPosition, countIn, fromUnknown, hasTag, requireOneOf, withoutStack, type Batch, type Json, type MillraceError, type OpenContext, type OptionRules, type Schema } from '@millrace/core'
import { requireBatchRows } from '../reading/batch-assembler.js'
import { inputRules, type InputOptions } from '../reading/input-options.js'
import type { FileReader, FileTask } from '../reading/read-files.js'
import { sentOptions } from '../workers/sent-options.js'
import type { OnBadRecord } from '../records/index.js'
import { recordChunks, recordReadRules, type RecordOffset, type TfRecordReadOptions } from './record-source.js'
import { recordSpans, spanChunks } from './record-spans.js'
import type { TfRecordDecoder } from './tfrecord-decoder.js'

/**
 * A batch ends when its records hold this many bytes, whatever their number: 4,096 images would be hundreds of megabytes, and
 * more than Arrow's 32-bit offsets can address in the end. Beyond 8 MiB nothing gets faster.
 */
const BATCH_BYTES = 8 * 1024 * 1024

/** Options that all streams of TFRecords share. */
export interface RecordStreamOptions<S extends Schema = Schema> extends TfRecordReadOptions, InputOptions<S> {
  /** What to do with a record whose data checksum is wrong, or that does not fit the schema. Default `fail`. */
  readonly onBadRecord?: OnBadRecord | undefined
  /** Rows of a batch. A batch also ends at 8 MiB of records. Default 4,096. */
  readonly batchRows?: number | undefined
}

export const recordStreamRules: OptionRules<RecordStreamOptions> = { ...recordReadRules, ...inputRules, onBadRecord: 'any', batchRows: 'any' }

/** Gathers payloads into batches. */
export interface RecordSink<S extends Schema> {
  readonly length: number
  /** @throws `BadRecord`, and is then as before */
  decode(bytes: Uint8Array, start: number, end: number): void
  finish(): Batch<S>
  /** Says that it is not used any more. */
  release?(): void
  /**
   * Takes up to `rows` of the records that come next, framing included, until `budget` bytes of payloads are taken, as far as it
   * can do so faster than one by one. What is wrong with a record it leaves to `decode`.
   *
   * @returns bytes of the payloads that were taken
   */
  decodeFrames?(records: TfRecordDecoder, rows: number, budget: number): number
}

/** What {@link recordFiles} needs to know. */
export interface RecordStreamDefinition<S extends Schema> {
  /** Name of the format, for the plan. */
  readonly format: string
  readonly source: string | readonly string[]
  readonly schema: S
  readonly options: RecordStreamOptions
  readonly planOptions: { readonly [name: string]: Json }
  /** @param schema - the columns that come from the records */
  readonly sink: (context: OpenContext, batchRows: number, schema: Schema) => RecordSink<S>
}

/** How the records of TFRecord files are read. */
export const recordFiles = <S extends Schema>({ format, source, schema, options, planOptions, sink }: RecordStreamDefinition<S>): FileReader<S> => {
  const batchRows = requireBatchRows(options.batchRows, 'a reader of TFRecords')
  requireOneOf('compression', options.compression ?? 'auto', ['auto', 'none', 'gzip', 'zlib'])
  return {
    format,
    source,
    schema,
    input: options,
    onBadRecord: options.onBadRecord,
    options: planOptions,
    remote: sentOptions(options),
    readFile: (task) => readFile(sink(task.context, batchRows, task.schema ?? schema), options, batchRows, task),
    spans: (task, splitBytes) => recordSpans(task, splitBytes, options),
  }
}

async function* readFile<S extends Schema>(sink: RecordSink<S>, options: RecordStreamOptions, batchRows: number, task: FileTask): AsyncGenerator<Batch<S>, void, undefined> {
  const { file, context, resume, span } = task
  const from: RecordOffset = resume === undefined ? { byte: 0, record: 0 } : { byte: countIn(resume, 'byte'), record: countIn(resume, 'record') }
  let place = from
  let held = 0
  const keepRaw = typeof options.onBadRecord === 'object'
  const finish = (): Batch<S> => {
    held = 0
    return atPosition(sink.finish(), { ...place })
  }
  try {
    for await (const records of span === undefined ? recordChunks(file, options, from, context, task.onRead) : spanChunks(task, options, span)) {
      for (;;) {
        held += sink.decodeFrames?.(records, batchRows - sink.length, BATCH_BYTES - held) ?? 0
        if (sink.length >= batchRows || held >= BATCH_BYTES) {
          place = { byte: records.byteAfter, record: records.recordAfter }
          yield finish()
          continue
        }
        let bad: MillraceError | undefined
        try {
          if (!records.next()) break
          sink.decode(records.bytes, records.start, records.end)
          held += records.end - records.start
        } catch (error) {
          // Framing errors know where they are; those of the contents get the place of their record.
          const fault = withoutStack(() => fromUnknown(error, { source: file.url, byte: records.recordByte, record: records.record }))
          const framing = hasTag(fault, 'Corrupt', 'Limit') && fault.position.byte === records.byteAfter
          place = framing ? { byte: records.byteAfter, record: records.recordAfter } : { byte: records.recordByte, record: records.record }
          if (!hasTag(fault, 'BadRecord')) throw fault.at({})
          bad = fault
        }
        if (bad !== undefined) await task.reject(bad, keepRaw ? records.bytes.slice(records.start, records.end) : undefined)
      }
      place = { byte: records.byteAfter, record: records.recordAfter }
    }
  } catch (error) {
    // The records before the fault are sound: they are handed over before it is told.
    if (sink.length > 0 && !hasTag(error, 'Aborted')) yield finish()
    throw error
  }
  if (sink.length > 0) yield finish()
  sink.release?.()
  span?.ended({ ...place })
}
