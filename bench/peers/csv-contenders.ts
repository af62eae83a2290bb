import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import type { BytesColumn, ColumnMap, FixedColumn, Schema } from '@millrace/core'
import { readCsv } from '@millrace/formats'
import { parse } from 'csv-parse'
import { inferSchema, initParser } from 'udsv'
import { Digester, type Digest } from '../harness/digest.js'
import { timed, type Cost } from '../harness/measure.js'
import { csvSchemas } from '../suites/csv-schemas.js'

/** What the csv suite asks of a contender. */
export interface CsvCommand {
  readonly do: 'check' | 'read'
  readonly file: string
  readonly schema: string
  /** Rows of the file. */
  readonly rows: number
}

interface CsvContender {
  check(command: CsvCommand): Promise<Digest>
  read(command: CsvCommand): Promise<Cost>
}

const requireRows = (seen: number, due: number): void => {
  if (seen !== due) throw new Error(`read ${seen} rows of ${due}`)
}

const ours: CsvContender = {
  check: async ({ file, schema }) => {
    const digester = new Digester()
    for await (const batch of readCsv(file, { schema: csvSchemas[schema]! })) {
      digester.rows += batch.numRows
      for (const [name, column] of Object.entries(batch.columns as ColumnMap)) {
        if (column.field.kind === 'utf8') {
          const { bytes, offsets, length } = column as BytesColumn
          digester.addStrings(name, bytes.subarray(offsets[0], offsets[length]), Int32Array.from({ length }, (_, row) => offsets[row + 1]! - offsets[row]!))
        } else digester.add(name, (column as FixedColumn).values)
      }
    }
    return digester.digest()
  },
  read: ({ file, schema, rows }) =>
    timed(async () => {
      let seen = 0
      for await (const batch of readCsv(file, { schema: csvSchemas[schema]! })) seen += batch.numRows
      requireRows(seen, rows)
    }),
}

const typedArrays: { readonly [kind: string]: (values: readonly number[]) => ArrayBufferView } = {
  int32: (values) => Int32Array.from(values),
  int64: (values) => BigInt64Array.from(values, BigInt),
  float32: (values) => Float32Array.from(values),
  float64: (values) => Float64Array.from(values),
}

/** The digest of columns of JavaScript values. */
const digestOf = (schema: Schema, columns: readonly (readonly unknown[])[]): Digest => {
  const digester = new Digester()
  digester.rows = columns[0]!.length
  for (const [i, [name, { kind }]] of Object.entries(schema).entries()) {
    const values = columns[i]!
    if (kind === 'utf8') {
      const texts = (values as string[]).map((value) => Buffer.from(value))
      digester.addStrings(name, Buffer.concat(texts), Int32Array.from(texts, (text) => text.length))
    } else digester.add(name, typedArrays[kind]!(values as number[]))
  }
  return digester.digest()
}

/** uDSV's typed columns: numbers and strings, whatever the width of the column is. */
const udsvColumns = async (file: string, schema: string): Promise<unknown[][]> => {
  const text = await readFile(file, 'utf8')
  const inferred = inferSchema(text, { col: ',', row: '\n', encl: '"' })
  const kinds = Object.values(csvSchemas[schema]!)
  for (const [i, column] of inferred.cols.entries()) column.type = kinds[i]!.kind === 'utf8' ? 's' : 'n'
  return initParser(inferred).typedCols(text) as unknown[][]
}

const udsv: CsvContender = {
  check: async ({ file, schema }) => digestOf(csvSchemas[schema]!, await udsvColumns(file, schema)),
  read: ({ file, schema, rows }) => timed(async () => requireRows((await udsvColumns(file, schema))[0]!.length, rows)),
}

/** csv-parse's stream with its own cast of what looks like a number (no text of the suite does), into arrays: faster than a function. */
const csvParseColumns = async (file: string, schema: string): Promise<unknown[][]> => {
  const columns: unknown[][] = Object.keys(csvSchemas[schema]!).map(() => [])
  const records = createReadStream(file, { highWaterMark: 1024 * 1024 }).pipe(parse({ from_line: 2, cast: true }))
  records.on('data', (record: unknown[]) => {
    for (let i = 0; i < columns.length; i++) columns[i]!.push(record[i])
  })
  await finished(records)
  return columns
}

const csvParse: CsvContender = {
  check: async ({ file, schema }) => digestOf(csvSchemas[schema]!, await csvParseColumns(file, schema)),
  read: ({ file, schema, rows }) => timed(async () => requireRows((await csvParseColumns(file, schema))[0]!.length, rows)),
}

/** Contenders that run on Node, by the names that they are started with. */
export const csvContenders: { readonly [name: string]: CsvContender } = { 'csv ours': ours, 'csv udsv': udsv, 'csv csv-parse': csvParse }
