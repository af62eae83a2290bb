import {
  bitmapBytes, boolColumn, bytesColumn, countBits, DecimalColumn, fixedColumn, setBit, type BytesColumn, type Column, type Field, type FixedColumn, type Values,
} from '@millrace/core'
import type { ResolvedCsvOptions } from '../csv-options.js'

// Kinds as assembly/csv-kernel.ts has them.
export const TEXT = 0
const INTEGER = 1
const UNSIGNED = 2
const FLOAT64 = 3
const FLOAT32 = 4
const BOOL = 5
const DATE = 6
const TIMESTAMP = 7
const DECIMAL = 8

const NULLABLE = 1
const NO_TOKENS = 2
const COMMA = 4

/** How the kernel reads a field. */
export interface KernelKind {
  readonly kind: number
  readonly flags: number
  /** Bytes of a value; of texts, of the offset of its end. */
  readonly size: number
  readonly least: bigint
  readonly most: bigint
  /** Of timestamps nanoseconds in a unit, of decimals places after the point. */
  readonly scale: number
  /** Form of times; absent for ISO 8601. */
  readonly pattern: Uint8Array | undefined
  /** Whether the kernel only cuts out the text, and a column builder converts it. */
  readonly isDeferred: boolean
}

const arrays: { readonly [kind: string]: new (buffer: ArrayBuffer, at: number, length: number) => Values } = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  float32: Float32Array, float64: Float64Array, date: Int32Array, timestamp: BigInt64Array,
}
const ranges: { readonly [kind: string]: readonly [bigint, bigint] } = {
  int8: [-128n, 127n], int16: [-32768n, 32767n], int32: [-2147483648n, 2147483647n], int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n], uint16: [0n, 65535n], uint32: [0n, 4294967295n],
}
const sizes: { readonly [kind: string]: number } = { int8: 1, int16: 2, int32: 4, int64: 8, uint8: 1, uint16: 2, uint32: 4 }
const nanoseconds = { s: 1_000_000_000, ms: 1_000_000, us: 1000, ns: 1 }
const symbols = ['yyyy', 'MM', 'dd', 'HH', 'mm', 'ss', 'SSS']

/** The pattern of a time as the kernel reads it, two bytes a part; `undefined` when its literals would end the field. */
const kernelPattern = (format: string, { delimiter, quote }: ResolvedCsvOptions): Uint8Array | undefined => {
  const parts: number[] = []
  for (let at = 0; at < format.length; ) {
    const symbol = symbols.findIndex((candidate) => format.startsWith(candidate, at))
    const literal = format.charCodeAt(at)
    if (symbol < 0 && (literal > 127 || format[at] === delimiter || format[at] === quote || literal === 10 || literal === 13)) return undefined
    parts.push(symbol + 1, symbol < 0 ? literal : 0)
    at += symbol < 0 ? 1 : symbols[symbol]!.length
  }
  return Uint8Array.from(parts)
}

/** How the kernel reads a field; what it does not know it cuts out as text. */
export const kernelKind = (field: Field, options: ResolvedCsvOptions): KernelKind => {
  const { kind, params, nullable } = field
  const base = { flags: nullable ? NULLABLE : 0, least: 0n, most: 0n, scale: 0, pattern: undefined, isDeferred: false }
  const hasComma = options.decimalComma ? COMMA : 0
  const range = ranges[kind]
  if (range !== undefined) return { ...base, kind: INTEGER, size: sizes[kind]!, least: range[0], most: range[1] }
  if (kind === 'uint64') return { ...base, kind: UNSIGNED, size: 8 }
  if (kind === 'float64') return { ...base, kind: FLOAT64, size: 8, flags: base.flags | hasComma }
  if (kind === 'float32') return { ...base, kind: FLOAT32, size: 4, flags: base.flags | hasComma }
  if (kind === 'bool') return { ...base, kind: BOOL, size: 1 }
  const scale = params.scale ?? 0
  if (kind === 'decimal' && scale >= 0 && scale <= 18) {
    return { ...base, kind: DECIMAL, size: 16, scale, flags: base.flags | hasComma, most: 10n ** BigInt(Math.min(params.precision ?? 38, 18)) - 1n }
  }
  if ((kind === 'date' || kind === 'timestamp') && (params.zone ?? 'UTC') === 'UTC') {
    const pattern = params.format === undefined ? undefined : kernelPattern(params.format, options)
    // An empty pattern would look like none.
    if (params.format === undefined || (pattern !== undefined && pattern.length > 0)) {
      return kind === 'date' ? { ...base, kind: DATE, size: 4, pattern } : { ...base, kind: TIMESTAMP, size: 8, scale: nanoseconds[params.unit ?? 'ms'], pattern }
    }
  }
  const isBytes = kind === 'utf8' || kind === 'binary'
  return { ...base, kind: TEXT, size: 4, flags: nullable ? NULLABLE : isText(field) ? NO_TOKENS : 0, isDeferred: !isBytes }
}

const isText = ({ kind, params }: Field): boolean => kind === 'utf8' || kind === 'binary' || (kind === 'dictionary' && params.item !== undefined && isText(params.item))

/** Where a column stands in the kernel's memory. */
export interface ColumnPlace {
  readonly values: number
  readonly bytes: number
  readonly validity: number
}

const takeValidity = (memory: ArrayBuffer, { validity }: ColumnPlace, rows: number): Uint8Array | undefined => {
  const bits = new Uint8Array(memory, validity, bitmapBytes(rows))
  return countBits(bits, rows) === rows ? undefined : bits.slice()
}

/** The first `rows` values of a column, in buffers of its own. */
export const takeColumn = (memory: ArrayBuffer, field: Field, { kind }: KernelKind, place: ColumnPlace, rows: number, hasNulls: boolean): Column => {
  const validity = hasNulls ? takeValidity(memory, place, rows) : undefined
  if (kind === TEXT) {
    const offsets = new Int32Array(memory, place.values, rows + 1).slice()
    return bytesColumn(field, offsets, new Uint8Array(memory, place.bytes, offsets[rows]).slice(), validity)
  }
  if (kind === DECIMAL) return new DecimalColumn(field, new BigInt64Array(memory, place.values, 2 * rows).slice(), validity)
  if (kind === BOOL) {
    const values = new Uint8Array(memory, place.values, rows)
    const bits = new Uint8Array(bitmapBytes(rows))
    for (let row = 0; row < rows; row++) if (values[row] === 1) setBit(bits, row)
    return boolColumn(field, bits, rows, validity)
  }
  return fixedColumn(field, new arrays[field.kind]!(memory, place.values, rows).slice(), validity)
}

/** Bytes of text in a column of one row. */
export const textBytes = (column: Column): Uint8Array => {
  const { bytes, offsets } = column as BytesColumn
  return bytes.subarray(offsets[0], offsets[1])
}

/** Stores the one row of `column`, which is no text. */
export const putValue = (memory: ArrayBuffer, { kind, size }: KernelKind, { values }: ColumnPlace, row: number, column: Column): void => {
  const to = new Uint8Array(memory, values + row * size, size)
  if (!column.isValid(0)) to.fill(0)
  else if (kind === BOOL) to[0] = column.get(0) === true ? 1 : 0
  else {
    const from = kind === DECIMAL ? (column as DecimalColumn).words : (column as FixedColumn).values
    to.set(new Uint8Array(from.buffer, from.byteOffset, size))
  }
}
