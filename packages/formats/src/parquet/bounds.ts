import { BoolColumn, BytesColumn, countBits, DecimalColumn, FixedColumn, halves, type Column } from '@millrace/core'
import { encodePlain, storedNumbers, type LeafForm } from './encode-values.js'

/** What is longer is cut: bounds are kept in the footer, and read whenever the file is opened. */
const MAX_BOUND_BYTES = 64

/** Least and greatest of some values as they are stored. */
export interface Bounds {
  readonly least: Uint8Array
  readonly most: Uint8Array
}

/** Bounds as a file tells them. */
export interface ToldBounds extends Bounds {
  readonly isLeastExact: boolean
  readonly isMostExact: boolean
}

/**
 * The bounds of values without nulls, in the order that Parquet defines for their type; `undefined` where there are none to tell: there is no value, or one
 * is not a number, which engines place differently.
 *
 * @see https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift (ColumnOrder)
 */
export const boundsOf = (column: Column, form: LeafForm): Bounds | undefined => {
  if (column.length === 0) return undefined
  if (column instanceof FixedColumn) return numberBounds(storedNumbers(column))
  if (column instanceof BytesColumn) return byteBounds(column)
  if (column instanceof BoolColumn) return boolBounds(column)
  return column instanceof DecimalColumn ? decimalBounds(column, form) : undefined
}

const numberBounds = (values: ArrayBufferView & ArrayLike<number | bigint>): Bounds | undefined => {
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) return wideBounds(values)
  const numbers = values as Float64Array
  let [least, most] = [numbers[0]!, numbers[0]!]
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i]!
    if (value !== value) return undefined
    if (value < least) least = value
    if (value > most) most = value
  }
  const one = (value: number): Uint8Array => new Uint8Array((numbers.constructor as Float64ArrayConstructor).of(value).buffer)
  // Zero has two signs among floats, of which -0 is to be the lower bound.
  const isFloat = values instanceof Float32Array || values instanceof Float64Array
  return { least: one(isFloat && least === 0 ? -0 : least), most: one(isFloat && most === 0 ? 0 : most) }
}

/** Of integers of 64 bits, by their halves: a bigint of each would cost ten times as much. */
const wideBounds = (values: BigInt64Array | BigUint64Array): Bounds => {
  const words = halves(values)
  // With the other sign, integers without one are in the order of those with one.
  const flip = values instanceof BigInt64Array ? 0 : 1 << 31
  const isLess = (high: number, low: number, row: number): boolean => {
    const other = words[2 * row + 1]! ^ flip
    return high < other || (high === other && low >>> 0 < words[2 * row]! >>> 0)
  }
  let [least, most] = [0, 0]
  for (let row = 1; row < values.length; row++) {
    const [low, high] = [words[2 * row]!, words[2 * row + 1]! ^ flip]
    if (isLess(high, low, least)) least = row
    else if (!isLess(high, low, most)) most = row
  }
  const at = (row: number): Uint8Array => new Uint8Array(values.buffer, values.byteOffset + 8 * row, 8).slice()
  return { least: at(least), most: at(most) }
}

const byteBounds = ({ bytes, offsets, length }: BytesColumn): Bounds => {
  const compare = (a: number, b: number): number => {
    let [at, with_] = [offsets[a]!, offsets[b]!]
    const end = at + Math.min(offsets[a + 1]! - at, offsets[b + 1]! - with_)
    for (; at < end; at++, with_++) if (bytes[at] !== bytes[with_]) return bytes[at]! - bytes[with_]!
    return offsets[a + 1]! - at - (offsets[b + 1]! - with_)
  }
  let [least, most] = [0, 0]
  for (let row = 1; row < length; row++) {
    if (compare(row, least) < 0) least = row
    else if (compare(row, most) > 0) most = row
  }
  const at = (row: number): Uint8Array => bytes.subarray(offsets[row], offsets[row + 1])
  return { least: at(least), most: at(most) }
}

