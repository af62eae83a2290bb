import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeRuns } from './encode-runs.js'
import { expandRuns } from './page-runs.js'

const expanded = (bytes: Uint8Array, width: number, count: number): Int32Array => {
  const out = new Int32Array(count).fill(-1)
  expandRuns(bytes, 0, bytes.length, width, out, 0, count)
  return out
}

it('runs are read as they were written, whatever their lengths and widths', () => {
  const runs = fc.integer({ min: 0, max: 32 }).chain((width) =>
    fc.tuple(fc.constant(width), fc.array(fc.tuple(fc.integer({ min: 0, max: 2 ** width - 1 }), fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 20 }) }, fc.integer({ min: 1, max: 5000 }))), { maxLength: 60 })))
  fc.assert(fc.property(runs, ([width, parts]) => {
    const values = Int32Array.from(parts.flatMap(([value, count]) => new Array<number>(count).fill(value)))
    expect(expanded(encodeRuns(values, width), width, values.length)).toEqual(values)
  }))
})

it('packed values of no bits have no bytes: parquet-mr writes them where a dictionary has one entry and a page less than eight values', () => {
  expect(expanded(Uint8Array.of(3), 0, 3)).toEqual(Int32Array.of(0, 0, 0))
  expect(() => expanded(Uint8Array.of(3), 1, 3)).toThrow('do not end with it')
})
