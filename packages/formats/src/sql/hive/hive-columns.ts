import { isUtf8 } from 'node:buffer'
import { bitmapBytes, boolColumn, bytesColumn, fixedColumn, setBit, type Column, type Field } from '@millrace/core'
import type { SqlType } from '../sql-type.js'
import { convertedColumn } from '../sql-values.js'
import { isNull, valueAt, type HiveColumnValues } from './hive-rows.js'
import type { ByteRows } from './thrift-value.js'

/** Arrow's bitmap of what is not null; `undefined` where nothing is null. */
const validityOf = ({ nulls, length }: HiveColumnValues): Uint8Array | undefined => {
  const validity = new Uint8Array(bitmapBytes(length)).fill(255)
  let any = 0
  for (let i = 0; i < validity.length; i++) {
    const here = (nulls[i] ?? 0) & (i === length >> 3 ? (1 << (length & 7)) - 1 : 255)
    any |= here
    validity[i] = ~here
  }
  return any === 0 ? undefined : validity
}

/** The arrays that are the columns of a kind as they are. */
const arrays: { readonly [kind: string]: new (length: number) => Exclude<HiveColumnValues['values'], ByteRows> } = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array, float64: Float64Array,
}

const bitsOf = (values: Uint8Array): Uint8Array => {
  const bits = new Uint8Array(bitmapBytes(values.length))
  for (let row = 0; row < values.length; row++) if (values[row] !== 0) setBit(bits, row)
  return bits
}

/** The numbers in the array of a kind; Hive's floats come as doubles. */
const numbersOf = (values: Exclude<HiveColumnValues['values'], ByteRows>, { kind }: Field): typeof values | Float32Array | undefined => {
  if (kind === 'float32' && values instanceof Float64Array) return new Float32Array(values)
  const array = arrays[kind]
  return array !== undefined && values instanceof array ? values : undefined
}

/** What stands where a row is null is the server's matter. */
const clearNulls = (column: HiveColumnValues, numbers: NonNullable<ReturnType<typeof numbersOf>>): void => {
  const zero = numbers instanceof BigInt64Array ? 0n : 0
  for (let row = 0; row < column.length; row++) if (isNull(column, row)) numbers[row] = zero as never
}

/** A column whose bytes are those of the piece; `undefined` for kinds that take a conversion of each value. */
const wholeColumn = (column: HiveColumnValues, field: Field, validity: Uint8Array | undefined): Column | undefined => {
  const { values, isText } = column
  if ('offsets' in values) {
    if (field.kind !== (isText ? 'utf8' : 'binary') || (isText && !isUtf8(values.bytes))) return undefined
    return bytesColumn(field, values.offsets, values.bytes, validity)
  }
  if (field.kind === 'bool' && values instanceof Uint8Array) return boolColumn(field, bitsOf(values), values.length, validity)
  const numbers = numbersOf(values, field)
  if (numbers === undefined) return undefined
  if (validity !== undefined) clearNulls(column, numbers)
  return fixedColumn(field, numbers, validity)
}

/** A whole column of a piece under a field that can hold its type; `undefined` where a value of it does not fit. */
export const hiveColumnOf = (column: HiveColumnValues, field: Field, type: SqlType): Column | undefined => {
  const validity = validityOf(column)
  if (validity !== undefined && !field.nullable) return undefined
  const whole = wholeColumn(column, field, validity)
  if (whole !== undefined) return whole
  return convertedColumn(field, type, column.length, (row) => valueAt(column, row))
}
