import { failure } from '../../errors/index.js'
import type { Schema } from '../../schema/index.js'
import { atPosition } from '../batch.js'
import { badPosition, countIn, fieldIn, type Json, type Position } from '../position.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, requireStableOrder, type Mode, type Stream } from '../stream.js'
import { requireCount } from './counts.js'

/** What shards had given when their positions were merged: of those rows `r` with `r % passed.length === i`, all before `passed[i]`. */
type Passed = readonly number[]

/** Which shard of how many. */
type ShardOf = readonly [index: number, count: number]

/**
 * Where a shard stands: before row `row` of its stream, at `at` or at the beginning; `merged` tells of rows after that which others gave. It
 * is of no shard in particular once it is merged, and in versions before 2026-11-26.
 */
interface ShardPlace {
  readonly of?: ShardOf | undefined
  readonly row: number
  readonly at: Position | undefined
  readonly merged: readonly Passed[]
}

const isCount = (value: Json): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const placeFrom = (position: Position): ShardPlace => {
  const merged = fieldIn(position, 'merged') ?? []
  if (!Array.isArray(merged) || !merged.every((passed: Json) => Array.isArray(passed) && passed.length > 0 && passed.every(isCount))) throw badPosition(position)
  const of = fieldIn(position, 'of')
  if (of !== undefined && !(Array.isArray(of) && of.length === 2 && of.every(isCount) && of[0]! < of[1]!)) throw badPosition(position)
  return { of: of as ShardOf | undefined, row: countIn(position, 'row'), at: fieldIn(position, 'at'), merged: merged as readonly Passed[] }
}

const placeJson = ({ of, row, at, merged }: ShardPlace): Json => {
  // Once all rows that it tells of are passed, it tells nothing.
  const left = merged.filter((passed) => passed.some((end) => end > row))
  return { ...(of === undefined ? {} : { of: [...of] }), row, ...(at === undefined ? {} : { at }), ...(left.length === 0 ? {} : { merged: left.map((passed) => [...passed]) }) }
}

/** The place that a shard is opened from. @throws `Usage` STALE_POSITION for that of another one */
const ownPlace = (position: Position, index: number, count: number): ShardPlace => {
  const place = placeFrom(position)
  if (place.of === undefined || (place.of[0] === index && place.of[1] === count)) return place
  throw failure({
    tag: 'Usage', code: 'STALE_POSITION', problem: `the position is of shard ${place.of[0]} of ${place.of[1]}, and this is shard ${index} of ${count}`,
    remedy: 'Make one of the positions of all shards with mergeShards, from which any shard goes on.',
  })
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
      const from = context.from === undefined ? { row: 0, at: undefined, merged: [] } : ownPlace(context.from, index, count)
      let { row } = from
      for await (const batch of stream.open({ ...context, from: from.at })) {
        const kept = new Int32Array(batch.numRows)
        let size = 0
        for (let i = 0; i < batch.numRows; i++) if ((row + i) % count === index && !wasGiven(from.merged, row + i)) kept[size++] = i
        row += batch.numRows
        if (size === 0) continue
        const part = size === batch.numRows ? batch : batch.take(kept.subarray(0, size))
        yield atPosition(part, batch.position === undefined ? undefined : placeJson({ of: [index, count], row, at: batch.position, merged: from.merged }))
      }
    },
  })
}

/**
 * The position from which shares of any number go on after `positions`, those of all the shares of a stream: whether there were two and
 * there are three now, each row that none of them gave comes exactly once. The stream is read again from the share that is least far on.
 *
 * @param positions - of `shard(0, n)` to `shard(n - 1, n)`, one each; `undefined` for a share that has given nothing since it was opened
 *   from `opened`
 * @param opened - the position that all shares were opened from, where they were. Default: the beginning
 * @returns `undefined` when all stand at the beginning
 * @throws `Usage` for positions of other streams, and where that of a shard is missing or there twice
 * @example
 * const rest = mergeShards([first.position, second.position])
 * for await (const batch of pipe(stream, shard(0, 3)).open({ from: rest })) …
 */
export const mergeShards = (positions: readonly (Position | undefined)[], opened?: Position): Position | undefined => {
  requireCount(positions.length, 1, 'the number of positions of mergeShards')
  const start: ShardPlace = opened === undefined ? { row: 0, at: undefined, merged: [] } : placeFrom(opened)
  const places = inOrder(positions).map((place) => place ?? start)
  const least = places.reduce((first, place) => (place.row < first.row ? place : first))
  if (start.merged.length === 0 && places.every(({ row }) => row === 0)) return undefined
  return placeJson({ row: least.row, at: least.at, merged: [...start.merged, places.map(({ row }) => row)] })
}

/** The places by their shards; absent ones are where no other is. */
const inOrder = (positions: readonly (Position | undefined)[]): readonly (ShardPlace | undefined)[] => {
  const ordered = Array<ShardPlace | undefined>(positions.length).fill(undefined)
  const wrong = (problem: string, remedy: string): Error => failure({ tag: 'Usage', code: 'BAD_SHARDS', problem: `mergeShards was given ${problem}`, remedy })
  for (const [i, position] of positions.entries()) {
    if (position === undefined) continue
    const place = placeFrom(position)
    const [index, count] = place.of ?? [i, positions.length]
    if (count !== positions.length) throw wrong(`${positions.length} positions, and one of them is of shard ${index} of ${count}${missingOf(positions, count)}`, 'Give the position of every shard, undefined for one that has given nothing.')
    if (ordered[index] !== undefined) throw wrong(`two positions of shard ${index}`, 'Give the last position of each shard.')
    ordered[index] = place
  }
  return ordered
}

const missingOf = (positions: readonly (Position | undefined)[], count: number): string => {
  const given = new Set(positions.map((position) => (position === undefined ? undefined : placeFrom(position).of?.[0])))
  const missing = Array.from({ length: Math.min(count, 1000) }, (_, index) => index).filter((index) => !given.has(index))
  return positions.length < count ? `; there is none of shard ${missing.join(', ')}` : ''
}
