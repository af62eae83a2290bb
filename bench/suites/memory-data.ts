import { createReadStream } from 'node:fs'
import { open, readFile, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createGzip } from 'node:zlib'
import { pipeline } from 'node:stream/promises'
import { batchFromRows, BytesColumn, field, fromBatches, ListColumn, pipe, run, type Batch, type Column, type ColumnMap, type FixedColumn, type Job, type Stream } from '@millrace/core'
import { writeArrow, writeParquet, type WriteReport } from '@millrace/formats'
import { findSqlPrograms } from '../../scripts/support/sql-programs.mjs'
import { startMariadb, startPostgres, type SqlTestServer } from '../../test/support/sql-servers.js'
import { makeCsv } from './csv-data.js'
import { makeJson } from './json-data.js'
import { makeData } from './tfrecord-data.js'

/** A large file, or what a database makes as it is read, and what a reader of it must see. */
export interface LargeFile {
  /** Path, or the URL of a database. */
  readonly file: string
  /** What the database is asked. */
  readonly query?: string
  /** Ends the server that was started for it. */
  readonly stop?: () => Promise<void>
  /** Bytes after inflating. */
  readonly bytes: number
  readonly rows: number
  /** Bytes of the largest row group or record batch once decoded, where the format's readers must hold one. */
  readonly groupBytes: number
}

/** Rows of Arrow and Parquet: numbers, a word and a vector, of which the vector is most of the bytes. */
export const vectorSchema = { id: field.int64(), price: field.float64(), city: field.utf8(), embedding: field.list(field.float32()) }

const VECTOR = 256
const BATCH = 4096
/** What the writers put in a record batch and in a row group. */
const ARROW_ROWS = 65_536
const PARQUET_ROWS = 131_072

const vectorBatch = (): Batch<typeof vectorSchema> => {
  let seed = 7
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 4294967296
  return batchFromRows(vectorSchema, Array.from({ length: BATCH }, (_, row) => ({
    id: BigInt(row), price: random() * 1000, city: `city ${Math.floor(random() * 1000)}`, embedding: Array.from({ length: VECTOR }, () => Math.fround(random())),
  })))
}

const columnBytes = (column: Column): number => {
  if (column instanceof BytesColumn) return column.offsets[column.length]! - column.offsets[0]! + 4 * column.length
  if (column instanceof ListColumn) return columnBytes(column.items as Column) + 4 * column.length
  return (column as FixedColumn).values.byteLength
}

const batchBytes = (batch: Batch): number => Object.values(batch.columns as ColumnMap).reduce((sum, column) => sum + columnBytes(column), 0)

/** Writes `head`, then `body` as often as `bytes` take, with `between`, and `tail`. */
const repeat = async (file: string, body: Uint8Array, bytes: number, { head = '', between = '', tail = '' } = {}): Promise<{ readonly bytes: number; readonly times: number }> => {
  const times = Math.max(1, Math.ceil(bytes / body.length))
  const output: FileHandle = await open(file, 'w')
  try {
    await output.write(head)
    for (let i = 0; i < times; i++) {
      if (i > 0 && between !== '') await output.write(between)
      for (let at = 0; at < body.length; ) at += (await output.write(body, at, body.length - at)).bytesWritten
    }
    await output.write(tail)
    return { bytes: (await output.stat()).size, times }
  } finally {
    await output.close()
  }
}

const countLines = (text: Uint8Array): number => {
  let lines = 0
  for (const byte of text) if (byte === 10) lines++
  return lines
}

type Maker = (folder: string, bytes: number) => Promise<LargeFile>
/** Gives none where this machine lacks what it takes. */
type MakerIfThere = (...from: Parameters<Maker>) => Promise<LargeFile | undefined>

/** Of a server's row: two numbers, and a text of so many characters. */
const ROW_TEXT = 512
const ROW_BYTES = ROW_TEXT + 16

/** Rows that the server makes while they are read: neither side has them on disk. */
const served = (server: 'postgres' | 'mariadb', start: () => Promise<SqlTestServer>, query: (rows: number) => string): MakerIfThere => async (_, bytes) => {
  if (findSqlPrograms()[server] === undefined) return undefined
  const rows = Math.max(1, Math.ceil(bytes / ROW_BYTES))
  const { url, stop } = await start()
  return { file: url, query: query(rows), bytes: rows * ROW_BYTES, rows, groupBytes: 0, stop }
}

