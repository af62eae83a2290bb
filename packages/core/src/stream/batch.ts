import * as arrow from 'apache-arrow'
import type { BoolColumn } from '../columns/bool-column.js'
import type { BytesColumn } from '../columns/bytes-column.js'
import { shownValue, type Column } from '../columns/column.js'
import { concatColumns } from '../columns/concat-columns.js'
import type { DecimalColumn } from '../columns/decimal-column.js'
import type { DictionaryColumn } from '../columns/dictionary-column.js'
import type { FixedColumn } from '../columns/fixed-column.js'
import { columnFromArrow } from '../columns/from-arrow.js'
import type { ListColumn } from '../columns/list-column.js'
import { makeBuilder } from '../columns/make-builder.js'
import { withField } from '../columns/make-column.js'
import { arrowData, arrowSchema } from '../columns/to-arrow.js'
import { failure, fromUnknown, isMillraceError } from '../errors/index.js'
import { describeField, requireColumn, type Field, type Row, type Schema } from '../schema/index.js'
import { ownValue, requireNames } from './own-value.js'
import type { Position } from './position.js'
import { renderText } from './table.js'

/** The column class of each kind. */
export interface ColumnClasses<T> {
  bool: BoolColumn<T>
  int8: FixedColumn<T, Int8Array>
  int16: FixedColumn<T, Int16Array>
  int32: FixedColumn<T, Int32Array>
  int64: FixedColumn<T, BigInt64Array>
  uint8: FixedColumn<T, Uint8Array>
  uint16: FixedColumn<T, Uint16Array>
  uint32: FixedColumn<T, Uint32Array>
  uint64: FixedColumn<T, BigUint64Array>
  float32: FixedColumn<T, Float32Array>
  float64: FixedColumn<T, Float64Array>
  utf8: BytesColumn<T>
  binary: BytesColumn<T>
  date: FixedColumn<T, Int32Array>
  timestamp: FixedColumn<T, BigInt64Array>
  decimal: DecimalColumn<T>
  dictionary: DictionaryColumn<T>
  list: ListColumn<T>
}

/** The column of a field, with the typed array of its kind. */
export type ColumnOf<F extends Field> = F['kind'] extends keyof ColumnClasses<unknown> ? ColumnClasses<F['js']>[F['kind']] : Column<F['js']>

/** The columns of a batch by name. */
export type ColumnsOf<S extends Schema> = { readonly [K in keyof S as K]: ColumnOf<S[K]> } & {}

/** Columns by name, typed by their values only: what operators build batches of. */
export type ColumnMap = { readonly [name: string]: Column }

/** Some thousands of rows, column by column: the unit that streams move. */
export interface Batch<S extends Schema = Schema> {
  readonly schema: S
  readonly numRows: number
  readonly columns: ColumnsOf<S>
  /** Where the stream stands after this batch; absent on batches that did not come from a stream. */
  readonly position: Position | undefined
  /** The same buffers as an Arrow record batch; made when first asked for. */
  readonly arrow: arrow.RecordBatch
  /** Rows `start` to `end` (exclusive), sharing buffers. */
  slice(start: number, end: number): Batch<S>
  /** The rows at `indices`, in that order. */
  take(indices: Int32Array): Batch<S>
  /** The row's values as a plain object. */
  row(index: number): Row<S>
}

/** Rows that `console.log` shows of a batch. */
const SHOWN_ROWS = 10

class ColumnarBatch implements Batch {
  private arrowBatch: arrow.RecordBatch | undefined

  constructor(
    readonly schema: Schema,
    readonly columns: ColumnMap,
    readonly numRows: number,
    readonly position: Position | undefined,
  ) {}

  get arrow(): arrow.RecordBatch {
    if (this.arrowBatch === undefined) {
      const schema = arrowSchema(this.schema)
      const children = schema.fields.map(({ name, type }) => arrowData(this.columns[name]!, type as arrow.DataType))
      const data = arrow.makeData({ type: new arrow.Struct(schema.fields), length: this.numRows, nullCount: 0, children })
      this.arrowBatch = new arrow.RecordBatch(schema, data)
    }
    return this.arrowBatch
  }

  slice(start: number, end: number): Batch {
    const from = Math.max(0, Math.min(start, this.numRows))
    const to = Math.max(from, Math.min(end, this.numRows))
    return new ColumnarBatch(this.schema, mapValues(this.columns, (column) => column.slice(from, to)), to - from, undefined)
  }

  take(indices: Int32Array): Batch {
    return new ColumnarBatch(this.schema, mapValues(this.columns, (column) => column.take(indices)), indices.length, undefined)
  }

