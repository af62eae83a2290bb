import { expect, it } from 'vitest'
import { sortedRows } from './sorted-rows.js'

it('sorting is stable over runs that are merged', async () => {
  const values = Int32Array.from({ length: 70_001 }, (_, i) => Math.imul(i, 2654435761) >>> 20)
  const compare = (a: number, b: number): number => values[a]! - values[b]!
  for (const rows of [0, 1, 16_384, 16_385, 70_001]) {
    const due = Array.from({ length: rows }, (_, i) => i).sort((a, b) => compare(a, b) || a - b)
    expect([...(await sortedRows(rows, [compare], undefined))]).toEqual(due)
  }
})

it('sorting ends by a signal while it sorts', async () => {
  const stop = new AbortController()
  let compared = 0
  const slow = (a: number, b: number): number => {
    // A timer fires when the event loop has a turn, so sorting that takes none would go on to its end.
    if (compared++ === 0) setTimeout(() => stop.abort(), 0)
    return b - a
  }
  const rows = 2 ** 21
  await expect(sortedRows(rows, [slow], stop.signal)).rejects.toMatchObject({ _tag: 'Aborted' })
  // Of some 40 million.
  expect(compared).toBeLessThan(4 * rows)
})
