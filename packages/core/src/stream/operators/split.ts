import { describeValue, failure, requireOptions, type OptionRules } from '../../errors/index.js'
import { hashOrdinal } from '../../random/random.js'
import { requireColumn, type Schema } from '../../schema/index.js'
import type { Batch, ColumnMap } from '../batch.js'
import { alsoColumns } from '../columns-of.js'
import type { Json } from '../position.js'
import { derivedSchema } from '../schema-later.js'
import { requireStableOrder, type OpenContext, type Stream } from '../stream.js'
import { transformBatches } from '../transform.js'
import { requireSeed } from './counts.js'
import { filterOrdinals } from './filter-ordinals.js'
import { keyHashes, requireHashable } from './key-hash.js'
import { sharedWork } from './shared-work.js'
import { fitCuts, requireTime, timesOf } from './time-cuts.js'

const TWO_32 = 4294967296
/** How far from 1 the sum of the fractions may be: 0.7 + 0.2 + 0.1 is not 1 in floating point. */
const SUM_TOLERANCE = 1e-9

/** Rows with the same key land in the same part. */
export interface SplitByKey<K extends string> {
  /** Column of the key: a user, a session, a document. */
  readonly byKey: K
  /** Another seed gives another split. Default 0. */
  readonly seed?: number | undefined
}

/** The parts follow each other in time. */
export interface SplitByTime<K extends string> {
  /** Column of the time: a timestamp, a date or a number. */
  readonly byTime: K
}

/** Each row is drawn by its place in the stream. */
export interface SplitBySeed {
  readonly seed: number
}

const rules: OptionRules<SplitByKey<string> & SplitByTime<string> & SplitBySeed> = { byKey: 'text', byTime: 'text', seed: 'any' }

/** The parts of a split, by name. */
export type Parts<S extends Schema, P> = { readonly [Name in keyof P]: Stream<S, 'cold'> } & {}

/**
 * Splits a stream into disjoint parts that together are the whole, and stay the same however often they are read.
 *
 * - `byKey`: by a stable hash of the key, so that all rows of one key are in one part. Fractions hold on average over keys.
 * - `byTime`: `{ train: 0.8, test: 0.2 }` makes `train` the earliest 80 % of the rows and `test` the rest. The cut-off is
 *   the exact quantile of the column over the whole stream, found once, when the first part is read, and shared by all
 *   parts. Rows of the cut-off's own time go to the later part, so that no time is in two parts.
 * - `seed`: by a hash of the seed and the row's ordinal; needs a stream with a stable order.
 *
 * @param parts - fractions by name, which sum to 1; for `byTime` the earliest first
 * @throws `Usage` when fractions do not sum to 1, nothing says how to split, or the order is not stable where it must be
 * @example
 * const { train, test } = pipe(flights, split({ train: 0.8, test: 0.2 }, { byTime: 'date' }))
 */
export const split = <S extends Schema, const P extends { readonly [name: string]: number }>(
  parts: P,
  how: SplitByKey<keyof S & string> | SplitByTime<keyof S & string> | SplitBySeed,
): ((stream: Stream<S, 'cold'>) => Parts<S, P>) => (stream) => {
  requireHow(how)
  requireOptions('split', how, rules)
  const names = Object.keys(parts)
  const cumulative = cumulativeFractions(parts)
  const describe = (part: string, options: { readonly [key: string]: Json }): Json => ({ part, parts: { ...parts }, ...options })
  const make = partMaker(stream, cumulative, how)
  return Object.fromEntries(names.map((name, part) => [name, make(part, (options) => describe(name, options))])) as unknown as Parts<S, P>
}

/** For callers whom the compiler does not check. */
const requireHow = (how: unknown): void => {
  const isObject = typeof how === 'object' && how !== null
  if (isObject && ['byKey', 'byTime', 'seed'].some((name) => (how as { readonly [name: string]: unknown })[name] !== undefined)) return
  throw failure({
    tag: 'Usage',
    code: 'BAD_OPTION',
    problem: `split is not told how to split: its second argument is ${isObject ? `an object with ${Object.keys(how).join(', ') || 'nothing in it'}` : describeValue(how)}`,
    remedy: "Give { byKey: 'column' }, { byTime: 'column' } or { seed: 1 }.",
  })
}

