import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { field, fromRows, pipe, preview, run } from '../index.js'
import { statistics } from './statistics.js'

const schema = {
  n: field.nullable(field.int32()), big: field.int64(), f: field.float32(), s: field.utf8(), d: field.dictionary(), b: field.bool(),
  at: field.timestamp({ unit: 'us' }), day: field.date(), price: field.decimal(10, 2), l: field.list(field.int8()), x: field.binary(),
}
const row = (n: number | null, s: string, extra: object = {}) => ({
  n, big: 9007199254740993n, f: 1.5, s, d: s, b: n === 1, at: new Date(1000 * (n ?? 5)), day: new Date(86_400_000 * (n ?? 5)), price: '1.50', l: [1, 2], x: new Uint8Array(1), ...extra,
})
const stream = fromRows(schema, [row(1, 'b'), row(2, 'a', { f: NaN }), row(null, 'a', { price: '-2.25', l: [] }), row(3, 'ü', { f: -Infinity })], { batchRows: 3 })

describe('statistics', () => {
  it('describes each kind of column', async () => {
    const { rows, columns } = await run(pipe(stream, statistics()))
    expect(rows).toBe(4)
    expect(columns.n).toMatchObject({ count: 3, nulls: 1, nans: 0, min: 1, max: 3, mean: 2, distinct: 3 })
    expect(columns.n.stddev).toBeCloseTo(Math.sqrt(2 / 3), 12)
    expect(columns.big).toMatchObject({ min: 9007199254740993n, max: 9007199254740993n, distinct: 1, top: [{ value: 9007199254740993n, count: 4 }] })
    expect(columns.f).toMatchObject({ count: 4, nans: 1, min: -Infinity, max: 1.5, distinct: 2 })
    expect(columns.s).toMatchObject({ count: 4, min: 'a', max: 'ü', mean: undefined, distinct: 3, top: [{ value: 'a', count: 2 }, { value: 'b', count: 1 }, { value: 'ü', count: 1 }] })
    expect(columns.d).toMatchObject({ count: 4, min: 'a', max: 'ü', distinct: 3, top: columns.s.top })
    expect(columns.b).toMatchObject({ mean: 0.25, distinct: 2, top: [{ value: false, count: 3 }, { value: true, count: 1 }] })
    expect(columns.at).toMatchObject({ min: new Date(1000), max: new Date(5000), mean: undefined, distinct: 4 })
    expect(columns.day).toMatchObject({ min: new Date(86_400_000), max: new Date(5 * 86_400_000) })
    expect(columns.price).toMatchObject({ min: '-2.25', max: '1.50', mean: 0.5625, distinct: 2, top: [{ value: '1.50', count: 3 }, { value: '-2.25', count: 1 }] })
    expect(columns.l).toMatchObject({ min: 0, max: 2, mean: 1.5, distinct: undefined, top: [] })
    expect(columns.x).toMatchObject({ count: 4, min: undefined, distinct: undefined })
  })

  it('gives up counting beyond the limit, exactly there', async () => {
    const numbers = (count: number) => fromRows({ n: field.int32() }, Array.from({ length: count }, (_, n) => ({ n })))
    expect((await run(pipe(numbers(10), statistics({ distinctLimit: 10, topValues: 2 })))).columns.n).toMatchObject({ distinct: 10, top: [{ value: 0, count: 1 }, { value: 1, count: 1 }] })
    expect((await run(pipe(numbers(11), statistics({ distinctLimit: 10 })))).columns.n).toMatchObject({ distinct: undefined, top: [], min: 0, max: 10, mean: 5 })
  })

  it('says nothing of nothing', async () => {
    const { rows, columns } = await run(pipe(fromRows({ n: field.int32() }, []), statistics()))
    expect(rows).toBe(0)
    expect(columns.n).toMatchObject({ count: 0, min: undefined, mean: undefined, stddev: undefined, distinct: 0, top: [] })
  })

  it('keeps its precision far from zero', async () => {
    const offset = fromRows({ x: field.float64() }, [4, 7, 13, 16].map((n) => ({ x: 1e9 + n })))
    expect((await run(pipe(offset, statistics()))).columns.x.stddev).toBeCloseTo(Math.sqrt(22.5), 6)
    await fc.assert(fc.asyncProperty(fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1 }), async (values) => {
      const { mean, stddev } = (await run(pipe(fromRows({ x: field.float64() }, values.map((x) => ({ x })), { batchRows: 7 }), statistics()))).columns.x
      const expected = values.reduce((a, b) => a + b, 0) / values.length
      expect(mean).toBeCloseTo(expected, 5)
      expect(stddev).toBeCloseTo(Math.sqrt(values.reduce((sum, x) => sum + (x - expected) ** 2, 0) / values.length), 4)
    }), { numRuns: 30 })
  })

  it('prints a table', async () => {
    const found = await run(pipe(fromRows({ n: field.int32(), s: field.utf8() }, [{ n: 1, s: 'a' }, { n: 2, s: '<b>\u001b[31m' }]), statistics()))
    expect(`${found as unknown as string}`).toMatchInlineSnapshot(`
      "column  kind   count  nulls  distinct            min  max  mean  stddev  most frequent
      ──────  ─────  ─────  ─────  ────────  ─────────────  ───  ────  ──────  ─────────────
      n       int32      2      0         2              1    2   1.5     0.5              1
      s       utf8       2      0         2  <b>\\u001b[31m    a                            a"
    `)
    expect(found.html).toContain('&lt;b&gt;')
  })
})

describe('preview', () => {
  it('shows the first rows as text and HTML, escaped', async () => {
    const source = fromRows({ name: field.nullable(field.utf8()), n: field.int32(), at: field.timestamp(), l: field.list(field.int8()) }, [
      { name: '<script>', n: 1, at: new Date(0), l: [1, 2] },
      { name: 'two\nlines \u001b[2J', n: 200, at: new Date(1e12), l: [] },
      { name: null, n: -3, at: new Date(0), l: [] },
    ])
    const table = await run(preview(source, 3))
    expect(table.text).toMatchInlineSnapshot(`
      "name                      n  at                        l
      nullable utf8         int32  timestamp                 list<int8>
      ────────────────────  ─────  ────────────────────────  ──────────
      <script>                  1  1970-01-01T00:00:00.000Z  [1, 2]
      two\\nlines \\u001b[2J    200  2001-09-09T01:46:40.000Z  []
      null                     -3  1970-01-01T00:00:00.000Z  []"
    `)
    expect(table.html).toContain('<td>&lt;script&gt;</td><td align="right">1</td>')
    expect(table.html).not.toContain('<script>')
    expect((await run(preview(source, 1))).rows.length).toBe(1)
  })
})
