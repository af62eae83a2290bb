import { setTimeout as pause } from 'node:timers/promises'
import type { OpenContext } from '@millrace/core'
import { CANCEL_TIMEOUT_MS, FIRST_ROWS, PIECE_BYTES, settledWithin, type SqlColumns, type SqlCursor, type SqlRows, type SqlSession } from '../sql-session.js'
import { narrow, selectList, type SqlStatement } from '../sql-statement.js'
import type { SqlColumn } from '../sql-type.js'
import { HiveCalls, type HiveHandle, type HiveOperation } from './hive-calls.js'
import { hiveDialect } from './hive-dialect.js'
import { connectionLost } from './hive-fault.js'
import { hiveText } from './hive-literals.js'
import { hiveColumnOf } from './hive-columns.js'
import { hivePiece, pieceBytes, rowsOf, valueAt, type HivePiece } from './hive-rows.js'
import type { ResolvedHive } from './hive-server.js'
import { openTransport } from './transport/hive-transport.js'
import { hiveColumn, sparkType } from './hive-types.js'

/** Between two questions how far an operation is; servers of Hive wait with their answers besides. */
const FIRST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 250
/** Rows of a small result. */
const QUERY_ROWS = 1000

/** Timestamps that are instants come as texts in UTC. */
const SPARK_SETTINGS = { 'spark.sql.session.timeZone': 'UTC' }
/** Columns go by their own names: `id`, not `flights.id`. */
const HIVE_SETTINGS = { 'hive.resultset.use.unique.column.names': 'false', 'hive.local.time.zone': 'UTC' }

/** Opens a session. @throws what sockets throw, `HiveFault`, `Corrupt` */
export const openHive = async (server: ResolvedHive, { signal, progress }: Pick<OpenContext, 'signal' | 'progress'>): Promise<HiveSession> => {
  const calls = new HiveCalls(await openTransport(server, signal))
  const stop = (): void => calls.close()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const session = await calls.openSession(server.user, server.password)
    const hive = new HiveSession(server, calls, session, /spark/i.test(await calls.product(session)), progress)
    await hive.begin()
    return hive
  } catch (error) {
    calls.close()
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** A session of HiveServer2 or of Spark's Thrift server. */
export class HiveSession implements SqlSession {
  readonly dialect = hiveDialect
  private readonly running = new Set<HiveOperation>()
  private readonly over = new AbortController()
  private ending: Promise<void> | undefined

  constructor(
    private readonly server: ResolvedHive,
    private readonly calls: HiveCalls,
    private readonly session: HiveHandle,
    readonly isSpark: boolean,
    private readonly progress: OpenContext['progress'],
  ) {}

  async begin(): Promise<void> {
    const { database, settings } = this.server
    for (const [name, value] of Object.entries({ ...settings, ...(this.isSpark ? SPARK_SETTINGS : HIVE_SETTINGS) })) await this.query({ sql: `SET ${name}=${value}`, parameters: [] })
    if (database !== undefined) await this.query({ sql: `USE ${hiveDialect.quote(database)}`, parameters: [] })
  }

  async query(statement: SqlStatement): Promise<SqlRows> {
    return this.withOperation(hiveText(statement), async (operation, columns) => {
      const rows: SqlRows[number][] = []
      if (columns.length === 0) return rows
      for (;;) {
        const piece = rowsOf(hivePiece(await this.calls.fetch(operation, QUERY_ROWS), columns.length))
        if (piece.length === 0) return rows
        rows.push(...piece)
      }
    })
  }

  // Neither server reads in transactions.
  beginReading(): Promise<void> {
    return Promise.resolve()
  }

  exportSnapshot(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  async describe(statement: SqlStatement): Promise<readonly SqlColumn[]> {
    const described = await this.described(statement)
    return described ?? this.withOperation(hiveText(narrow(hiveDialect, statement, { limit: 0 })), (_operation, columns) => Promise.resolve(columns))
  }

  async cursor(statement: SqlStatement, batchRows: number): Promise<SqlCursor> {
    const described = await this.described(statement)
    const operation = await this.execute(hiveText(described === undefined ? statement : asJson(statement, described)))
    const told = await this.columnsOf(operation)
    const columns = described?.length === told.length ? described : told
    return ahead(columns, async (rows) => hivePiece(await this.calls.fetch(operation, rows), columns.length), () => this.close(operation), batchRows)
  }

  end(): Promise<void> {
    return (this.ending ??= this.stop())
  }

  /** The columns as Spark knows them: its results do not say what is in an array, and which timestamps belong to no zone. */
  private async described(statement: SqlStatement): Promise<readonly SqlColumn[] | undefined> {
    if (!this.isSpark) return undefined
    let rows: SqlRows
    try {
      rows = await this.query({ ...statement, sql: `DESCRIBE QUERY ${statement.sql}` })
    } catch (error) {
      if (this.over.signal.aborted) throw error
      // Not every statement can be described; running it tells what is wrong with it.
      return undefined
    }
    const columns = rows.map(([name, type]) => ({ name: String(name), type: sparkType(String(type)), nullable: true }))
    return columns.every((column): column is typeof column & SqlColumn => column.type !== undefined) ? columns : this.withOtherTypes(statement, columns)
  }

  /** Types that only the metadata knows, as intervals, are asked of it. */
  private async withOtherTypes(statement: SqlStatement, columns: readonly (Omit<SqlColumn, 'type'> & { readonly type: SqlColumn['type'] | undefined })[]): Promise<readonly SqlColumn[]> {
    const told = await this.withOperation(hiveText(narrow(hiveDialect, statement, { limit: 0 })), (_operation, found) => Promise.resolve(found))
    return told.map((column, i) => ({ ...column, type: columns[i]?.type ?? column.type }))
  }

  private async withOperation<T>(sql: string, use: (operation: HiveOperation, columns: readonly SqlColumn[]) => Promise<T>): Promise<T> {
    const operation = await this.execute(sql)
    const out = await use(operation, await this.columnsOf(operation))
    await this.close(operation)
    return out
  }

  private async columnsOf(operation: HiveOperation): Promise<readonly SqlColumn[]> {
    if (!operation.hasResult) return []
    return (await this.calls.columns(operation)).map((column) => hiveColumn(column, this.isSpark))
  }

  /** Starts a statement and waits until it has run. */
  private async execute(sql: string): Promise<HiveOperation> {
    const operation = await this.calls.execute(this.session, sql)
    this.running.add(operation)
    const hasResult = await this.finished(operation)
    this.running.delete(operation)
    const known = { ...operation, hasResult }
    this.running.add(known)
    return known
  }

  /** Waits until a statement has run. Whether it has rows. */
  private async finished(operation: HiveOperation): Promise<boolean> {
    const begun = performance.now()
    for (;;) {
      const { state, progress, hasResult } = await this.calls.state(operation)
      if (state === 'finished') return hasResult
      if (progress !== undefined) this.progress?.({ stage: `running the query on ${this.server.name}`, done: Math.round(100 * progress), total: 100, unit: 'steps' })
      // A quarter of the time it took so far is the most that is waited in vain.
      const wait = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, (performance.now() - begun) / 4))
      await pause(wait, undefined, { signal: this.over.signal }).catch(() => Promise.reject(connectionLost()))
    }
  }

  private async close(operation: HiveOperation): Promise<void> {
    this.running.delete(operation)
    await this.calls.closeOperation(operation)
  }

  private async stop(): Promise<void> {
    this.over.abort()
    // A call that waits for its answer keeps the connection: another one stops it.
    await settledWithin(CANCEL_TIMEOUT_MS, this.calls.busy ? this.stopFromOutside() : this.release(this.calls))
    this.calls.close()
  }

  private async release(calls: HiveCalls): Promise<void> {
    for (const operation of this.running) await calls.closeOperation(operation)
    await calls.closeSession(this.session)
  }

  private async stopFromOutside(): Promise<void> {
    const calls = new HiveCalls(await openTransport(this.server, AbortSignal.timeout(CANCEL_TIMEOUT_MS)))
    try {
      for (const operation of this.running) await calls.cancel(operation)
      await this.release(calls)
    } finally {
      calls.close()
    }
  }
}

