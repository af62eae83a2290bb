import {
  fieldIn, countIn, failure, job, LaterSchema, makeStream, requireNames, throwIfAborted,
  type Batch, type Job, type OpenContext, type Position, type RunContext, type Schema, type Stream,
} from '@millrace/core'
import { mustValidateAll } from '../reading/batch-assembler.js'
import { rejectRecord, withQuarantine, type OnBadRecord } from '../records/index.js'
import { mergeBatches } from './merge-batches.js'
import { sqlError } from './sql-error.js'
import { openSession, stopWith } from './sql-open.js'
import { sqlPlanOptions, type ResolvedSqlOptions } from './sql-options.js'
import { partitionConditions, partitionCuts, requirePartitionColumn } from './sql-partition.js'
import { SqlBatches, type SqlPlace } from './sql-batches.js'
import { checkedSchema, columnNamed, inferredSchema } from './sql-schema.js'
import type { SqlDatabase, SqlSession } from './sql-session.js'
import { afterKey, describeSource, narrow, requireSource, selectFrom, selectList, type SqlParameter, type SqlSource, type SqlStatement } from './sql-statement.js'
import type { SqlColumn } from './sql-type.js'

/** What readers of databases give beside the options. */
export interface DatabaseSource {
  /** For the plan. */
  readonly operator: string
  readonly server: string
  readonly connect: () => SqlDatabase | Promise<SqlDatabase>
  readonly source: SqlSource
}

/** The rows of a query or table as a stream. */
export const streamOf = ({ operator, server, connect, source }: DatabaseSource, resolved: ResolvedSqlOptions): Stream<Schema, 'cold'> =>
  makeStream<Schema, 'cold'>({
    schema: resolved.schema ?? new LaterSchema((context) => describe(connect, source, resolved.parameters, context)),
    mode: 'cold',
    plan: { operator, options: { server, ...sqlPlanOptions(source, resolved) }, inputs: [] },
    stableOrder: resolved.orderBy.length > 0,
    positions: 'native',
    open: (context) =>
      withQuarantine(resolved.onBadRecord, async function* (policy) {
        const place = placeFrom(context.from, resolved)
        const reading: Reading = { database: await connect(), source, options: resolved, policy, context }
        let rows = place?.rows ?? 0
        for await (const batch of resolved.partition === undefined ? readAll(reading, place) : readRanges(reading)) {
          rows += batch.numRows
          context.tally.deliver(batch.numRows)
          context.progress?.({ stage: stageOf(reading), done: rows, unit: 'rows' })
          yield batch
        }
        context.progress?.({ stage: stageOf(reading), done: rows, unit: 'rows', finished: true })
      }, context),
  })

/** The schema of a query or table, as its stream has it. */
export const schemaOf = (connect: DatabaseSource['connect'], source: SqlSource, parameters: readonly SqlParameter[]): Job<Schema> =>
  job((context) => describe(connect, requireSource(source), parameters, context))

const describe = async (connect: DatabaseSource['connect'], source: SqlSource, parameters: readonly SqlParameter[], context: RunContext): Promise<Schema> => {
  const database = await connect()
  return withSession({ database, source, context }, async (session) => {
    const columns = await session.describe(selectFrom(session.dialect, source, parameters), typeof source !== 'string')
    return inferredSchema(database.name, columns)
  })
}

/** What is asked of a database. */
interface Work {
  readonly database: SqlDatabase
  readonly source: SqlSource
  readonly context: Pick<OpenContext, 'signal' | 'progress'>
}

interface Reading extends Work {
  readonly context: OpenContext
  readonly options: ResolvedSqlOptions
  readonly policy: OnBadRecord | undefined
}

const stageOf = ({ source, database }: Work): string => `reading ${database.name}: ${describeSource(source)}`

const placeFrom = (position: Position | undefined, { orderBy }: ResolvedSqlOptions): SqlPlace | undefined => {
  if (position === undefined) return undefined
  if (orderBy.length === 0) {
    throw failure({
      tag: 'Usage', code: 'UNSTABLE_ORDER', problem: 'a query gives its rows in no particular order, so it cannot resume from a position',
      remedy: 'Name columns that are different in every row: readSql(…, { orderBy: \'id\' }).',
    })
  }
  const after = fieldIn(position, 'after')
  const rows = countIn(position, 'rows')
  if (Array.isArray(after) && after.length === orderBy.length && after.every((key) => typeof key === 'string')) return { after: after as readonly string[], rows }
  throw failure({
    tag: 'Usage', code: 'BAD_POSITION', problem: `${JSON.stringify(position)} is not a position of this stream`, remedy: 'Open the stream from a position that the same source gave.',
  })
}

/** The server's errors, named by the query and the row; the caller's signal goes before them. */
const told = (error: unknown, work: Work, rows: number): unknown => {
  throwIfAborted(work.context.signal)
  return sqlError(error, work.database, rows === 0 ? `the query ${describeSource(work.source)} failed` : `the query ${describeSource(work.source)} broke off after ${rows} rows`)
}

const withSession = async <T>(work: Work, use: (session: SqlSession) => Promise<T>): Promise<T> => {
  const session = await openSession(work.database, work.context)
  const release = stopWith(session, work.context.signal)
  try {
    return await use(session)
  } catch (error) {
    throw told(error, work, 0)
  } finally {
    release()
    await session.end()
  }
}

