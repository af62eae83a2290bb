import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { pipe } from '../job/index.js'
import { field, type Decimal, type Float64, type Int32, type Int64, type Int64AsNumber, type Nullable, type Row, type Utf8 } from '../schema/index.js'
import { fromRows, type Stream } from '../stream/index.js'
import { aggregate } from './aggregate.js'
import { count, countDistinct, max, mean, min, stddev, sum } from './aggregations.js'

const rowsOf = async (stream: Stream): Promise<Record<string, unknown>[]> => {
  const out: Record<string, unknown>[] = []
  for await (const batch of stream) for (let row = 0; row < batch.numRows; row++) out.push(batch.row(row))
  return out
}

const schema = { group: field.nullable(field.utf8()), n: field.nullable(field.int32()), x: field.float64() }

const naive = (rows: readonly Row<typeof schema>[]): Record<string, unknown>[] => {
  const groups = new Map<string | null, Row<typeof schema>[]>()
  for (const row of rows) groups.set(row.group, [...(groups.get(row.group) ?? []), row])
  return [...groups].map(([group, members]) => {
    const ns = members.map(({ n }) => n).filter((n) => n !== null)
    const mean = members.reduce((total, { x }) => total + x, 0) / members.length
    return {
      group,
      rows: members.length,
      known: ns.length,
      different: new Set(ns).size,
      total: ns.length === 0 ? null : ns.reduce((a, b) => a + b, 0),
      least: ns.length === 0 ? null : Math.min(...ns),
      most: Math.max(...members.map(({ x }) => x)),
      mean,
      spread: members.length < 2 ? null : Math.sqrt(members.reduce((total, { x }) => total + (x - mean) ** 2, 0) / (members.length - 1)),
    }
  })
}

describe('aggregate', () => {
  it('agrees with loops, groups in the order of their first rows', async () => {
    const row = fc.record({
      group: fc.option(fc.constantFrom('a', 'b', 'a group with a long name', '')),
      n: fc.option(fc.integer({ min: -5, max: 2147483647 })),
      x: fc.integer({ min: -1000, max: 1000 }).map((n) => n / 8),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 30 }), async (rows) => {
        const found = await rowsOf(pipe(fromRows(schema, rows, { batchRows: 7 }), aggregate({
          by: ['group'],
          values: { rows: count(), known: count('n'), different: countDistinct('n'), total: sum('n'), least: min('n'), most: max('x'), mean: mean('x'), spread: stddev('x') },
        })))
        const expected = naive(rows)
        expect(found.map(({ mean: _m, spread: _s, ...rest }) => rest)).toEqual(expected.map(({ mean: _m, spread: _s, ...rest }) => rest))
        found.forEach((group, i) => {
          expect(group['mean']).toBeCloseTo(expected[i]!['mean'] as number, 9)
          if (expected[i]!['spread'] === null) expect(group['spread']).toBeNull()
          else expect(group['spread']).toBeCloseTo(expected[i]!['spread'] as number, 9)
        })
      }),
      { numRuns: 25, seed: 11 },
    )
  })

  it('is exact on decimals and 64-bit integers, and an error where a sum does not fit', async () => {
    const money = { key: field.dictionary(), price: field.decimal(20, 2), big: field.int64(), late: field.bool() }
    const rows = [
      { key: 'a', price: '0.10', big: 2n ** 62n, late: true },
      { key: 'a', price: '0.20', big: 1n, late: false },
      { key: 'b', price: '999999999999999999.99', big: 2n ** 62n, late: true },
    ]
    const stream = fromRows(money, rows)
    const values = { total: sum('price'), mean: mean('price'), big: sum('big'), late: sum('late'), share: mean('late'), cheapest: min('price') }
    expect(await rowsOf(pipe(stream, aggregate({ by: ['key'], values })))).toEqual([
      { key: 'a', total: '0.30', mean: 0.15, big: 2n ** 62n + 1n, late: 1n, share: 0.5, cheapest: '0.10' },
      { key: 'b', total: '999999999999999999.99', mean: 1e18, big: 2n ** 62n, late: 1n, share: 1, cheapest: '999999999999999999.99' },
    ])
    await expect(rowsOf(pipe(stream, aggregate({ by: [], values: { big: sum('big') } })))).rejects.toMatchObject({ _tag: 'Engine', code: 'OUT_OF_RANGE' })
  })

  it('makes one row without keys, and none of nothing', async () => {
    const stream = fromRows(schema, [{ group: 'a', n: 1, x: 1 }, { group: 'b', n: null, x: 3 }])
    expect(await rowsOf(pipe(stream, aggregate({ by: [], values: { n: count(), mean: mean('x') } })))).toEqual([{ n: 2, mean: 2 }])
    expect(await rowsOf(pipe(fromRows(schema, []), aggregate({ by: [], values: { n: count() } })))).toEqual([])
  })

  it('knows its schema', () => {
    const stream = fromRows({ ...schema, big: field.int64(), price: field.decimal(9, 2) }, [])
    const values = { n: count(), total: sum('n'), least: min('n'), mean: mean('x'), spread: stddev('x'), big: sum('big'), price: sum('price') }
    const { schema: found } = pipe(stream, aggregate({ by: ['group'], values }))
    expectTypeOf(found).toEqualTypeOf<{
      readonly group: Nullable<Utf8>; readonly n: Int64AsNumber; readonly total: Nullable<Int64AsNumber>; readonly least: Nullable<Int32>
      readonly mean: Float64; readonly spread: Nullable<Float64>; readonly big: Int64; readonly price: Decimal
    }>()
    expect(found).toMatchObject({ total: field.nullable(field.int64({ as: 'number' })), mean: field.float64(), big: field.int64(), price: field.decimal(38, 2) })
    // @ts-expect-error -- there is no such column
    expect(() => pipe(stream, aggregate({ by: ['group'], values: { m: mean('delay') } }))).toThrow(/needs the column "delay"/)
  })

  it('refuses columns that are missing or no numbers', () => {
    const stream = fromRows(schema, [])
    expect(() => pipe(stream, aggregate({ by: ['group'], values: { m: mean('group') } }))).toThrow(/mean needs numbers/)
    expect(() => pipe(stream, aggregate({ by: ['grup' as 'group'], values: { m: count() } }))).toThrow(/Did you mean "group"/)
    expect(() => pipe(stream, aggregate({ by: ['group'], values: { group: count() } }))).toThrow(/both a group's key and a value/)
  })

  it('says that threads make its order unstable', () => {
    const stream = fromRows(schema, [])
    expect(pipe(stream, aggregate({ by: ['group'], values: { n: count() } })).stableOrder).toBe(true)
    expect(pipe(stream, aggregate({ by: ['group'], values: { n: count() }, threads: 2 })).stableOrder).toBe(false)
    expect(pipe(stream, aggregate({ by: ['group'], values: { n: count() }, order: 'any' })).stableOrder).toBe(false)
  })
})
