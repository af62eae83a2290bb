import type { Schema } from '../../schema/index.js'
import type { Batch } from '../batch.js'
import { joinBatches } from '../columns-of.js'
import { advance, openAt, type Mark } from '../mark.js'
import type { OpenContext, Stream } from '../stream.js'

/** Rows of a stream as one batch, with the marks before and after them; those are absent where the input has no positions. */
export interface Window<S extends Schema> {
  readonly batch: Batch<S>
  readonly start: Mark | undefined
  readonly end: Mark | undefined
}

/** The stream from a mark on in windows of exactly `rows` rows, but for the last, however its batches are cut. */
export async function* windows<S extends Schema>(stream: Stream<S>, context: OpenContext, from: Mark, rows: number): AsyncGenerator<Window<S>, void, undefined> {
  let parts: Batch<S>[] = []
  let held = 0
  let start: Mark | undefined = from
  let end: Mark | undefined = from
  for await (const { batch, before } of openAt(stream, context, from)) {
    let at = 0
    while (at < batch.numRows) {
      if (held === 0) start = advance(before, at)
      const stop = Math.min(batch.numRows, at + rows - held)
      parts.push(at === 0 && stop === batch.numRows ? batch : batch.slice(at, stop))
      held += stop - at
      at = stop
      end = stop === batch.numRows && batch.position !== undefined ? { at: batch.position, skip: 0 } : advance(before, stop)
      if (held < rows) continue
      yield { batch: joinBatches(stream.schema, parts), start, end }
      parts = []
      held = 0
    }
  }
  if (held > 0) yield { batch: joinBatches(stream.schema, parts), start, end }
}
