import type { Schema } from '../../schema/index.js'
import { atPosition } from '../batch.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, type Mode, type Stream } from '../stream.js'
import { requireCount } from './counts.js'

/** All rows but the first `count`. */
export const skip = (count: number) => <S extends Schema, M extends Mode>(stream: Stream<S, M>): Stream<S, M> => {
  requireCount(count, 0, 'the count of skip')
  return makeStream<S, M>({
    schema: sameSchema(stream),
    mode: stream.mode,
    plan: { operator: 'skip', options: { count }, inputs: [stream.plan] },
    stableOrder: stream.stableOrder,
    positions: 'native',
    open: async function* (context) {
      // Every position that this stream gives lies behind the skipped rows.
      let left = context.from === undefined ? count : 0
      for await (const batch of stream.open(context)) {
        if (left >= batch.numRows) {
          left -= batch.numRows
          continue
        }
        yield left === 0 ? batch : atPosition(batch.slice(left, batch.numRows), batch.position)
        left = 0
      }
    },
  })
}
