import type { Row, Schema } from '../schema/index.js'
import { atPosition, batchFromRows, type Batch } from './batch.js'
import { requireCount } from './operators/counts.js'
import { countIn } from './position.js'
import { makeStream, type Stream } from './stream.js'

/** A stream over batches in memory. Rows count as read from a source. */
export const fromBatches = <S extends Schema>(schema: S, batches: readonly Batch<S>[]): Stream<S, 'cold'> =>
  makeStream<S, 'cold'>({
    schema,
    mode: 'cold',
    plan: { operator: 'source:batches', options: { batches: batches.length }, inputs: [] },
    stableOrder: true,
    positions: 'native',
    open: async function* (context) {
      const start = context.from === undefined ? 0 : countIn(context.from, 'batch')
      for (let i = start; i < batches.length; i++) {
        context.tally.deliver(batches[i]!.numRows)
        yield atPosition(batches[i]!, { batch: i + 1 })
      }
    },
  })

/** A stream over rows in memory, in batches of `batchRows` (default 4,096). */
export const fromRows = <S extends Schema>(schema: S, rows: readonly Row<S>[], options: { readonly batchRows?: number | undefined } = {}): Stream<S, 'cold'> => {
  const size = requireCount(options.batchRows ?? 4096, 1, 'batchRows of fromRows')
  const batches: Batch<S>[] = []
  for (let start = 0; start < rows.length; start += size) batches.push(batchFromRows(schema, rows.slice(start, start + size), start))
  return fromBatches(schema, batches)
}
