import { readFileSync } from 'node:fs'
import { batchFromRows, concatBatches, field, fromBatches, mapColumns, pipe, type Batch, type Field, type IfExists, type Job, type Mode, type Row, type Stream } from '@millrace/core'
import {
  ByteBuffer, encodeFrame, ExampleEncoder, readArrow, readCsv, readJson, readParquet, readSequenceExamples, readTfRecords, SequenceExampleEncoder, writeArrow, writeCsv, writeJson, writeParquet,
  writeSequenceExamples, writeTfRecords, type FolderOptions, type OnBadRecord, type WorkerOptions, type WriteSequenceExamplesOptions,
} from '@millrace/formats'
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
export interface SuiteOptions extends WorkerOptions {
  readonly batchRows?: number | undefined
  readonly onBadRecord?: OnBadRecord | undefined
}

/** A reader, and files for it. */
export interface ReaderUnderTest {
  readonly name: string
  /** Name of what it reads, a row of the table of formats (docs/reference/formats.md). */
  readonly format: FileFormat
  readonly extension: string
  readonly read: (source: string | readonly string[], options?: SuiteOptions) => Stream<typeof schema, 'cold'>
  /** A file of `rows`, of which those named by `bad` have an id that does not fit. */
  readonly file: (bad: readonly number[]) => Uint8Array
  /** What an empty file is. */
  readonly empty: 'no rows' | 'an error'
  /** Whether the reader inflates gzip. */
  readonly gzip: boolean
  /** Every how many-th truncation point and damaged file is tried. Default: each. */
  readonly sampled?: number | undefined
  /** Whether it reads from the front, so that memory and first rows do not wait for the end. */
  readonly streams: boolean
  /** A file of many parts of its format (record batches, row groups), where it has such, and is read part by part. */
  readonly parts?: ((target: string, times: number) => Job<unknown>) | undefined
}

/** Formats of files, in the order of the table. */
export const fileFormats = ['TFRecord of Example', 'TFRecord of SequenceExample', 'CSV', 'JSON lines', 'JSON array', 'Arrow file', 'Arrow stream', 'Parquet'] as const
export type FileFormat = (typeof fileFormats)[number]

type Written = <M extends Mode>(stream: Stream<typeof schema, M>) => Job<unknown>

