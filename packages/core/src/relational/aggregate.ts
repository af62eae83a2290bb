import type { Column } from '../columns/index.js'
import { failure, requireOneOf, requireOptions, type OptionRules } from '../errors/index.js'
import { describeField, requireColumn, type Schema } from '../schema/index.js'
import { makeBatch, type Batch, type ColumnMap } from '../stream/batch.js'
import { derivedSchema } from '../stream/schema-later.js'
import { makeStream, type Mode, type OpenContext, type Stream } from '../stream/stream.js'
import { planAggregation, type AggregatedField, type Aggregation, type PlannedAggregation } from './aggregations.js'
import { Database } from './engine/database.js'
import { layoutOf } from './engine/layout.js'
import { ordinal64, ordinals64 } from './engine/ordinals.js'
import { requireCount } from '../stream/operators/counts.js'
import { engineRules, type EngineOptions, type ResultOrder } from './options.js'

/** Aggregations by the name of the column they make. */
export type Aggregations = { readonly [name: string]: Aggregation }

/** Options of {@link aggregate}. */
export interface AggregateOptions<By extends string, Values extends Aggregations> extends EngineOptions {
  /** Columns whose values make a group; nulls make one of their own. None: all rows are one group. */
  readonly by: readonly By[]
  /** `{ meanDelay: mean('delay'), flights: count() }` */
  readonly values: Values
  /** Default `preserve`: groups by their first row. */
  readonly order?: ResultOrder | undefined
  /**
   * Default 1, which also makes sums of floats the same each time: with more, they are added up in another order each time,
   * and the stream says that it is not stable.
   */
  readonly threads?: number | undefined
}

const rules: OptionRules<AggregateOptions<string, Aggregations>> = { ...engineRules, by: 'any', values: 'any', order: 'any' }

type ColumnsUsed<By extends string, Values extends Aggregations> = By | Extract<Values[keyof Values]['column'], string>

/** Columns of an aggregate: those it groups by, then its values. */
export type AggregatedSchema<S extends Schema, By extends string, Values extends Aggregations> = {
  readonly [K in By | keyof Values as K]: K extends keyof Values ? AggregatedField<Values[K], S> : S[K & keyof S]
} & {}

/**
 * One row a group, on DuckDB in this process (`@duckdb/node-api`), which spills to disk beyond `memoryLimit`. Only the columns
 * that are named are read. No rows in give no rows out.
 *
 * @throws `Schema` (when applied) for columns that are missing or that an aggregation does not take
 * @throws `Engine` (when run) when DuckDB fails, `MissingPeer` when it is not installed
 * @example
 * pipe(flights, aggregate({ by: ['origin'], values: { meanDelay: mean('delay'), flights: count() } }))
 */
export const aggregate = <const By extends string, const Values extends Aggregations>(options: AggregateOptions<By, Values>) =>
  <S extends { readonly [K in ColumnsUsed<By, Values>]: Schema[string] } & Schema, M extends Mode>(stream: Stream<S, M>): Stream<AggregatedSchema<S, By, Values>, M> => {
    requireOptions('aggregate', options, rules)
    const { by, values, order = 'preserve', threads = 1 } = options
    requireOneOf('order of aggregate', order, ['preserve', 'any'])
    requireCount(threads, 1, 'threads of aggregate')
    for (const name in values) if ((by as readonly string[]).includes(name)) throw failure({ tag: 'Schema', code: 'COLUMN_COLLISION', problem: `"${name}" is both a group's key and a value`, position: { column: name } })
    return makeStream<Schema, M>({
      schema: derivedSchema([stream], () => planQuery(stream.schema, by, values, order).schema),
      mode: stream.mode,
      plan: { operator: 'aggregate', options: { by, values: Object.fromEntries(Object.entries(values).map(([name, { aggregation, column }]) => [name, column === undefined ? [aggregation] : [aggregation, column]])), order }, inputs: [stream.plan] },
      stableOrder: stream.stableOrder && order === 'preserve' && threads === 1,
      positions: 'replay',
      open: (context) => aggregated(stream, planQuery(stream.schema, by, values, order), options, threads, context),
    }) as unknown as Stream<AggregatedSchema<S, By, Values>, M>
  }

/** An aggregation as the engine is asked for it. */
interface AggregateQuery {
  /** Columns that it reads. */
  readonly input: Schema
  /** Columns that it makes. */
  readonly schema: Schema
  readonly sql: string
}

const planQuery = (of: Schema, by: readonly string[], values: Aggregations, order: ResultOrder): AggregateQuery => {
  const names = [...new Set([...by, ...Object.values(values).flatMap(({ column }) => (column === undefined ? [] : [column]))])]
  const input: Schema = Object.fromEntries(names.map((name) => [name, requireColumn(of, name, 'the aggregate')]))
  const engineName = (column: string): string => `c${names.indexOf(column)}`
  for (const name of by) checkGroupKey(input, name)
  const planned = Object.entries(values).map(([name, value]): [string, PlannedAggregation] => {
    const { column } = value
    return [name, column === undefined ? planAggregation(value, undefined, '') : planAggregation(value, input[column], engineName(column))]
  })
  const schema: Schema = Object.fromEntries([...by.map((name) => [name, input[name]!] as const), ...planned.map(([name, { field }]) => [name, field] as const)])
  const keys = by.map(engineName)
  const sql = [
    `SELECT ${[...keys, ...planned.map(([, { sql: expression }]) => expression)].join(', ')} FROM t`,
    keys.length === 0 ? '' : `GROUP BY ${keys.join(', ')}`,
    'HAVING count(*) > 0',
    order === 'preserve' ? 'ORDER BY min(o)' : '',
  ].join(' ')
  return { input, schema, sql }
}

const checkGroupKey = (schema: Schema, name: string): void => {
  const of = schema[name]!
  if (of.kind === 'list') throw failure({ tag: 'Schema', code: 'UNSUPPORTED_KIND', problem: `rows cannot be grouped by a ${describeField(of)}`, position: { column: name } })
  layoutOf(of)
}

async function* aggregated(stream: Stream, { input, schema, sql }: AggregateQuery, engine: EngineOptions, threads: number, context: OpenContext): AsyncGenerator<Batch, void, undefined> {
  const database = await Database.open('aggregate', engine, threads, context.signal)
  try {
    const sources = Object.keys(input)
    const writer = await database.table('t', { o: ordinal64, ...Object.fromEntries(sources.map((name, index) => [`c${index}`, input[name]!])) })
    for await (const batch of stream.open({ ...context, columns: sources })) {
      const columns = batch.columns as ColumnMap
      writer.append([ordinals64(writer.rows, batch.numRows), ...sources.map((name) => columns[name]!)], batch.numRows)
    }
    writer.close()
    const names = Object.keys(schema)
    for await (const { numRows, columns } of database.query(sql, schema)) {
      const out: { [name: string]: Column } = {}
      names.forEach((name, index) => (out[name] = columns[index]!))
      yield makeBatch(schema, out, numRows)
    }
  } finally {
    await database.close()
  }
}
