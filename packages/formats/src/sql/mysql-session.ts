import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { failure, loadPeer } from '@millrace/core'
import type { Connection, ConnectionOptions } from 'mysql2'
import { loadLocal } from './mysql-local.js'
import { mysqlColumn, type MysqlField } from './mysql-types.js'
import { mysqlDialect } from './sql-dialect.js'
import { tlsOptions, type ResolvedServer } from './sql-server.js'
import { CANCEL_TIMEOUT_MS, FIRST_ROWS, settledWithin, type SqlCursor, type SqlRows, type SqlSession } from './sql-session.js'
import { narrow, type SqlParameter, type SqlStatement } from './sql-statement.js'
import type { SqlColumn } from './sql-type.js'
import type { SqlValue } from './sql-values.js'

/**
 * Times in UTC; a value that does not fit a column is an error, never cut; and a reader that trains between two batches keeps the
 * server waiting for as long as it takes (the longest that the server allows, a year).
 */
const SETTINGS = `SET SESSION time_zone = '+00:00', sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'),
  net_write_timeout = 31536000, net_read_timeout = 31536000`

const closed = (): Error => new Error('the connection is in closed state')

type Driver = typeof import('mysql2')

const loadMysql = async (): Promise<Driver> => {
  const loaded = await loadPeer('mysql2', 'MySQL', () => import('mysql2'))
  // A CommonJS module, whose names a bundler may have put under `default`.
  return (loaded as Driver & { readonly default?: Driver }).default ?? loaded
}

/** Integers as integers: the driver would send numbers as doubles, and big ones as texts, which compare as doubles. */
const boundValue = ({ TypedParameter }: Driver, value: SqlParameter): unknown => {
  if (typeof value === 'bigint') return value > 2n ** 63n - 1n ? TypedParameter.LONGLONG.unsigned(value) : TypedParameter.LONGLONG(value)
  if (typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0)) return TypedParameter.LONGLONG(value)
  if (value instanceof Date) return value.toISOString().replace('T', ' ').replace('Z', '')
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (!Array.isArray(value)) return value
  throw failure({ tag: 'Usage', code: 'BAD_PARAMETER', problem: 'MySQL has no arrays for parameters', remedy: 'Write IN (?, ?) with a parameter for each value.' })
}

const connect = async (driver: Driver, server: ResolvedServer, localFiles: boolean): Promise<Connection> => {
  const { host, port, socket, user, password, database, tls } = server
  const options: ConnectionOptions = {
    ...(socket === undefined ? { host, port } : { socketPath: socket }), user, ...(password === undefined ? {} : { password }), ...(database === undefined ? {} : { database }),
    ...(tls === false ? {} : { ssl: tlsOptions(tls) }), charset: 'utf8mb4', supportBigNumbers: true, bigNumberStrings: true, dateStrings: true, jsonStrings: true, timezone: 'Z',
    connectTimeout: 30_000, enableKeepAlive: true, flags: [localFiles ? 'LOCAL_FILES' : '-LOCAL_FILES'],
  }
  const connection = driver.createConnection(options)
  await new Promise<void>((resolve, reject) => {
    connection.once('error', reject)
    connection.connect((error) => (error === null ? resolve() : reject(error)))
  })
  // One that breaks between two queries says so in the next one.
  connection.on('error', () => undefined)
  return connection
}

/** What `LOAD DATA LOCAL INFILE` is given. */
export interface MysqlLoad {
  readonly sql: string
  /** The name of the file in the statement: the server must ask for this one. */
  readonly name: string
  /** Called when it asks. */
  readonly source: () => AsyncGenerator<Buffer, void, undefined>
}

/** What it did. */
export interface MysqlLoaded {
  readonly rows: number
  readonly warnings: number
  /** The server's words for the first warning. */
  readonly warning: string | undefined
  /** The error of a server that did not ask for the file. */
  readonly refused: Error | undefined
}

/** A connection to MySQL or MariaDB, with what only the writer does. */
export interface MysqlSession extends SqlSession {
  /** Loads rows from memory; what the source throws comes as it is, once the server has answered. */
  readonly load: (load: MysqlLoad) => Promise<MysqlLoaded>
}

/**
 * Opens a connection to MySQL or MariaDB.
 *
 * @param localFiles - whether the server may ask for what `load` names; no other query answers such a request
 * @throws what `mysql2` throws
 */
