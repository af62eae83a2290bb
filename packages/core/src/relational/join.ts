import { availableParallelism } from 'node:os'
import type { Column, FixedColumn } from '../columns/index.js'
import { failure, requireOneOf, requireOptions, type OptionRules } from '../errors/index.js'
import type { Schema } from '../schema/index.js'
import { makeBatch, type Batch, type ColumnMap } from '../stream/batch.js'
import { derivedSchema } from '../stream/schema-later.js'
import { makeStream, type Mode, type OpenContext, type Stream } from '../stream/stream.js'
import { Database } from './engine/database.js'
import { ordinal, ordinal64, ordinals, ordinals64 } from './engine/ordinals.js'
import { windows } from './engine/windows.js'
import { checkKeys, rightColumns, type JoinedSchema, type JoinKey, type JoinKind, type KeyName, type RightColumn } from './join-schema.js'
import { requireCount } from '../stream/operators/counts.js'
import { engineRules, type EngineOptions, type ResultOrder } from './options.js'

/** Options of {@link join} that do not name its keys. */
export interface JoinSettings<Kind extends JoinKind, Suffix extends string> extends EngineOptions {
  /** Default `inner`. */
  readonly kind?: Kind | undefined
  /** Appended to the names of right columns that the left side has too. Without it such a name is an error. */
  readonly suffix?: Suffix | undefined
  /** Default `preserve`: the order of the left rows, and of the right rows among the partners of one. */
  readonly order?: ResultOrder | undefined
}

/** Keys of one name on both sides. */
export interface JoinOn<Kind extends JoinKind, Suffix extends string, Key extends JoinKey> extends JoinSettings<Kind, Suffix> {
  readonly on: Key
}

/** Keys of different names: the first of `left` equals the first of `right`, and so on. */
export interface JoinLeftRight<Kind extends JoinKind, Suffix extends string, LeftKey extends JoinKey, RightKey extends JoinKey> extends JoinSettings<Kind, Suffix> {
  readonly left: LeftKey
  readonly right: RightKey
}

const rules: OptionRules<JoinOn<JoinKind, string, JoinKey> & JoinLeftRight<JoinKind, string, JoinKey, JoinKey>> = { ...engineRules, on: 'any', left: 'any', right: 'any', kind: 'any', suffix: 'text', order: 'any' }

/** The stream is read once if one of its inputs can be. */
export type JoinedMode<L extends Mode, R extends Mode> = 'once' extends L | R ? 'once' : 'cold'

/** Left rows that one query joins, at least; more when the right side has more, so that its hash table is built a bounded number of times. */
const MIN_WINDOW_ROWS = 262_144
/** At most: the window is held in JavaScript's memory. */
const MAX_WINDOW_ROWS = 2_097_152

/**
 * Joins each row with the rows of `right` that have the same key, on DuckDB in this process (`@duckdb/node-api`).
 *
 * The right side is read whole into the engine, which spills to disk beyond `memoryLimit`. The left side streams through in
 * windows of 262,144 rows and more, so that it may be endless. A null key has no partner. The right key is left out of the
 * result, since it equals the left one. Threads: at most 4 by default.
 *
 * @throws `Schema` (when applied) for keys that are missing or do not compare, and for names that both sides have
 * @throws `Engine` (when run) when DuckDB fails, `MissingPeer` when it is not installed
 * @example
 * pipe(flights, join(airports, { left: 'origin', right: 'iata' }))
 */
export function join<R extends Schema, RM extends Mode, const LeftKey extends JoinKey, const RightKey extends KeyOf<R>, Kind extends JoinKind = 'inner', const Suffix extends string = ''>(
  right: Stream<R, RM>,
  options: JoinLeftRight<Kind, Suffix, LeftKey, RightKey>,
): <L extends { readonly [K in KeyName<LeftKey>]: Schema[string] } & Schema, LM extends Mode>(left: Stream<L, LM>) => Stream<JoinedSchema<L, R, KeyName<RightKey>, Kind, Suffix>, JoinedMode<LM, RM>>
export function join<R extends Schema, RM extends Mode, const Key extends KeyOf<R>, Kind extends JoinKind = 'inner', const Suffix extends string = ''>(
  right: Stream<R, RM>,
  options: JoinOn<Kind, Suffix, Key>,
): <L extends { readonly [K in KeyName<Key>]: Schema[string] } & Schema, LM extends Mode>(left: Stream<L, LM>) => Stream<JoinedSchema<L, R, KeyName<Key>, Kind, Suffix>, JoinedMode<LM, RM>>
export function join(right: Stream, options: JoinOn<JoinKind, string, JoinKey> | JoinLeftRight<JoinKind, string, JoinKey, JoinKey>): (left: Stream) => Stream {
  requireOptions('join', options, rules)
  const leftKeys = names('on' in options ? options.on : options.left)
  const rightKeys = names('on' in options ? options.on : options.right)
  const { kind = 'inner', suffix = '', order = 'preserve' } = options
  // Types say so too; a notebook's JavaScript has none, and an inner join in place of another would go unnoticed.
  if (kind !== 'inner' && kind !== 'left') throw failure({ tag: 'Usage', code: 'BAD_JOIN_KIND', problem: `there is no join of the kind ${JSON.stringify(kind)}`, remedy: "The kinds are 'inner' and 'left'." })
  requireOneOf('order of join', order, ['preserve', 'any'])
  if (options.threads !== undefined) requireCount(options.threads, 1, 'threads of join')
  return (left) => {
    const added = (): readonly RightColumn[] => rightColumns(left.schema, right.schema, rightKeys, kind, suffix)
    const schema = (): Schema => {
      checkKeys(left.schema, right.schema, leftKeys, rightKeys)
      return { ...left.schema, ...Object.fromEntries(added().map(({ name, field }) => [name, field])) }
    }
    const plan = { operator: 'join', options: { left: leftKeys, right: rightKeys, kind, suffix, order }, inputs: [left.plan, right.plan] }
    return makeStream<Schema, Mode>({
      schema: derivedSchema([left, right], schema),
      mode: left.mode === 'once' || right.mode === 'once' ? 'once' : 'cold',
      plan,
      stableOrder: order === 'preserve' && left.stableOrder && right.stableOrder,
      positions: 'replay',
      open: (context) => joined({ left, right, leftKeys, rightKeys, added: added(), schema: schema(), kind, order, engine: options }, context),
    })
  }
}

