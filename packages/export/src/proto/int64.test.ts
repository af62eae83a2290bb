import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromInt64, tensorflow, toInt64 } from './index.js'

test('64-bit values survive a message exactly', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const bytes = tensorflow.AttrValue.encode({ i: toInt64(value) }).finish()
      expect(fromInt64(tensorflow.AttrValue.decode(bytes).i)).toBe(value)
    }),
  )
})

test('a zero in a oneof is written: presence matters in attributes', () => {
  expect([...tensorflow.AttrValue.encode({ i: toInt64(0) }).finish()]).toEqual([0x18, 0])
  expect([...tensorflow.AttrValue.encode({ b: false }).finish()]).toEqual([0x28, 0])
  expect([...tensorflow.AttrValue.encode({ s: new Uint8Array(0) }).finish()]).toEqual([0x12, 0])
})

test('an absent field is 0', () => {
  expect(fromInt64(undefined)).toBe(0n)
  expect(fromInt64(tensorflow.BundleEntryProto.decode(new Uint8Array(0)).offset)).toBe(0n)
})
