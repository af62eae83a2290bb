import { readFileSync } from 'node:fs'
import { batchFromRows, field, type Field, type Row, type Stream } from '@millrace/core'
import { ByteBuffer, encodeFrame, ExampleEncoder, readArrow, readCsv, readJson, readParquet, readTfRecords, type OnBadRecord } from '@millrace/formats'
import { RecordBatchFileWriter, RecordBatchStreamWriter } from 'apache-arrow'

/** The columns that every reader of the suite reads; the files have one more. */
export const schema = { id: field.int32(), name: field.utf8(), score: field.nullable(field.float64()) }
export type Record = Row<typeof schema>

const names = ['plain', 'with "quotes", and commas', 'two\nlines', 'ü€😀', '', ' spaces ', 'tab\t', 'last, or nearly', 'x', 'y']
/** The rows that every reader of the suite reads; test/goldens/parquet/make.py has the same. */
export const rows: readonly Record[] = names.map((name, id) => ({ id, name, score: id % 3 === 2 ? null : id / 4 }))
/** Rows whose id does not fit in the files with bad records. */
export const badRows: readonly number[] = [2, 5, 9]

/** Options that the suite passes on. */
export interface SuiteOptions {
  readonly batchRows?: number | undefined
  readonly onBadRecord?: OnBadRecord | undefined
}

/** A reader, and files for it. */
export interface ReaderUnderTest {
  readonly name: string
  readonly extension: string
  readonly read: (source: string | readonly string[], options?: SuiteOptions) => Stream<typeof schema, 'cold'>
  /** A file of `rows`, of which those named by `bad` have an id that does not fit. */
  readonly file: (bad: readonly number[]) => Uint8Array
  /** What an empty file is. */
  readonly empty: 'no rows' | 'an error'
  /** Whether the reader inflates gzip. */
  readonly gzip: boolean
  /** Whether it reads from the front, so that memory and first rows do not wait for the end. */
  readonly streams: boolean
}

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
const BEYOND = 2 ** 40

const csv = (bad: readonly number[]): Uint8Array =>
  Buffer.from(['further,score,name,id', ...rows.map(({ id, name, score }) => `not read,${score ?? ''},${quoted(name)},${bad.includes(id) ? BEYOND : id}`), ''].join('\r\n'))

const objects = (bad: readonly number[]): string[] => rows.map(({ id, name, score }) => JSON.stringify({ further: ['not read'], name, score, id: bad.includes(id) ? BEYOND : id }))

const tfrecord = (bad: readonly number[]): Uint8Array => {
  const frame = (row: { [name: string]: unknown }, fields: { [name: string]: Field }): Uint8Array => {
    const encoder = new ExampleEncoder(fields)
    const out = new ByteBuffer()
    encoder.bind(batchFromRows(fields, [row]))
    encoder.encode(0, out)
    return encodeFrame(out.written().slice())
  }
  const fields = { ...schema, further: field.utf8() }
  return Buffer.concat(rows.map((row) => frame({ ...row, id: bad.includes(row.id) ? BigInt(BEYOND) : row.id, further: 'not read' }, bad.includes(row.id) ? { ...fields, id: field.int64() } : fields)))
}

/** Two record batches, as apache-arrow writes them. */
const arrow = (format: 'file' | 'stream', bad: readonly number[]): Uint8Array => {
  const fields = { further: format === 'file' ? field.utf8() : field.dictionary(), ...schema, id: bad.length === 0 ? field.int32() : field.int64() }
  const whole = rows.map((row) => ({ ...row, further: 'not read', id: (bad.length === 0 ? row.id : BigInt(bad.includes(row.id) ? BEYOND : row.id)) as never }))
  const writer = format === 'file' ? new RecordBatchFileWriter() : new RecordBatchStreamWriter()
  const batch = batchFromRows(fields, whole)
  for (const part of [batch.slice(0, 6), batch.slice(6, 10)]) writer.write(part.arrow)
  return writer.finish().toUint8Array(true)
}

const parquet = (name: string): Uint8Array => readFileSync(new URL(`../goldens/parquet/${name}.parquet`, import.meta.url))

export const readers: readonly ReaderUnderTest[] = [
  // A text that ends within its last field looks whole unless a final line end is due.
  { name: 'readCsv', extension: 'csv', read: (source, options) => readCsv(source, { schema, finalNewline: 'required', ...options }), file: csv, empty: 'an error', gzip: true, streams: true },
  { name: 'readJson, an array', extension: 'json', read: (source, options) => readJson(source, { schema, format: 'array', ...options }), file: (bad) => Buffer.from(`[\n${objects(bad).join(',\n')}\n]\n`), empty: 'an error', gzip: true, streams: true },
  { name: 'readJson, lines', extension: 'jsonl', read: (source, options) => readJson(source, { schema, ...options }), file: (bad) => Buffer.from(objects(bad).join('\n')), empty: 'no rows', gzip: true, streams: true },
  { name: 'readTfRecords', extension: 'tfrecord', read: (source, options) => readTfRecords(source, { schema, ...options }), file: tfrecord, empty: 'no rows', gzip: true, streams: true },
  { name: 'readArrow, a file', extension: 'arrow', read: (source, options) => readArrow(source, { schema, ...options }), file: (bad) => arrow('file', bad), empty: 'an error', gzip: false, streams: false },
  { name: 'readArrow, a stream', extension: 'arrows', read: (source, options) => readArrow(source, { schema, ...options }), file: (bad) => arrow('stream', bad), empty: 'an error', gzip: false, streams: false },
  { name: 'readParquet', extension: 'parquet', read: (source, options) => readParquet(source, { schema, ...options }), file: (bad) => parquet(bad.length === 0 ? 'records' : 'records-bad'), empty: 'an error', gzip: false, streams: false },
]
