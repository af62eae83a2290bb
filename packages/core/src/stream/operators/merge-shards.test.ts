import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { field, fromRows, mergeShards, pipe, shard, type Json, type Position } from '../../index.js'

const schema = { n: field.int32() }
const numbers = (count: number, batchRows: number) => fromRows(schema, Array.from({ length: count }, (_, n) => ({ n })), { batchRows })

/** Reads up to `batches` of a share; gives its rows and where it stands. */
const readShare = async (stream: ReturnType<typeof numbers>, index: number, count: number, from: Position | undefined, batches: number): Promise<{ rows: number[]; position: Position | undefined }> => {
  const rows: number[] = []
  let position = from
  if (batches === 0) return { rows, position: undefined }
  for await (const batch of pipe(stream, shard(index, count)).open({ from })) {
    rows.push(...batch.columns.n.values)
    position = JSON.parse(JSON.stringify(batch.position)) as Json
    if (--batches === 0) break
  }
  return { rows, position }
}

describe('mergeShards', () => {
  it('lets any number of shares go on, each row once, however often their number changes', async () => {
    const phase = fc.array(fc.nat(4), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.integer({ min: 1, max: 9 }), fc.array(phase, { maxLength: 5 }), fc.integer({ min: 1, max: 5 }), async (count, batchRows, phases, last) => {
        const stream = numbers(count, batchRows)
        const seen: number[] = []
        let from: Position | undefined
        for (const batches of [...phases, Array<number>(last).fill(Infinity)]) {
          const shares = await Promise.all(batches.map((most, index) => readShare(stream, index, batches.length, from, most)))
          for (const { rows } of shares) seen.push(...rows)
          from = mergeShards(shares.map(({ position }) => position), from)
        }
        expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n))
      }),
      { numRuns: 300 },
    )
  })

  it('forgets what all have passed, so that positions stay small', async () => {
    const stream = numbers(40, 4)
    let from: Position | undefined
    for (let round = 0; round < 3; round++) {
      const shares = await Promise.all([0, 1].map((index) => readShare(stream, index, 2, from, 2)))
      from = mergeShards(shares.map(({ position }) => position), from)
    }
    expect(from).toEqual({ row: 24, at: { rows: 24 } })
  })

  it('knows whose each position is: in any order, and none left out', async () => {
    const stream = numbers(40, 4)
    const [first, second] = (await Promise.all([0, 1].map((index) => readShare(stream, index, 2, undefined, 1 + 2 * index)))).map(({ position }) => position)
    expect(mergeShards([second, first])).toEqual(mergeShards([first, second]))
    expect(mergeShards([undefined, first])).toEqual(mergeShards([first, undefined]))
    const wrong = (problem: RegExp): unknown => expect.objectContaining({ _tag: 'Usage', code: 'BAD_SHARDS', problem: expect.stringMatching(problem) as string })
    expect(() => mergeShards([first])).toThrow(wrong(/1 positions, and one of them is of shard 0 of 2; there is none of shard 1$/) as Error)
    expect(() => mergeShards([first, second, undefined])).toThrow(wrong(/3 positions/) as Error)
    expect(() => mergeShards([first, first])).toThrow(wrong(/two positions of shard 0/) as Error)
    for (const [index, count] of [[1, 2], [0, 3]] as const) {
      await expect(readShare(stream, index, count, first, 1)).rejects.toMatchObject({ code: 'STALE_POSITION', problem: expect.stringContaining('shard 0 of 2') as string })
    }
    const { of, ...old } = first as { readonly of: unknown }
    expect(of).toEqual([0, 2])
    expect(mergeShards([old as Position, second])).toEqual(mergeShards([first, second]))
  })

  it('refuses what is no position of a share', () => {
    for (const position of [3, [], { at: 1 }, { row: 1, merged: 7 }, { row: 1, merged: [[]] }, { row: 1, merged: [[-1]] }, { row: 1, of: 2 }, { row: 1, of: [2, 2] }]) expect(() => mergeShards([position as Position])).toThrow(expect.objectContaining({ code: 'BAD_POSITION' }) as Error)
    expect(() => mergeShards([])).toThrow(expect.objectContaining({ code: 'BAD_COUNT' }) as Error)
    expect(mergeShards([undefined, undefined])).toBeUndefined()
  })
})