/** Nested columns as JSON by Spark's own hand: the text that its server makes of them does not escape quotes. */
const asJson = (statement: SqlStatement, columns: readonly SqlColumn[]): SqlStatement => {
  if (!columns.some(isNested)) return statement
  const names = new Set(columns.map(({ name }) => name))
  // Names that come twice cannot be asked for; whoever checks the schema says so.
  if (names.size < columns.length) return statement
  const select = columns.map((column) => (isNested(column) ? `to_json(${hiveDialect.quote(column.name)}) AS ${hiveDialect.quote(column.name)}` : selectList(hiveDialect, [column.name]))).join(', ')
  return narrow(hiveDialect, statement, { select })
}

const isNested = ({ type }: SqlColumn): boolean => type.is === 'list' || type.is === 'json'

const columnsOf = (piece: HivePiece): SqlColumns => ({
  length: piece.rows,
  value: (column, row) => valueAt(piece.columns[column]!, row),
  rows: () => rowsOf(piece),
  column: (column, field, type) => hiveColumnOf(piece.columns[column]!, field, type),
})

/** Fetches the next piece while the one before is worked on; pieces grow until they hold `PIECE_BYTES`. */
const ahead = (columns: readonly SqlColumn[], fetch: (rows: number) => Promise<HivePiece>, close: () => Promise<void>, batchRows: number): SqlCursor => {
  let size = Math.min(FIRST_ROWS, batchRows)
  let pending: Promise<HivePiece> | undefined = columns.length === 0 ? undefined : fetch(size)
  pending?.catch(() => undefined)
  return {
    columns,
    next: async () => {
      const piece = pending === undefined ? undefined : await pending
      if (piece === undefined || piece.rows === 0) {
        if (pending !== undefined) await close()
        pending = undefined
        return []
      }
      size = Math.max(1, Math.min(batchRows, 2 * size, Math.floor((PIECE_BYTES * piece.rows) / Math.max(1, pieceBytes(piece)))))
      pending = fetch(size)
      // Its error is told when its turn comes, unless the reading has ended by then.
      pending.catch(() => undefined)
      return columnsOf(piece)
    },
  }
}
