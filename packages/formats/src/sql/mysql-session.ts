import { failure } from '@millrace/core'
import { linkMysql, mysqlDriver, type MysqlLink } from './mysql-connect.js'
import { mysqlCursor, type ExecuteCommand } from './mysql-cursor.js'
import { loadLocal } from './mysql-local.js'
import { mysqlColumn, type MysqlField } from './mysql-types.js'
import { mysqlDialect } from './sql-dialect.js'
import type { ResolvedServer } from './sql-server.js'
import { CANCEL_TIMEOUT_MS, settledWithin, type SqlCursor, type SqlRows, type SqlSession } from './sql-session.js'
import { narrow, type SqlParameter, type SqlStatement } from './sql-statement.js'
import type { SqlValue } from './sql-values.js'

/**
 * Times in UTC; a value that does not fit a column is an error, never cut; and a reader that trains between two batches keeps the
 * server waiting for as long as it takes (the longest that the server allows, a year).
 */
const SETTINGS = `SET SESSION time_zone = '+00:00', sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'),
  net_write_timeout = 31536000, net_read_timeout = 31536000`

const closed = (): Error => new Error('the connection is in closed state')

type Driver = Awaited<ReturnType<typeof mysqlDriver>>

/** Integers as integers: the driver would send numbers as doubles, and big ones as texts, which compare as doubles. */
const boundValue = ({ TypedParameter }: Driver, value: SqlParameter): unknown => {
  if (typeof value === 'bigint') return value > 2n ** 63n - 1n ? TypedParameter.LONGLONG.unsigned(value) : TypedParameter.LONGLONG(value)
  if (typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0)) return TypedParameter.LONGLONG(value)
  if (value instanceof Date) return value.toISOString().replace('T', ' ').replace('Z', '')
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (!Array.isArray(value)) return value
  throw failure({ tag: 'Usage', code: 'BAD_PARAMETER', problem: 'MySQL has no arrays for parameters', remedy: 'Write IN (?, ?) with a parameter for each value.' })
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
  /** Runs a statement that not every server can prepare. */
  readonly command: (sql: string) => Promise<void>
  /** Loads rows from memory; what the source throws comes as it is, once the server has answered. */
  readonly load: (load: MysqlLoad) => Promise<MysqlLoaded>
}

/**
 * Opens a connection to MySQL or MariaDB, or takes one from a pool.
 *
 * @param localFiles - whether the server may ask for what `load` names; no other query answers such a request
 * @throws what `mysql2` throws
 */
export const openMysql = async (server: ResolvedServer, localFiles = false): Promise<MysqlSession> => {
  const driver = await mysqlDriver()
  const link = await linkMysql(driver, server, localFiles)
  const { connection } = link
  const prepared = new Set<string>()
  let running = 0
  /** Whether it can be used no more, even when nothing runs. */
  let broken = false
  // The driver does not tell every command of a connection that broke, or was destroyed.
  let lose: (error: Error) => void = () => undefined
  const lost = new Promise<never>((_resolve, reject) => (lose = reject))
  lost.catch(() => undefined)
  const losing = (error?: Error): void => {
    broken = true
    lose(error ?? closed())
  }
  connection.on('error', losing)
  connection.on('end', losing)

  const run = ({ sql, parameters }: SqlStatement): Promise<{ readonly rows: SqlRows; readonly fields: readonly MysqlField[] }> => {
    const done = new Promise<{ readonly rows: SqlRows; readonly fields: readonly MysqlField[] }>((resolve, reject) => {
      const values = parameters.map((value) => boundValue(driver, value))
      running++
      prepared.add(sql)
      connection.execute({ sql, values: values as never, rowsAsArray: true }, (error, rows, fields) => {
        running--
        if (error !== null) reject(error)
        else resolve({ rows: rows as unknown as SqlRows, fields: fields as unknown as readonly MysqlField[] })
      })
    })
    return Promise.race([done, lost])
  }
  const query = async (statement: SqlStatement): Promise<SqlRows> => (await run(statement)).rows
  const command = (sql: string): Promise<void> => {
    running++
    const done = new Promise<void>((resolve, reject) => connection.query(sql, (error) => {
      running--
      if (error === null) resolve()
      else reject(error)
    }))
    return Promise.race([done, lost])
  }

  /** Whether the pool has it back. */
  const leave = async ({ giveBack, another }: MysqlLink): Promise<boolean> => {
    if (running > 0) await settledWithin(CANCEL_TIMEOUT_MS, killConnection(another, Number(id)))
    else if (giveBack === undefined) await settledWithin(CANCEL_TIMEOUT_MS, new Promise((resolve) => connection.end(resolve)))
    else if (!broken) {
      for (const sql of prepared) connection.unprepare(sql)
      let given = false
      await settledWithin(CANCEL_TIMEOUT_MS, giveBack().then(() => (given = true)))
      if (given) return true
    }
    connection.destroy()
    return false
  }
  let ending: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    // What a destroyed connection still says is no matter.
    if (!(await leave(link))) connection.on('error', () => undefined)
    connection.off('error', losing)
    connection.off('end', losing)
    lose(closed())
  }
  const end = (): Promise<void> => (ending ??= stop())

  const asText = (sql: string): Promise<SqlRows> =>
    Promise.race([new Promise<SqlRows>((resolve, reject) => connection.query({ sql, rowsAsArray: true }, (error, rows) => (error === null ? resolve(rows as unknown as SqlRows) : reject(error)))), lost])
  let id: SqlValue
  try {
    await asText(SETTINGS)
    id = (await asText('SELECT CONNECTION_ID()'))[0]![0]!
  } catch (error) {
    await end()
    throw error
  }

  const cursor = ({ sql, parameters }: SqlStatement, batchRows: number): Promise<SqlCursor> => {
    const values = parameters.map((value) => boundValue(driver, value))
    running++
    prepared.add(sql)
    const command = connection.execute({ sql, values: values as never, rowsAsArray: true })
    return mysqlCursor(connection, command as unknown as ExecuteCommand, batchRows, { lost, ended: () => running-- })
  }

  const load = async (asked: MysqlLoad): Promise<MysqlLoaded> => {
    running++
    try {
      return await Promise.race([loadLocal(connection, asked, lost), lost])
    } catch (error) {
      // The driver may still listen to the stream that failed.
      broken = true
      throw error
    } finally {
      running--
    }
  }

  return {
    dialect: mysqlDialect, query, command, cursor, load,
    beginReading: () => Promise.resolve(),
    exportSnapshot: () => Promise.resolve(undefined),
    describe: async (statement) => (await run(narrow(mysqlDialect, statement, { limit: 0 }))).fields.map(mysqlColumn),
    end,
  }
}

/** Not only its query: one that is on its way to the server would begin after that, and run to its end. */
const killConnection = async (another: MysqlLink['another'], id: number): Promise<void> => {
  const other = await another()
  await new Promise((resolve) => other.query('KILL CONNECTION ?', [id], resolve))
  other.destroy()
}
