import { expect, it } from 'vitest'
import { field } from '../schema/index.js'
import { makeBuilder } from './index.js'

const stored = (text: string): unknown => {
  const builder = makeBuilder(field.float32())
  builder.appendText(text)
  return builder.finish().get(0)
}

const unit = 2 ** -23
it.each([
  // Halfway between 1 and the next float32: to the even one, unless the text is beside it by less than a float64 can tell.
  ['1.000000059604644775390625', 1],
  ['1.000000059604644775390625000000000000001', 1 + unit],
  ['1.000000178813934326171875', 1 + 2 * unit],
  ['1.000000178813934326171874999999999999999', 1 + unit],
  ['-1.000000178813934326171874999999999999999', -1 - unit],
  [`1.000000059604644775390625${'0'.repeat(300)}1`, 1 + unit],
  ['16777217', 16777216],
  ['16777217.00000000000000001', 16777218],
  ['1677721700000000000000001e-17', 16777218],
  ['1677721699999999999999999e-17', 16777216],
  // Between the two smallest, and at the largest.
  ['1.0509737695505176e-45', 1.401298464324817e-45],
  ['7.006492321624085e-46', 0],
  ['7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319094181060791015626e-46', 1.401298464324817e-45],
  ['340282356779733661637539395458142568447', 3.4028234663852886e38],
])('%s becomes the nearest float32', (text, nearest) => {
  expect(stored(text)).toBe(nearest)
})

it('refuses what rounds beyond the largest', () => {
  expect(() => stored('340282356779733661637539395458142568448')).toThrow(/out of the range/)
})
