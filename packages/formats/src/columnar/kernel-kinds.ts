import type { Field } from '@millrace/core'
import { BOOL, DATE, DECIMAL, FLOAT32, FLOAT64, INTEGER, NULLABLE, TIMESTAMP, UNSIGNED, type KernelKind } from './kernel-columns.js'

const ranges: { readonly [kind: string]: readonly [bigint, bigint] } = {
  int8: [-128n, 127n], int16: [-32768n, 32767n], int32: [-2147483648n, 2147483647n], int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n], uint16: [0n, 65535n], uint32: [0n, 4294967295n],
}
const SAFE = BigInt(Number.MAX_SAFE_INTEGER)
/** Of those that rows show as numbers. */
const safeRanges: { readonly [kind: string]: readonly [bigint, bigint] } = { int64: [-SAFE, SAFE], uint64: [0n, SAFE] }
const sizes: { readonly [kind: string]: number } = { int8: 1, int16: 2, int32: 4, int64: 8, uint64: 8, uint8: 1, uint16: 2, uint32: 4 }
const nanoseconds = { s: 1_000_000_000, ms: 1_000_000, us: 1000, ns: 1 }
const symbols = ['yyyy', 'MM', 'dd', 'HH', 'mm', 'ss', 'SSS']

/** The pattern of a time as kernels read it, two bytes a part; `undefined` when a literal of it may not stand in a text as it is. */
const kernelPattern = (format: string, isPlain: (literal: string) => boolean): Uint8Array | undefined => {
  const parts: number[] = []
  for (const [part] of format.matchAll(/([A-Za-z])\1*|[^]/g)) {
    const symbol = symbols.indexOf(part)
    if (symbol >= 0) parts.push(symbol + 1, 0)
    // Other symbols are for the builders to read.
    else if (/^[A-SU-Ya-z]/.test(part) || part.charCodeAt(0) > 127 || !isPlain(part[0]!)) return undefined
    else for (const literal of part) parts.push(0, literal.charCodeAt(0))
  }
  return Uint8Array.from(parts)
}

/**
 * How kernels read the numbers, bools and times of a field; `undefined` for other fields.
 *
 * @param isPlain - whether a character of ASCII that a form of times has may stand in a text as it is
 */
export const valueKind = (field: Field, isPlain: (literal: string) => boolean): KernelKind | undefined => {
  const { kind, params, nullable } = field
  const base = { flags: nullable ? NULLABLE : 0, least: 0n, most: 0n, scale: 0, pattern: undefined, isDeferred: false }
  // What is beyond is for the column builder to refuse.
  const range = params.as === 'number' ? safeRanges[kind] : ranges[kind]
  if (range !== undefined) return { ...base, kind: INTEGER, size: sizes[kind]!, least: range[0], most: range[1] }
  if (kind === 'uint64') return { ...base, kind: UNSIGNED, size: 8 }
  if (kind === 'float64') return { ...base, kind: FLOAT64, size: 8 }
  if (kind === 'float32') return { ...base, kind: FLOAT32, size: 4 }
  if (kind === 'bool') return { ...base, kind: BOOL, size: 1 }
  const scale = params.scale ?? 0
  if (kind === 'decimal' && scale >= 0 && scale <= 18) {
    return { ...base, kind: DECIMAL, size: 16, scale, most: 10n ** BigInt(Math.min(params.precision ?? 38, 18)) - 1n }
  }
  if ((kind !== 'date' && kind !== 'timestamp') || (params.zone ?? 'UTC') !== 'UTC') return undefined
  const pattern = params.format === undefined ? undefined : kernelPattern(params.format, isPlain)
  // An empty pattern would look like none.
  if (params.format !== undefined && (pattern === undefined || pattern.length === 0)) return undefined
  return kind === 'date' ? { ...base, kind: DATE, size: 4, pattern } : { ...base, kind: TIMESTAMP, size: 8, scale: nanoseconds[params.unit ?? 'ms'], pattern }
}
