import { bitWidth } from './page-runs.js'

/** Groups of 8 in one bit-packed run: its header stays one byte. */
const MAX_GROUPS = 63

/** Runs and bit-packed values of `width` bits. @see https://parquet.apache.org/docs/file-format/data-pages/encodings/ (RLE) */
export const encodeRuns = (values: ArrayLike<number>, width: number): Uint8Array => {
  const { length } = values
  const out: number[] = []
  const header = (value: number): void => {
    let left = value
    for (; left > 127; left >>>= 7) out.push((left & 127) | 128)
    out.push(left)
  }
  const runAt = (from: number, most: number): number => {
    let end = from + 1
    while (end < length && end < from + most && values[end] === values[from]) end++
    return end - from
  }
  for (let at = 0; at < length; ) {
    const run = runAt(at, length)
    if (run >= 8 || width === 0) {
      header(run << 1)
      for (let shift = 0; shift < width; shift += 8) out.push((values[at]! >>> shift) & 255)
      at += run
      continue
    }
    let groups = 1
    while (groups < MAX_GROUPS && at + 8 * groups < length && runAt(at + 8 * groups, 8) < 8) groups++
    header((groups << 1) | 1)
    pack(values, at, 8 * groups, width, out)
    at += 8 * groups
  }
  return Uint8Array.from(out)
}

const pack = (values: ArrayLike<number>, from: number, count: number, width: number, out: number[]): void => {
  let byte = 0
  let bits = 0
  for (let i = from; i < from + count; i++) {
    let value = values[i] ?? 0
    for (let left = width; left > 0; ) {
      const take = Math.min(left, 8 - bits)
      byte |= (value & ((1 << take) - 1)) << bits
      value >>>= take
      bits += take
      left -= take
      if (bits < 8) continue
      out.push(byte)
      byte = bits = 0
    }
  }
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
