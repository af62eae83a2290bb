import { isUtf8 } from 'node:buffer'
import { ConversionError, decodeText, type ColumnBuilder, type Field, type TimeUnit } from '@millrace/core'
import type { Stored } from './stored.js'
import type { ValueType } from './value-type.js'

/** An integer as the file means it. */
export const exact = (values: ArrayLike<number | bigint>, slot: number, signed: boolean): number | bigint => {
  const value = values[slot]!
  if (signed) return value
  return typeof value === 'bigint' ? BigInt.asUintN(64, value) : value >>> 0
}

/** Units of time in a second. */
export const perSecond: { readonly [U in TimeUnit]: number } = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 }

/** An instant in another unit; what is finer than the unit is cut towards the past. */
export const toUnit = (value: bigint, from: TimeUnit, to: TimeUnit): bigint => {
  if (perSecond[to] >= perSecond[from]) return value * BigInt(perSecond[to] / perSecond[from])
  const divisor = BigInt(perSecond[from] / perSecond[to])
  const quotient = value / divisor
  return value % divisor < 0n ? quotient - 1n : quotient
}

const JULIAN_1970 = 2440588n
const NANOSECONDS_OF_DAY = 86_400_000_000_000n

/** Spark's and Impala's old instants: nanoseconds of the day, and the Julian day. */
export const int96 = (bytes: Uint8Array, at: number): bigint => {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 12)
  return (BigInt(view.getUint32(8, true)) - JULIAN_1970) * NANOSECONDS_OF_DAY + view.getBigInt64(0, true)
}

/** A big-endian two's complement integer. */
export const bigEndian = (bytes: Uint8Array): bigint => {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  return hex === '' ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`))
}

const text = (bytes: Uint8Array): string => {
  if (!isUtf8(bytes)) throw new ConversionError('BAD_TEXT', 'the bytes are not UTF-8')
  return decodeText(bytes, 0, bytes.length)
}

const halfFloat = (bytes: Uint8Array, at: number): number => {
  const bits = bytes[at]! | (bytes[at + 1]! << 8)
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Appends the value of a slot to the builder of a field that can hold it; the slow way, for the conversions without a fast one. */
export const appender = (target: Field, type: ValueType, stored: Stored): ((builder: ColumnBuilder, slot: number) => void) => {
  if (target.kind === 'dictionary') {
    const inner = appender(target.params.item!, type, stored)
    // Only the conversion of the value is needed: the dictionary finds what it is equal to.
    return (builder, slot) => inner({ append: (converted: unknown) => builder.append(converted), appendText: (converted: string) => builder.appendText(converted) } as ColumnBuilder, slot)
  }
  if (stored.is === 'bits') return (builder, slot) => builder.append(stored.values[slot] === 1)
  if (stored.is === 'bytes') {
    const { offsets, bytes } = stored
    const value = (slot: number): Uint8Array => bytes.subarray(offsets[slot], offsets[slot + 1])
    if (type.is === 'half') return (builder, slot) => builder.append(halfFloat(bytes, offsets[slot]!))
    if (type.is === 'decimal') return (builder, slot) => builder.appendText(`${bigEndian(value(slot))}e${-type.scale}`)
    if (type.is === 'instant') return (builder, slot) => builder.append(toUnit(int96(bytes, offsets[slot]!), 'ns', target.params.unit ?? 'ms'))
    return target.kind === 'utf8' ? (builder, slot) => builder.append(text(value(slot))) : (builder, slot) => builder.append(value(slot))
  }
  if (stored.is === 'words') {
    const { words } = stored
    const scale = type.is === 'decimal' ? type.scale : 0
    return (builder, slot) => builder.appendText(`${(words[2 * slot + 1]! << 64n) | BigInt.asUintN(64, words[2 * slot]!)}e${-scale}`)
  }
  const { values } = stored
  switch (type.is) {
    case 'decimal':
      return (builder, slot) => builder.appendText(`${values[slot]!}e${-type.scale}`)
    case 'date':
      return (builder, slot) => builder.append(new Date(Number(values[slot]) * 86_400_000))
    case 'instant':
      return (builder, slot) => builder.append(toUnit(BigInt(values[slot]!), type.unit, target.params.unit ?? 'ms'))
    default: {
      const signed = type.is !== 'integer' || type.signed
      return (builder, slot) => builder.append(exact(values, slot, signed))
    }
  }
}
