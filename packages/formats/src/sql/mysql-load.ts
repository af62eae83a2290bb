import { randomBytes } from 'node:crypto'
import { failure, fromUnknown, throwIfAborted, type Column, type Schema } from '@millrace/core'
import { loadSound } from './load-sound.js'
import { beginBulkLoad, bulkLoad, takesTexts } from './mysql-bulk.js'
import { openMysql, type MysqlSession } from './mysql-session.js'
import { mysqlCells } from './sql-cells.js'
import { createTable } from './sql-create.js'
import { mysqlDialect } from './sql-dialect.js'
import { RefusedRow } from './sql-error.js'
import { openSession, stopWith } from './sql-open.js'
import type { SqlSession } from './sql-session.js'
import { quotedTable, type SqlParameter } from './sql-statement.js'
import { sqlValueBytes } from './sql-values.js'
import type { Batches } from './text-pieces.js'
import type { SqlLoading } from './write-sql.js'

/** A prepared statement has at most 65,535 parameters. */
const MAX_PARAMETERS = 65_535
/** Rows of one INSERT: beyond this the cost of a statement no longer shows. */
const MOST_ROWS = 1024
/** Values of one INSERT: servers take packets of 16 MiB by default, some of 4 or 1. */
const MAX_BYTES = 512 * 1024

/** Loads a table by `LOAD DATA`, or by prepared INSERTs of many rows: into the table itself in one transaction, or into a new one that then takes the name. */
export const loadMysql = async (loading: SqlLoading): Promise<boolean> => {
  const { server, table, ifExists, signal } = loading
  const session = await openSession({ name: server.name, password: server.password, open: () => openMysql(server, true) }, { signal, progress: undefined })
  const release = stopWith(session, signal)
  const staging = { ...table, table: `millrace_${randomBytes(8).toString('hex')}` }
  let staged = false
  try {
    const engine = await engineOf(session, loading)
    if (engine !== undefined && ifExists === 'fail') {
      throw failure({ tag: 'AlreadyExists', code: 'SQL_TABLE_EXISTS', problem: `the table ${table.table} exists already`, remedy: "Pass ifExists: 'append' or 'replace'.", position: { source: server.name } })
    }
    if (engine !== undefined && ifExists === 'append') {
      requireTransactions(engine, loading)
      await fill(session, table, loading, await takesTexts(session, table, loading.schema))
      return false
    }
    await execute(session, createTable(mysqlDialect, quotedTable(mysqlDialect, staging), loading.schema))
    staged = true
    if (loading.reject !== undefined) requireTransactions((await engineOf(session, { ...loading, table: staging }))!, loading)
    await fill(session, staging, loading, true)
    throwIfAborted(signal)
    await takeName(session, loading, staging, engine !== undefined)
    staged = false
    return true
  } finally {
    release()
    await session.end()
    // The connection may be broken, or stopped: the table that is not whole goes by another one.
    if (staged) await dropTable(loading, staging).catch(() => undefined)
  }
}

const execute = (session: SqlSession, sql: string) => session.query({ sql, parameters: [] })

/** The table's engine and whether it has transactions; `undefined` for a table that does not exist. */
const engineOf = async (session: SqlSession, { table }: SqlLoading): Promise<{ readonly name: string; readonly transactions: boolean } | undefined> => {
  const sql = `SELECT t.engine, e.transactions FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine
    WHERE t.table_schema = COALESCE(?, DATABASE()) AND t.table_name = ?`
  const [found] = await session.query({ sql, parameters: [table.schema ?? null, table.table] })
  return found === undefined ? undefined : { name: String(found[0]), transactions: found[1] === 'YES' }
}

const requireTransactions = ({ name, transactions }: { readonly name: string; readonly transactions: boolean }, { table, server }: SqlLoading): void => {
  if (transactions) return
  throw failure({
    tag: 'Usage', code: 'SQL_NO_TRANSACTIONS', problem: `the table ${table.table} is kept by ${name}, which has no transactions: rows could not be added all at once`,
    remedy: 'Write into a new table and add its rows yourself, or make the table InnoDB.', position: { source: server.name },
  })
}