/** A column of the schema, or several. */
export type KeyOf<S extends Schema> = (keyof S & string) | readonly (keyof S & string)[]

const names = (key: JoinKey): readonly string[] => (typeof key === 'string' ? [key] : key)

interface JoinRun {
  readonly left: Stream
  readonly right: Stream
  readonly leftKeys: readonly string[]
  readonly rightKeys: readonly string[]
  readonly added: readonly RightColumn[]
  readonly schema: Schema
  readonly kind: JoinKind
  readonly order: ResultOrder
  readonly engine: EngineOptions
}

async function* joined(run: JoinRun, context: OpenContext): AsyncGenerator<Batch, void, undefined> {
  const { left, right, leftKeys, rightKeys } = run
  const wanted = context.columns === undefined ? undefined : new Set(context.columns)
  const isWanted = (name: string): boolean => wanted === undefined || wanted.has(name)
  const added = run.added.filter(({ name }) => isWanted(name))
  const leftNames = Object.keys(left.schema).filter((name) => isWanted(name) || leftKeys.includes(name))
  const pick = (schema: Schema, columns: readonly string[]): Schema => Object.fromEntries(columns.map((name) => [name, schema[name]!]))
  const leftSchema = pick(left.schema, leftNames)
  const given = pick(run.schema, Object.keys(run.schema).filter(isWanted))

  const threads = run.engine.threads ?? Math.min(4, availableParallelism())
  const database = await Database.open('join', run.engine, threads, context.signal)
  try {
    const rightRows = await loadRight(database, right, rightKeys, added, context)
    const on = leftKeys.map((_, index) => `l.k${index} = r.k${index}`).join(' AND ')
    const columns = ['l.o', ...added.map((_, index) => `r.c${index}`)].join(', ')
    const sort = run.order === 'preserve' ? ' ORDER BY l.o, r.o' : ''
    const sql = `SELECT ${columns} FROM l ${run.kind === 'left' ? 'LEFT' : 'INNER'} JOIN r ON ${on}${sort}`
    const result: Schema = { o: ordinal, ...Object.fromEntries(added.map(({ field }, index) => [`c${index}`, field])) }
    const keyFields = Object.fromEntries(leftKeys.map((name, index) => [`k${index}`, left.schema[name]!]))

    const windowRows = Math.min(MAX_WINDOW_ROWS, Math.max(MIN_WINDOW_ROWS, rightRows))
    const source = left.open({ ...context, columns: wanted === undefined ? undefined : leftNames })
    for await (const window of windows(source, leftSchema, windowRows)) {
      const keys = await database.table('l', { o: ordinal, ...keyFields })
      const windowColumns = window.columns as ColumnMap
      keys.append([ordinals(window.numRows), ...leftKeys.map((name) => windowColumns[name]!)], window.numRows)
      keys.close()
      for await (const { numRows, columns: found } of database.query(sql, result)) {
        const indices = (found[0] as FixedColumn<number, Int32Array>).values
        const out: { [name: string]: Column } = {}
        for (const name of leftNames) if (isWanted(name)) out[name] = windowColumns[name]!.take(indices)
        added.forEach(({ name }, index) => (out[name] = found[index + 1]!))
        yield makeBatch(given, out, numRows)
      }
    }
  } finally {
    await database.close()
  }
}

const loadRight = async (database: Database, right: Stream, keys: readonly string[], added: readonly RightColumn[], context: OpenContext): Promise<number> => {
  const schema: Schema = {
    o: ordinal64,
    ...Object.fromEntries(keys.map((name, index) => [`k${index}`, right.schema[name]!])),
    ...Object.fromEntries(added.map(({ field }, index) => [`c${index}`, field])),
  }
  const writer = await database.table('r', schema)
  const sources = [...keys, ...added.map(({ source }) => source)]
  for await (const batch of right.open({ ...context, columns: sources })) {
    const columns = batch.columns as ColumnMap
    writer.append([ordinals64(writer.rows, batch.numRows), ...sources.map((name) => columns[name]!)], batch.numRows)
  }
  writer.close()
  return writer.rows
}
