import { BYTES, FLOAT, INT64 } from './feature-kinds.js'
import type { FeatureSlot } from './feature-slot.js'

/**
 * Reads a scalar in its plainest encodings, a tf.train.Feature with nothing around: `start` is the byte after its
 * tag, `end` the end of the entry that it stands in.
 *
 * @returns `false` when it looks any other way; what it may have stored then is overwritten
 */
export const readScalar = (slot: FeatureSlot, row: number, bytes: Uint8Array, start: number, end: number): boolean => {
  let p = start + 1
  let size = bytes[start]!
  if (size > 127) {
    size = (size & 127) | (bytes[p++]! << 7)
    if (size > 16383) return false
  }
  if (p + size !== end) return false
  if (slot.wire === FLOAT) {
    // 12 06 0a 04 (packed) or 12 05 0d, and four bytes.
    if (bytes[p] !== 18) return false
    if (size === 8) {
      if (bytes[p + 1] !== 6 || bytes[p + 2] !== 10 || bytes[p + 3] !== 4) return false
    } else if (size !== 7 || bytes[p + 1] !== 5 || bytes[p + 2] !== 13) return false
    slot.words[row] = bytes[end - 4]! | (bytes[end - 3]! << 8) | (bytes[end - 2]! << 16) | (bytes[end - 1]! << 24)
    return true
  }
  if (slot.wire === INT64) {
    // 1a, size, 0a, size (packed) or 1a, size, 08, and a varint.
    if (bytes[p] !== 26 || bytes[p + 1] !== size - 2 || size > 15) return false
    if (bytes[p + 2] === 10) {
      if (bytes[p + 3] !== size - 4) return false
      p += 4
    } else if (bytes[p + 2] === 8) p += 3
    else return false
    if (p >= end || bytes[end - 1]! > 127) return false
    return readInteger(slot, row, bytes, p, end)
  }
  // 0a, size, 0a, size, and the bytes.
  if (slot.wire !== BYTES || bytes[p] !== 10) return false
  for (let level = 0; level < 2; level++) {
    if (bytes[p] !== 10 || p + 2 > end) return false
    size = bytes[p + 1]!
    p += 2
    if (size > 127) {
      size = (size & 127) | (bytes[p++]! << 7)
      if (size > 16383) return false
    }
    if (p + size !== end) return false
  }
  return slot.putBytes(row, bytes, p, end)
}

/** Reads the one varint between `start` and `end`. */
const readInteger = (slot: FeatureSlot, row: number, bytes: Uint8Array, start: number, end: number): boolean => {
  let low = 0
  let high = 0
  const length = end - start
  if (length > 10) return false
  const last = Math.min(end, start + 4)
  let p = start
  for (let shift = 0; p < last; p++, shift += 7) {
    const byte = bytes[p]!
    // A byte without a top bit ends the varint; more bytes after it are more values.
    if (byte < 128 && p !== end - 1) return false
    low |= (byte & 127) << shift
  }
  if (p < end) {
    const byte = bytes[p]!
    if (byte < 128 && p !== end - 1) return false
    low |= byte << 28
    high = (byte & 127) >>> 4
    p++
    for (let shift = 3; p < end; p++, shift += 7) {
      const next = bytes[p]!
      if (next < 128 && p !== end - 1) return false
      high |= (next & 127) << shift
    }
  }
  if (slot.check !== 0 && !slot.takesInteger(low, high)) return false
  slot.words[2 * row] = low
  slot.words[2 * row + 1] = high
  return true
}
