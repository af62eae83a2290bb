import { expect, it } from 'vitest'
import { XxHash64 } from './xxhash64.js'

const EXPECTED = ['10fa5da9', '346f0691', '9e2e2e99', 'e578e053', '9882cc1b']

const low = (...parts: readonly Uint8Array[]): string => {
  const hash = new XxHash64()
  for (const part of parts) hash.update(part)
  return hash.digestLow().toString(16).padStart(8, '0')
}

it('hashes as xxHash 0.8.4 does (python xxhash, xxh64), however the bytes are cut', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 2654435761) >>> 24)
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  expect([low(), low(text('a')), low(text('abc'))]).toEqual(['51d8e999', 'a98c6e5b', 'ad770999'])
  expect([31, 32, 33, 100, 1000].map((length) => low(bytes.subarray(0, length)))).toEqual(EXPECTED)
  for (const cut of [1, 7, 31, 32, 33, 64, 500]) expect(low(bytes.subarray(0, cut), bytes.subarray(cut, cut + 3), bytes.subarray(cut + 3))).toBe(EXPECTED[4])
})
