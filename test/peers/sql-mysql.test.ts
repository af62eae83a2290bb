import { describeField, field, fromRows, pipe, run, Tally } from '@millrace/core'
import { readSql, writeSql } from '@millrace/formats'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { describeSqlServer } from '../support/sql-peer.js'
import { startMariadb, type SqlTestServer } from '../support/sql-servers.js'
import { memoryBounded, readOut, sqlSuite, written, writtenRows } from '../support/sql-suite.js'

describeSqlServer('MariaDB', 'mariadb', () => {
  let server: SqlTestServer
  let client: mysql.Connection
  beforeAll(async () => {
    server = await startMariadb()
    client = await mysql.createConnection(server.url)
  })
  afterAll(async () => {
    await client?.end()
    await server?.stop()
  })
  const admin = async (sql: string): Promise<unknown[][]> => (await client.query({ sql, rowsAsArray: true }))[0] as unknown[][]
  const others = 'FROM information_schema.processlist WHERE user = \'millrace\' AND id <> CONNECTION_ID()'

  sqlSuite({
    server: () => server,
    admin,
    connections: async () => Number((await admin(`SELECT count(*) ${others}`))[0]![0]),
    kill: async () => {
      for (const [id] of await admin(`SELECT id ${others}`)) await admin(`KILL ${Number(id)}`)
    },
    quote: (name) => mysql.escapeId(name, true),
    placeholder: () => '?',
    numbers: (count) => `SELECT seq AS id FROM seq_1_to_${count}`,
    slow: 'SELECT SLEEP(60) AS nothing',
    timestamp: 'datetime(6)',
  })

  describe('types of MariaDB', () => {
    test('come exactly, typed as the server says', async () => {
      await admin('DROP TABLE IF EXISTS types')
      await admin(`CREATE TABLE types (b bool, i8 tinyint, u8 tinyint unsigned, i16 smallint, i24 mediumint, i32 int, u32 int unsigned, i64 bigint, u64 bigint unsigned NOT NULL, y year,
        bit1 bit(1), bits bit(64), f float, d double, n decimal(38,10), huge decimal(65,5), t text, c char(5), by_ blob, bin binary(3), e enum('sad', 'happy'), s set('a', 'b'), j json,
        day date, at datetime(6), whole datetime, ts timestamp(6) NULL, tm time(3), latin varchar(10) CHARACTER SET latin1)`)
      await admin(`INSERT INTO types VALUES (true, -128, 255, -32768, 8388607, -2147483648, 4294967295, 9223372036854775807, 18446744073709551615, 2024,
        b'1', b'1111111111111111111111111111111111111111111111111111111111111110', 0.1, 5e-324, 1234567890123456789012345678.0123456789, 123456789012345678901234567890.12345, 'ü€😀', 'x', x'00ff5c', 'abc', 'happy', 'a,b', '{"a": [1, 2.50]}',
        '2024-02-29', '2024-03-31 02:30:00.123456', '2024-03-31 02:30:00', '2024-03-31 08:00:00.123456', '-100:00:00.5', 'üß')`)
      const out = await readOut(readSql(server.url, { table: 'types' }))
      expect(out.error).toBeUndefined()
      expect(out.rows).toEqual([{
        b: true, i8: -128, u8: 255, i16: -32768, i24: 8388607, i32: -2147483648, u32: 4294967295, i64: 9223372036854775807n, u64: 18446744073709551615n, y: 2024,
        bit1: true, bits: 18446744073709551614n, f: Math.fround(0.1), d: 5e-324, n: '1234567890123456789012345678.0123456789', huge: '123456789012345678901234567890.12345',
        t: 'ü€😀', c: 'x', by_: new Uint8Array([0, 255, 92]), bin: new Uint8Array([97, 98, 99]), e: 'happy', s: 'a,b', j: '{"a": [1, 2.50]}',
        day: new Date('2024-02-29'), at: new Date('2024-03-31T02:30:00.123Z'), whole: new Date('2024-03-31T02:30:00Z'),
        // Written in a session whose zone is +05:30.
        ts: new Date('2024-03-31T02:30:00.123Z'), tm: '-100:00:00.5', latin: 'üß',
      }])
      expect(Object.entries(out.schema!).map(([name, of]) => `${name}: ${describeField(of)}`).join(', ')).toBe(
        'b: nullable bool, i8: nullable int8, u8: nullable uint8, i16: nullable int16, i24: nullable int32, i32: nullable int32, u32: nullable uint32, i64: nullable int64, u64: uint64, ' +
          'y: nullable uint16, bit1: nullable bool, bits: nullable uint64, f: nullable float32, d: nullable float64, n: nullable decimal, huge: nullable utf8, t: nullable utf8, c: nullable utf8, ' +
          'by_: nullable binary, bin: nullable binary, e: nullable utf8, s: nullable utf8, j: nullable utf8, day: nullable date, at: nullable timestamp, whole: nullable timestamp, ' +
          'ts: nullable timestamp, tm: nullable utf8, latin: nullable utf8',
      )
      await admin('UPDATE types SET b = 2')
      expect((await readOut(readSql(server.url, 'SELECT b FROM types'))).error).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { column: 'b' } })
      expect((await readOut(readSql(server.url, 'SELECT b FROM types', { schema: { b: field.int8() } }))).rows).toEqual([{ b: 2 }])
      expect((await readOut(readSql(server.url, "SELECT ST_GeomFromText('POINT(1 1)') AS g"))).error).toMatchObject({ _tag: 'Schema', code: 'SQL_KIND' })
    })

    test('go into the kinds that a schema names; zero dates are bad records', async () => {
      await admin("SET SESSION sql_mode = ''")
      await admin('DROP TABLE IF EXISTS zeros')
      await admin('CREATE TABLE zeros (id int, day date, at datetime(6))')
      await admin("INSERT INTO zeros VALUES (1, '2024-07-01', '2024-07-01 12:00:00.5'), (2, '0000-00-00', '0000-00-00'), (3, '2024-00-10', '2024-07-01 00:00:00')")
      const schema = { id: field.int64(), day: field.date(), at: field.timestamp({ zone: 'Europe/Berlin' }) }
      const tally = new Tally()
      const out = await readOut(readSql(server.url, { table: 'zeros' }, { schema, onBadRecord: 'skip' }), { tally })
      expect(out).toMatchObject({ error: undefined, rows: [{ id: 1n, day: new Date('2024-07-01'), at: new Date('2024-07-01T10:00:00.500Z') }] })
      expect(tally.summary()).toMatchObject({ rejected: 2, rejectedByCode: { BAD_TEXT: 2 } })
    })

    test('come back as they were written', async () => {
      const stream = fromRows(written, writtenRows)
      expect(await run(pipe(stream, writeSql(server.url, 'matrix', { ifExists: 'replace' })))).toMatchObject({ rows: writtenRows.length })
      const out = await readOut(readSql(server.url, { table: 'matrix' }, { schema: written, orderBy: 'i32' }))
      expect(out).toMatchObject({ error: undefined, rows: writtenRows })
      // As the server sees them, not as we do.
      expect((await admin('SELECT CAST(at AS CHAR), CAST(d AS CHAR), CAST(n AS CHAR), CAST(u64 AS CHAR), HEX(by_), LENGTH(t), i32s FROM matrix WHERE i32 = 1'))[0]).toEqual(
        ['2024-02-29 12:00:00.123000', '2024-02-29', '1234567890123456789012345678.0123456789', '18446744073709551615', '00FF5C0A', 13, [1, -2]])
      await expect(run(pipe(fromRows({ x: field.float64() }, [{ x: 1 }, { x: NaN }]), writeSql(server.url, 'floats')))).rejects.toMatchObject({ _tag: 'BadRecord', position: { record: 1, column: 'x' } })
      await admin('DROP TABLE IF EXISTS narrow')
      await admin('CREATE TABLE narrow (t varchar(3))')
      await expect(run(pipe(fromRows({ t: field.utf8() }, [{ t: 'long' }]), writeSql(server.url, 'narrow', { ifExists: 'append' })))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'SQL_VALUE_REFUSED' })
      await admin('ALTER TABLE narrow ENGINE = MyISAM')
      await expect(run(pipe(fromRows({ t: field.utf8() }, [{ t: 'ok' }]), writeSql(server.url, 'narrow', { ifExists: 'append' })))).rejects.toMatchObject({ _tag: 'Usage', code: 'SQL_NO_TRANSACTIONS' })
    })

    test('rows wider than a packet of INSERTs go one by one', async () => {
      const wide = fromRows({ id: field.int32(), t: field.utf8() }, Array.from({ length: 9 }, (_, id) => ({ id, t: String(id).repeat(700_000) })))
      await run(pipe(wide, writeSql(server.url, 'wide', { ifExists: 'replace' })))
      expect((await readOut(readSql(server.url, 'SELECT id, LENGTH(t) AS n, LEFT(t, 1) AS c FROM wide ORDER BY id'))).rows).toMatchObject(Array.from({ length: 9 }, (_, id) => ({ id, n: 700_000, c: String(id) })))
    })
  })

  test('the environment says where the server is', async () => {
    const { port, user, password } = server
    const variables = { MYSQL_HOST: '127.0.0.1', MYSQL_TCP_PORT: String(port), MYSQL_USER: user, MYSQL_PWD: password, MYSQL_DATABASE: 'test' }
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
    try {
      expect((await readOut(readSql('mysql://', 'SELECT DATABASE() AS d'))).rows).toEqual([{ d: 'test' }])
      expect((await readOut(readSql({ server: 'mysql', tls: true }, 'SELECT 1'))).error).toMatchObject({ _tag: 'Storage' })
    } finally {
      vi.unstubAllEnvs()
    }
  })

  test('two million rows pass through little memory', () => memoryBounded(server.url, 'SELECT seq AS id, REPEAT(MD5(seq), 2) AS t FROM seq_1_to_2000000'))
})
