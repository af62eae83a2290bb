import type { Schema } from '../../schema/index.js'
import { atPosition } from '../batch.js'
import { beginning, markFrom, markJson } from '../mark.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, type Mode, type Stream } from '../stream.js'
import { requireCount } from './counts.js'
import { windows } from './windows.js'

/** The same rows in batches of `rows` rows; only the last may have fewer. */
export const rebatch = (rows: number) => <S extends Schema, M extends Mode>(stream: Stream<S, M>): Stream<S, M> => {
  requireCount(rows, 1, 'the rows of rebatch')
  return makeStream<S, M>({
    schema: sameSchema(stream),
    mode: stream.mode,
    plan: { operator: 'rebatch', options: { rows }, inputs: [stream.plan] },
    stableOrder: stream.stableOrder,
    positions: 'native',
    open: async function* (context) {
      const from = context.from === undefined ? beginning : markFrom(context.from)
      for await (const { batch, end } of windows(stream, context, from, rows)) {
        yield atPosition(batch, end === undefined ? undefined : markJson(end))
      }
    },
  })
}
