import { job, type Job } from '../../job/index.js'
import type { Row, Schema } from '../../schema/index.js'
import type { Batch } from '../batch.js'
import { rowReaderOf } from '../row-reader.js'
import type { Stream } from '../stream.js'

/** All rows, as plain objects, in memory. For tables of some thousands of rows; {@link collectBatches} takes more. */
export const collect = () => <S extends Schema>(stream: Stream<S>): Job<Row<S>[]> =>
  job(async (context) => {
    const reader = rowReaderOf(stream)
    const out: Row<S>[] = []
    for await (const batch of stream.open(context)) {
      const rowAt = reader(batch)
      for (let row = 0; row < batch.numRows; row++) out.push(rowAt(row))
    }
    return out
  })

/** All batches, in memory. */
export const collectBatches = () => <S extends Schema>(stream: Stream<S>): Job<Batch<S>[]> =>
  job(async (context) => {
    const out: Batch<S>[] = []
    for await (const batch of stream.open(context)) out.push(batch)
    return out
  })
