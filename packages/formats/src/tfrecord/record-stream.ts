import {
  atPosition, expandInputs, failure, fromUnknown, hasTag, makeStream,
  type Batch, type FileInfo, type Json, type MillraceError, type OpenContext, type Position, type Schema, type Stream,
} from '@millrace/core'
import { rejectRecord, type OnBadRecord } from '../records/index.js'
import { recordChunks, type RecordOffset, type TfRecordReadOptions } from './record-source.js'

/**
 * A batch ends when its records hold this many bytes, whatever their number: 4,096 images would be hundreds of megabytes, and
 * more than Arrow's 32-bit offsets can address in the end. Beyond 8 MiB nothing gets faster.
 */
const BATCH_BYTES = 8 * 1024 * 1024

/** Options that all streams of TFRecords share. */
export interface RecordStreamOptions extends TfRecordReadOptions {
  /** What to do with a record whose data checksum is wrong, or that does not fit the schema. Default `fail`. */
  readonly onBadRecord?: OnBadRecord | undefined
  /** Rows of a batch. A batch also ends at 8 MiB of records. Default 4,096. */
  readonly batchRows?: number | undefined
}

/** Gathers payloads into batches. */
export interface RecordSink<S extends Schema> {
  readonly length: number
  /** @throws `BadRecord`, and is then as before */
  decode(bytes: Uint8Array, start: number, end: number): void
  finish(): Batch<S>
}

/** What {@link recordStream} needs to know. */
export interface RecordStreamDefinition<S extends Schema> {
  readonly operator: string
  readonly source: string | readonly string[]
  readonly schema: S
  readonly options: RecordStreamOptions
  readonly planOptions: { readonly [name: string]: Json }
  readonly sink: (context: OpenContext) => RecordSink<S>
}

interface Place extends RecordOffset {
  readonly file: string
}

const isPlace = (position: Position): position is Position & Place =>
  position !== null && typeof position === 'object' && 'file' in position && 'byte' in position && 'record' in position

/** The files from a position on, and where in the first of them to begin. */
const startAt = (files: readonly FileInfo[], from: Position | undefined): { readonly files: readonly FileInfo[]; readonly offset: RecordOffset } => {
  if (from === undefined) return { files, offset: { byte: 0, record: 0 } }
  const index = isPlace(from) ? files.findIndex((file) => file.url === from.file) : -1
  if (!isPlace(from) || index < 0) {
    throw failure({
      tag: 'Usage',
      code: 'BAD_POSITION',
      problem: `${JSON.stringify(from)} is not a position of this stream`,
      remedy: 'Resume from a position that the same files gave.',
    })
  }
  return { files: files.slice(index), offset: { byte: from.byte, record: from.record } }
}

/** A cold stream over the records of TFRecord files, in the order of the files, with native positions. */
export const recordStream = <S extends Schema>(definition: RecordStreamDefinition<S>): Stream<S, 'cold'> => {
  const { operator, source, schema, options } = definition
  return makeStream<S, 'cold'>({
    schema,
    mode: 'cold',
    plan: { operator, options: { source: typeof source === 'string' ? source : [...source], ...definition.planOptions }, inputs: [] },
    stableOrder: true,
    positions: 'native',
    open: (context) => openRecords(definition, options, context),
  })
}

async function* openRecords<S extends Schema>(definition: RecordStreamDefinition<S>, options: RecordStreamOptions, context: OpenContext): AsyncGenerator<Batch<S>, void, undefined> {
  const batchRows = Math.max(1, options.batchRows ?? 4096)
  const start = startAt(await expandInputs(definition.source, context.signal), context.from)
  const sink = definition.sink(context)
  const progress = readingProgress(definition.source, start.files, context)
  let place: Place = { file: start.files[0]!.url, ...start.offset }
  let held = 0
  const finish = (): Batch<S> => {
    const batch = sink.finish()
    held = 0
    context.tally.deliver(batch.numRows)
    return atPosition(batch, { ...place })
  }
  try {
    for (const [index, file] of start.files.entries()) {
      const offset = index === 0 ? start.offset : { byte: 0, record: 0 }
      for await (const records of recordChunks(file, options, offset, context, progress.add)) {
        for (;;) {
          let bad: MillraceError | undefined
          try {
            if (!records.next()) break
            sink.decode(records.bytes, records.start, records.end)
            held += records.end - records.start
          } catch (error) {
            // Framing errors know where they are; those of the contents get the place of their record.
            const fault = fromUnknown(error, { source: file.url, byte: records.recordByte, record: records.record })
            const framing = hasTag(fault, 'Corrupt', 'Limit') && fault.position.byte === records.byteAfter
            place = framing
              ? { file: file.url, byte: records.byteAfter, record: records.recordAfter }
              : { file: file.url, byte: records.recordByte, record: records.record }
            if (!hasTag(fault, 'BadRecord')) throw fault
            bad = fault
          }
          if (bad !== undefined) await rejectRecord(options.onBadRecord, context, bad, records.bytes.slice(records.start, records.end))
          if (sink.length < batchRows && held < BATCH_BYTES) continue
          place = { file: file.url, byte: records.byteAfter, record: records.recordAfter }
          yield finish()
        }
        place = { file: file.url, byte: records.byteAfter, record: records.recordAfter }
      }
    }
  } catch (error) {
    // The records before the fault are sound: they are handed over before it is told.
    if (sink.length > 0 && !hasTag(error, 'Aborted')) yield finish()
    throw error
  }
  if (sink.length > 0) yield finish()
  progress.end()
}

const readingProgress = (source: string | readonly string[], files: readonly FileInfo[], context: OpenContext): { readonly add: (bytes: number) => void; readonly end: () => void } => {
  const { progress } = context
  if (progress === undefined) return { add: () => undefined, end: () => undefined }
  const stage = `reading ${typeof source === 'string' ? source : `${files.length} files`}`
  const total = files.every((file) => file.size !== undefined) ? files.reduce((sum, file) => sum + file.size!, 0) : undefined
  let done = 0
  return {
    add: (bytes) => {
      done += bytes
      progress({ stage, done, total, unit: 'bytes' })
    },
    end: () => progress({ stage, done, total, unit: 'bytes', finished: true }),
  }
}