/** The columns to ask of a table: those that are looked at, and those that are needed besides. */
const columnsToRead = ({ context, options, policy }: Reading): readonly string[] | undefined => {
  const { schema, orderBy } = options
  const all = schema === undefined ? undefined : Object.keys(schema)
  const looked = mustValidateAll(policy) || context.columns === undefined ? all : (all ?? context.columns).filter((name) => context.columns!.includes(name))
  return looked === undefined ? undefined : [...new Set([...looked, ...orderBy])]
}

async function* readAll(reading: Reading, place: SqlPlace | undefined): AsyncGenerator<Batch, void, undefined> {
  const { source, options } = reading
  yield* readStatement(reading, undefined, place, async (session) => {
    const statement = selectFrom(session.dialect, source, options.parameters, columnsToRead(reading))
    if (options.orderBy.length === 0) return statement
    const columns = await session.describe(statement, false)
    const keys = options.orderBy.map((name) => keyColumn(columnNamed(columns, name, 'orderBy of readSql')))
    return narrow(session.dialect, statement, { orderBy: keys, where: place === undefined ? undefined : afterKey(session.dialect, keys, place.after) })
  })
}

/** @throws `Usage` for a column whose values cannot go into a position and back */
const keyColumn = (column: SqlColumn): SqlColumn => {
  if (/^(integer|decimal|text|date|instant)$/.test(column.type.is)) return column
  throw failure({
    tag: 'Usage', code: 'BAD_ORDER_KEY', problem: `a reading cannot be ordered by a column of type ${column.type.name}`,
    remedy: 'Order by columns of integers, decimals, texts, dates or timestamps.', position: { column: column.name },
  })
}

/** Reads one statement on a connection of its own. */
async function* readStatement(
  reading: Reading,
  snapshot: string | undefined,
  place: SqlPlace | undefined,
  prepare: (session: SqlSession) => Promise<SqlStatement>,
): AsyncGenerator<Batch, void, undefined> {
  const { database, context, options, policy } = reading
  const session = await openSession(database, context)
  const release = stopWith(session, context.signal)
  let batches: SqlBatches | undefined
  try {
    await session.beginReading(snapshot)
    const cursor = await session.cursor(await prepare(session), options.batchRows, typeof reading.source !== 'string')
    const schema = schemaToRead(reading, cursor.columns)
    requireNames(schema)
    batches = new SqlBatches(schema, cursor.columns, reading, place)
    for (let piece = await cursor.next(); piece.length > 0; piece = await cursor.next()) {
      throwIfAborted(context.signal)
      for (const outcome of batches.take(piece)) {
        if (outcome.error === undefined) yield outcome.batch
        else await rejectRecord(policy, context, outcome.error, outcome.raw, 'utf-8')
      }
    }
    const last = batches.finish()
    if (last !== undefined) yield last
  } catch (error) {
    throw told(error, reading, batches?.read ?? 0)
  } finally {
    release()
    await session.end()
  }
}

/** The fields of the columns that were asked for; those of orderBy came besides, and may not be wanted. */
const schemaToRead = (reading: Reading, columns: readonly SqlColumn[]): Schema => {
  const { database, source, options } = reading
  const asked = typeof source === 'string' ? undefined : columnsToRead(reading)
  if (options.schema === undefined) return inferredSchema(database.name, columns)
  const schema = asked === undefined ? options.schema : Object.fromEntries(Object.entries(options.schema).filter(([name]) => asked.includes(name)))
  return checkedSchema(database.name, columns, schema)
}

/** The ranges are read on connections of their own, while another keeps what they share. @throws `Usage` */
const requireTwo = ({ connections = Infinity, name }: SqlDatabase): void => {
  if (connections > 1) return
  throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: 'the pool has one connection, and ranges are read on others than the first', remedy: 'Give the pool more connections, or leave the partition out.', position: { source: name } })
}

/** Reads the ranges of a partition, several at a time, each on a connection of its own. */
async function* readRanges(reading: Reading): AsyncGenerator<Batch, void, undefined> {
  const { database, source, options, context } = reading
  const partition = options.partition!
  requireTwo(database)
  const stop = new AbortController()
  const signal = context.signal === undefined ? stop.signal : AbortSignal.any([context.signal, stop.signal])
  const session = await openSession(database, context)
  const release = stopWith(session, signal)
  try {
    // It stays open while the ranges are read: with it ends the snapshot that they share.
    await session.beginReading(undefined)
    const whole = selectFrom(session.dialect, source, options.parameters)
    const column = columnNamed(await session.describe(whole, false), partition.column, 'the partition of readSql')
    requirePartitionColumn(column)
    const name = session.dialect.quote(column.name)
    const [bounds] = partition.lower !== undefined && partition.upper !== undefined ? [] : await session.query(narrow(session.dialect, whole, { select: `MIN(${name}), MAX(${name})` }))
    const cuts = partitionCuts(column, partition, bounds?.[0] ?? null, bounds?.[1] ?? null)
    const snapshot = cuts.length === 0 ? undefined : await session.exportSnapshot()
    // The range's column need not be among those that are read.
    const asked = typeof source === 'string' ? undefined : columnsToRead(reading)
    const select = asked === undefined ? '*' : selectList(session.dialect, asked)
    const ranges = partitionConditions(session.dialect, column, cuts).map((where) => {
      const range = narrow(session.dialect, whole, { where, select })
      return () => readStatement({ ...reading, context: { ...context, signal } }, snapshot, undefined, () => Promise.resolve(range))
    })
    yield* mergeBatches(ranges, partition.parallel, () => stop.abort())
  } catch (error) {
    throw told(error, reading, 0)
  } finally {
    release()
    await session.end()
  }
}
