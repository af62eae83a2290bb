import { expect, it } from 'vitest'
import { boundOf } from './where.js'

const cents = { is: 'decimal', precision: 38, scale: 2, name: 'BYTE_ARRAY DECIMAL' } as const

it('bounds of decimals in bytes are big-endian integers with a sign, of as many bytes as each takes', () => {
  for (const [bytes, due] of [
    [[0], 0], [[0x7f], 1.27], [[0x80], -1.28], [[0xff], -0.01], [[0x01, 0x00], 2.56], [[0xff, 0x00], -2.56], [[0x00, 0xff], 2.55], [[0x00, ...new Array<number>(15).fill(0xff)], 2 ** 120 / 100],
  ] as const) expect(boundOf(cents, Uint8Array.from(bytes), true)).toBe(due)
})

it('bounds of decimals that are no value, or may have been cut, are none', () => {
  expect(boundOf(cents, new Uint8Array(0), true)).toBeUndefined()
  expect(boundOf(cents, new Uint8Array(17), true)).toBeUndefined()
})
