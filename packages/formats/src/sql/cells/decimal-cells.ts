import { DecimalColumn, fixedColumn, halves, writeInt64, type Column, type Field } from '@millrace/core'
import { validityOf, type Cells } from './cells.js'

const TWO_32 = 4294967296
const [ZERO, POINT, MINUS] = [48, 46, 45]
/** Digits that a double holds, whatever they are. */
const SAFE_DIGITS = 15
/** So many digits times a half of 64 bits, and a carry, are a safe integer. */
const CHUNK_DIGITS = 6
/** The powers of ten that are doubles. */
const powers = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`))

/** A decimal in digits: `-12.30`. */
interface Digits {
  negative: boolean
  /** Where they begin, zeros at the beginning left out. */
  start: number
  /** How many there are, the point left out. */
  count: number
  /** How many of those stand after the point. */
  fraction: number
}

/** What {@link scan} found last: one for all, since there is one a value. */
const digits: Digits = { negative: false, start: 0, count: 0, fraction: 0 }

/** Finds the digits of `bytes[start..end]`; false for other forms. */
const scan = (bytes: Uint8Array, start: number, end: number): boolean => {
  const negative = bytes[start] === MINUS
  let at = negative ? start + 1 : start
  let point = -1
  const first = at
  for (; at < end; at++) {
    const byte = bytes[at]!
    if (byte === POINT && point < 0) point = at
    else if (byte < ZERO || byte > ZERO + 9) return false
  }
  const all = end - first - (point < 0 ? 0 : 1)
  if (all === 0 || point === first || point === end - 1) return false
  let zeros = 0
  for (at = first; at < end && (bytes[at] === ZERO || at === point); at++) if (at !== point) zeros++
  digits.negative = negative
  digits.start = at
  digits.count = all - zeros
  digits.fraction = point < 0 ? 0 : end - 1 - point
  return true
}

/** The digits `bytes[start..end]`, at most 15 of them, as an integer. */
const smallInteger = (bytes: Uint8Array, start: number, end: number): number => {
  let value = 0
  for (let at = start; at < end; at++) if (bytes[at] !== POINT) value = value * 10 + bytes[at]! - ZERO
  return value
}

/** Four halves of 64 bits, low ones first. */
const limbs = new Float64Array(4)

const multiplyAdd = (factor: number, more: number): void => {
  let carry = more
  for (let i = 0; i < 4; i++) {
    const product = limbs[i]! * factor + carry
    carry = Math.floor(product / TWO_32)
    limbs[i] = product - carry * TWO_32
  }
}

/** Puts the digits `bytes[start..end]`, and zeros after them, into the limbs. */
const largeInteger = (bytes: Uint8Array, start: number, end: number, zeros: number): void => {
  limbs.fill(0)
  let [chunk, count] = [0, 0]
  for (let at = start; at < end + zeros; at++) {
    const byte = at < end ? bytes[at]! : ZERO
    if (byte === POINT) continue
    chunk = chunk * 10 + byte - ZERO
    if (++count === CHUNK_DIGITS) {
      multiplyAdd(powers[count]!, chunk)
      chunk = count = 0
    }
  }
  if (count > 0) multiplyAdd(powers[count]!, chunk)
}

const putLimbs = (words: Int32Array, row: number, negative: boolean): void => {
  let carry = 1
  for (let i = 0; i < 4; i++) {
    const limb = limbs[i]!
    if (!negative) {
      words[4 * row + i] = limb
      continue
    }
    // Two's complement: all bits the other way, and one more.
    const turned = TWO_32 - 1 - limb + carry
    words[4 * row + i] = turned
    carry = turned === TWO_32 ? 1 : 0
  }
}

/** Decimals in digits under a field of decimals or doubles; `undefined` where one does not fit, and for other kinds and forms. */
export const decimalColumn = (cells: Cells, field: Field): Column | undefined =>
  field.kind === 'decimal' ? exactColumn(cells, field) : field.kind === 'float64' ? doubleColumn(cells, field) : undefined

const exactColumn = (cells: Cells, field: Field): Column | undefined => {
  const { bytes, starts, ends, length } = cells
  const { precision = 38, scale = 0 } = field.params
  const stored = new BigInt64Array(2 * length)
  const words = halves(stored)
  for (let row = 0; row < length; row++) {
    const start = starts[row]!
    if (start < 0) continue
    let end = ends[row]!
    if (!scan(bytes, start, end)) return undefined
    let { count } = digits
    // Digits beyond the scale may only be zeros.
    for (let beyond = digits.fraction - scale; beyond > 0; beyond--) {
      if (bytes[--end] !== ZERO) return undefined
      if (count > 0) count--
    }
    if (count === 0) continue
    const zeros = Math.max(0, scale - digits.fraction)
    if (count + zeros > precision) return undefined
    if (count + zeros > SAFE_DIGITS) {
      largeInteger(bytes, digits.start, end, zeros)
      putLimbs(words, row, digits.negative)
      continue
    }
    const value = smallInteger(bytes, digits.start, end) * powers[zeros]!
    writeInt64(words, 2 * row, digits.negative ? -value : value)
    if (digits.negative) stored[2 * row + 1] = -1n
  }
  return new DecimalColumn(field, stored, validityOf(cells))
}

const doubleColumn = (cells: Cells, field: Field): Column | undefined => {
  const { bytes, starts, ends, length } = cells
  const values = new Float64Array(length)
  for (let row = 0; row < length; row++) {
    const start = starts[row]!
    if (start < 0) continue
    const end = ends[row]!
    if (!scan(bytes, start, end)) return undefined
    // An integer and a power of ten that are both doubles: their quotient is rounded once, as the text would be.
    const exact = digits.count <= SAFE_DIGITS && digits.fraction < powers.length
    const value = exact ? smallInteger(bytes, digits.start, end) / powers[digits.fraction]! : Math.abs(Number(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')))
    if (!Number.isFinite(value)) return undefined
    values[row] = digits.negative ? -value : value
  }
  return fixedColumn(field, values, validityOf(cells))
}
