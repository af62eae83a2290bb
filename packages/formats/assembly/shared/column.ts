/** Columns that kernels fill, and what all of them do with rows. */

// Kinds of columns, as src/columnar/kernel-columns.ts has them.
export const TEXT: i32 = 0
export const INTEGER: i32 = 1
export const UNSIGNED: i32 = 2
export const FLOAT64: i32 = 3
export const FLOAT32: i32 = 4
export const BOOL: i32 = 5
export const DATE: i32 = 6
export const TIMESTAMP: i32 = 7

export const NULLABLE: i32 = 1

/** A column, 64 bytes. Its fields are written by src/columnar/kernel-layout.ts. */
@unmanaged
export class Column {
  kind: i32
  flags: i32
  /** Values, a row each; of texts, offsets of their ends. */
  values: usize
  bytes: usize
  /** Most bytes of texts. */
  byteCapacity: u32
  validity: usize
  /** 1 once a row is null. */
  hasNulls: i32
  /** CSV: another column of the same field; of lists, the column of their items; or 0. */
  next: usize
  /** Range of integers. */
  least: i64
  most: i64
  /** Bytes of a value. */
  size: i32
  /** Of timestamps: nanoseconds in a unit. Of decimals: places after the point. Of lists: their size, or -1. */
  scale: i32
  /** Symbols and literals of a time's form, two bytes each; 0 for ISO 8601. */
  pattern: usize
  patternLength: i32
}

@inline
export function putNull(column: Column, row: i32): void {
  const byte = column.validity + <usize>(row >> 3)
  store<u8>(byte, <u32>load<u8>(byte) & ~(<u32>1 << (row & 7)))
  column.hasNulls = 1
}

export function putZero(column: Column, row: i32): void {
  const size = column.size
  const to = column.values + <usize>row * size
  if (size == 8) store<u64>(to, 0)
  else if (size == 4) store<u32>(to, 0)
  else if (size == 2) store<u16>(to, 0)
  else if (size == 1) store<u8>(to, 0)
  else {
    store<u64>(to, 0)
    store<u64>(to, 0, 8)
  }
}

/** Makes the row's nulls valid again: bits of rows that are not there are ones. */
export function undo(fields: usize, width: i32, row: i32): void {
  const byte = <usize>(row >> 3)
  const bit = <u32>1 << (row & 7)
  for (let i = 0; i < width; i++) {
    let address = <usize>load<u32>(fields + (<usize>i << 2))
    while (address != 0) {
      const column = changetype<Column>(address)
      if (column.hasNulls != 0) store<u8>(column.validity + byte, <u32>load<u8>(column.validity + byte) | bit)
      address = column.next
    }
  }
}

export function isAscii(at: usize, end: usize): bool {
  while (at + 16 <= end) {
    if (i8x16.bitmask(v128.load(at)) != 0) return false
    at += 16
  }
  while (at < end) if (load<u8>(at++) > 127) return false
  return true
}

/** Steps of {@link skipPlainLines} whose newlines, four at most in each place, are counted in 8 bits. */
const STEPS: usize = 60

/** Newlines that {@link skipPlainLines} passed over. */
let newlines: i32 = 0

/** Passes over 64 bytes at a time, up to those among which there is a `\r`. */
function skipPlainLines(at: usize, end: usize): usize {
  newlines = 0
  let isPlain = true
  while (isPlain && at + 64 <= end) {
    const stop = min(end, at + 64 * STEPS)
    let counts = i8x16.splat(0)
    while (at + 64 <= stop) {
      const first = v128.load(at)
      const second = v128.load(at, 16)
      const third = v128.load(at, 32)
      const fourth = v128.load(at, 48)
      if (v128.any_true(v128.or(v128.or(equals(first, 13), equals(second, 13)), v128.or(equals(third, 13), equals(fourth, 13))))) {
        isPlain = false
        break
      }
      counts = i8x16.sub(counts, i8x16.add(i8x16.add(equals(first, 10), equals(second, 10)), i8x16.add(equals(third, 10), equals(fourth, 10))))
      at += 64
    }
    const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(counts))
    newlines += i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3)
  }
  return at
}

@inline
function equals(bytes: v128, byte: i8): v128 {
  return i8x16.eq(bytes, i8x16.splat(byte))
}

/** Line ends (`\n`, `\r`, `\r\n`) between two addresses, where `last` is the byte before: a `\n` after a `\r` ends nothing. */
export function countLines(at: usize, end: usize, last: u32): i32 {
  let count: i32 = 0
  let wasReturn: i32 = last == 13 ? 1 : 0
  while (at + 16 <= end) {
    if (wasReturn == 0) {
      at = skipPlainLines(at, end)
      count += newlines
    }
    const stop = min(end, at + 64)
    while (at + 16 <= stop) {
      const bytes = v128.load(at)
      const returns = i8x16.bitmask(equals(bytes, 13))
      const ends = i8x16.bitmask(equals(bytes, 10))
      count += popcnt(returns) + popcnt(ends & ~((returns << 1) | wasReturn))
      wasReturn = (returns >> 15) & 1
      at += 16
    }
  }
  while (at < end) {
    const byte = <u32>load<u8>(at++)
    if (byte == 13) count++
    else if (byte == 10 && wasReturn == 0) count++
    wasReturn = byte == 13 ? 1 : 0
  }
  return count
}
