import { requireOptions, type OptionRules } from '../errors/index.js'
import { job, type Job } from '../job/index.js'
import { describeField, type Field, type Schema } from '../schema/index.js'
import type { ColumnMap } from '../stream/batch.js'
import { requireCount } from '../stream/operators/counts.js'
import { renderHtml, renderText } from '../stream/table.js'
import type { Stream } from '../stream/stream.js'
import { Tally, type TallySummary } from '../stream/tally.js'
import { ColumnAccumulator } from './column-accumulator.js'

const DEFAULT_TOP_VALUES = 5
/** Counting takes a map entry, some 100 bytes, a distinct value and column. */
const DEFAULT_DISTINCT_LIMIT = 100_000

/** Options of {@link statistics}. */
export interface StatisticsOptions {
  /** How many of the most frequent values are kept. Default 5. */
  readonly topValues?: number | undefined
  /** Distinct values are counted exactly up to this many a column, and not at all beyond. Default 100,000. */
  readonly distinctLimit?: number | undefined
}

const rules: OptionRules<StatisticsOptions> = { topValues: 'any', distinctLimit: 'any' }

/** Figures of one column. */
export interface ColumnStatistics<T = unknown> {
  readonly field: Field<T>
  /** Rows that are not null. */
  readonly count: number
  readonly nulls: number
  /** Values that are NaN; they count as not null and are in no other figure. */
  readonly nans: number
  /** Smallest value; strings by UTF-16 units, of lists the smallest number of items. `undefined` where there is no order or no value. */
  readonly min: T | number | undefined
  readonly max: T | number | undefined
  /** Mean of numbers, share of true of booleans, mean number of items of lists. */
  readonly mean: number | undefined
  /** Population standard deviation of the same. */
  readonly stddev: number | undefined
  /** Number of distinct values; `undefined` beyond the limit, and for lists and byte strings. */
  readonly distinct: number | undefined
  /** Most frequent values, most frequent first; empty where `distinct` is not known. */
  readonly top: readonly { readonly value: T; readonly count: number }[]
}

/** Figures of a stream. Consoles and notebooks show them as a table. */
export interface StreamStatistics<S extends Schema> {
  readonly rows: number
  readonly columns: { readonly [K in keyof S]: ColumnStatistics<S[K]['js']> }
  /** What became of the records of the sources. */
  readonly tally: TallySummary
  /** A table with one line a column. */
  readonly text: string
  /** The same as an HTML `<table>`. */
  readonly html: string
}

class StatisticsTable implements StreamStatistics<Schema> {
  constructor(
    readonly rows: number,
    readonly columns: { readonly [name: string]: ColumnStatistics },
    readonly tally: TallySummary,
  ) {}

  private get heading(): readonly (readonly [string, string])[] {
    return ['column', 'kind', 'count', 'nulls', 'distinct', 'min', 'max', 'mean', 'stddev', 'most frequent'].map((name) => [name, ''] as const)
  }

  private get cells(): readonly (readonly unknown[])[] {
    const figure = (value: number | undefined): unknown => (value === undefined ? '' : Number(value.toPrecision(6)))
    return Object.entries(this.columns).map(([name, column]) => [
      name, describeField(column.field), column.count, column.nulls, column.distinct ?? '', column.min ?? '', column.max ?? '',
      figure(column.mean), figure(column.stddev), column.top[0]?.value ?? '',
    ])
  }

  get text(): string {
    return renderText(this.heading, this.cells)
  }

  get html(): string {
    return renderHtml(this.heading, this.cells)
  }

  toString(): string {
    return this.text
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `${this.rows} rows\n${this.text}`
  }
}

/**
 * Reads a stream once and describes each column: how many values, nulls and distinct values, range, mean, deviation, and
 * the most frequent values.
 *
 * @example
 * console.log(await run(pipe(flights, statistics())))
 */
export const statistics = (options: StatisticsOptions = {}) => <S extends Schema>(stream: Stream<S>): Job<StreamStatistics<S>> => {
  requireOptions('statistics', options, rules)
  const topValues = requireCount(options.topValues ?? DEFAULT_TOP_VALUES, 0, 'topValues of statistics')
  const distinctLimit = requireCount(options.distinctLimit ?? DEFAULT_DISTINCT_LIMIT, 0, 'distinctLimit of statistics')
  return job(async (context) => {
    const columns = Object.entries(await stream.findSchema(context)).map(([name, field]) => ({ name, field, seen: new ColumnAccumulator(field, distinctLimit, topValues) }))
    const tally = new Tally(context.tally)
    let rows = 0
    for await (const batch of stream.open({ ...context, tally })) {
      for (const { name, seen } of columns) seen.update((batch.columns as ColumnMap)[name]!)
      rows += batch.numRows
      context.progress?.({ stage: 'statistics', done: rows, unit: 'rows' })
    }
    context.progress?.({ stage: 'statistics', done: rows, unit: 'rows', finished: true })
    const figures = Object.fromEntries(columns.map(({ name, field, seen }) => [name, summaryOf(field, seen)]))
    return new StatisticsTable(rows, figures, tally.summary()) as unknown as StreamStatistics<S>
  })
}

const summaryOf = (field: Field, seen: ColumnAccumulator): ColumnStatistics => {
  const summary = seen.finish()
  const uncounted = field.kind === 'list' || field.kind === 'binary'
  return { field, ...summary, min: summary.min as number | undefined, max: summary.max as number | undefined, distinct: uncounted ? undefined : summary.distinct }
}
