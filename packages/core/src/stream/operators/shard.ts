import { failure } from '../../errors/index.js'
import type { Schema } from '../../schema/index.js'
import { atPosition } from '../batch.js'
import { badPosition, countIn, fieldIn, type Json, type Position } from '../position.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, requireStableOrder, type Mode, type Stream } from '../stream.js'
import { requireCount } from './counts.js'

/** What shards had given when their positions were merged: of those rows `r` with `r % passed.length === i`, all before `passed[i]`. */
type Passed = readonly number[]

/** Where a shard stands: before row `row` of its stream, at `at` or at the beginning; `merged` tells of rows after that which others gave. */
interface ShardPlace {
  readonly row: number
  readonly at: Position | undefined
  readonly merged: readonly Passed[]
}

const isCount = (value: Json): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const placeFrom = (position: Position): ShardPlace => {
  const merged = fieldIn(position, 'merged') ?? []
  if (!Array.isArray(merged) || !merged.every((passed: Json) => Array.isArray(passed) && passed.length > 0 && passed.every(isCount))) throw badPosition(position)
  return { row: countIn(position, 'row'), at: fieldIn(position, 'at'), merged: merged as readonly Passed[] }
}

const placeJson = ({ row, at, merged }: ShardPlace): Json => {
  // Once all rows that it tells of are passed, it tells nothing.
  const left = merged.filter((passed) => passed.some((end) => end > row))
  return { row, ...(at === undefined ? {} : { at }), ...(left.length === 0 ? {} : { merged: left.map((passed) => [...passed]) }) }
}

const wasGiven = (merged: readonly Passed[], row: number): boolean => merged.some((passed) => row < passed[row % passed.length]!)

/**
 * Every `count`-th row, beginning with row `index`: the share of one of `count` workers. The shares are disjoint and
 * together are the whole stream. Every worker reads the whole source; where it has files, give each worker its own.
 *
 * {@link mergeShards} makes of the positions of all shares one from which any number of shares goes on.
 *
 * @throws `Usage` when the stream's order is not stable
 */
export const shard = (index: number, count: number) => <S extends Schema, M extends Mode>(stream: Stream<S, M>): Stream<S, M> => {
  requireCount(count, 1, 'the count of shard')
  requireCount(index, 0, 'the index of shard')
  if (index >= count) throw failure({ tag: 'Usage', code: 'BAD_COUNT', problem: `shard ${index} of ${count} does not exist`, remedy: `The shards are 0 to ${count - 1}.` })
  requireStableOrder(stream, 'shard')
  return makeStream<S, M>({
    schema: sameSchema(stream),
    mode: stream.mode,
    plan: { operator: 'shard', options: { index, count }, inputs: [stream.plan] },
    stableOrder: true,
    positions: 'native',
    open: async function* (context) {
      const from = context.from === undefined ? { row: 0, at: undefined, merged: [] } : placeFrom(context.from)
      let { row } = from
      for await (const batch of stream.open({ ...context, from: from.at })) {
        const kept = new Int32Array(batch.numRows)
        let size = 0
        for (let i = 0; i < batch.numRows; i++) if ((row + i) % count === index && !wasGiven(from.merged, row + i)) kept[size++] = i
        row += batch.numRows
        if (size === 0) continue
        const part = size === batch.numRows ? batch : batch.take(kept.subarray(0, size))
        yield atPosition(part, batch.position === undefined ? undefined : placeJson({ row, at: batch.position, merged: from.merged }))
      }
    },
  })
}

/**
 * The position from which shares of any number go on after `positions`, those of all the shares of a stream: whether there were two and
 * there are three now, each row that none of them gave comes exactly once. The stream is read again from the share that is least far on.
 *
 * @param positions - of `shard(0, n)` to `shard(n - 1, n)`, in this order; `undefined` for a share that has given nothing since it was opened
 *   from `opened`
 * @param opened - the position that all shares were opened from, where they were. Default: the beginning
 * @returns `undefined` when all stand at the beginning
 * @throws `Usage` for positions of other streams
 * @example
 * const rest = mergeShards([first.position, second.position])
 * for await (const batch of pipe(stream, shard(0, 3)).open({ from: rest })) …
 */
export const mergeShards = (positions: readonly (Position | undefined)[], opened?: Position): Position | undefined => {
  requireCount(positions.length, 1, 'the number of positions of mergeShards')
  const start: ShardPlace = opened === undefined ? { row: 0, at: undefined, merged: [] } : placeFrom(opened)
  const places = positions.map((position) => (position === undefined ? start : placeFrom(position)))
  const least = places.reduce((first, place) => (place.row < first.row ? place : first))
  if (start.merged.length === 0 && places.every(({ row }) => row === 0)) return undefined
  return placeJson({ row: least.row, at: least.at, merged: [...start.merged, places.map(({ row }) => row)] })
}
