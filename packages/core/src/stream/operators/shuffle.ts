import { failure, requireOptions, type OptionRules } from '../../errors/index.js'
import { permutation, randomFrom } from '../../random/random.js'
import type { Schema } from '../../schema/index.js'
import { atPosition } from '../batch.js'
import { beginning, markFrom, markJson } from '../mark.js'
import { countIn, fieldIn, type Position } from '../position.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, type Mode, type Stream } from '../stream.js'
import { requireCount, requireSeed } from './counts.js'
import { windows } from './windows.js'

const DEFAULT_WINDOW_ROWS = 65_536
const DEFAULT_BATCH_ROWS = 4096

/** Options of {@link shuffle}. */
export interface ShuffleOptions {
  /** Any safe integer; the same seed gives the same order, on every machine. */
  readonly seed: number
  /** Rows that are permuted together, and held in memory. Default 65,536. */
  readonly windowRows?: number | undefined
  /** Rows of the batches given. Default 4,096. */
  readonly batchRows?: number | undefined
}

const rules: OptionRules<ShuffleOptions> = { seed: 'any', windowRows: 'any', batchRows: 'any' }

/**
 * Permutes the rows within windows of `windowRows` rows. The order depends on the seed, the window and the input's order
 * only, not on how the input was cut into batches. Resuming re-reads at most one window.
 *
 * Rows never leave their window: sorted input (by label, by time) wants a window as large as memory allows, or an
 * `interleave` of several parts before.
 */
export const shuffle = (options: ShuffleOptions) => <S extends Schema, M extends Mode>(stream: Stream<S, M>): Stream<S, M> => {
  requireOptions('shuffle', options, rules)
  const { seed } = options
  const windowRows = requireCount(options.windowRows ?? DEFAULT_WINDOW_ROWS, 1, 'windowRows of shuffle')
  const batchRows = requireCount(options.batchRows ?? DEFAULT_BATCH_ROWS, 1, 'batchRows of shuffle')
  requireSeed(seed, 'the seed of shuffle')
  return makeStream<S, M>({
    schema: sameSchema(stream),
    mode: stream.mode,
    plan: { operator: 'shuffle', options: { seed, windowRows, batchRows }, inputs: [stream.plan] },
    stableOrder: stream.stableOrder,
    positions: 'native',
    open: async function* (context) {
      const { from } = context
      if (from !== undefined) requireOwn(from, seed, windowRows)
      let window = from === undefined ? 0 : countIn(from, 'window')
      let given = from === undefined ? 0 : countIn(from, 'given')
      for await (const { batch, start, end } of windows(stream, context, from === undefined ? beginning : markFrom(fieldIn(from, 'start')), windowRows)) {
        const order = permutation(batch.numRows, randomFrom(seed, window))
        for (; given < batch.numRows; given += batchRows) {
          const stop = Math.min(batch.numRows, given + batchRows)
          const last = stop === batch.numRows
          const mark = last ? end : start
          const position = mark === undefined ? undefined : { seed, windowRows, window: last ? window + 1 : window, given: last ? 0 : stop, start: markJson(mark) }
          yield atPosition(batch.take(order.subarray(given, stop)), position)
        }
        given = 0
        window++
      }
    },
  })
}

/** @throws `Usage` STALE_POSITION for a position in another order of the rows; those of earlier versions do not tell theirs */
const requireOwn = (from: Position, seed: number, windowRows: number): void => {
  const their = { seed: fieldIn(from, 'seed') ?? seed, windowRows: fieldIn(from, 'windowRows') ?? windowRows }
  if (their.seed === seed && their.windowRows === windowRows) return
  throw failure({
    tag: 'Usage', code: 'STALE_POSITION', problem: `the position is of a shuffle with ${JSON.stringify(their)}, and this one has ${JSON.stringify({ seed, windowRows })}`,
    remedy: 'Resume with the seed and the windowRows that the position was taken with.',
  })
}