const cumulativeFractions = (parts: { readonly [name: string]: number }): readonly number[] => {
  const fractions = Object.values(parts)
  const sum = fractions.reduce((a, b) => a + b, 0)
  if (fractions.length === 0 || !fractions.every((fraction) => fraction > 0) || !(Math.abs(sum - 1) < SUM_TOLERANCE)) {
    throw failure({
      tag: 'Usage',
      code: 'BAD_FRACTIONS',
      problem: `the fractions of split are ${JSON.stringify(parts)}`,
      remedy: 'Give positive fractions that sum to 1, such as { train: 0.8, test: 0.2 }.',
    })
  }
  let total = 0
  return fractions.map((fraction, i) => (i === fractions.length - 1 ? 1 : (total += fraction)))
}

/** The first part whose share of 0 … 1 reaches past `share`. */
const partAt = (cumulative: readonly number[], share: number): number => cumulative.findIndex((end) => share < end)

type Describe = (options: { readonly [key: string]: Json }) => Json
type MakePart<S extends Schema> = (part: number, describe: Describe) => Stream<S, 'cold'>

const partMaker = <S extends Schema>(
  stream: Stream<S, 'cold'>,
  cumulative: readonly number[],
  how: SplitByKey<string> | SplitByTime<string> | SplitBySeed,
): MakePart<S> => {
  if ('byKey' in how) return byKey(stream, cumulative, how.byKey, how.seed ?? 0)
  if ('byTime' in how) return byTime(stream, cumulative, how.byTime)
  const { seed } = how
  requireSeed(seed, 'the seed of split')
  requireStableOrder(stream, 'split by seed')
  return (part, describe) =>
    filterOrdinals(stream, 'split', describe({ seed }), (ordinal) => partAt(cumulative, hashOrdinal(seed, ordinal) / TWO_32) === part)
}

const byKey = <S extends Schema>(stream: Stream<S, 'cold'>, cumulative: readonly number[], key: string, seed: number): MakePart<S> => {
  requireSeed(seed, 'the seed of split')
  return (part, describe) =>
    transformBatches<S, S, 'cold'>(stream, {
      operator: 'split',
      options: describe({ byKey: key, seed }),
      schema: derivedSchema([stream], () => {
        requireHashable(requireColumn(stream.schema, key, 'split'), key)
        return stream.schema
      }),
      needs: (wanted) => alsoColumns(wanted, [key]),
      transform: (batch) => {
        const hashes = keyHashes((batch.columns as ColumnMap)[key]!, seed)
        return pick(batch, (row) => partAt(cumulative, hashes[row]! / TWO_32) === part)
      },
    })
}

const byTime = <S extends Schema>(stream: Stream<S, 'cold'>, cumulative: readonly number[], name: string): MakePart<S> => {
  const cuts = sharedWork((context: OpenContext) => fitCuts(stream, name, cumulative, context))
  return (part, describe) =>
    transformBatches<S, S, 'cold'>(stream, {
      operator: 'split',
      options: describe({ byTime: name }),
      schema: derivedSchema([stream], () => {
        requireTime(stream.schema, name)
        return stream.schema
      }),
      needs: (wanted) => alsoColumns(wanted, [name]),
      transform: async (batch, context, firstRow) => {
        const found = await cuts(context)
        const times = timesOf((batch.columns as ColumnMap)[name]!, firstRow)
        const from = part === 0 ? undefined : found[part - 1]!
        const to = found[part]
        return pick(batch, (row) => (from === undefined || times[row]! >= from) && (to === undefined || times[row]! < to))
      },
    })
}

const pick = <S extends Schema>(batch: Batch<S>, keep: (row: number) => boolean): Batch<S> => {
  const kept = new Int32Array(batch.numRows)
  let count = 0
  for (let row = 0; row < batch.numRows; row++) if (keep(row)) kept[count++] = row
  return count === batch.numRows ? batch : batch.take(kept.subarray(0, count))
}
