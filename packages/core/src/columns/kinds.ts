import { failure } from '../errors/index.js'
import { ConversionError } from '../schema/convert.js'
import type { Field } from '../schema/index.js'
import type { ReadValue } from './fixed-column.js'
import type { Values } from './column.js'

/** A kind that is stored as one element of a typed array. */
export interface FixedKind {
  /** Constructor of the typed array. */
  readonly array: new (length: number) => Values
  /** Inclusive range of integers; absent for floats. */
  readonly range?: readonly [number | bigint, number | bigint]
  /** How a stored element becomes a row's value. */
  readonly read: (field: Field) => ReadValue<unknown, never>
}

const plain = (): ReadValue<unknown, never> => ((values: Values, row: number) => values[row]) as ReadValue<unknown, never>

/** The error for a 64-bit integer that its field wants to be a number. */
export const inexactNumber = (value: bigint): ConversionError =>
  new ConversionError('OUT_OF_RANGE', `${value} does not fit a JavaScript number exactly, which { as: 'number' } asks for`)

const integer64 = (field: Field): ReadValue<unknown, never> => {
  if (field.params.as !== 'number') return plain()
  return ((values: BigInt64Array, row: number) => {
    const value = values[row]!
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw inexactNumber(value)
    return number
  }) as ReadValue<unknown, never>
}

/** Milliseconds in one unit of a timestamp. */
export const unitMilliseconds = { s: 1000, ms: 1, us: 0.001, ns: 0.000001 } as const
const unitDivisor = { us: 1000n, ns: 1000000n } as const

/** Milliseconds since 1970 of a stored timestamp; parts below a millisecond are cut towards the past. */
export const timestampMilliseconds = (values: BigInt64Array, row: number, unit: 's' | 'ms' | 'us' | 'ns'): number => {
  if (unit === 'ms') return Number(values[row]!)
  if (unit === 's') return Number(values[row]!) * 1000
  const value = values[row]!
  const divisor = unitDivisor[unit]
  const quotient = value / divisor
  return Number(value % divisor < 0n ? quotient - 1n : quotient)
}

const DAY = 86_400_000
/** A `Date` holds 100 million days before and after 1970: https://tc39.es/ecma262/#sec-time-values-and-time-range */
const MOST_MILLISECONDS = 100_000_000 * DAY

/** An instant as rows show it; one that no `Date` holds is none, not an invalid one. */
const shownDate = (milliseconds: number, stored: number | bigint, what: string): Date => {
  if (Math.abs(milliseconds) <= MOST_MILLISECONDS) return new Date(milliseconds)
  throw failure({
    tag: 'BadRecord', code: 'OUT_OF_RANGE', problem: `${stored} ${what} from 1970 are beyond what a JavaScript Date holds`,
    remedy: "Leave the column out of the rows, or take the integers from the column's values.",
  })
}

const timestamp = (field: Field): ReadValue<unknown, never> => {
  const unit = field.params.unit ?? 'ms'
  return ((values: BigInt64Array, row: number) => shownDate(timestampMilliseconds(values, row, unit), values[row]!, unit)) as ReadValue<unknown, never>
}

const date = (): ReadValue<unknown, never> => ((values: Int32Array, row: number) => shownDate(values[row]! * DAY, values[row]!, 'days')) as ReadValue<unknown, never>

/** The fixed-width kinds. Adding one here and in the Arrow table makes it known to builders, columns and Arrow. */
export const fixedKinds: { readonly [kind: string]: FixedKind } = {
  int8: { array: Int8Array, range: [-128, 127], read: plain },
  int16: { array: Int16Array, range: [-32768, 32767], read: plain },
  int32: { array: Int32Array, range: [-2147483648, 2147483647], read: plain },
  int64: { array: BigInt64Array, range: [-(2n ** 63n), 2n ** 63n - 1n], read: integer64 },
  uint8: { array: Uint8Array, range: [0, 255], read: plain },
  uint16: { array: Uint16Array, range: [0, 65535], read: plain },
  uint32: { array: Uint32Array, range: [0, 4294967295], read: plain },
  uint64: { array: BigUint64Array, range: [0n, 2n ** 64n - 1n], read: integer64 },
  float32: { array: Float32Array, read: plain },
  float64: { array: Float64Array, read: plain },
  date: { array: Int32Array, range: [-2147483648, 2147483647], read: date },
  timestamp: { array: BigInt64Array, read: timestamp },
}
