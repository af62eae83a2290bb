import type { Schema } from '../schema/index.js'
import { atPosition, type Batch } from './batch.js'
import { badPosition, countIn, fieldIn, type Json, type Position } from './position.js'
import type { OpenContext, Stream } from './stream.js'

/**
 * A place between two rows of an input stream: `skip` rows after its position `at`, or after its beginning where `at` is
 * absent. What cuts its input's batches remembers where it stands by marks.
 */
export interface Mark {
  readonly at?: Position | undefined
  readonly skip: number
}

/** The beginning of a stream. */
export const beginning: Mark = { skip: 0 }

/** A mark as plain data. */
export const markJson = ({ at, skip }: Mark): Json => (at === undefined ? { skip } : { at, skip })

/** The mark in plain data. @throws `Usage` when it is none */
export const markFrom = (json: Json | undefined): Mark => {
  if (json === undefined) throw badPosition(null)
  return { at: fieldIn(json, 'at'), skip: countIn(json, 'skip') }
}

/** A batch with the mark before its first row; `undefined` where the input gives no positions. */
export interface MarkedBatch<S extends Schema> {
  readonly batch: Batch<S>
  readonly before: Mark | undefined
}

/** The mark `rows` rows further on within the same batch. */
export const advance = (mark: Mark | undefined, rows: number): Mark | undefined =>
  mark === undefined ? undefined : { at: mark.at, skip: mark.skip + rows }

/** Opens a stream at a mark; each batch comes with the mark before it. */
export async function* openAt<S extends Schema>(stream: Stream<S>, context: OpenContext, from: Mark): AsyncGenerator<MarkedBatch<S>, void, undefined> {
  let before: Mark | undefined = { at: from.at, skip: 0 }
  let skip = from.skip
  for await (const batch of stream.open({ ...context, from: from.at })) {
    const after: Mark | undefined = batch.position === undefined ? undefined : { at: batch.position, skip: 0 }
    if (skip >= batch.numRows) {
      // Rows that the mark skips may come in smaller batches than they did when it was made.
      skip -= batch.numRows
    } else {
      const rest = skip === 0 ? batch : atPosition(batch.slice(skip, batch.numRows), batch.position)
      yield { batch: rest, before: advance(before, skip) }
      skip = 0
    }
    before = after
  }
}
