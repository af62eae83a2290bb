import { avalanche } from './murmur3.js'

const TWO_32 = 4294967296

/** A 32-bit hash of a seed (any safe integer) and a 53-bit ordinal; the same on every machine. */
export const hashOrdinal = (seed: number, ordinal: number): number => {
  const low = avalanche((ordinal >>> 0) ^ avalanche(seed >>> 0))
  return avalanche((low + Math.imul(Math.floor(ordinal / TWO_32) + 1, 0x9e3779b9)) ^ Math.floor(seed / TWO_32))
}

/** A seeded source of random 32-bit numbers: xoshiro128**, the same on every machine. */
export interface Random {
  /** An integer from 0 to `bound - 1`, without bias; `bound` is at most 2³². */
  below(bound: number): number
}

/** {@link Random} for a seed and a stream number (the window of a shuffle, the round of a repeat). */
export const randomFrom = (seed: number, stream = 0): Random => {
  let [a, b, c, d] = [1, 2, 3, 4].map((n) => hashOrdinal(seed, stream * 4 + n) | 0) as [number, number, number, number]
  if ((a | b | c | d) === 0) a = 1
  const next = (): number => {
    const x = Math.imul(b, 5)
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = (d << 11) | (d >>> 21)
    return result
  }
  return {
    below: (bound) => {
      // Numbers past the last whole multiple of `bound` would favour small results.
      const limit = TWO_32 - (TWO_32 % bound)
      let value = next()
      while (value >= limit) value = next()
      return value % bound
    },
  }
}

/** The numbers 0 to `length - 1` in random order (Fisher and Yates). */
export const permutation = (length: number, random: Random): Int32Array => {
  const out = Int32Array.from({ length }, (_, i) => i)
  for (let i = length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const held = out[i]!
    out[i] = out[j]!
    out[j] = held
  }
  return out
}
