/**
 * A 64-bit integer as the generated messages hold it: two 32-bit halves. protobufjs gives its `Long`, which fits this shape,
 * when it decodes, and takes any object of this shape when it encodes; so no 64-bit value is ever rounded.
 */
export interface Int64Bits {
  /** Low half; signed or unsigned, the bits count. */
  readonly low: number
  /** High half. */
  readonly high: number
  readonly unsigned: boolean
}

/** A `bigint`, or a whole `number` within ±2⁵³, as a message field. */
export const toInt64 = (value: bigint | number): Int64Bits => {
  const bits = BigInt(value)
  return { low: Number(BigInt.asIntN(32, bits)), high: Number(BigInt.asIntN(32, bits >> 32n)), unsigned: false }
}

/** A decoded 64-bit field as a `bigint`; an absent one is 0. */
export const fromInt64 = (value: Int64Bits | number | null | undefined): bigint => {
  if (value === null || value === undefined) return 0n
  if (typeof value === 'number') return BigInt(value)
  const bits = (BigInt(value.high | 0) << 32n) | BigInt(value.low >>> 0)
  return value.unsigned ? BigInt.asUintN(64, bits) : bits
}

/** A decoded 64-bit field as a `number`: sizes and offsets, which stay under 2⁵³ in any file there is. */
export const int64ToNumber = (value: Int64Bits | number | null | undefined): number => Number(fromInt64(value))
