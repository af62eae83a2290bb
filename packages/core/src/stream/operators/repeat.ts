import type { Schema } from '../../schema/index.js'
import { atPosition } from '../batch.js'
import { countIn, fieldIn } from '../position.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, type Stream } from '../stream.js'
import { requireCount } from './counts.js'

/**
 * The stream `rounds` times over; without a number, for ever (until the reader leaves). A stream without rows ends at once.
 * {@link shuffle} after `repeat` gives every round another order.
 */
export const repeat = (rounds?: number) => <S extends Schema>(stream: Stream<S, 'cold'>): Stream<S, 'cold'> => {
  if (rounds !== undefined) requireCount(rounds, 0, 'the number of rounds of repeat')
  return makeStream<S, 'cold'>({
    schema: sameSchema(stream),
    mode: stream.mode,
    plan: { operator: 'repeat', options: { rounds: rounds ?? null }, inputs: [stream.plan] },
    stableOrder: stream.stableOrder,
    positions: 'native',
    open: async function* (context) {
      let from = context.from === undefined ? undefined : fieldIn(context.from, 'at')
      let resumed = from !== undefined
      for (let round = context.from === undefined ? 0 : countIn(context.from, 'round'); rounds === undefined || round < rounds; round++) {
        let empty = true
        for await (const batch of stream.open({ ...context, from })) {
          empty = false
          yield atPosition(batch, batch.position === undefined ? undefined : { round, at: batch.position })
        }
        // Going on for ever over no rows would never give control back. A resumed round may have had its rows before.
        if (empty && !resumed) return
        from = undefined
        resumed = false
      }
    },
  })
}
