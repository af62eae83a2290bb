import type { Schema } from '../../schema/index.js'
import { atPosition } from '../batch.js'
import { countIn, fieldIn } from '../position.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, type Mode, type Stream } from '../stream.js'
import { requireCount } from './counts.js'

/** The first `count` rows; the source is closed after them. */
export const take = (count: number) => <S extends Schema, M extends Mode>(stream: Stream<S, M>): Stream<S, M> => {
  requireCount(count, 0, 'the count of take')
  return makeStream<S, M>({
    schema: sameSchema(stream),
    mode: stream.mode,
    plan: { operator: 'take', options: { count }, inputs: [stream.plan] },
    stableOrder: stream.stableOrder,
    positions: 'native',
    open: async function* (context) {
      const { from } = context
      let given = from === undefined ? 0 : countIn(from, 'rows')
      if (given >= count) return
      for await (const batch of stream.open({ ...context, from: from === undefined ? undefined : fieldIn(from, 'at') })) {
        const rest = batch.numRows > count - given ? batch.slice(0, count - given) : batch
        given += rest.numRows
        // A batch that was cut is the last: its position says so by its count alone.
        yield atPosition(rest, batch.position === undefined ? undefined : { rows: given, at: batch.position })
        if (given >= count) return
      }
    },
  })
}
