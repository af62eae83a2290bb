import type { SqlRows } from '../sql-session.js'
import type { SqlValue } from '../sql-values.js'
import { badMessage } from './thrift-error.js'
import type { ByteRows, ThriftStruct } from './thrift-value.js'
import { ThriftType } from './thrift-types.js'

/** One column of a piece of a result. */
export interface HiveColumnValues {
  readonly length: number
  /** Numbers, booleans as 0 and 1, or texts and byte strings one after another. */
  readonly values: Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Float64Array | ByteRows
  /** Whether the bytes are a text. */
  readonly isText: boolean
  /** Bit `i & 7` of byte `i >> 3` is 1 where row `i` is null; rows beyond its end are not. */
  readonly nulls: Uint8Array
}

/** A piece of a result, column by column. */
export interface HivePiece {
  readonly rows: number
  readonly columns: readonly HiveColumnValues[]
}

/** The fields of the union TColumn, and the types of their lists. */
const lists: { readonly [field: number]: number } = {
  1: ThriftType.bool, 2: ThriftType.byte, 3: ThriftType.i16, 4: ThriftType.i32, 5: ThriftType.i64, 6: ThriftType.double, 7: ThriftType.string, 8: ThriftType.string,
}

const columnOf = (union: ThriftStruct): HiveColumnValues => {
  const kind = union.only()
  const wanted = lists[kind]
  const column = union.struct(kind)
  const { type, values } = column.list(1)
  if (wanted === undefined || type !== wanted) throw badMessage(`a column of kind ${kind} has values of type ${type}`)
  const known = values as HiveColumnValues['values']
  const length = 'offsets' in known ? known.offsets.length - 1 : known.length
  return { length, values: known, isText: kind === 7, nulls: column.bytes(2) }
}

/** The piece that a TRowSet is. @throws `Corrupt` for one that does not fit its columns */
export const hivePiece = (set: ThriftStruct, columns: number): HivePiece => {
  if (!set.has(3)) {
    if (set.structs(2).length === 0) return { rows: 0, columns: [] }
    throw badMessage('it has rows instead of columns, as servers older than Hive 0.13 send them')
  }
  const found = set.structs(3).map(columnOf)
  // Statements without a result announce a column, and have none.
  if (found.length === 0) return { rows: 0, columns: [] }
  const rows = found[0]!.length
  if (found.length !== columns || found.some(({ length }) => length !== rows)) throw badMessage(`a piece of the result has ${found.length} columns of different lengths, and ${columns} were announced`)
  return { rows, columns: found }
}

/** Whether a row of a column is null. */
export const isNull = ({ nulls }: HiveColumnValues, row: number): boolean => (((nulls[row >> 3] ?? 0) >> (row & 7)) & 1) === 1

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The value of a row, null or not. */
export const valueAt = (column: HiveColumnValues, row: number): SqlValue => {
  const { values, isText } = column
  if (isNull(column, row)) return null
  if (!('offsets' in values)) return values[row]!
  const bytes = values.bytes.subarray(values.offsets[row], values.offsets[row + 1])
  return isText ? decoder.decode(bytes) : bytes
}

/** A piece, row by row. */
export const rowsOf = ({ rows, columns }: HivePiece): SqlRows =>
  Array.from({ length: rows }, (_, row) => columns.map((column) => valueAt(column, row)))

/** About how many bytes a piece holds. */
export const pieceBytes = ({ columns }: HivePiece): number =>
  columns.reduce((sum, { values, nulls }) => sum + nulls.length + ('offsets' in values ? values.bytes.length + values.offsets.byteLength : values.byteLength), 0)
