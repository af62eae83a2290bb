import { fixedColumn, halves, writeInt64, type Column } from '../../columns/index.js'
import { field, type Int32, type Int64 } from '../../schema/index.js'

/** Field of the ordinals of rows that are all in memory. */
export const ordinal: Int32 = field.int32()
/** Field of the ordinals of rows that may be more than 2³¹. */
export const ordinal64: Int64 = field.int64()

/** 0 … count - 1. */
export const ordinals = (count: number): Column<number> => {
  const values = new Int32Array(count)
  for (let row = 0; row < count; row++) values[row] = row
  return fixedColumn(ordinal, values)
}

/** start … start + count - 1. */
export const ordinals64 = (start: number, count: number): Column<bigint> => {
  const values = new BigInt64Array(count)
  const words = halves(values)
  for (let row = 0; row < count; row++) writeInt64(words, row, start + row)
  return fixedColumn(ordinal64, values)
}
