import { isUtf8 } from 'node:buffer'
import {
  bitmapBytes, BytesColumn, clearBit, ConversionError, decodeText, fixedColumn, halves, makeBuilder, writeInt64,
  type BytesBuilder, type Column, type ColumnBuilder, type Field, type ListBuilder, type TimeUnit, type Values,
} from '@millrace/core'
import type { DecodedArray } from 'hyparquet'
import type { ParquetType } from './parquet-type.js'

/** A column of a row group, and the rows in which the file's value does not fit it (they are null in the column). */
export interface ConvertedColumn {
  readonly column: Column
  readonly faults: ReadonlyMap<number, ConversionError>
}

/** Integer targets by kind: typed array and inclusive range. */
const integers: { readonly [kind: string]: readonly [new (length: number) => Values, number, number] } = {
  int8: [Int8Array, -128, 127], int16: [Int16Array, -32768, 32767], int32: [Int32Array, -2147483648, 2147483647],
  uint8: [Uint8Array, 0, 255], uint16: [Uint16Array, 0, 65535], uint32: [Uint32Array, 0, 4294967295],
}

/** Collects nulls and misfits while a column is filled. */
class Notes {
  validity: Uint8Array | undefined
  readonly faults = new Map<number, ConversionError>()

  constructor(
    private readonly target: Field,
    private readonly rows: number,
  ) {}

  null(row: number): void {
    this.validity ??= new Uint8Array(bitmapBytes(this.rows)).fill(0xff)
    clearBit(this.validity, row)
    if (!this.target.nullable) this.faults.set(row, new ConversionError('NULL', `a ${this.target.kind} that may not be null is null`))
  }

  fault(row: number, error: ConversionError): void {
    this.null(row)
    this.faults.set(row, error)
  }

  outOfRange(row: number, value: unknown): void {
    this.fault(row, new ConversionError('OUT_OF_RANGE', `${String(value)} is out of the range of ${this.target.kind}`))
  }
}

type Raw = number | bigint | boolean | Uint8Array | null | undefined

/** Calls back for each value of the decoded parts that is not null; tells `notes` of the others. */
const each = (parts: readonly DecodedArray[], notes: Notes, take: (value: number | bigint, row: number) => void): void => {
  let row = 0
  for (const part of parts) {
    for (let i = 0; i < part.length; i++, row++) {
      const value = part[i] as number | bigint | null | undefined
      if (value === null || value === undefined) notes.null(row)
      else take(value, row)
    }
  }
}

const fixed = (target: Field, values: Values, notes: Notes): ConvertedColumn => ({
  column: fixedColumn({ ...target, nullable: true } as Field, values, notes.validity),
  faults: notes.faults,
})

const toNumbers = (target: Field, parts: readonly DecodedArray[], rows: number): ConvertedColumn => {
  const notes = new Notes(target, rows)
  const range = integers[target.kind]
  if (range === undefined) {
    const values = target.kind === 'float32' ? new Float32Array(rows) : new Float64Array(rows)
    each(parts, notes, (value, row) => {
      values[row] = Number(value)
    })
    return fixed(target, values, notes)
  }
  const [array, least, most] = range
  const values = new array(rows) as Int32Array
  each(parts, notes, (value, row) => {
    const number = Number(value)
    if (number < least || number > most) notes.outOfRange(row, value)
    else values[row] = number
  })
  return fixed(target, values, notes)
}

const toIntegers64 = (target: Field, parts: readonly DecodedArray[], rows: number): ConvertedColumn => {
  const notes = new Notes(target, rows)
  const signed = target.kind === 'int64'
  const values = signed ? new BigInt64Array(rows) : new BigUint64Array(rows)
  const least = signed ? -(2n ** 63n) : 0n
  const most = signed ? 2n ** 63n - 1n : 2n ** 64n - 1n
  each(parts, notes, (value, row) => {
    const integer = typeof value === 'bigint' ? value : BigInt(value)
    if (integer < least || integer > most) notes.outOfRange(row, value)
    else values[row] = integer
  })
  return fixed(target, values, notes)
}

const toDays = (target: Field, parts: readonly DecodedArray[], rows: number): ConvertedColumn => {
  const notes = new Notes(target, rows)
  const values = new Int32Array(rows)
  each(parts, notes, (value, row) => {
    values[row] = Number(value)
  })
  return fixed(target, values, notes)
}

const perSecond: { readonly [U in TimeUnit]: number } = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 }

/** An instant in another unit; what is finer than the unit is cut towards the past. */
const toUnit = (value: bigint, from: TimeUnit, to: TimeUnit): bigint => {
  if (perSecond[to] >= perSecond[from]) return value * BigInt(perSecond[to] / perSecond[from])
  const divisor = BigInt(perSecond[from] / perSecond[to])
  const quotient = value / divisor
  return value % divisor < 0n ? quotient - 1n : quotient
}

const toInstants = (target: Field, from: TimeUnit, parts: readonly DecodedArray[], rows: number): ConvertedColumn => {
  const notes = new Notes(target, rows)
  const to = target.params.unit ?? 'ms'
  const values = new BigInt64Array(rows)
  const words = halves(values)
  const divisor = perSecond[from] / perSecond[to]
  each(parts, notes, (value, row) => {
    // Arithmetic on numbers is exact within ±2⁵³ and much faster than on BigInts.
    const number = Number(value)
    const scaled = divisor === 1 ? number : divisor > 1 ? Math.floor(number / divisor) : number / divisor
    if (Number.isSafeInteger(number) && Number.isSafeInteger(scaled) && divisor >= 1) return writeInt64(words, row, scaled)
    const integer = toUnit(BigInt(value), from, to)
    if (BigInt.asIntN(64, integer) !== integer) notes.outOfRange(row, value)
    else values[row] = integer
  })
  return fixed(target, values, notes)
}

