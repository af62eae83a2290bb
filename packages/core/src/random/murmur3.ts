const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))

const mix = (k: number): number => Math.imul(rotate(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593)

/** MurmurHash3's finaliser: spreads every bit of `h` over all 32. */
export const avalanche = (h: number): number => {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** MurmurHash3_x86_32 of `bytes[start..end]`, as an unsigned 32-bit number. */
export const murmur3 = (bytes: Uint8Array, start: number, end: number, seed = 0): number => {
  let h = seed | 0
  let at = start
  for (; at + 4 <= end; at += 4) {
    h ^= mix(bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    h = (Math.imul(rotate(h, 13), 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let i = end - 1; i >= at; i--) tail = (tail << 8) | bytes[i]!
  if (at < end) h ^= mix(tail)
  return avalanche(h ^ (end - start))
}
