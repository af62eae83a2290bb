import { failure, requireOneOf, requireOptions, type OptionRules } from '../../errors/index.js'
import type { Schema } from '../../schema/index.js'
import { atPosition, type Batch } from '../batch.js'
import { badPosition, fieldIn, type Json, type Position } from '../position.js'
import { derivedSchema } from '../schema-later.js'
import { makeStream, type Mode, type OpenContext, type Stream } from '../stream.js'
import { requireCount } from './counts.js'
import { rebatch } from './rebatch.js'
import { asPart, isStream, requireSameColumns, streamsIn } from './same-columns.js'

/** A fourth of a reader's batch: mixed well enough for a shuffle behind it, and cut without copying. */
const DEFAULT_BLOCK_ROWS = 1024

/** Options of {@link interleave}. */
export interface InterleaveOptions {
  /** Share of each stream, the piped one first: `[2, 1]` takes two rows of it for each of the other. Default: equal. */
  readonly weights?: readonly number[] | undefined
  /** `all` (default) goes on until every stream has ended; `first` ends with the first that does, so the shares hold to the end. */
  readonly until?: 'all' | 'first' | undefined
  /** Rows that are taken of a stream at its turn; 1 mixes row by row. Default 1,024. */
  readonly blockRows?: number | undefined
}

const rules: OptionRules<InterleaveOptions> = { weights: 'any', until: 'any', blockRows: 'any' }

/** How far one of the streams is. */
interface Turn {
  readonly rows: number
  readonly at: Position | undefined
  readonly ended: boolean
}

const turnFrom = (json: Json): Turn => {
  const rows = fieldIn(json, 'rows')
  if (typeof rows !== 'number') throw badPosition(json)
  return { rows, at: fieldIn(json, 'at'), ended: fieldIn(json, 'ended') === true }
}

type Interleave<S extends Schema, M2 extends Mode> = <M extends Mode>(stream: Stream<S, M>) => Stream<S, M | M2>

/**
 * Mixes streams, block by block: the next `blockRows` rows are always of the stream that is furthest behind its share of the
 * rows (of the earlier one when two are equal). So the order depends on the streams' rows only, never on their batches or on timing.
 * The others are given in a list, or one by one as those of `concat`, options last.
 *
 * @throws `Usage` for what is no stream, and for weights that are not one for each; `Schema` when columns differ
 * @example
 * pipe(spam, interleave([ham], { weights: [1, 4] }), shuffle({ seed: 7 }))
 */
export function interleave<S extends Schema, M2 extends Mode = never>(others: readonly Stream<S, M2>[] | Stream<S, M2>, options?: InterleaveOptions): Interleave<S, M2>
export function interleave<S extends Schema, M2 extends Mode = never>(...others: readonly Stream<S, M2>[]): Interleave<S, M2>
export function interleave<S extends Schema, M2 extends Mode = never>(...given: readonly (readonly Stream<S, M2>[] | Stream<S, M2> | InterleaveOptions | undefined)[]): Interleave<S, M2> {
  const last = given.at(-1)
  const hasOptions = given.length > 1 && !Array.isArray(last) && !isStream(last)
  const others = (hasOptions ? given.slice(0, -1) : given) as readonly (Stream<S, M2> | readonly Stream<S, M2>[])[]
  return (stream) => interleaved(stream, streamsIn(others, 'interleave'), hasOptions ? (last as InterleaveOptions | undefined) : undefined)
}

const interleaved = <S extends Schema, M extends Mode, M2 extends Mode>(stream: Stream<S, M>, others: readonly Stream<S, M2>[], options: InterleaveOptions = {}): Stream<S, M | M2> => {
  requireOptions('interleave', options, rules)
  const blockRows = requireCount(options.blockRows ?? DEFAULT_BLOCK_ROWS, 1, 'blockRows of interleave')
  const parts = [stream, ...others].map((part) => rebatch(blockRows)(part as Stream<S, M | M2>))
  const weights = options.weights ?? parts.map(() => 1)
  const until = requireOneOf('until of interleave', options.until ?? 'all', ['all', 'first'])
  if (weights.length !== parts.length || !weights.every((weight) => Number.isFinite(weight) && weight > 0)) {
    throw failure({
      tag: 'Usage',
      code: 'BAD_WEIGHTS',
      problem: `interleave of ${parts.length} streams was given the weights ${JSON.stringify(weights)}`,
      remedy: 'Give one positive number for each stream, the piped one first.',
    })
  }
  return makeStream<S, M | M2>({
    schema: derivedSchema(parts, () => requireSameColumns(stream.schema, others, 'interleave')),
    mode: parts.find(({ mode }) => mode === 'once')?.mode ?? stream.mode,
    plan: { operator: 'interleave', options: { weights: [...weights], until, blockRows }, inputs: [stream, ...others].map(({ plan }) => plan) },
    stableOrder: parts.every(({ stableOrder }) => stableOrder),
    positions: 'native',
    open: (context) => mix(stream.schema, parts, weights, until, context),
  })
}

async function* mix<S extends Schema>(
  schema: S,
  parts: readonly Stream<S>[],
  weights: readonly number[],
  until: 'all' | 'first',
  context: OpenContext,
): AsyncGenerator<Batch<S>, void, undefined> {
  const { from } = context
  if (from !== undefined && (!Array.isArray(from) || from.length !== parts.length)) throw badPosition(from)
  const turns: Turn[] = parts.map((_, i) => (from === undefined ? { rows: 0, at: undefined, ended: false } : turnFrom((from as readonly Json[])[i]!)))
  const open = turns.map((turn, i) => (turn.ended ? undefined : parts[i]!.open({ ...context, from: turn.at })))
  try {
    for (;;) {
      let next = -1
      for (let i = 0; i < open.length; i++) {
        if (turns[i]!.ended) continue
        if (next < 0 || turns[i]!.rows / weights[i]! < turns[next]!.rows / weights[next]!) next = i
      }
      if (next < 0) return
      const result = await open[next]!.next()
      if (result.done === true) {
        turns[next] = { ...turns[next]!, ended: true }
        if (until === 'first') return
        continue
      }
      const { position, numRows } = result.value
      turns[next] = { rows: turns[next]!.rows + numRows, at: position, ended: false }
      const known = turns.every(({ rows, at }) => rows === 0 || at !== undefined)
      yield atPosition(asPart(schema, result.value, context.columns), known ? turns.map(turnJson) : undefined)
    }
  } finally {
    await Promise.all(open.map(async (batches) => batches?.return()))
  }
}

const turnJson = ({ rows, at, ended }: Turn): Json => (at === undefined ? { rows, ended } : { rows, at, ended })
