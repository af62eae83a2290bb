import { BoolColumn, FixedColumn, halves, readInt64, readUint64, type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'

/** Kinds of column that hold integers. */
export const integerKinds: readonly string[] = ['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64']

/** Kinds of column that {@link asFloat32} and {@link asFloat64} read as numbers. */
export const numberKinds: readonly string[] = [...integerKinds, 'float32', 'float64']

const unreadable = (column: Column): never => {
  throw failure({ tag: 'Schema', code: 'WRONG_KIND', problem: `a column of kind ${column.field.kind} has no numbers` })
}

/** Beyond 2⁵³ a float32's last bit is worth 2³⁰ and more: whether any of these is set decides no more than a tie. */
const LOW_BITS = 0xfff

/**
 * 64-bit integers as floats, rounded once. A float32 that is rounded from a float64 would be rounded twice, and differ from the
 * graph's Cast in its last bit where the first rounding makes a tie: so the low bits become one bit first (rounding to odd).
 */
const from64 = <A extends Float32Array | Float64Array>(values: BigInt64Array | BigUint64Array, out: A): A => {
  const words = halves(values)
  const read = values instanceof BigUint64Array ? readUint64 : readInt64
  const single = out instanceof Float32Array
  for (let row = 0; row < out.length; row++) {
    const value = read(words, row)
    const low = words[2 * row]! & LOW_BITS
    out[row] = !single || low === 0 || Number.isSafeInteger(value) ? value : read(Int32Array.of((words[2 * row]! & ~LOW_BITS) | (LOW_BITS + 1), words[2 * row + 1]!), 0)
  }
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
