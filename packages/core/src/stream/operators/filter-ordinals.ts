import type { Schema } from '../../schema/index.js'
import { atPosition } from '../batch.js'
import { countIn, fieldIn, type Json } from '../position.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, requireStableOrder, type Mode, type Stream } from '../stream.js'

/** Keeps rows by their ordinal in the stream: the same rows whatever the batches and wherever it was resumed. */
export const filterOrdinals = <S extends Schema, M extends Mode>(
  stream: Stream<S, M>,
  operator: string,
  options: Json,
  keep: (ordinal: number) => boolean,
): Stream<S, M> => {
  requireStableOrder(stream, operator)
  return makeStream<S, M>({
    schema: sameSchema(stream),
    mode: stream.mode,
    plan: { operator, options, inputs: [stream.plan] },
    stableOrder: true,
    positions: 'native',
    open: async function* (context) {
      const { from } = context
      let ordinal = from === undefined ? 0 : countIn(from, 'row')
      for await (const batch of stream.open({ ...context, from: from === undefined ? undefined : fieldIn(from, 'at') })) {
        const kept = new Int32Array(batch.numRows)
        let count = 0
        for (let row = 0; row < batch.numRows; row++) if (keep(ordinal + row)) kept[count++] = row
        ordinal += batch.numRows
        if (count === 0) continue
        const part = count === batch.numRows ? batch : batch.take(kept.subarray(0, count))
        yield atPosition(part, batch.position === undefined ? undefined : { row: ordinal, at: batch.position })
      }
    },
  })
}