/** A writer, and what reads its files. */
export interface WriterUnderTest {
  readonly name: string
  readonly format: FileFormat
  /** Writes into a folder: one file, which the reader finds as `file` there. */
  readonly write: (folder: string, options?: { readonly ifExists?: IfExists | undefined }) => Written
  readonly file: string
  /** Writes several files that belong together, as shards or as a folder, which the reader finds as `set`. */
  readonly writeSet: (folder: string, options: { readonly shards: number; readonly ifExists?: IfExists | 'append' | undefined }) => Written
  readonly set: string
  /** Whether rows can be added to a set. */
  readonly appends: boolean
  /** Whether it gives its bytes while it gets its rows, and not row groups or record batches when these are full. */
  readonly streams: boolean
  /** Bytes that a letter of a text becomes. */
  readonly letterBytes: number
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

/** What the suite's feature lists hold: a text's code points, one a step. */
const lists = { name: field.list(field.utf8()) }
const context = { id: field.int32(), score: field.nullable(field.float64()) }

const sequences = (bad: readonly number[]): Uint8Array => {
  const frame = (row: Record): Uint8Array => {
    const fields = { ...context, id: field.int64(), ...lists, further: field.list(field.list(field.float32())) }
    const encoder = new SequenceExampleEncoder(fields, { featureLists: ['name', 'further'] })
    const out = new ByteBuffer()
    encoder.bind(batchFromRows(fields, [{ ...row, id: BigInt(bad.includes(row.id) ? BEYOND : row.id), name: [...row.name], further: [[1, 2], [3]] }]))
    encoder.encode(0, out)
    return encodeFrame(out.written().slice())
  }
  return Buffer.concat(rows.map(frame))
}

const readSequences: ReaderUnderTest['read'] = (source, options) =>
  pipe(
    readSequenceExamples(source, { context, featureLists: lists, ...options }),
    mapColumns({ name: field.utf8() }, ({ columns }) => ({ name: columns.name.toArray().map((letters) => letters.join('')) })),
  )

/** Two record batches, as apache-arrow writes them. */
const arrow = (format: 'file' | 'stream', bad: readonly number[]): Uint8Array => {
  const fields = { further: format === 'file' ? field.utf8() : field.dictionary(), ...schema, id: bad.length === 0 ? field.int32() : field.int64() }
  const whole = rows.map((row) => ({ ...row, further: 'not read', id: (bad.length === 0 ? row.id : BigInt(bad.includes(row.id) ? BEYOND : row.id)) as never }))
  const writer = format === 'file' ? new RecordBatchFileWriter() : new RecordBatchStreamWriter()
  const batch = batchFromRows(fields, whole)
  for (const part of [batch.slice(0, 6), batch.slice(6, 10)]) writer.write(part.arrow)
  return writer.finish().toUint8Array(true)
}

/** The rows so many times, a batch each time. */
const often = (times: number): Stream<typeof schema, 'cold'> => {
  const batch: Batch<typeof schema> = batchFromRows(schema, rows)
  return fromBatches(schema, Array<Batch<typeof schema>>(times).fill(concatBatches(schema, Array<Batch<typeof schema>>(100).fill(batch))))
}
const arrowParts = (format: 'file' | 'stream') => (target: string, times: number): Job<unknown> => pipe(often(times), writeArrow(target, { format, rowsPerBatch: 1000 }))

const parquet = (name: string): Uint8Array => readFileSync(new URL(`../goldens/parquet/${name}.parquet`, import.meta.url))

export const readers: readonly ReaderUnderTest[] = [
  // A text that ends within its last field looks whole unless a final line end is due.
  { name: 'readCsv', format: 'CSV', extension: 'csv', read: (source, options) => readCsv(source, { schema, finalNewline: 'required', ...options }), file: csv, empty: 'no rows', gzip: true, streams: true },
  { name: 'readJson, an array', format: 'JSON array', extension: 'json', read: (source, options) => readJson(source, { schema, format: 'array', ...options }), file: (bad) => Buffer.from(`[\n${objects(bad).join(',\n')}\n]\n`), empty: 'an error', gzip: true, streams: true },
  { name: 'readJson, lines', format: 'JSON lines', extension: 'jsonl', read: (source, options) => readJson(source, { schema, ...options }), file: (bad) => Buffer.from(objects(bad).join('\n')), empty: 'no rows', gzip: true, streams: true },
  { name: 'readTfRecords', format: 'TFRecord of Example', extension: 'tfrecord', read: (source, options) => readTfRecords(source, { schema, ...options }), file: tfrecord, empty: 'no rows', gzip: true, streams: true },
  { name: 'readSequenceExamples', format: 'TFRecord of SequenceExample', extension: 'sequences', read: readSequences, file: sequences, empty: 'no rows', gzip: true, streams: true },
  { name: 'readArrow, a file', format: 'Arrow file', extension: 'arrow', read: (source, options) => readArrow(source, { schema, ...options }), file: (bad) => arrow('file', bad), empty: 'an error', gzip: false, streams: false, parts: arrowParts('file') },
  { name: 'readArrow, a stream', format: 'Arrow stream', extension: 'arrows', read: (source, options) => readArrow(source, { schema, ...options }), file: (bad) => arrow('stream', bad), empty: 'an error', gzip: false, streams: false, parts: arrowParts('stream') },
  { name: 'readParquet', format: 'Parquet', extension: 'parquet', read: (source, options) => readParquet(source, { schema, ...options }), file: (bad) => parquet(bad.length === 0 ? 'records' : 'records-bad'), empty: 'an error', gzip: false, streams: false, parts: (target, times) => pipe(often(times), writeParquet(target, { rowGroupRows: 1000 })) },
]

/** A writer whose sets are folders without partitions. */
const folderWriter = (name: string, format: FileFormat, file: string, write: (url: string, options: FolderOptions) => Written): WriterUnderTest => ({
  name, format, file, set: 'set', appends: true, streams: format !== 'Parquet' && !format.startsWith('Arrow'), letterBytes: 1,
  write: (folder, options = {}) => write(`${folder}/${file}`, options),
  writeSet: (folder, options) => write(`${folder}/set`, { partitionBy: [], ...options }),
})

const writeSequences = (url: string, options: Omit<WriteSequenceExamplesOptions, 'featureLists'>): Written => (stream) =>
  pipe(stream, mapColumns(lists, ({ columns }) => ({ name: columns.name.toArray().map((text) => [...text]) })), writeSequenceExamples(url, { featureLists: ['name'], ...options }))

export const writers: readonly WriterUnderTest[] = [
  folderWriter('writeCsv', 'CSV', 'rows.csv', writeCsv),
  folderWriter('writeJson', 'JSON lines', 'rows.jsonl', writeJson),
  folderWriter('writeJson, an array', 'JSON array', 'rows.json', (url, options) => writeJson(url, { format: 'array', ...options })),
  {
    name: 'writeTfRecords', format: 'TFRecord of Example', file: 'rows@*', set: 'set@*', appends: false, streams: true, letterBytes: 1,
    write: (folder, options = {}) => writeTfRecords(`${folder}/rows`, options),
    writeSet: (folder, { shards, ifExists }) => writeTfRecords(`${folder}/set`, { shards, ifExists }),
  },
  {
    name: 'writeSequenceExamples', format: 'TFRecord of SequenceExample', file: 'rows@*', set: 'set@*', appends: false, streams: true, letterBytes: 7,
    write: (folder, options = {}) => writeSequences(`${folder}/rows`, options),
    writeSet: (folder, { shards, ifExists }) => writeSequences(`${folder}/set`, { shards, ifExists: ifExists === 'append' ? undefined : ifExists }),
  },
  folderWriter('writeArrow, a file', 'Arrow file', 'rows.arrow', writeArrow),
  folderWriter('writeArrow, a stream', 'Arrow stream', 'rows.arrows', (url, options) => writeArrow(url, { format: 'stream', ...options })),
  folderWriter('writeParquet', 'Parquet', 'rows.parquet', writeParquet),
]