const toBytes = (target: Field, parts: readonly DecodedArray[], rows: number): ConvertedColumn => {
  const builder = makeBuilder({ ...target, nullable: true } as Field) as unknown as BytesBuilder
  const notes = new Notes(target, rows)
  let row = 0
  for (const part of parts) {
    for (let i = 0; i < part.length; i++, row++) {
      const value = part[i] as Uint8Array | null | undefined
      if (value === null || value === undefined) {
        notes.null(row)
        builder.appendNull()
      } else builder.appendBytes(value, 0, value.length)
    }
  }
  const column = builder.finish() as BytesColumn
  if (target.kind === 'utf8' && !isUtf8(column.bytes)) {
    for (row = 0; row < rows; row++) {
      if (!isUtf8(column.bytes.subarray(column.offsets[row], column.offsets[row + 1]))) {
        notes.fault(row, new ConversionError('BAD_TEXT', 'the bytes are not UTF-8'))
      }
    }
    // The rows at fault must be null in the column, as everywhere.
    return { column: new BytesColumn(column.field, column.offsets, column.bytes, notes.validity), faults: notes.faults }
  }
  return { column, faults: notes.faults }
}

const bigEndian = (bytes: Uint8Array): bigint => {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  return hex === '' ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`))
}

const text = (bytes: Uint8Array): string => {
  if (!isUtf8(bytes)) throw new ConversionError('BAD_TEXT', 'the bytes are not UTF-8')
  return decodeText(bytes, 0, bytes.length)
}

/** Appends one value of a type to the builder of a field that can hold it; the slow way, for the types without a fast one. */
const appender = (target: Field, type: ParquetType): ((builder: ColumnBuilder, value: unknown) => void) => {
  if (target.kind === 'dictionary') {
    const inner = appender(target.params.item!, type)
    // Only the conversion of the value is needed: the dictionary finds what it is equal to.
    return (builder, value) => inner({ append: (converted: unknown) => builder.append(converted), appendText: (converted: string) => builder.appendText(converted) } as ColumnBuilder, value)
  }
  switch (type.is) {
    case 'text':
    case 'bytes':
      return target.kind === 'utf8' ? (builder, value) => builder.append(text(value as Uint8Array)) : (builder, value) => builder.append(value)
    case 'decimal':
      return (builder, value) => {
        const unscaled = value instanceof Uint8Array ? bigEndian(value) : BigInt(value as number | bigint)
        builder.appendText(`${unscaled}e${-type.scale}`)
      }
    case 'date':
      return (builder, value) => builder.append(new Date(Number(value) * 86_400_000))
    case 'instant':
      return (builder, value) => builder.append(toUnit(BigInt(value as number | bigint), type.unit, target.params.unit ?? 'ms'))
    case 'list': {
      const append = appender(target.params.item!, type.item)
      return (builder, value) => {
        const list = builder as ListBuilder
        for (const one of value as Iterable<unknown>) {
          if (one === null || one === undefined) list.items.appendNull()
          else append(list.items, one)
        }
        list.endList()
      }
    }
    default:
      return (builder, value) => builder.append(value)
  }
}

const toAnything = (target: Field, type: ParquetType, parts: readonly DecodedArray[], rows: number): ConvertedColumn => {
  const builder = makeBuilder({ ...target, nullable: true } as Field)
  const append = appender(target, type)
  const notes = new Notes(target, rows)
  let row = 0
  for (const part of parts) {
    for (let i = 0; i < part.length; i++, row++) {
      const value = part[i] as Raw
      if (value === null || value === undefined) {
        notes.null(row)
        builder.appendNull()
        continue
      }
      try {
        append(builder, value)
      } catch (error) {
        if (!(error instanceof ConversionError)) throw error
        notes.fault(row, error)
        builder.truncate(row)
        builder.appendNull()
      }
    }
  }
  return { column: builder.finish(), faults: notes.faults }
}

/**
 * The values of one column of a row group, as a column of `target`.
 *
 * Integers are checked against the range of the kind; floats take the nearest value they have; instants finer than the column's
 * unit are cut towards the past.
 */
export const convertColumn = (target: Field, type: ParquetType, parts: readonly DecodedArray[], rows: number): ConvertedColumn => {
  const isNumber = type.is === 'integer' || type.is === 'float' || type.is === 'double' || type.is === 'half'
  if (isNumber && (target.kind === 'int64' || target.kind === 'uint64')) return toIntegers64(target, parts, rows)
  if (isNumber && (integers[target.kind] !== undefined || target.kind === 'float32' || target.kind === 'float64')) return toNumbers(target, parts, rows)
  if (type.is === 'date' && target.kind === 'date') return toDays(target, parts, rows)
  if (type.is === 'instant' && target.kind === 'timestamp') return toInstants(target, type.unit, parts, rows)
  if ((type.is === 'text' || type.is === 'bytes') && (target.kind === 'utf8' || target.kind === 'binary')) return toBytes(target, parts, rows)
  return toAnything(target, type, parts, rows)
}

