import { field, fromRows, map, pipe, run } from '@millrace/core'
import { readSql, sqlSchema, writeSql, type SqlConnection } from '@millrace/formats'
import callbacks from 'mysql2'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeSqlServer } from '../support/sql-peer.js'
import { startMariadb, startPostgres, type SqlTestServer } from '../support/sql-servers.js'
import { readOut, written, writtenRows } from '../support/sql-suite.js'

/** A pool of two connections, and what its owner sees. */
interface Pooled {
  readonly pool: () => SqlConnection
  /** What the owner's next query says of its session, which is as the owner set it. */
  readonly session: () => Promise<unknown>
  /** Connections that are neither free nor gone. */
  readonly taken: () => number
  readonly numbers: string
  readonly slow: string
}

const poolSuite = ({ pool, session, taken, numbers, slow }: Pooled): void => {
  const schema = { id: field.int32() }
  const many = fromRows(schema, Array.from({ length: 5_000 }, (_, id) => ({ id })))
  const ids = (source: string, options = {}) => readOut(readSql(pool(), source, { schema, ...options }))

  test('gives connections for reading and writing, and has them back as they were', async () => {
    const before = await session()
    await run(pipe(fromRows(written, writtenRows), writeSql(pool(), 'pooled', { ifExists: 'replace' })))
    expect(await readOut(readSql(pool(), { table: 'pooled' }, { schema: written, orderBy: 'i32' }))).toMatchObject({ error: undefined, rows: writtenRows })
    expect(Object.keys(await run(sqlSchema(pool(), { table: 'pooled' })))).toEqual(Object.keys(written))
    expect((await ids(numbers, { partition: { column: 'id', count: 6 } })).rows).toHaveLength(20_000)
    // One reads while the other writes.
    expect(await run(pipe(readSql(pool(), numbers, { schema }), writeSql(pool(), 'copied', { ifExists: 'replace' })))).toMatchObject({ rows: 20_000 })
    expect(taken()).toBe(0)
    expect(await session()).toEqual(before)
  })

  test('has them back, or others in their place, after errors, signals, and readers that leave', async () => {
    const before = await session()
    // More than the pool holds.
    for (let i = 0; i < 5; i++) {
      expect((await ids('SELECT nothing FROM nowhere')).error).toBeDefined()
      for await (const batch of readSql(pool(), numbers, { schema, batchRows: 10 })) {
        expect(batch.numRows).toBe(10)
        break
      }
      const broken = pipe(many, map(schema, ({ id }) => {
        if (id === 4_000) throw new Error('the source broke')
        return { id }
      }))
      await expect(run(pipe(broken, writeSql(pool(), 'never')))).rejects.toThrow(/the source broke/)
      const controller = new AbortController()
      setTimeout(() => controller.abort(), 200)
      expect((await readOut(readSql(pool(), slow), { signal: controller.signal })).error).toMatchObject({ _tag: 'Aborted' })
    }
    await expect.poll(taken, { timeout: 10_000 }).toBe(0)
    expect((await ids('SELECT id FROM never')).error).toMatchObject({ _tag: 'NotFound' })
    expect(await session()).toEqual(before)
  })

  test('that has none left does not keep a signal waiting', async () => {
    const [one, two] = [1, 2].map(() => readSql(pool(), numbers, { schema, batchRows: 10 }).open({}))
    await Promise.all([one!.next(), two!.next()])
    const controller = new AbortController()
    const waiting = readOut(readSql(pool(), numbers, { schema }), { signal: controller.signal })
    const writing = run(pipe(many, writeSql(pool(), 'never')), { signal: controller.signal })
    controller.abort()
    expect((await waiting).error).toMatchObject({ _tag: 'Aborted' })
    await expect(writing).rejects.toMatchObject({ _tag: 'Aborted' })
    await Promise.all([one!.return(), two!.return()])
    await expect.poll(taken, { timeout: 10_000 }).toBe(0)
    expect((await ids(numbers)).rows).toHaveLength(20_000)
  })
}

describeSqlServer('Pools of mysql2', 'mariadb', () => {
  let server: SqlTestServer
  let pool: mysql.Pool
  beforeAll(async () => {
    server = await startMariadb()
    // Whatever loses digits.
    pool = mysql.createPool({ uri: server.url, connectionLimit: 2, decimalNumbers: true, timezone: '+03:00', rowsAsArray: true })
    pool.on('connection', (connection) => {
      // The event gives the connection that calls back.
      void (connection as unknown as callbacks.PoolConnection).query("SET SESSION time_zone = '+03:00', sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES', net_write_timeout = 77")
    })
  })
  afterAll(async () => {
    await pool?.end()
    await server?.stop()
  })
  interface Core {
    readonly _allConnections: { readonly length: number }
    readonly _freeConnections: { readonly length: number }
  }
  const taken = (): number => {
    const core = pool.pool as unknown as Core
    return core._allConnections.length - core._freeConnections.length
  }
  const state = "SELECT @@time_zone, @@sql_mode, @@net_write_timeout, @@autocommit, @@sql_notes, @@in_transaction, 1.5 AS n, CAST('2024-02-29' AS DATETIME) AS at"
  poolSuite({ pool: () => pool, session: async () => (await pool.query(state))[0], taken, numbers: 'SELECT seq AS id FROM seq_1_to_20000', slow: 'SELECT SLEEP(60) AS nothing' })

  test('may be those with callbacks; must speak utf8mb4, and hold two connections for ranges', async () => {
    const source = 'SELECT seq AS id FROM seq_1_to_10'
    const calling = callbacks.createPool({ uri: server.url, connectionLimit: 1 })
    expect((await readOut(readSql(calling, source))).rows).toHaveLength(10)
    expect((await readOut(readSql(calling, source, { partition: { column: 'id', count: 2 } }))).error).toMatchObject({ _tag: 'Usage', message: expect.stringContaining('one connection') })
    await calling.promise().end()
    const latin = mysql.createPool({ uri: server.url, charset: 'latin1' })
    expect((await readOut(readSql(latin, source))).error).toMatchObject({ _tag: 'Usage', message: expect.stringContaining('latin1') })
    await latin.end()
    const wrong = mysql.createPool({ uri: server.url, password: 'quite wrong' })
    const { error } = await readOut(readSql(wrong, source))
    expect(error).toMatchObject({ code: 'SQL_ACCESS_DENIED', message: expect.stringContaining(String(server.port)) })
    expect((error as Error).message).not.toContain('quite wrong')
    await wrong.end()
    expect(() => readSql({ getConnection: () => undefined }, source)).toThrow(/a pool of pg or mysql2/)
  })
})

describeSqlServer('Pools of pg', 'postgres', () => {
  let server: SqlTestServer
  let pool: pg.Pool
  beforeAll(async () => {
    server = await startPostgres()
    pool = new pg.Pool({ connectionString: server.url, max: 2 })
  })
  afterAll(async () => {
    await pool?.end()
    await server?.stop()
  })
  const state = "SELECT current_setting('timezone'), current_setting('datestyle'), current_setting('bytea_output'), now() = statement_timestamp() AS alone, 1.5 AS n"
  poolSuite({
    pool: () => pool, session: async () => (await pool.query(state)).rows as unknown, taken: () => pool.totalCount - pool.idleCount,
    numbers: 'SELECT generate_series(1, 20000) AS id', slow: 'SELECT pg_sleep(60)::text AS nothing',
  })
})
