import { job, type Job } from '../../job/index.js'
import type { Row, Schema } from '../../schema/index.js'
import { callbackError } from '../callback.js'
import { rowReaderOf } from '../row-reader.js'
import type { Stream } from '../stream.js'
import { Tally, type TallySummary } from '../tally.js'

/**
 * Calls `work` with each row, a plain object, and waits for it where it gives a promise. The job's result says how many
 * records were read and rejected.
 */
export const forEach = <S extends Schema>(work: (row: Row<S>) => unknown): ((stream: Stream<S>) => Job<TallySummary>) => (stream) =>
  job(async (context) => {
    const reader = rowReaderOf(stream)
    const tally = new Tally(context.tally)
    let record = 0
    for await (const batch of stream.open({ ...context, tally })) {
      const rowAt = reader(batch)
      for (let row = 0; row < batch.numRows; row++, record++) {
        try {
          const working = work(rowAt(row))
          // By shape: a notebook's promises are of another realm.
          if (typeof (working as { readonly then?: unknown } | null | undefined)?.then === 'function') await working
        } catch (thrown) {
          throw callbackError('forEach', record, thrown)
        }
      }
    }
    return tally.summary()
  })
