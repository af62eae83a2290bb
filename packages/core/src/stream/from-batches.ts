import { requireOptions, type OptionRules } from '../errors/index.js'
import type { OnBadRecord } from '../records/bad-records.js'
import { requireFields, type Row, type Schema } from '../schema/index.js'
import { batchFromRows, type Batch } from './batch.js'
import { fromIterable } from './from-iterable.js'
import { schemaOfRows, type SchemaOf } from './infer-rows.js'
import { requireCount } from './operators/counts.js'
import { RowCount } from './row-count.js'
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
      const count = new RowCount(context.from)
      for (const batch of batches) {
        const rest = count.rest(batch)
        if (rest === undefined) continue
        context.tally.deliver(rest.numRows)
        yield rest
      }
    },
  })

/** Options of {@link fromRows}. */
export interface FromRowsOptions {
  /** Rows of a batch. Default 4,096. */
  readonly batchRows?: number | undefined
  /** What becomes of rows that do not fit the schema. Default: `fromRows` throws. */
  readonly onBadRecord?: OnBadRecord | undefined
}

const rules: OptionRules<FromRowsOptions> = { batchRows: 'any', onBadRecord: 'any' }

/**
 * A stream over rows in memory. Without a schema, it is that of {@link schemaOfRows}.
 *
 * @throws `BadRecord` with row and column for a value that does not fit its field, unless `onBadRecord` says otherwise
 */
export function fromRows<T extends object>(rows: readonly T[], options?: FromRowsOptions): Stream<SchemaOf<T>, 'cold'>
export function fromRows<S extends Schema>(schema: S, rows: readonly Row<S>[], options?: FromRowsOptions): Stream<S, 'cold'>
export function fromRows(first: Schema | readonly object[], second?: readonly object[] | FromRowsOptions, third?: FromRowsOptions): Stream<Schema, 'cold'> {
  return Array.isArray(first)
    ? streamOf(schemaOfRows(first as readonly object[]), first as readonly object[], second as FromRowsOptions | undefined)
    : streamOf(first as Schema, second as readonly object[], third)
}

const streamOf = (schema: Schema, rows: readonly object[], options: FromRowsOptions = {}): Stream<Schema, 'cold'> => {
  requireFields(schema, 'fromRows')
  requireOptions('fromRows', options, rules)
  const size = requireCount(options.batchRows ?? 4096, 1, 'batchRows of fromRows')
  if (options.onBadRecord !== undefined) return fromIterable(schema, () => rows as readonly Row<Schema>[], { ...options, stableOrder: true, name: 'fromRows' })
  const batches: Batch<Schema>[] = []
  for (let start = 0; start < rows.length; start += size) batches.push(batchFromRows(schema, rows.slice(start, start + size) as readonly Row<Schema>[], start))
  return fromBatches(schema, batches)
}
