import { FixedColumn, halves, readInt64, type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import type { TimeUnit } from '../../schema/index.js'

/** Stored units of a timestamp in one second. */
const unitsPerSecond: { readonly [unit in TimeUnit]: number } = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 }

/**
 * `floor(instant / seconds)` of each row, by the column's own unit; dates count as their midnight UTC. Null rows mean nothing.
 */
export const floorToSeconds = (column: Column, seconds: number): Float64Array => {
  if (column instanceof FixedColumn && column.field.kind === 'date') {
    const perDay = 86_400 / seconds
    return Float64Array.from(column.values as Int32Array, (day) => Math.floor(day * perDay))
  }
  if (!(column instanceof FixedColumn) || !(column.values instanceof BigInt64Array)) {
    throw failure({ tag: 'Schema', code: 'WRONG_KIND', problem: `a column of kind ${column.field.kind} has no instants` })
  }
  const { values } = column
  const divisor = unitsPerSecond[column.field.params.unit ?? 'ms'] * seconds
  const words = halves(values)
  const out = new Float64Array(values.length)
  for (let row = 0; row < out.length; row++) {
    const value = readInt64(words, row)
    // Nanoseconds pass 2^53: rounding there could move an instant over an hour's end.
    out[row] = Number.isSafeInteger(value) ? Math.floor(value / divisor) : floorDivide(values[row]!, BigInt(divisor))
  }
  return out
}

const floorDivide = (value: bigint, divisor: bigint): number => Number(value / divisor) - (value % divisor < 0n ? 1 : 0)

/** `value mod modulus`, never negative: TensorFlow's FloorMod. */
export const floorMod = (value: number, modulus: number): number => {
  const rest = value % modulus
  return rest < 0 ? rest + modulus : rest
}
