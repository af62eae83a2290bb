import type { Schema } from '../../schema/index.js'
import { atPosition } from '../batch.js'
import { countIn, fieldIn } from '../position.js'
import { derivedSchema } from '../schema-later.js'
import { makeStream, type Mode, type Stream } from '../stream.js'
import { asPart, requireSameColumns, streamsIn } from './same-columns.js'

/**
 * The rows of the stream, then those of the others, given one by one or in a list, in turn. All must have the same columns; each is opened when its turn
 * comes.
 *
 * @throws `Schema` when columns differ
 */
export const concat = <S extends Schema, M2 extends Mode = never>(
  ...given: readonly (Stream<S, M2> | readonly Stream<S, M2>[])[]
): (<M extends Mode>(stream: Stream<S, M>) => Stream<S, M | M2>) => <M extends Mode>(stream: Stream<S, M>): Stream<S, M | M2> => {
  const others = streamsIn(given, 'concat')
  const parts: readonly Stream<S, M | M2>[] = [stream, ...others]
  return makeStream<S, M | M2>({
    schema: derivedSchema(parts, () => requireSameColumns(stream.schema, others, 'concat')),
    mode: parts.find(({ mode }) => mode === 'once')?.mode ?? stream.mode,
    plan: { operator: 'concat', options: {}, inputs: parts.map(({ plan }) => plan) },
    stableOrder: parts.every(({ stableOrder }) => stableOrder),
    positions: 'native',
    open: async function* (context) {
      let from = context.from === undefined ? undefined : fieldIn(context.from, 'at')
      for (let part = context.from === undefined ? 0 : countIn(context.from, 'part'); part < parts.length; part++) {
        for await (const batch of parts[part]!.open({ ...context, from })) {
          yield atPosition(asPart(stream.schema, batch, context.columns), batch.position === undefined ? undefined : { part, at: batch.position })
        }
        from = undefined
      }
    },
  })
}
