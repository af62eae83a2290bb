import { getBit } from '@millrace/core'
import type { Numbers, Stored } from '../values/index.js'
import type { ArrowField } from './arrow-type.js'

/** Rows of values that take no bytes. */
export const MAX_EMPTY_ROWS = 1 << 24

/** Offsets of values that all have the same size. What takes no bytes may be said to be there any number of times. */
export const multiples = (length: number, size: number): Int32Array => {
  if (size === 0 && length > MAX_EMPTY_ROWS) throw new Error(`a column says that it has ${length} values of no size`)
  const offsets = new Int32Array(length + 1)
  for (let row = 1; row <= length; row++) offsets[row] = row * size
  return offsets
}

/** A view of the bytes, or a copy of them where they stand at a wrong place for one. */
export const typed = <A>(array: { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBufferLike, offset: number, length: number): A }, bytes: Uint8Array, length: number): A => {
  const place = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice()
  return new array(place.buffer, place.byteOffset, length)
}

/** Integers of a width in bytes; of 8 bytes all as signed. */
export const indexValues = (bytes: Uint8Array, length: number, width: number, signed: boolean): ArrayLike<number | bigint> => {
  switch (width) {
    case 1:
      return signed ? typed(Int8Array, bytes, length) : typed(Uint8Array, bytes, length)
    case 2:
      return signed ? typed(Int16Array, bytes, length) : typed(Uint16Array, bytes, length)
    case 4:
      return signed ? typed(Int32Array, bytes, length) : typed(Uint32Array, bytes, length)
    default:
      return typed(BigInt64Array, bytes, length)
  }
}

/** Other writers may leave anything where a row is null; our columns hold 0 there. Copies only where it must. */
const zeroedNulls = <A extends Numbers>(values: A, validity: Uint8Array | undefined): A => {
  if (validity === undefined) return values
  let out: A | undefined
  for (let row = 0; row < values.length; row++) {
    // eslint-disable-next-line eqeqeq
    if (getBit(validity, row) || values[row] == 0) continue
    out ??= values.slice() as A
    out[row] = (typeof values[row] === 'bigint' ? 0n : 0) as never
  }
  return out ?? values
}

const integerArrays = { Int8: Int8Array, Uint8: Uint8Array, Int16: Int16Array, Uint16: Uint16Array, Int32: Int32Array, Uint32: Int32Array, Int64: BigInt64Array, Uint64: BigInt64Array } as const

const arrayFor = ({ type }: ArrowField, width: number): { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBufferLike, offset: number, length: number): Numbers } | undefined => {
  switch (type.is) {
    case 'integer':
      return integerArrays[`${type.signed ? 'Int' : 'Uint'}${type.bits}` as keyof typeof integerArrays]
    case 'float':
      return Float32Array
    case 'double':
      return Float64Array
    case 'date':
      return Int32Array
    case 'instant':
      return BigInt64Array
    case 'decimal':
      return width === 4 ? Int32Array : width === 8 ? BigInt64Array : undefined
    default:
      return undefined
  }
}

/** Values that all have the same size, as they are stored under the field. */
export const fixedValues = (field: ArrowField, bytes: Uint8Array, length: number, width: number, validity: Uint8Array | undefined): Stored => {
  const array = arrayFor(field, width)
  if (array !== undefined) return { is: 'numbers', length, values: zeroedNulls(typed(array, bytes, length), validity) }
  if (field.type.is === 'decimal') return { is: 'words', length, words: decimalWords(bytes, length, width) }
  return { is: 'bytes', length, offsets: multiples(length, width), bytes: bytes.subarray(0, length * width) }
}

/** Of decimals of 256 bits the lower 128: more digits than they hold have no kind of column. */
const decimalWords = (bytes: Uint8Array, length: number, width: number): BigInt64Array => {
  const words = typed(BigInt64Array, bytes, (length * width) / 8)
  if (width === 16) return words
  const low = new BigInt64Array(2 * length)
  for (let slot = 0; slot < length; slot++) low.set(words.subarray(4 * slot, 4 * slot + 2), 2 * slot)
  return low
}
