import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { columnFrom } from '../../columns/index.js'
import { field, type Field } from '../../schema/index.js'
import { Moments } from './moments.js'
import { asFloat32, asFloat64 } from './numbers.js'
import { QuantileSketch } from './quantile-sketch.js'

describe('64-bit integers', () => {
  it('become the float32 that TensorFlow casts them to, rounded once', () => {
    const ties = [2n ** 60n + 2n ** 36n, 2n ** 60n + 3n * 2n ** 36n, 2n ** 55n + 2n ** 31n, 2n ** 63n - 2n ** 38n]
    // By tf.cast, TensorFlow 2.21: a tie goes to the even neighbour, one more or one less to the near one.
    const expected = [
      [1.152921504606847e18, 1.152921504606847e18, 1.1529216420458004e18], [1.1529216420458004e18, 1.152921779484754e18, 1.152921779484754e18],
      [3.602879701896397e16, 3.602879701896397e16, 3.602880131393126e16], [9.223371487098962e18, 9.223372036854776e18, 9.223372036854776e18],
    ].map((three) => three.map(Math.fround))
    const around = ties.map((tie) => [tie - 1n, tie, tie + 1n])
    expect(around.map((three) => [...asFloat32(columnFrom(field.int64(), three), 0)])).toEqual(expected)
    expect(around.map((three) => [...asFloat32(columnFrom(field.int64(), three.map((value) => -value)), 0)])).toEqual(expected.map((three) => three.map((value) => -value)))
    expect([...asFloat32(columnFrom(field.uint64(), [2n ** 63n + 2n ** 39n + 1n, 2n ** 64n - 1n]), 0)]).toEqual([2 ** 63 + 2 ** 40, 2 ** 64])
  })
})

describe('Moments', () => {
  it('gives the same however the values are cut into blocks', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 })), { minLength: 1 }), (blocks) => {
        const parts = new Moments()
        for (const block of blocks) parts.add(Float64Array.from(block))
        const whole = new Moments()
        whole.add(Float64Array.from(blocks.flat()))
        const [a, b] = [parts.result(), whole.result()]
        if (a === undefined || b === undefined) {
          expect(a).toBe(b)
          return
        }
        expect(Math.abs(a.mean - b.mean)).toBeLessThan(1e-6)
        expect(Math.abs(a.variance - b.variance)).toBeLessThanOrEqual(1e-9 * (1 + b.variance + b.mean ** 2))
      }),
    )
  })

  it('does not lose a small variance beside a large mean', () => {
    const moments = new Moments()
    for (let block = 0; block < 1000; block++) moments.add(Float64Array.of(1e9, 1e9 + 1, 1e9 + 2))
    expect(moments.result()!.mean).toBe(1e9 + 1)
    expect(moments.result()!.variance).toBeCloseTo(2 / 3, 6)
  })

  it('leaves out what is null, NaN or infinite', () => {
    const moments = new Moments()
    moments.add(Float64Array.of(1, NaN, Infinity, 3, 100, -Infinity), (row) => row !== 4)
    expect(moments.result()).toEqual({ mean: 2, variance: 1 })
    expect(new Moments().result()).toBeUndefined()
  })
})

describe('QuantileSketch', () => {
  const ranks = (values: readonly number[], buckets: number): readonly number[] =>
    Array.from({ length: buckets - 1 }, (_, i) => [...values].sort((a, b) => a - b)[Math.floor(((i + 1) * values.length) / buckets)]!)

  it('is exact while it keeps all values', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 200 }), fc.integer({ min: 2, max: 12 }), (values, buckets) => {
        const sketch = new QuantileSketch(256)
        for (const value of values) sketch.add(value)
        expect(sketch.boundaries(buckets)).toEqual(ranks(values, buckets))
      }),
    )
  })

  it.each(['ascending', 'descending', 'scattered'])('keeps its bound on %s values', (order) => {
    const rows = 200_003
    const capacity = 1024
    const sketch = new QuantileSketch(capacity)
    for (let i = 0; i < rows; i++) sketch.add(order === 'ascending' ? i : order === 'descending' ? rows - 1 - i : (i * 7919) % rows)
    const bound = rows * (Math.ceil(Math.log2(rows / capacity)) / capacity)
    const boundaries = sketch.boundaries(10)
    boundaries.forEach((value, i) => expect(Math.abs(value - ((i + 1) * rows) / 10)).toBeLessThan(bound))
    const again = new QuantileSketch(capacity)
    for (let i = 0; i < rows; i++) again.add(order === 'ascending' ? i : order === 'descending' ? rows - 1 - i : (i * 7919) % rows)
    expect(again.boundaries(10)).toEqual(boundaries)
  })
})

describe('asFloat32 and asFloat64', () => {
  it('read every kind of number', () => {
    for (const kind of [field.int8(), field.int16(), field.int32(), field.int64(), field.float32(), field.float64()]) {
      const column = columnFrom(field.nullable(kind), [1, null, -2])
      expect([...asFloat32(column, 7.5)]).toEqual([1, 7.5, -2])
      expect([asFloat64(column)[0], asFloat64(column)[2]]).toEqual([1, -2])
    }
    for (const kind of [field.uint8(), field.uint16(), field.uint32(), field.uint64()]) expect([...asFloat64(columnFrom(kind as Field, [0, 200]))]).toEqual([0, 200])
    expect([...asFloat64(columnFrom(field.int64(), [2n ** 53n, -(2n ** 53n)]))]).toEqual([2 ** 53, -(2 ** 53)])
    expect([...asFloat64(columnFrom(field.uint64(), [2n ** 64n - 1n]))]).toEqual([2 ** 64])
    expect([...asFloat64(columnFrom(field.bool(), [true, false]))]).toEqual([1, 0])
    expect(() => asFloat32(columnFrom(field.utf8(), ['1']), 0)).toThrow(/utf8/)
  })

  it('leave the column as it was', () => {
    const column = columnFrom(field.nullable(field.float32()), [1, null])
    asFloat32(column, 5)
    expect(column.toArray()).toEqual([1, null])
  })
})
