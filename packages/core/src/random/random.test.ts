import { describe, expect, it } from 'vitest'
import { murmur3 } from './murmur3.js'
import { hashOrdinal, permutation, randomFrom } from './random.js'

const hash = (text: string, seed = 0): number => {
  const bytes = new TextEncoder().encode(`..${text}..`)
  return murmur3(bytes, 2, bytes.length - 2, seed)
}

describe('murmur3', () => {
  it('agrees with the reference implementation', () => {
    // Vectors of SMHasher's MurmurHash3_x86_32, as commonly published.
    expect(hash('')).toBe(0)
    expect(hash('', 1)).toBe(0x514e28b7)
    expect(hash('', 0xffffffff)).toBe(0x81f16f39)
    expect(hash('hello')).toBe(0x248bfa47)
    expect(hash('hello, world')).toBe(0x149bbb7f)
    expect(hash('The quick brown fox jumps over the lazy dog')).toBe(0x2e4ff723)
    expect(hash('aaaa', 0x9747b28c)).toBe(0x5a97808a)
    expect(hash('aaa', 0x9747b28c)).toBe(0x283e0130)
  })
})

describe('hashOrdinal', () => {
  it('is even, and tells seeds and large ordinals apart', () => {
    for (const seed of [0, 1, -1, 2 ** 40]) {
      let below = 0
      for (let i = 0; i < 20_000; i++) if (hashOrdinal(seed, i) < 0.2 * 2 ** 32) below++
      expect(Math.abs(below - 4000)).toBeLessThan(250)
    }
    const seeds = [0, 1, -1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 40]
    expect(new Set(seeds.map((seed) => hashOrdinal(seed, 7))).size).toBe(seeds.length)
    expect(hashOrdinal(0, 5)).not.toBe(hashOrdinal(0, 5 + 2 ** 32))
  })
})

describe('randomFrom', () => {
  it('draws evenly below any bound', () => {
    const random = randomFrom(9, 3)
    const counts = new Array<number>(7).fill(0)
    for (let i = 0; i < 14_000; i++) counts[random.below(7)]!++
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(180)
    expect(random.below(1)).toBe(0)
  })

  it('permutes', () => {
    const order = permutation(1000, randomFrom(1))
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    expect([...permutation(0, randomFrom(1))]).toEqual([])
  })
})
