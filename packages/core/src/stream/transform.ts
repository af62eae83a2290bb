import type { Schema } from '../schema/index.js'
import { atPosition, type Batch } from './batch.js'
import type { Json } from './position.js'
import type { LaterSchema } from './schema-later.js'
import { makeStream, type Mode, type OpenContext, type Stream } from './stream.js'

/** What {@link transformBatches} needs to know. */
export interface BatchTransform<S extends Schema, T extends Schema> {
  /** Name in the plan. */
  readonly operator: string
  /** Options in the plan. */
  readonly options: Json
  readonly schema: T | LaterSchema<T>
  /**
   * Makes one batch of one batch; an empty result is dropped. `firstRow` is the ordinal of the batch's first row in this
   * reading of the input, for error messages.
   */
  readonly transform: (batch: Batch<S>, context: OpenContext, firstRow: number) => Batch<T> | Promise<Batch<T>>
  /** Columns it needs of its input, given those that are wanted of its output. Default: all. */
  readonly needs?: ((wanted: readonly string[] | undefined) => readonly string[] | undefined) | undefined
}

/** A stateless operator: one batch out for one batch in. Positions, mode and order pass through. */
export const transformBatches = <S extends Schema, T extends Schema, M extends Mode>(input: Stream<S, M>, definition: BatchTransform<S, T>): Stream<T, M> =>
  makeStream<T, M>({
    schema: definition.schema,
    mode: input.mode,
    plan: { operator: definition.operator, options: definition.options, inputs: [input.plan] },
    stableOrder: input.stableOrder,
    positions: 'native',
    open: async function* (context) {
      let firstRow = 0
      for await (const batch of input.open({ ...context, columns: definition.needs?.(context.columns) })) {
        const result = await definition.transform(batch, context, firstRow)
        firstRow += batch.numRows
        if (result.numRows > 0) yield atPosition(result, batch.position)
      }
    },
  })
