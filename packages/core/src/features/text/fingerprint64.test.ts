import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fingerprint64, hashBucketOf } from './fingerprint64.js'

const golden = JSON.parse(readFileSync(new URL('../../../../../test/goldens/features/fingerprint64.json', import.meta.url), 'utf8')) as {
  cases: readonly (readonly [string, string])[]
}
const encoder = new TextEncoder()

describe('fingerprint64', () => {
  it('gives what TensorFlow gives, for every length class', () => {
    expect(golden.cases.length).toBeGreaterThan(190)
    for (const [text, expected] of golden.cases) expect([text, `${fingerprint64(text)}`]).toEqual([text, expected])
  })

  it('reads bytes wherever they lie in the buffer', () => {
    for (const [text, expected] of golden.cases) {
      const bytes = encoder.encode(text)
      const padded = new Uint8Array(bytes.length + 7).fill(0xaa)
      padded.set(bytes, 3)
      for (const buckets of [1, 2, 3, 1000, 2 ** 31 - 1]) {
        expect(hashBucketOf(padded, 3, 3 + bytes.length, buckets)).toBe(Number(BigInt(expected) % BigInt(buckets)))
      }
    }
  })
})
