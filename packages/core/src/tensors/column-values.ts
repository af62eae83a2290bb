import { BoolColumn, BytesColumn, DictionaryColumn, FixedColumn, getBit, halves, ListColumn, type Column } from '../columns/index.js'
import { failure } from '../errors/index.js'
import { describeField } from '../schema/index.js'

/** The values of a column as a tensor has them, row-major. */
export interface ColumnValues {
  /** Not a copy where the column is float32, int32 or such a list. */
  readonly values: Float32Array | Int32Array | string[] | Uint8Array[]
  readonly dtype: 'float32' | 'int32' | 'string'
  /** `[n]`, of lists `[n, length]`. */
  readonly shape: readonly [rows: number, size?: number]
}

/**
 * What a tensor of a column holds: float64 rounded to float32; integers, dates (days) and booleans (0 and 1) as int32; dictionaries
 * as their values; lists that all have one length.
 *
 * @param name - of the column, for errors
 * @throws `Schema` for nulls, integers beyond int32, lists of different lengths, and kinds without a tensor form
 */
export const columnValues = (column: Column, name: string): ColumnValues => {
  if (!(column instanceof ListColumn)) return { ...elements(column, name), shape: [column.length] }
  refuseNulls(column, name)
  const size = listSize(column, name)
  const items = column.items.slice(column.offsets[0]!, column.offsets[column.length]!)
  return { ...elements(items, name), shape: [column.length, size] }
}

const refuseNulls = (column: Column, name: string): void => {
  if (column.nullCount === 0) return
  throw failure({
    tag: 'Schema',
    code: 'NULL',
    problem: `the column holds ${column.nullCount} null${column.nullCount === 1 ? '' : 's'}, and tensors cannot`,
    remedy: 'Fill or filter them first; standardize, vocabulary and the other features have a rule for nulls.',
    position: { column: name },
  })
}

const listSize = ({ field, offsets, length }: ListColumn, name: string): number => {
  const size = field.params.size ?? (length === 0 ? 0 : offsets[1]! - offsets[0]!)
  for (let row = 0; row < length; row++) {
    const found = offsets[row + 1]! - offsets[row]!
    if (found === size) continue
    throw failure({ tag: 'Schema', code: 'RAGGED', problem: `a list of ${found} items stands where the others have ${size}`, remedy: 'Tensors need lists of one length: pad or cut them first.', position: { column: name, record: row } })
  }
  return size
}

const elements = (column: Column, name: string): Pick<ColumnValues, 'values' | 'dtype'> => {
  refuseNulls(column, name)
  if (column instanceof DictionaryColumn) return elements(column.expand(), name)
  if (column instanceof BoolColumn) return { values: Int32Array.from({ length: column.length }, (_, row) => (getBit(column.bits, row) ? 1 : 0)), dtype: 'int32' }
  if (column instanceof BytesColumn) return { values: column.toArray() as string[] | Uint8Array[], dtype: 'string' }
  if (column instanceof FixedColumn) {
    const { values } = column
    if (values instanceof Float32Array) return { values, dtype: 'float32' }
    if (values instanceof Float64Array) return { values: Float32Array.from(values), dtype: 'float32' }
    if (values instanceof Int32Array) return { values, dtype: 'int32' }
    if (values instanceof BigInt64Array || values instanceof BigUint64Array) return { values: narrow(values, name), dtype: 'int32' }
    if (values instanceof Uint32Array) return { values: checked(values, name), dtype: 'int32' }
    return { values: Int32Array.from(values), dtype: 'int32' }
  }
  throw failure({ tag: 'Schema', code: 'NO_TENSOR', problem: `${describeField(column.field)} has no tensor form`, remedy: 'Make a number or a text of it first.', position: { column: name } })
}

const outOfRange = (value: number | bigint, name: string, row: number): Error =>
  failure({ tag: 'Schema', code: 'OUT_OF_RANGE', problem: `${value} does not fit the int32 of a tensor`, remedy: 'TensorFlow.js has no 64-bit integers: make a feature of the column, or float64 of it, first.', position: { column: name, record: row } })

const narrow = (values: BigInt64Array | BigUint64Array, name: string): Int32Array => {
  const words = halves(values)
  const out = new Int32Array(values.length)
  const signed = values instanceof BigInt64Array
  for (let row = 0; row < out.length; row++) {
    const low = words[2 * row]!
    // The high word is the sign of the low one, and nothing more.
    if (words[2 * row + 1] !== low >> 31 || (!signed && low < 0)) throw outOfRange(values[row]!, name, row)
    out[row] = low
  }
  return out
}

const checked = (values: Uint32Array, name: string): Int32Array => {
  for (let row = 0; row < values.length; row++) if (values[row]! > 2147483647) throw outOfRange(values[row]!, name, row)
  return Int32Array.from(values)
}
