import { bitmapBytes, boolColumn, fixedColumn, halves, setBit, writeInt64, type Column, type Field } from '@millrace/core'
import { validityOf, type Cells } from './cells.js'

const TWO_32 = 4294967296

/** How a server sends numbers. */
export interface Wire {
  readonly bits: 8 | 16 | 32 | 64
  readonly signed: boolean
  readonly littleEndian: boolean
}

type ReadNumber = (view: DataView, at: number) => number

/** Integers up to 32 bits as they are; of 64 bits NaN beyond what doubles count one by one. */
const integerReader = ({ bits, signed, littleEndian }: Wire): ReadNumber => {
  switch (bits) {
    case 8:
      return signed ? (view, at) => view.getInt8(at) : (view, at) => view.getUint8(at)
    case 16:
      return signed ? (view, at) => view.getInt16(at, littleEndian) : (view, at) => view.getUint16(at, littleEndian)
    case 32:
      return signed ? (view, at) => view.getInt32(at, littleEndian) : (view, at) => view.getUint32(at, littleEndian)
    case 64: {
      const [low, high] = littleEndian ? [0, 4] : [4, 0]
      return (view, at) => {
        const upper = signed ? view.getInt32(at + high, littleEndian) : view.getUint32(at + high, littleEndian)
        const value = upper * TWO_32 + view.getUint32(at + low, littleEndian)
        return Number.isSafeInteger(value) ? value : NaN
      }
    }
  }
}

const floatReader = (bits: 32 | 64, littleEndian: boolean): ReadNumber =>
  bits === 32 ? (view, at) => view.getFloat32(at, littleEndian) : (view, at) => view.getFloat64(at, littleEndian)

type NumberArray = Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array

/** The arrays of kinds that are JavaScript numbers, and the integers that they hold. */
const kinds: { readonly [kind: string]: readonly [array: new (length: number) => NumberArray, least: number, most: number] } = {
  int8: [Int8Array, -128, 127], int16: [Int16Array, -32768, 32767], int32: [Int32Array, -2147483648, 2147483647],
  uint8: [Uint8Array, 0, 255], uint16: [Uint16Array, 0, 65535], uint32: [Uint32Array, 0, 4294967295],
  float32: [Float32Array, -Infinity, Infinity], float64: [Float64Array, -Infinity, Infinity],
}

/** Integers under a field of numbers; `undefined` where one does not fit, and for other kinds. */
export const integerColumn = (cells: Cells, wire: Wire, field: Field): Column | undefined => {
  if (field.kind === 'int64' || field.kind === 'uint64') return wideColumn(cells, wire, field)
  if (field.kind === 'bool') return boolsOf(cells, integerReader(wire), field)
  const kind = kinds[field.kind]
  if (kind === undefined) return undefined
  const [array, least, most] = kind
  const { view, starts, length } = cells
  const read = integerReader(wire)
  const values = new array(length)
  for (let row = 0; row < length; row++) {
    const at = starts[row]!
    if (at < 0) continue
    const value = read(view, at)
    if (!(value >= least && value <= most)) return undefined
    values[row] = value
  }
  return fixedColumn(field, values, validityOf(cells))
}

const wideColumn = (cells: Cells, wire: Wire, field: Field): Column | undefined => {
  const values = field.kind === 'int64' ? new BigInt64Array(cells.length) : new BigUint64Array(cells.length)
  const words = halves(values)
  const sound = wire.bits === 64 && field.params.as !== 'number' ? copyWide(cells, wire, words, field) : putSafe(cells, integerReader(wire), words, field)
  return sound ? fixedColumn(field, values, validityOf(cells)) : undefined
}

const copyWide = ({ view, starts, length }: Cells, { signed, littleEndian }: Wire, words: Int32Array, { kind }: Field): boolean => {
  const [low, high] = littleEndian ? [0, 4] : [4, 0]
  // The upper half of what one of the two kinds has and the other has not is below 0.
  const other = signed !== (kind === 'int64')
  for (let row = 0; row < length; row++) {
    const at = starts[row]!
    if (at < 0) continue
    const upper = view.getInt32(at + high, littleEndian)
    if (other && upper < 0) return false
    words[2 * row] = view.getInt32(at + low, littleEndian)
    words[2 * row + 1] = upper
  }
  return true
}

const putSafe = ({ view, starts, length }: Cells, read: ReadNumber, words: Int32Array, { kind }: Field): boolean => {
  const least = kind === 'int64' ? -Infinity : 0
  for (let row = 0; row < length; row++) {
    const at = starts[row]!
    if (at < 0) continue
    const value = read(view, at)
    if (!(value >= least)) return false
    writeInt64(words, row, value)
  }
  return true
}

const boolsOf = (cells: Cells, read: ReadNumber, field: Field): Column | undefined => {
  const { view, starts, length } = cells
  const bits = new Uint8Array(bitmapBytes(length))
  for (let row = 0; row < length; row++) {
    const at = starts[row]!
    if (at < 0) continue
    const value = read(view, at)
    if (value === 1) setBit(bits, row)
    else if (value !== 0) return undefined
  }
  return boolColumn(field, bits, length, validityOf(cells))
}

/** Floats under a field of floats; `undefined` where a finite one would become infinite, and for other kinds. */
export const floatColumn = (cells: Cells, bits: 32 | 64, littleEndian: boolean, field: Field): Column | undefined => {
  if (field.kind !== 'float32' && field.kind !== 'float64') return undefined
  const { view, starts, length } = cells
  const read = floatReader(bits, littleEndian)
  const values = field.kind === 'float32' ? new Float32Array(length) : new Float64Array(length)
  for (let row = 0; row < length; row++) {
    const at = starts[row]!
    if (at < 0) continue
    const value = read(view, at)
    values[row] = value
    if (Number.isFinite(value) && !Number.isFinite(values[row])) return undefined
  }
  return fixedColumn(field, values, validityOf(cells))
}