export const openMysql = async (server: ResolvedServer, localFiles = false): Promise<MysqlSession> => {
  const driver = await loadMysql()
  const connection = await connect(driver, server, localFiles)
  let running = 0
  // The driver does not tell every command of a connection that broke, or was destroyed.
  let lose: (error: Error) => void = () => undefined
  const lost = new Promise<never>((_resolve, reject) => (lose = reject))
  lost.catch(() => undefined)
  connection.on('error', lose)
  connection.on('end', () => lose(closed()))

  const run = ({ sql, parameters }: SqlStatement): Promise<{ readonly rows: SqlRows; readonly fields: readonly MysqlField[] }> => {
    const done = new Promise<{ readonly rows: SqlRows; readonly fields: readonly MysqlField[] }>((resolve, reject) => {
      const values = parameters.map((value) => boundValue(driver, value))
      running++
      connection.execute({ sql, values: values as never, rowsAsArray: true }, (error, rows, fields) => {
        running--
        if (error !== null) reject(error)
        else resolve({ rows: rows as unknown as SqlRows, fields: fields as unknown as readonly MysqlField[] })
      })
    })
    return Promise.race([done, lost])
  }
  const query = async (statement: SqlStatement): Promise<SqlRows> => (await run(statement)).rows
  await new Promise<void>((resolve, reject) => connection.query(SETTINGS, (error) => (error === null ? resolve() : reject(error))))
  const [[id]] = (await query({ sql: 'SELECT CONNECTION_ID()', parameters: [] })) as [[SqlValue]]

  let ending: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    if (running > 0) await settledWithin(CANCEL_TIMEOUT_MS, killQuery(driver, server, Number(id)))
    else await settledWithin(CANCEL_TIMEOUT_MS, new Promise((resolve) => connection.end(resolve)))
    connection.destroy()
    lose(closed())
  }
  const end = (): Promise<void> => (ending ??= stop())

  const cursor = async ({ sql, parameters }: SqlStatement): Promise<SqlCursor> => {
    const values = parameters.map((value) => boundValue(driver, value))
    running++
    const stream = connection.execute({ sql, values: values as never, rowsAsArray: true }).stream({ highWaterMark: FIRST_ROWS })
    let failed: { readonly error: unknown } | undefined
    let finished = false
    const ending = (error?: unknown): void => {
      if (finished) return
      finished = true
      running--
      if (error !== undefined) failed = { error }
    }
    stream.on('error', ending)
    stream.on('end', () => ending())
    lost.catch(ending)
    const described = new Promise<readonly SqlColumn[]>((resolve, reject) => {
      stream.once('fields', (fields: readonly MysqlField[] | undefined) => resolve((fields ?? []).map(mysqlColumn)))
      stream.once('error', reject)
    })
    const columns = await Promise.race([described, lost])
    return { columns, next: () => nextRows(stream, lost, () => failed, () => finished) }
  }

  const load = async (asked: MysqlLoad): Promise<MysqlLoaded> => {
    running++
    try {
      return await Promise.race([loadLocal(connection, asked, lost), lost])
    } finally {
      running--
    }
  }

  return {
    dialect: mysqlDialect, query, cursor, load,
    beginReading: () => Promise.resolve(),
    exportSnapshot: () => Promise.resolve(undefined),
    describe: async (statement) => (await run(narrow(mysqlDialect, statement, { limit: 0 }))).fields.map(mysqlColumn),
    end,
  }
}

const killQuery = async (driver: Driver, server: ResolvedServer, id: number): Promise<void> => {
  const other = await connect(driver, server, false)
  await new Promise((resolve) => other.query('KILL QUERY ?', [id], resolve))
  other.destroy()
}

/** What a stream of rows holds already, or, when that is nothing, what comes next. */
const nextRows = async (stream: Readable, lost: Promise<never>, failed: () => { readonly error: unknown } | undefined, finished: () => boolean): Promise<SqlRows> => {
  const rows: (readonly SqlValue[])[] = []
  for (;;) {
    for (let row = readRow(stream); row !== null; row = rows.length < FIRST_ROWS ? readRow(stream) : null) rows.push(row)
    if (rows.length > 0) return rows
    const error = failed()
    if (error !== undefined) throw error.error
    if (finished()) return []
    const waiting = new AbortController()
    const wait = (event: string): Promise<unknown> => once(stream, event, { signal: waiting.signal }).catch(() => undefined)
    await Promise.race([wait('readable'), wait('end'), wait('close'), lost.catch(() => undefined)])
    waiting.abort()
  }
}

const readRow = (stream: Readable): readonly SqlValue[] | null => stream.read() as readonly SqlValue[] | null
