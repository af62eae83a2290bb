import { failure, requireOneOf, requireOptions, throwIfAborted, type OptionRules } from '../../errors/index.js'
import { requireColumn, type Schema } from '../../schema/index.js'
import type { Batch, ColumnMap } from '../batch.js'
import { alsoColumns, joinBatches } from '../columns-of.js'
import { derivedSchema } from '../schema-later.js'
import { makeStream, type Mode, type Stream } from '../stream.js'
import { columnComparator, requireSortable, type Compare } from './column-comparator.js'
import { requireCount } from './counts.js'
import { sortedRows } from './sorted-rows.js'

/** Row indices are 32-bit and all rows are in memory: beyond this many, sort by an engine that spills to disk. */
const DEFAULT_MAX_ROWS = 50_000_000
const DEFAULT_BATCH_ROWS = 4096

/** One key of {@link sort}. */
export interface SortKey<K extends string> {
  readonly by: K
  /** Default `asc`. Nulls come last either way. */
  readonly order?: 'asc' | 'desc' | undefined
}

/** Options of {@link sort}. */
export interface SortOptions {
  /**
   * Says that no two rows are equal in all keys, which makes the order stable even of a stream that has none; a pair that
   * is equal is an error then. Default false.
   */
  readonly unique?: boolean | undefined
  /** Rows of the batches given. Default 4,096. */
  readonly batchRows?: number | undefined
  /** Most rows held in memory; one more is an error. Default 50 million. */
  readonly maxRows?: number | undefined
}

const rules: OptionRules<SortOptions> = { unique: 'boolean', batchRows: 'any', maxRows: 'any' }
const keyRules: OptionRules<SortKey<string>> = { by: 'text', order: 'any' }

const sortKey = <K extends string>(key: K | SortKey<K>): { by: K; order: 'asc' | 'desc' } => {
  if (typeof key === 'string') return { by: key, order: 'asc' }
  requireOptions('a key of sort', key, keyRules)
  return { by: key.by, order: requireOneOf<'asc' | 'desc'>('order of sort', key.order ?? 'asc', ['asc', 'desc']) }
}

/**
 * Sorts all rows, in memory, by one column or several. Equal rows keep their order. Strings are ordered by their UTF-8
 * bytes (by code point), NaN after all numbers, nulls last.
 *
 * @throws `Limit` when there are more than `maxRows` rows
 * @example
 * pipe(flights, sort(['origin', { by: 'delay', order: 'desc' }]))
 */
export const sort = <S extends Schema, M extends Mode, const K extends keyof S & string>(
  by: K | readonly (K | SortKey<K>)[],
  options: SortOptions = {},
): ((stream: Stream<S, M>) => Stream<S, M>) => (stream) => {
  requireOptions('sort', options, rules)
  const keys = (typeof by === 'string' ? [by] : by).map((key: K | SortKey<K>) => sortKey(key))
  const unique = options.unique ?? false
  const batchRows = requireCount(options.batchRows ?? DEFAULT_BATCH_ROWS, 1, 'batchRows of sort')
  const maxRows = options.maxRows === Infinity ? Infinity : requireCount(options.maxRows ?? DEFAULT_MAX_ROWS, 1, 'maxRows of sort')
  return makeStream<S, M>({
    schema: derivedSchema([stream], () => {
      for (const key of keys) requireSortable(requireColumn(stream.schema, key.by, 'sort'), key.by)
      return stream.schema
    }),
    mode: stream.mode,
    plan: { operator: 'sort', options: { keys, unique, batchRows, maxRows }, inputs: [stream.plan] },
    stableOrder: stream.stableOrder || unique,
    positions: 'replay',
    open: async function* (context) {
      const parts: Batch<S>[] = []
      let rows = 0
      for await (const batch of stream.open({ ...context, columns: alsoColumns(context.columns, keys.map((key) => key.by)) })) {
        rows += batch.numRows
        if (rows > maxRows) {
          throw failure({ tag: 'Limit', code: 'TOO_MANY_ROWS', problem: `sort was given more than ${maxRows} rows`, remedy: 'Raise maxRows, or sort in an engine that spills to disk.' })
        }
        parts.push(batch)
      }
      if (rows === 0) return
      const all = joinBatches(stream.schema, parts)
      parts.length = 0
      const compares = keys.map((key) => columnComparator((all.columns as ColumnMap)[key.by]!, key.order))
      const order = await sortedRows(rows, compares, context.signal)
      if (unique) requireUnique(order, compares, keys.map((key) => key.by))
      for (let start = 0; start < rows; start += batchRows) {
        throwIfAborted(context.signal)
        yield all.take(order.subarray(start, Math.min(rows, start + batchRows)))
      }
    },
  })
}

const requireUnique = (order: Int32Array, compares: readonly Compare[], names: readonly string[]): void => {
  for (let i = 1; i < order.length; i++) {
    if (compares.some((compare) => compare(order[i - 1]!, order[i]!) !== 0)) continue
    throw failure({
      tag: 'Usage',
      code: 'NOT_UNIQUE',
      problem: `sort was told that ${names.map((name) => `"${name}"`).join(', ')} order all rows, but two rows are equal in them`,
      remedy: 'Add a key that tells them apart, or leave out unique.',
    })
  }
}