  row(index: number): Row<Schema> {
    try {
      return mapValues(this.columns, (column) => column.get(index))
    } catch (error) {
      throw this.inColumn(index, error)
    }
  }

  /** The error of a value that cannot be shown, such as a day that no `Date` holds, with its column. */
  private inColumn(index: number, error: unknown): unknown {
    if (!isMillraceError(error) || error.position.column !== undefined) return error
    for (const [column, values] of Object.entries(this.columns)) {
      try {
        values.get(index)
      } catch {
        return error.at({ column })
      }
    }
    return error
  }

  toString(): string {
    return `Batch(${this.numRows} rows: ${Object.keys(this.columns).join(', ')})`
  }

  /** Notebooks (tslab, Jupyter) and `console.log` show the first rows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const heading = Object.entries(this.schema).map(([name, field]) => [name, describeField(field)] as const)
    const rows = Array.from({ length: Math.min(this.numRows, SHOWN_ROWS) }, (_, row) => Object.values(this.columns).map((column) => shownValue(column, row)))
    const left = this.numRows - rows.length
    return `${this.toString()}\n${renderText(heading, rows)}${left > 0 ? `\n… and ${left} more rows` : ''}`
  }
}

const mapValues = <A, B>(map: { readonly [name: string]: A }, f: (value: A) => B): { [name: string]: B } => {
  const out: { [name: string]: B } = {}
  for (const name in map) out[name] = f(map[name]!)
  return out
}

/**
 * A batch of columns, which must be those of the schema and all as long as `numRows`.
 *
 * @param numRows - needed when the schema has no columns
 * @throws `Schema` when columns are missing or their lengths differ
 */
export const makeBatch = <S extends Schema>(schema: S, columns: ColumnMap, numRows?: number, position?: Position): Batch<S> => {
  const ordered: { [name: string]: Column } = {}
  let rows = numRows
  for (const name in schema) {
    const column = ownValue(columns, name) as Column | undefined
    if (column === undefined) requireColumn(mapValues(columns, (found) => found.field), name, 'the batch')
    rows ??= column!.length
    if (column!.length !== rows) {
      throw failure({ tag: 'Schema', code: 'LENGTH_MISMATCH', problem: `the column has ${column!.length} rows where the batch has ${rows}`, position: { column: name } })
    }
    if (column!.nullCount > 0 && !schema[name]!.nullable) {
      throw failure({ tag: 'Schema', code: 'NULL', problem: 'the column holds nulls, and its field is not nullable', remedy: 'Make it field.nullable(…), or fill the nulls first.', position: { column: name } })
    }
    ordered[name] = withField(column!, schema[name]!)
  }
  return new ColumnarBatch(schema, ordered, rows ?? 0, position) as unknown as Batch<S>
}

/** The same batch at a position. */
export const atPosition = <S extends Schema>(batch: Batch<S>, position: Position | undefined): Batch<S> =>
  new ColumnarBatch(batch.schema, batch.columns as ColumnMap, batch.numRows, position) as unknown as Batch<S>

/** A batch over an Arrow record batch, sharing its buffers; columns are found by name. */
export const batchFromArrow = <S extends Schema>(schema: S, batch: arrow.RecordBatch): Batch<S> => {
  const columns: { [name: string]: Column } = {}
  for (const name in schema) {
    const child = batch.getChild(name)
    if (child !== null) columns[name] = columnFromArrow(child.data[0]!, schema[name])
  }
  return makeBatch(schema, columns, batch.numRows)
}

/**
 * A batch of rows.
 *
 * @param firstRow - ordinal of the first row, for error messages
 * @throws `BadRecord` with row and column for a value that does not fit its field
 */
export const batchFromRows = <S extends Schema>(schema: S, rows: readonly Row<S>[], firstRow = 0): Batch<S> => {
  requireNames(schema)
  const columns: { [name: string]: Column } = {}
  for (const name in schema) {
    const builder = makeBuilder(schema[name]!)
    try {
      for (const row of rows) builder.append(ownValue(row, name))
    } catch (thrown) {
      throw fromUnknown(thrown, { record: firstRow + builder.length, column: name })
    }
    columns[name] = builder.finish()
  }
  return makeBatch(schema, columns, rows.length)
}

/** Batches of one schema as one, in new buffers. */
export const concatBatches = <S extends Schema>(schema: S, batches: readonly Batch<S>[]): Batch<S> => {
  if (batches.length === 1) return batches[0]!
  const columns: { [name: string]: Column } = {}
  for (const name in schema) columns[name] = concatColumns(schema[name]!, batches.map((batch) => (batch.columns as ColumnMap)[name]!))
  return makeBatch(schema, columns, batches.reduce((sum, batch) => sum + batch.numRows, 0))
}