const boolBounds = ({ bits, length }: BoolColumn): Bounds => {
  const yes = countBits(bits, length)
  return { least: Uint8Array.of(yes === length ? 1 : 0), most: Uint8Array.of(yes > 0 ? 1 : 0) }
}

const decimalBounds = (column: DecimalColumn, form: LeafForm): Bounds => {
  const words = halves(column.words)
  const isLess = (a: number, b: number): boolean => {
    for (let word = 3; word >= 0; word--) {
      const [x, y] = [words[4 * a + word]!, words[4 * b + word]!]
      if (x !== y) return word === 3 ? x < y : x >>> 0 < y >>> 0
    }
    return false
  }
  let [least, most] = [0, 0]
  for (let row = 1; row < column.length; row++) {
    if (isLess(row, least)) least = row
    else if (isLess(most, row)) most = row
  }
  const at = (row: number): Uint8Array => encodePlain(column.slice(row, row + 1), form)
  return { least: at(least), most: at(most) }
}

/** Compares stored values. */
export type StoredOrder = (a: Uint8Array, b: Uint8Array) => number

/** The order of a kind's values as they are stored. */
export const storedOrder = (kind: string): StoredOrder => {
  if (kind === 'utf8' || kind === 'binary') return (a, b) => Buffer.compare(a, b)
  const read = readerOf(kind)
  return (a, b) => {
    const [x, y] = [read(a), read(b)]
    return x < y ? -1 : x > y ? 1 : 0
  }
}

const readerOf = (kind: string): ((bytes: Uint8Array) => number | bigint) => {
  const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (kind) {
    case 'bool':
      return (bytes) => bytes[0]!
    case 'float32':
      return (bytes) => view(bytes).getFloat32(0, true)
    case 'float64':
      return (bytes) => view(bytes).getFloat64(0, true)
    case 'uint64':
      return (bytes) => view(bytes).getBigUint64(0, true)
    case 'uint32':
      return (bytes) => view(bytes).getUint32(0, true)
    default:
      // Of 16 bytes, decimals, the highest come first.
      return (bytes) => (bytes.length === 16 ? (view(bytes).getBigInt64(0) << 64n) | view(bytes).getBigUint64(8) : bytes.length === 8 ? view(bytes).getBigInt64(0, true) : view(bytes).getInt32(0, true))
  }
}

/** Bounds in bytes of their own, texts and bytes cut short where they are long; `undefined` where nothing shorter is greater. */
export const toldBounds = ({ least, most }: Bounds, kind: string): ToldBounds | undefined => {
  const upper = most.length <= MAX_BOUND_BYTES ? most : above(cut(most, kind), kind)
  if (upper === undefined) return undefined
  return { least: cut(least, kind).slice(), most: upper.slice(), isLeastExact: least.length <= MAX_BOUND_BYTES, isMostExact: most.length <= MAX_BOUND_BYTES }
}

/** The beginning of a value; of a text up to a character's end. */
const cut = (bytes: Uint8Array, kind: string): Uint8Array => {
  let end = Math.min(bytes.length, MAX_BOUND_BYTES)
  if (kind === 'utf8' && end < bytes.length) while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

/** What comes after all that begins so: its last byte or character that can be is counted up. */
const above = (bytes: Uint8Array, kind: string): Uint8Array | undefined => {
  if (kind === 'utf8') return textAbove(bytes)
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 255) end--
  if (end === 0) return undefined
  const out = bytes.slice(0, end)
  out[end - 1]!++
  return out
}

const LAST_BEFORE_SURROGATES = 0xd7ff
const FIRST_AFTER_SURROGATES = 0xe000
const LAST_CHARACTER = 0x10ffff

const textAbove = (bytes: Uint8Array): Uint8Array | undefined => {
  const characters = [...Buffer.from(bytes).toString('utf8')]
  for (let last = characters.pop(); last !== undefined; last = characters.pop()) {
    const code = last.codePointAt(0)!
    if (code === LAST_CHARACTER) continue
    return Buffer.from(characters.join('') + String.fromCodePoint(code === LAST_BEFORE_SURROGATES ? FIRST_AFTER_SURROGATES : code + 1))
  }
  return undefined
}
