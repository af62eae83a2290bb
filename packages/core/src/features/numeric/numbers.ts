import { BoolColumn, FixedColumn, halves, readInt64, readUint64, type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'

/** Kinds of column that hold integers. */
export const integerKinds: readonly string[] = ['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64']

/** Kinds of column that {@link asFloat32} and {@link asFloat64} read as numbers. */
export const numberKinds: readonly string[] = [...integerKinds, 'float32', 'float64']

const unreadable = (column: Column): never => {
  throw failure({ tag: 'Schema', code: 'WRONG_KIND', problem: `a column of kind ${column.field.kind} has no numbers` })
}

const from64 = <A extends Float32Array | Float64Array>(values: BigInt64Array | BigUint64Array, out: A): A => {
  const words = halves(values)
  const read = values instanceof BigUint64Array ? readUint64 : readInt64
  for (let row = 0; row < out.length; row++) out[row] = read(words, row)
  return out
}

/**
 * The column's numbers as float64, one a row; booleans are 0 and 1, 64-bit integers beyond ±2⁵³ are rounded. The element of
 * a null row means nothing. May be the column's own buffer: do not write to it.
 */
export const asFloat64 = (column: Column): Float64Array => {
  if (column instanceof BoolColumn) return Float64Array.from({ length: column.length }, (_, row) => (((column.bits[row >> 3]! >> (row & 7)) & 1) === 1 ? 1 : 0))
  if (!(column instanceof FixedColumn)) return unreadable(column)
  const { values } = column
  if (values instanceof Float64Array) return values
  return values instanceof BigInt64Array || values instanceof BigUint64Array ? from64(values, new Float64Array(values.length)) : new Float64Array(values)
}

/**
 * The column's numbers rounded to float32, as the graph's Cast gives them, with `fill` where a row is null. May be the
 * column's own buffer: do not write to it.
 */
export const asFloat32 = (column: Column, fill: number): Float32Array => {
  if (!(column instanceof FixedColumn)) return unreadable(column)
  const { values } = column
  let out: Float32Array
  if (values instanceof Float32Array) out = column.nullCount === 0 ? values : values.slice()
  else if (values instanceof BigInt64Array || values instanceof BigUint64Array) out = from64(values, new Float32Array(values.length))
  else out = new Float32Array(values)
  if (column.nullCount > 0) for (let row = 0; row < out.length; row++) if (!column.isValid(row)) out[row] = fill
  return out
}
