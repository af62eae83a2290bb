import { bitWidth } from './page-runs.js'

/** Groups of 8 in one bit-packed run: its header stays one byte. */
const MAX_GROUPS = 63

/** Bytes of the longest header. */
const HEADER_BYTES = 5

/** Runs and bit-packed values of `width` bits. @see https://parquet.apache.org/docs/file-format/data-pages/encodings/ (RLE) */
export const encodeRuns = (values: ArrayLike<number>, width: number): Uint8Array => {
  const { length } = values
  // Eight values take no more than a header of a byte and `width` bytes, whichever run they are in.
  const out = new Uint8Array(HEADER_BYTES + Math.ceil(length / 8) * (1 + Math.max(width, 4)))
  let to = 0
  const header = (value: number): void => {
    let left = value
    for (; left > 127; left >>>= 7) out[to++] = (left & 127) | 128
    out[to++] = left
  }
  const runAt = (from: number, most: number): number => {
    const first = values[from]
    const last = Math.min(length, from + most)
    let end = from + 1
    while (end < last && values[end] === first) end++
    return end - from
  }
  for (let at = 0; at < length; ) {
    const run = runAt(at, length)
    if (run >= 8 || width === 0) {
      header(run << 1)
      for (let shift = 0; shift < width; shift += 8) out[to++] = values[at]! >>> shift
      at += run
      continue
    }
    let groups = 1
    while (groups < MAX_GROUPS && at + 8 * groups < length && runAt(at + 8 * groups, 8) < 8) groups++
    header((groups << 1) | 1)
    to = pack(values, at, 8 * groups, width, out, to)
    at += 8 * groups
  }
  return out.subarray(0, to)
}

/** Packs values, zeros after the last one; gives the offset after them. */
const pack = (values: ArrayLike<number>, from: number, count: number, width: number, out: Uint8Array, start: number): number => {
  let to = start
  let byte = 0
  let bits = 0
  for (let i = from; i < from + count; i++) {
    let value = i < values.length ? values[i]! : 0
    let left = width
    while (bits + left >= 8) {
      out[to++] = byte | (value << bits)
      value >>>= 8 - bits
      left -= 8 - bits
      byte = bits = 0
    }
    byte |= value << bits
    bits += left
  }
  return to
}

/** Levels as pages of version 1 have them, their length before them; nothing where all are 0. */
export const encodeLevels = (levels: ArrayLike<number>, most: number): Uint8Array => {
  if (most === 0) return new Uint8Array(0)
  const runs = encodeRuns(levels, bitWidth(most))
  const out = new Uint8Array(4 + runs.length)
  new DataView(out.buffer).setUint32(0, runs.length, true)
  out.set(runs, 4)
  return out
}
