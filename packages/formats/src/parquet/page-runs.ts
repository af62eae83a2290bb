const damaged = (): Error => new Error('the runs of a page do not end with it')

/** Takes runs one after another. */
export interface RunTaker {
  /** The same value, `count` times from the `start`th on. */
  repeat(value: number, start: number, count: number): void
  /** Bit-packed values, from offset `at` of the bytes. */
  packed(at: number, start: number, count: number): void
}

/**
 * Reads run-length encoded and bit-packed runs of `width` bits until there are `due` values.
 *
 * @returns the offset after the last run that was needed
 * @throws for runs that end before that
 * @see https://parquet.apache.org/docs/file-format/data-pages/encodings/ (RLE)
 */
export const readRuns = (bytes: Uint8Array, from: number, to: number, width: number, due: number, taker: RunTaker): number => {
  if (width > 32) throw new Error(`a run has values of ${width} bits`)
  let at = from
  const valueBytes = (width + 7) >> 3
  for (let i = 0; i < due; ) {
    let header = 0
    for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
      if (at >= to || shift > 28) throw damaged()
      byte = bytes[at++]!
      header |= (byte & 0x7f) << shift
    }
    if ((header & 1) === 0) {
      const run = header >>> 1
      if (run === 0 || at + valueBytes > to) throw damaged()
      // A run that goes on after the last value would be values that the page does not have.
      if (i + run > due) throw new Error(`a run has ${run} values where a page has ${due - i} left`)
      let value = 0
      for (let b = 0; b < valueBytes; b++) value |= bytes[at++]! << (8 * b)
      taker.repeat(value, i, run)
      i += run
      continue
    }
    const groups = header >>> 1
    const size = groups * width
    // Values of no bits, of a dictionary with one entry, have no bytes.
    if (groups === 0 || (at >= to && width > 0)) throw damaged()
    const count = Math.min(due - i, groups * 8)
    // Writers fill bit-packed runs up, to 8 values or to a block of 512; the last ones may leave the filling out.
    if (groups * 8 > due - i + 512) throw new Error(`a run has ${groups * 8} values where a page has ${due - i} left`)
    if (at + Math.ceil((count * width) / 8) > to) throw damaged()
    taker.packed(at, i, count)
    i += count
    at = Math.min(to, at + size)
  }
  return at
}

/** Whether the first of the values is 0. Runs that are damaged are for {@link readRuns} to tell of. */
export const beginsWithZero = (bytes: Uint8Array, from: number, to: number, width: number): boolean => {
  let at = from
  while (at < to && bytes[at]! >= 0x80) at++
  // A run's value and packed ones have their lowest bits here.
  return ((bytes[at + 1] ?? 0) & ((1 << Math.min(8, width)) - 1)) === 0
}

/** Expands runs of `width` bits into `out`, from `start` to `end`. See {@link readRuns}. */
export const expandRuns = (bytes: Uint8Array, from: number, to: number, width: number, out: Int32Array | Uint8Array, start: number, end: number): number =>
  readRuns(bytes, from, to, width, end - start, {
    repeat: (value, i, count) => void out.fill(value, start + i, start + i + count),
    packed: (at, i, count) => unpackBits(bytes, at, width, out, start + i, count),
  })

/** Values of `width` bits, least significant first. Reads no byte beyond the last value. */
export const unpackBits = (bytes: Uint8Array, from: number, width: number, out: Int32Array | Uint8Array, start: number, count: number): void => {
  if (width === 0) return void out.fill(0, start, start + count)
  let at = from
  if (width === 8) {
    for (let i = 0; i < count; i++) out[start + i] = bytes[at++]!
    return
  }
  if (width <= 24) {
    const mask = (1 << width) - 1
    let held = 0
    let bits = 0
    for (let i = 0; i < count; i++) {
      while (bits < width) {
        held |= bytes[at++]! << bits
        bits += 8
      }
      out[start + i] = held & mask
      held >>>= width
      bits -= width
    }
    return
  }
  for (let i = 0; i < count; i++) {
    let value = 0
    for (let bit = 0; bit < width; bit++) {
      const place = i * width + bit
      value |= ((bytes[from + (place >> 3)]! >> (place & 7)) & 1) << bit
    }
    out[start + i] = value
  }
}

/** Bits that the values from 0 to `most` take. */
export const bitWidth = (most: number): number => 32 - Math.clz32(most)
