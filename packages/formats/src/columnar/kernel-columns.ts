import {
  bitmapBytes, boolColumn, bytesColumn, countBits, DecimalColumn, fixedColumn, ListColumn, setBit, type BytesColumn, type Column, type Field, type FixedColumn, type Values,
} from '@millrace/core'
import { freshBytes } from '../example/fresh-bytes.js'

// Kinds as assembly/shared/column.ts has them.
export const TEXT = 0
export const INTEGER = 1
export const UNSIGNED = 2
export const FLOAT64 = 3
export const FLOAT32 = 4
export const BOOL = 5
export const DATE = 6
export const TIMESTAMP = 7
export const DECIMAL = 8
/** JSON as it stands there. */
export const RAW = 9
/** Lists of values that take the same room each. */
export const LIST = 10

/** Flag of columns that may be null. */
export const NULLABLE = 1

/** How the kernel reads a field. */
export interface KernelKind {
  readonly kind: number
  readonly flags: number
  /** Bytes of a value; where values are of different lengths, of the offset of its end. */
  readonly size: number
  readonly least: bigint
  readonly most: bigint
  /** Of timestamps nanoseconds in a unit, of decimals places after the point, of lists their size or -1. */
  readonly scale: number
  /** Form of times; absent for ISO 8601. */
  readonly pattern: Uint8Array | undefined
  /** Whether the kernel only cuts out the text, and a column builder converts it. */
  readonly isDeferred: boolean
  /** Items of a list. */
  readonly item?: KernelKind | undefined
}

/** Whether values are of different lengths: offsets of their ends, and bytes. */
export const isVariable = ({ kind }: KernelKind): boolean => kind === TEXT || kind === RAW || kind === LIST

const arrays: { readonly [kind: string]: new (buffer: ArrayBuffer, at: number, length: number) => Values } = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  float32: Float32Array, float64: Float64Array, date: Int32Array, timestamp: BigInt64Array,
}

/** Where a column stands in the kernel's memory. */
export interface ColumnPlace {
  readonly values: number
  readonly bytes: number
  readonly validity: number
}

/** A copy in a buffer of its own. */
const owned = <V extends Values>(values: V): V => {
  const { buffer, byteOffset, byteLength } = values
  const bytes = freshBytes(byteLength)
  bytes.set(new Uint8Array(buffer, byteOffset, byteLength))
  return new (values.constructor as new (buffer: ArrayBufferLike) => V)(bytes.buffer)
}

const takeValidity = (memory: ArrayBuffer, { validity }: ColumnPlace, rows: number): Uint8Array | undefined => {
  const bits = new Uint8Array(memory, validity, bitmapBytes(rows))
  return countBits(bits, rows) === rows ? undefined : bits.slice()
}

/** The first `rows` values of a column, in buffers of its own. */
export const takeColumn = (memory: ArrayBuffer, field: Field, { kind, item }: KernelKind, place: ColumnPlace, rows: number, hasNulls: boolean): Column => {
  const validity = hasNulls ? takeValidity(memory, place, rows) : undefined
  if (kind === TEXT) {
    const offsets = owned(new Int32Array(memory, place.values, rows + 1))
    return bytesColumn(field, offsets, owned(new Uint8Array(memory, place.bytes, offsets[rows])), validity)
  }
  if (kind === LIST) {
    const offsets = new Int32Array(memory, place.values, rows + 1).map((end) => end / item!.size)
    const items = takeColumn(memory, field.params.item!, item!, { values: place.bytes, bytes: 0, validity: 0 }, offsets[rows]!, false)
    return new ListColumn(field, offsets, items, validity)
  }
  if (kind === DECIMAL) return new DecimalColumn(field, owned(new BigInt64Array(memory, place.values, 2 * rows)), validity)
  if (kind === BOOL) {
    const values = new Uint8Array(memory, place.values, rows)
    const bits = new Uint8Array(bitmapBytes(rows))
    for (let row = 0; row < rows; row++) if (values[row] === 1) setBit(bits, row)
    return boolColumn(field, bits, rows, validity)
  }
  return fixedColumn(field, owned(new arrays[field.kind]!(memory, place.values, rows)), validity)
}

/** Bytes of text, or of a list's items, in a column of one row. */
export const textBytes = (column: Column): Uint8Array => {
  if (column instanceof ListColumn) return storedBytes(column.items)
  const { bytes, offsets } = column as BytesColumn
  return bytes.subarray(offsets[0], offsets[1])
}

const storedBytes = (column: Column): Uint8Array => {
  const { buffer, byteOffset, byteLength } = column instanceof DecimalColumn ? column.words : (column as FixedColumn).values
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** Stores the one row of `column`, which is no text. */
export const putValue = (memory: ArrayBuffer, { kind, size }: KernelKind, { values }: ColumnPlace, row: number, column: Column): void => {
  const to = new Uint8Array(memory, values + row * size, size)
  if (!column.isValid(0)) to.fill(0)
  else if (kind === BOOL) to[0] = column.get(0) === true ? 1 : 0
  else to.set(storedBytes(column))
}
