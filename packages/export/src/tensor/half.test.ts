import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeHalves, encodeHalves } from './half.js'

describe('16-bit floats', () => {
  test.each([
    [0, 0x0000], [-0, 0x8000], [1, 0x3c00], [-2, 0xc000], [65504, 0x7bff], [65519.99, 0x7bff], [65520, 0x7c00], [Infinity, 0x7c00], [-Infinity, 0xfc00],
    [2 ** -24, 0x0001], [2 ** -25, 0x0000], [1.5 * 2 ** -25, 0x0001], [2 ** -14, 0x0400], [1023 * 2 ** -24, 0x03ff], [1023.5 * 2 ** -24, 0x0400],
    // Ties go to the even one.
    [1 + 2 ** -11, 0x3c00], [1 + 3 * 2 ** -11, 0x3c02], [2049, 0x6800], [2051, 0x6802], [NaN, 0x7e00],
  ])('%f as a half', (value, bits) => {
    expect(encodeHalves('float16', [value])).toEqual(Uint16Array.of(bits))
  })

  test.each([[1, 0x3f80], [-0, 0x8000], [3.4e38, 0x7f80], [1 + 2 ** -8, 0x3f80], [1 + 3 * 2 ** -8, 0x3f82], [NaN, 0x7fc0], [1e-40, 0x0001]])('%f as a bfloat16', (value, bits) => {
    expect(encodeHalves('bfloat16', [value])).toEqual(Uint16Array.of(bits))
  })

  test.each(['float16', 'bfloat16'] as const)('all of %s come back', (dtype) => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
    const numbers = decodeHalves(dtype, all)
    const back = encodeHalves(dtype, numbers)
    all.forEach((bits, i) => {
      if (!Number.isNaN(numbers[i])) expect(back[i]).toBe(bits)
    })
  })

  test('the nearest one is taken', () => {
    fc.assert(fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
      const bits = encodeHalves('float16', [value])[0]!
      const error = (candidate: number): number => Math.abs(decodeHalves('float16', [candidate])[0]! - value)
      for (const other of [bits - 1, bits + 1]) if ((other & 0x7fff) < 0x7c00 && other >= 0) expect(error(bits)).toBeLessThanOrEqual(error(other))
    }))
  })
})
