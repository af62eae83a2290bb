import { field, makeBuilder, type Field } from '@millrace/core'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { boundsOf, storedOrder } from './bounds.js'
import { encodePlain, leafForm } from './encode-values.js'

const bytes = (of: Field, value: unknown): Uint8Array => {
  const builder = makeBuilder(of)
  builder.append(value as never)
  return encodePlain(builder.finish(), leafForm(of))
}

it.each([
  [field.int64(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  [field.uint64(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
  [field.int32(), fc.integer()],
  [field.uint32(), fc.integer({ min: 0, max: 2 ** 32 - 1 })],
  [field.float64(), fc.double({ noNaN: true })],
] as const)('the bounds of %o are those of its values in order', (of, value) => {
  const order = storedOrder(of.kind)
  // Neighbours differ in one half of their words only.
  const values = fc.array(fc.oneof(value as fc.Arbitrary<number | bigint>, fc.constantFrom(...[0, 1, 2 ** 31, 2 ** 32 - 1].map((one) => (of.kind.endsWith('64') && of.kind !== 'float64' ? BigInt(one) : one)).filter((one) => of.kind !== 'int32' || one < 2 ** 31))), { minLength: 1, maxLength: 20 })
  fc.assert(fc.property(values, (taken) => {
    const builder = makeBuilder(of as Field)
    for (const one of taken) builder.append(one as never)
    const { least, most } = boundsOf(builder.finish(), leafForm(of))!
    const sorted = taken.map((one) => bytes(of, one)).sort(order)
    expect(order(least, sorted[0]!)).toBe(0)
    expect(order(most, sorted.at(-1)!)).toBe(0)
  }))
})