/** The rows of a block of TFRecords of the tfrecord suite: its name says how many. */
const BLOCK_SCALE = 0.2
const BLOCK_RECORDS = 40_000

const records: Maker = async (folder, bytes) => {
  const body = await readFile((await makeData('bench/data', BLOCK_SCALE)).tabular)
  const file = join(folder, 'large.tfrecord')
  const made = await repeat(file, body, bytes)
  return { file, bytes: made.bytes, rows: made.times * BLOCK_RECORDS, groupBytes: 0 }
}

const packed = (make: Maker): Maker => async (folder, bytes) => {
  const plain = await make(folder, bytes)
  const file = `${plain.file}.gz`
  const output = await open(file, 'w')
  // One member, packed fast: what reading it holds does not depend on the level.
  await pipeline(createReadStream(plain.file), createGzip({ level: 1, chunkSize: 1 << 20 }), output.createWriteStream())
  await rm(plain.file)
  return { ...plain, file }
}

const csv: Maker = async (folder, bytes) => {
  const text = await readFile(await makeCsv('bench/data', 'floats', 0.25))
  const headEnd = text.indexOf(10) + 1
  const body = text.subarray(headEnd)
  const file = join(folder, 'large.csv')
  const made = await repeat(file, body, bytes, { head: text.subarray(0, headEnd).toString() })
  return { file, bytes: made.bytes, rows: made.times * countLines(body), groupBytes: 0 }
}

const jsonLines: Maker = async (folder, bytes) => {
  const body = await readFile(await makeJson('bench/data', 'mixed', 'lines', 0.3))
  const file = join(folder, 'large.lines.json')
  const made = await repeat(file, body, bytes)
  return { file, bytes: made.bytes, rows: made.times * countLines(body), groupBytes: 0 }
}

const jsonArray: Maker = async (folder, bytes) => {
  const text = await readFile(await makeJson('bench/data', 'mixed', 'array', 0.3))
  const body = text.subarray(1, text.lastIndexOf(']'))
  const file = join(folder, 'large.array.json')
  const made = await repeat(file, body, bytes, { head: '[', between: ',\n', tail: ']\n' })
  return { file, bytes: made.bytes, rows: made.times * (countLines(body) + 1), groupBytes: 0 }
}

const vectors = (name: string, groupRows: number, write: (file: string) => (stream: Stream<typeof vectorSchema, 'cold'>) => Job<WriteReport>): Maker => async (folder, bytes) => {
  const batch = vectorBatch()
  const size = batchBytes(batch)
  const times = Math.max(1, Math.ceil(bytes / size))
  const file = join(folder, name)
  await run(pipe(fromBatches(vectorSchema, new Array<typeof batch>(times).fill(batch)), write(file)))
  const rows = times * BATCH
  return { file, bytes: times * size, rows, groupBytes: (Math.min(rows, groupRows) * size) / BATCH }
}

/** Makers of large files by the readers that take them. */
export const largeFiles: { readonly [reader: string]: MakerIfThere } = {
  TFRecord: records,
  'TFRecord, gzip': packed(records),
  CSV: csv,
  'CSV, gzip': packed(csv),
  'JSON lines': jsonLines,
  'JSON array': jsonArray,
  'Arrow stream': vectors('large.arrows', ARROW_ROWS, (file) => writeArrow(file, { format: 'stream' })),
  Parquet: vectors('large.parquet', PARQUET_ROWS, (file) => writeParquet(file)),
  // In the select list the series is made row by row; as a table it would be kept on disk first.
  PostgreSQL: served('postgres', startPostgres, (rows) => `SELECT g AS id, g * 0.5::float8 AS price, repeat(md5(g::text), ${ROW_TEXT / 32}) AS t FROM (SELECT generate_series(1, ${rows}) AS g) AS s`),
  MariaDB: served('mariadb', startMariadb, (rows) => `SELECT seq AS id, seq * 0.5e0 AS price, REPEAT(MD5(seq), ${ROW_TEXT / 32}) AS t FROM seq_1_to_${rows}`),
}
