/** Arrow validity bitmaps: bit `i & 7` of byte `i >> 3`, least significant first; 1 means "not null". */

/** Bytes that a bitmap of `length` bits takes. */
export const bitmapBytes = (length: number): number => (length + 7) >> 3

/** Bit `index` of the bitmap. */
export const getBit = (bits: Uint8Array, index: number): boolean => ((bits[index >> 3]! >> (index & 7)) & 1) === 1

/** Sets bit `index` to 1. */
export const setBit = (bits: Uint8Array, index: number): void => {
  bits[index >> 3]! |= 1 << (index & 7)
}

/** Sets bit `index` to 0. */
export const clearBit = (bits: Uint8Array, index: number): void => {
  bits[index >> 3]! &= ~(1 << (index & 7))
}

/** Number of ones among the first `length` bits. */
export const countBits = (bits: Uint8Array, length: number): number => {
  let count = 0
  const whole = length >> 3
  for (let i = 0; i < whole; i++) {
    let byte = bits[i]!
    while (byte !== 0) {
      byte &= byte - 1
      count++
    }
  }
  for (let i = whole << 3; i < length; i++) if (getBit(bits, i)) count++
  return count
}

/** A copy of `length` bits from bit `start`, moved to bit 0. */
export const sliceBits = (bits: Uint8Array, start: number, length: number): Uint8Array => {
  const first = start >> 3
  const shift = start & 7
  const size = bitmapBytes(length)
  if (shift === 0) return bits.slice(first, first + size)
  const out = new Uint8Array(size)
  for (let i = 0; i < size; i++) out[i] = (bits[first + i]! >> shift) | ((bits[first + i + 1] ?? 0) << (8 - shift))
  return out
}

/** Bitmaps of the given lengths one after another; `undefined` stands for all ones. */
export const concatBits = (parts: readonly { readonly bits: Uint8Array | undefined; readonly length: number }[]): Uint8Array => {
  const out = new Uint8Array(bitmapBytes(parts.reduce((sum, part) => sum + part.length, 0)))
  let at = 0
  for (const { bits, length } of parts) {
    for (let i = 0; i < length; i++) if (bits === undefined || getBit(bits, i)) setBit(out, at + i)
    at += length
  }
  return out
}