/** Gives the new table its name, which it does not share with the old one for a moment. */
const takeName = async (session: SqlSession, { table }: SqlLoading, staging: SqlLoading['table'], replaces: boolean): Promise<void> => {
  const [target, loaded] = [quotedTable(mysqlDialect, table), quotedTable(mysqlDialect, staging)]
  if (!replaces) return void (await execute(session, `RENAME TABLE ${loaded} TO ${target}`))
  const old = quotedTable(mysqlDialect, { ...table, table: `${staging.table}_old` })
  await execute(session, `RENAME TABLE ${target} TO ${old}, ${loaded} TO ${target}`)
  await execute(session, `DROP TABLE ${old}`)
}

const dropTable = async ({ server }: SqlLoading, table: SqlLoading['table']): Promise<void> => {
  const session = await openMysql(server)
  try {
    await execute(session, `DROP TABLE IF EXISTS ${quotedTable(mysqlDialect, table)}`)
  } finally {
    await session.end()
  }
}

/** Fills a table in one transaction. @param byText - whether the table takes texts as it takes values */
const fill = async (session: MysqlSession, table: SqlLoading['table'], loading: SqlLoading, byText: boolean): Promise<void> => {
  const load = loaderInto(session, quotedTable(mysqlDialect, table), loading, byText && (await beginBulkLoad(session)))
  // BEGIN cannot be prepared on every server.
  await execute(session, 'SET SESSION autocommit = 0')
  if (loading.reject === undefined) await load(loading.batches)
  else await loadSound(loading, loading.reject, { command: session.command, load })
  await execute(session, 'COMMIT')
}

/** Loads rows by `LOAD DATA` until the server refuses one before it asks for a row, and by INSERTs from then on. */
const loaderInto = (session: MysqlSession, target: string, loading: SqlLoading, bulk: boolean): ((batches: Batches) => Promise<void>) => {
  let inBulk = bulk
  return async (batches) => {
    inBulk &&= await bulkLoad(session, target, loading, batches)
    if (!inBulk) await insertAll(session, target, loading, batches)
  }
}

const insertAll = async (session: SqlSession, table: string, { schema, announce }: SqlLoading, batches: Batches): Promise<void> => {
  const names = Object.keys(schema)
  const head = `INSERT INTO ${table} (${names.map(mysqlDialect.quote).join(', ')}) VALUES `
  const place = `(${names.map(() => '?').join(',')})`
  const mostRows = Math.max(1, Math.min(MOST_ROWS, Math.floor(MAX_PARAMETERS / names.length)))
  let before = 0
  const insert = async (rows: readonly (readonly SqlParameter[])[]): Promise<void> => {
    // Numbers of rows that are powers of two make few different statements.
    for (let at = 0; at < rows.length; ) {
      const count = 2 ** Math.floor(Math.log2(rows.length - at))
      await session.query({ sql: head + Array<string>(count).fill(place).join(','), parameters: rows.slice(at, at + count).flat() as SqlParameter[] }).catch((error: unknown) => {
        throw insertRefusal(error, before)
      })
      at += count
      before += count
    }
  }
  announce('INSERT')
  for await (const rows of pieces(schema, batches, mostRows)) await insert(rows)
}

/** The row that the server names, from 1 in its statement. */
const insertRefusal = (error: unknown, before: number): unknown => {
  const row = error instanceof Error ? / at row (\d+)$/.exec(error.message)?.[1] : undefined
  return row === undefined ? error : new RefusedRow(error, before + Number(row) - 1)
}

async function* pieces(schema: Schema, batches: Batches, mostRows: number): AsyncGenerator<readonly (readonly SqlParameter[])[], void, undefined> {
  const names = Object.keys(schema)
  let rows: SqlParameter[][] = []
  let bytes = 0
  let before = 0
  for await (const batch of batches) {
    const cells = names.map((name) => mysqlCells((batch.columns as { readonly [name: string]: Column })[name]!))
    for (let row = 0; row < batch.numRows; row++) {
      const values = cells.map((cell, i) => {
        try {
          return cell(row)
        } catch (error) {
          throw fromUnknown(error, { record: before + row, column: names[i] })
        }
      })
      for (const value of values) bytes += typeof value === 'bigint' ? 8 : sqlValueBytes(value)
      rows.push(values)
      if (rows.length < mostRows && bytes < MAX_BYTES) continue
      yield rows
      rows = []
      bytes = 0
    }
    before += batch.numRows
  }
  if (rows.length > 0) yield rows
}
