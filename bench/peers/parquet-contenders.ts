import { BytesColumn, DictionaryColumn, fromBatches, pipe, run, type Batch, type Column, type ColumnMap, type FixedColumn } from '@millrace/core'
import { readParquet, writeParquet } from '@millrace/formats'
import { asyncBufferFromFile, parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { parquetWriteFile, type BasicType } from 'hyparquet-writer'
import { Digester, type Digest } from '../harness/digest.js'
import { timed, type Cost } from '../harness/measure.js'
import { parquetSchemas } from '../suites/parquet-data.js'

/** What the parquet suite asks of a contender. */
export interface ParquetCommand {
  readonly do: 'check' | 'read' | 'load' | 'write'
  readonly file: string
  readonly schema: string
  /** Rows of the file. */
  readonly rows: number
  /** Where `write` writes what `load` read. */
  readonly out: string
}

interface ParquetContender {
  check(command: ParquetCommand): Promise<Digest>
  read(command: ParquetCommand): Promise<Cost>
  /** Takes the columns of a file into memory, as the contender's writer has them. */
  load(command: ParquetCommand): Promise<void>
  write(command: ParquetCommand): Promise<Cost>
}

/** Rows of a row group, of every writer: our default. */
const GROUP_ROWS = 131_072

const requireRows = (seen: number, due: number): void => {
  if (seen !== due) throw new Error(`read ${seen} rows of ${due}`)
}

const digestColumn = (digester: Digester, name: string, column: Column): void => {
  const plain = column instanceof DictionaryColumn ? column.expand() : column
  if (plain instanceof BytesColumn) {
    const { bytes, offsets, length } = plain
    digester.addStrings(name, bytes.subarray(offsets[0], offsets[length]), Int32Array.from({ length }, (_, row) => offsets[row + 1]! - offsets[row]!))
  } else digester.add(name, (plain as FixedColumn).values)
}

const readBatches = async ({ file, schema }: ParquetCommand): Promise<Batch[]> => {
  const batches: Batch[] = []
  for await (const batch of readParquet(file, { schema: parquetSchemas[schema]! })) batches.push(batch)
  return batches
}

let batches: readonly Batch[] = []

const ours: ParquetContender = {
  check: async ({ file, schema }) => {
    const digester = new Digester()
    for await (const batch of readParquet(file, { schema: parquetSchemas[schema]! })) {
      digester.rows += batch.numRows
      for (const [name, column] of Object.entries(batch.columns as ColumnMap)) digestColumn(digester, name, column)
    }
    return digester.digest()
  },
  read: ({ file, schema, rows }) =>
    timed(async () => {
      let seen = 0
      for await (const batch of readParquet(file, { schema: parquetSchemas[schema]! })) seen += batch.numRows
      requireRows(seen, rows)
    }),
  load: async (command) => void (batches = await readBatches(command)),
  write: ({ schema, out }) => timed(() => run(pipe(fromBatches(parquetSchemas[schema]!, batches), writeParquet(out, { ifExists: 'replace', rowGroupRows: GROUP_ROWS })))),
}

/** A part of a column of hyparquet: an array of values, a typed array where it has such. */
interface Part {
  readonly start: number
  readonly values: ArrayLike<unknown>
}

const hyparquetColumns = async (file: string): Promise<Map<string, Part[]>> => {
  const columns = new Map<string, Part[]>()
  await parquetRead({
    file: await asyncBufferFromFile(file), compressors,
    onChunk: ({ columnName, columnData, rowStart }) => {
      const part = { start: rowStart, values: columnData }
      const parts = columns.get(columnName)
      if (parts === undefined) columns.set(columnName, [part])
      else parts.push(part)
    },
  })
  return columns
}

const countRows = (columns: ReadonlyMap<string, readonly Part[]>): number => [...columns.values()][0]!.reduce((sum, { values }) => sum + values.length, 0)

type TypedArray = Float64Array & { readonly constructor: new (length: number) => Float64Array }

/**
 * One typed array a column where hyparquet gives one a page, of some rows in one column and of others in the next: ours come in batches of
 * the same rows. Its texts and its numbers among nulls stay what it
 * gives, arrays of strings and of objects: to make columns of them would cost it more.
 */
const joinColumns = (columns: ReadonlyMap<string, readonly Part[]>): readonly ArrayLike<unknown>[] =>
  [...columns.values()].flatMap((parts) => {
    const [first] = parts
    if (first === undefined || !ArrayBuffer.isView(first.values)) return parts.map(({ values }) => values)
    const out = new (first.values as unknown as TypedArray).constructor(parts.reduce((sum, { values }) => sum + values.length, 0))
    for (const { start, values } of parts) out.set(values as TypedArray, start)
    return [out]
  })

/** Where a value is null, our columns hold 0 or nothing. */
const typedArrays: { readonly [kind: string]: (values: readonly unknown[]) => ArrayBufferView } = {
  int32: (values) => Int32Array.from(values, (value) => Number(value ?? 0)),
  int64: (values) => BigInt64Array.from(values, (value) => BigInt((value ?? 0) as bigint)),
  float32: (values) => Float32Array.from(values, (value) => Number(value ?? 0)),
  float64: (values) => Float64Array.from(values, (value) => Number(value ?? 0)),
}

const writerTypes: { readonly [kind: string]: BasicType } = { int32: 'INT32', int64: 'INT64', float32: 'FLOAT', float64: 'DOUBLE', utf8: 'STRING', dictionary: 'STRING' }

/** Columns as hyparquet-writer takes them: typed arrays of numbers where none is null, else arrays. */
const writerColumns = async (command: ParquetCommand): Promise<Parameters<typeof parquetWriteFile>[0]['columnData']> => {
  const parts = await readBatches(command)
  return Object.entries(parquetSchemas[command.schema]!).map(([name, { kind, nullable }]) => {
    const columns = parts.map((batch) => (batch.columns as ColumnMap)[name]!)
    const values = columns.flatMap((column) => Array.from({ length: column.length }, (_, row) => column.get(row)))
    const typed = columns[0] as FixedColumn
    const data = nullable || writerTypes[kind] === 'STRING' ? values : (typed.values.constructor as unknown as { from(of: readonly unknown[]): Float64Array }).from(values)
    return { name, data, type: writerTypes[kind]!, nullable }
  })
}

let writerData: Awaited<ReturnType<typeof writerColumns>> = []

const hyparquet: ParquetContender = {
  check: async ({ file, schema }) => {
    const columns = await hyparquetColumns(file)
    const digester = new Digester()
    digester.rows = countRows(columns)
    for (const [name, { kind }] of Object.entries(parquetSchemas[schema]!)) {
      const values = columns.get(name)!.sort((a, b) => a.start - b.start).flatMap((part) => Array.from(part.values))
      if (kind === 'utf8' || kind === 'dictionary') {
        const texts = values.map((value) => Buffer.from((value ?? '') as string))
        digester.addStrings(name, Buffer.concat(texts), Int32Array.from(texts, (text) => text.length))
      } else digester.add(name, typedArrays[kind]!(values))
    }
    return digester.digest()
  },
  read: ({ file, rows }) =>
    timed(async () => {
      const columns = await hyparquetColumns(file)
      joinColumns(columns)
      requireRows(countRows(columns), rows)
    }),
  load: async (command) => void (writerData = await writerColumns(command)),
  write: ({ out }) => timed(async () => parquetWriteFile({ filename: out, columnData: writerData, rowGroupSize: GROUP_ROWS })),
}

/** Contenders that run on Node, by the names that they are started with. */
export const parquetContenders: { readonly [name: string]: ParquetContender } = { 'parquet ours': ours, 'parquet hyparquet': hyparquet }
