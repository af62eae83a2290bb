import fc from 'fast-check'
import { expect, test } from 'vitest'
import { modRows, modStart, type CheckpointEntry, type CheckpointIndex, type LoweredVariable, type VariableSlice } from '@millrace/export'
import { planRowCopies, type RowRange } from './copy-rows.js'

type Layout = 'div' | 'mod'

const count = ([start, limit, step]: RowRange): number[] => {
  const rows: number[] = []
  for (let row = start; row < limit; row += step) rows.push(row)
  return rows
}

/** A checkpoint of a table in parts: which id each of its rows is. */
const stored = (rows: number, layout: Layout, parts: number) => {
  const slices = Array.from({ length: parts }, (_, part) => ({ start: [modStart(rows, part, parts), 0], shape: [modRows(rows, part, parts), 2], shard: 0, offset: 0, bytes: 0, crc: 0 }))
  const entry: CheckpointEntry = { name: 't', dtype: 'float32', shape: [rows, 2], slices: parts, modParts: layout === 'mod' ? parts : undefined }
  const index: CheckpointIndex = { shards: 1, entries: new Map([['t', entry]]), slices: () => slices }
  const ids = slices.flatMap(({ start, shape }, part) => Array.from({ length: shape[0]! }, (_, row) => (layout === 'mod' ? part + row * parts : start[0]! + row)))
  return { entry, index, ids }
}

test('each row of each part gets the row of its id, once, whatever the layouts', () => {
  const layout = fc.constantFrom<Layout>('div', 'mod')
  const parts = fc.integer({ min: 1, max: 7 })
  fc.assert(fc.property(fc.integer({ min: 7, max: 40 }), layout, parts, layout, parts, (rows, from, fromParts, to, toParts) => {
    const { entry, index, ids } = stored(rows, from, fromParts)
    for (let part = 0; part < toParts; part++) {
      const size = modRows(rows, part, toParts)
      const start = modStart(rows, part, toParts)
      const slice: VariableSlice = { name: 't', shape: [rows, 2], start: [start, 0], size: [size, 2], layout: to, part, parts: toParts }
      const copies = planRowCopies(entry, index, { slice } as LoweredVariable)
      const held: (number | undefined)[] = Array.from({ length: size }, () => undefined)
      if (copies === undefined) held.forEach((_, row) => (held[row] = ids[start + row]))
      for (const copy of copies ?? []) {
        const [first, length] = /^\d+ 2 (\d+),(\d+):-$/.exec(copy.spec)!.slice(1).map(Number) as [number, number]
        const [sources, targets] = [count(copy.from), count(copy.to)]
        expect(sources.length).toBe(targets.length)
        sources.forEach((source, at) => {
          expect(source).toBeLessThan(length)
          expect(held[targets[at]!]).toBeUndefined()
          held[targets[at]!] = ids[first + source]
        })
      }
      expect(held).toEqual(Array.from({ length: size }, (_, row) => (to === 'mod' ? part + row * toParts : start + row)))
    }
  }), { numRuns: 300 })
})
