import { describeField, field, fromRows, pipe, run, type Batch, type Field } from '@millrace/core'
import { readSql, writeSql, type RejectedRecord, type SqlTls } from '@millrace/formats'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { describeSqlServer } from '../support/sql-peer.js'
import { startPostgres, type SqlTestServer } from '../support/sql-servers.js'
import { batchOf, memoryBounded, readOut, sqlSuite, written, writtenRows, type SqlOutcome } from '../support/sql-suite.js'

describeSqlServer('PostgreSQL', 'postgres', () => {
  let server: SqlTestServer
  let client: pg.Client
  beforeAll(async () => {
    server = await startPostgres()
    client = new pg.Client(server.url)
    await client.connect()
  })
  afterAll(async () => {
    await client?.end()
    await server?.stop()
  })
  const admin = async (sql: string): Promise<unknown[][]> => (await client.query({ text: sql, rowMode: 'array' })).rows as unknown[][]

  sqlSuite({
    server: () => server,
    admin,
    connections: async () => Number((await admin("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'millrace'"))[0]![0]),
    kill: () => admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace'"),
    quote: (name) => client.escapeIdentifier(name),
    placeholder: (index) => `$${index}`,
    numbers: (count) => `SELECT id FROM generate_series(1, ${count}) AS id`,
    slow: 'SELECT pg_sleep(60)::text AS nothing',
    timestamp: 'timestamp(6)',
  })

  test('rows that a trigger refuses, and constraints that would be checked at the end, are set aside too', async () => {
    await admin('DROP TABLE IF EXISTS deferred_rows, deferred_parents')
    await admin('CREATE TABLE deferred_parents (id int PRIMARY KEY)')
    await admin('CREATE TABLE deferred_rows (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, parent int REFERENCES deferred_parents (id) DEFERRABLE INITIALLY DEFERRED)')
    await admin("CREATE OR REPLACE FUNCTION no_fives() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 5 THEN RAISE EXCEPTION 'no fives'; END IF; RETURN NEW; END $$")
    await admin('CREATE TRIGGER no_fives BEFORE INSERT ON deferred_rows FOR EACH ROW EXECUTE FUNCTION no_fives()')
    const schema = { id: field.int32(), parent: field.nullable(field.int32()) }
    const seen: string[] = []
    const onBadRecord = { quarantine: ({ record, reason }: RejectedRecord) => void seen.push(`${record}: ${reason}`) }
    const rows = [1, 2, 5, 2, 6].map((id) => ({ id, parent: id === 6 ? 1 : null }))
    expect(await run(pipe(fromRows(schema, rows), writeSql(server.url, 'deferred_rows', { ifExists: 'append', onBadRecord })))).toMatchObject({ rows: 2, rejected: 3 })
    expect(seen).toEqual([expect.stringMatching(/^2: .*no fives/), expect.stringMatching(/^3: .*unique/), expect.stringMatching(/^4: .*foreign key/)])
    expect(await admin('SELECT id FROM deferred_rows ORDER BY id')).toEqual([[1], [2]])
    // Told where it is also where it ends the loading.
    await expect(run(pipe(fromRows(schema, rows), writeSql(server.url, 'deferred_rows', { ifExists: 'append' })))).rejects.toMatchObject({ code: 'SQL_VALUE_REFUSED', position: { record: 2 } })
  })

  describe('types of PostgreSQL', () => {
    test('come exactly, typed as the server says', async () => {
      await admin('DROP TYPE IF EXISTS mood CASCADE')
      await admin("CREATE TYPE mood AS ENUM ('sad', 'happy')")
      await admin('DROP DOMAIN IF EXISTS positive')
      await admin('CREATE DOMAIN positive AS bigint CHECK (value > 0)')
      const out = await readOut(readSql(server.url, `SELECT
        true AS b, 32767::int2 AS i2, (-2147483648)::int4 AS i4, 9223372036854775807::int8 AS i8, (-9223372036854775808)::int8 AS least, 9007199254740993::positive AS dom, 4294967295::oid AS oid,
        0.1::float4 AS f4, 0.1::float8 AS f8, 'NaN'::float8 AS nan, '-Infinity'::float8 AS inf, 5e-324::float8 AS tiny,
        1234567890123456789012345678.0123456789::numeric(38,10) AS n, (-0.0000000001)::numeric(38,10) AS small, 2::numeric / 3 AS free, 12::numeric(3,0) AS whole,
        'ü€😀'::text AS t, 'x'::char(3) AS c, E'\\\\x00ff5c'::bytea AS by, ''::bytea AS empty, 'happy'::mood AS m,
        date '2024-02-29' AS d, date '0044-03-15 BC' AS bc, date '12024-01-01' AS far,
        timestamp '2024-03-31 02:30:00.123456' AS ts, timestamptz '2024-03-31 02:30:00.123456+05:45' AS tz, timestamptz '1883-11-18 12:03:57.999999-04:56:02' AS old,
        '{"a": [1, 2.50]}'::json AS j, '{"a":1}'::jsonb AS jb, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, interval '1 day 2 hours' AS iv, time '12:34:56.7' AS tm,
        ARRAY[1, NULL, 3]::int8[] AS a, ARRAY['a,b', '"q"', NULL, 'NULL', '\\', '']::text[] AS at, '{}'::float8[] AS ae, '[2:3]={5,6}'::int4[] AS al, ARRAY['sad', 'happy']::mood[] AS am,
        ARRAY[timestamptz '2024-01-01 00:00+01'] AS atz, ARRAY[1.50, 2]::numeric(5,2)[] AS an, NULL::int4 AS nothing, NULL AS untyped`))
      expect(out.error).toBeUndefined()
      expect(out.rows).toEqual([{
        b: true, i2: 32767, i4: -2147483648, i8: 9223372036854775807n, least: -9223372036854775808n, dom: 9007199254740993n, oid: 4294967295,
        f4: Math.fround(0.1), f8: 0.1, nan: NaN, inf: -Infinity, tiny: 5e-324, n: '1234567890123456789012345678.0123456789', small: '-0.0000000001', free: '0.66666666666666666667', whole: '12',
        t: 'ü€😀', c: 'x  ', by: new Uint8Array([0, 255, 92]), empty: new Uint8Array(0), m: 'happy',
        d: new Date('2024-02-29'), bc: new Date('-000043-03-15'), far: new Date('+012024-01-01'),
        ts: new Date('2024-03-31T02:30:00.123Z'), tz: new Date('2024-03-30T20:45:00.123Z'), old: new Date('1883-11-18T16:59:59.999Z'),
        j: '{"a": [1, 2.50]}', jb: '{"a": 1}', u: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', iv: 'P1DT2H', tm: '12:34:56.7',
        a: [1n, null, 3n], at: ['a,b', '"q"', null, 'NULL', '\\', ''], ae: [], al: [5, 6], am: ['sad', 'happy'], atz: [new Date('2023-12-31T23:00:00Z')], an: ['1.50', '2.00'], nothing: null, untyped: null,
      }])
      expect(Object.entries(out.schema!).map(([name, of]) => `${name}: ${describeField(of)}`).join(', ')).toBe(
        'b: nullable bool, i2: nullable int16, i4: nullable int32, i8: nullable int64, least: nullable int64, dom: nullable int64, oid: nullable uint32, ' +
          'f4: nullable float32, f8: nullable float64, nan: nullable float64, inf: nullable float64, tiny: nullable float64, n: nullable decimal, small: nullable decimal, ' +
          'free: nullable utf8, whole: nullable decimal, t: nullable utf8, c: nullable utf8, by: nullable binary, empty: nullable binary, m: nullable utf8, d: nullable date, bc: nullable date, ' +
          'far: nullable date, ts: nullable timestamp, tz: nullable timestamp, old: nullable timestamp, j: nullable utf8, jb: nullable utf8, u: nullable utf8, iv: nullable utf8, tm: nullable utf8, ' +
          'a: nullable list<nullable int64>, at: nullable list<nullable utf8>, ae: nullable list<nullable float64>, al: nullable list<nullable int32>, am: nullable list<nullable utf8>, ' +
          'atz: nullable list<nullable timestamp>, an: nullable list<nullable decimal>, nothing: nullable int32, untyped: nullable utf8',
      )
      const batch = await batchOf(readSql(server.url, "SELECT timestamptz '1960-01-01 00:00:00.000001+00' AS t"))
      expect((batch.columns as unknown as { readonly [name: string]: { readonly values: BigInt64Array } })['t']!.values[0]).toBe(-315619199999999n)
    })

    test('go into the kinds that a schema names, or say why not', async () => {
      const schema = {
        ts: field.timestamp({ zone: 'Europe/Berlin' }), tz: field.timestamp({ unit: 's', zone: 'Europe/Berlin' }), ns: field.timestamp({ unit: 'ns' }), d: field.timestamp(),
        n: field.int64(), f: field.float64(), t: field.decimal(10, 2), e: field.dictionary(), b: field.uint8(), w: field.date({ format: 'dd.MM.yyyy' }),
      }
      const query = `SELECT timestamp '2024-07-01 12:00:00.5' AS ts, timestamptz '2024-07-01 12:00:00.5+00' AS tz, timestamptz '2024-07-01 12:00:00.000001+00' AS ns, date '2024-07-01' AS d,
        12::numeric AS n, 1.5::numeric AS f, '12.30'::text AS t, 'word'::text AS e, true AS b, '31.12.2024'::text AS w`
      const noon = new Date('2024-07-01T12:00:00Z')
      expect((await readOut(readSql(server.url, query, { schema }))).rows).toEqual([
        { ts: new Date('2024-07-01T10:00:00.500Z'), tz: noon, ns: noon, d: new Date('2024-07-01'), n: 12n, f: 1.5, t: '12.30', e: 'word', b: 1, w: new Date('2024-12-31') },
      ])
      const refused = async (expression: string, of: Field): Promise<unknown> => (await readOut(readSql(server.url, `SELECT ${expression} AS x`, { schema: { x: of } }))).error
      expect(await refused('9223372036854775807::int8', field.int32())).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { record: 0, column: 'x' } })
      expect(await refused('1.5::numeric', field.int32())).toMatchObject({ _tag: 'BadRecord', code: 'BAD_TEXT' })
      expect(await refused('NULL::int4', field.int32())).toMatchObject({ _tag: 'BadRecord', code: 'NULL' })
      expect(await refused("'infinity'::timestamptz", field.timestamp())).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE' })
      expect(await refused('1.005::numeric(5,3)', field.decimal(5, 2))).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE' })
      expect(await refused('ARRAY[[1,2],[3,4]]', field.list(field.int32()))).toMatchObject({ _tag: 'BadRecord', code: 'WRONG_TYPE' })
      expect((await readOut(readSql(server.url, 'SELECT 1 / (g - 1) AS x FROM generate_series(1, 2) g'))).error).toMatchObject({ _tag: 'Engine', code: 'SQL_REFUSED' })
      expect(await refused('1::int4', field.date())).toMatchObject({ _tag: 'Schema', code: 'SQL_KIND' })
    })

    test('come back as they were written', async () => {
      const stream = fromRows(written, writtenRows)
      expect(await run(pipe(stream, writeSql(server.url, 'matrix', { ifExists: 'replace' })))).toMatchObject({ rows: writtenRows.length })
      const out = await readOut(readSql(server.url, { table: 'matrix' }, { schema: written, orderBy: 'i32' }))
      expect(out).toMatchObject({ error: undefined, rows: writtenRows })
      const types = await admin("SELECT string_agg(format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN '!' ELSE '' END, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'matrix'::regclass AND attnum > 0")
      expect(types[0]![0]).toBe('boolean!, smallint!, integer!, bigint!, numeric(20,0)!, real!, double precision!, text, bytea!, date!, timestamp(6) with time zone!, numeric(38,10)!, text!, integer[]!')
      // As the server sees them, not as we do.
      expect((await admin("SELECT at::text, d::text, n::text, u64::text, encode(by_, 'hex'), octet_length(t) FROM matrix WHERE i32 = 1"))[0]).toEqual(
        ['29.02.2024 17:30:00.123 IST', '29.02.2024', '1234567890123456789012345678.0123456789', '18446744073709551615', '00ff5c0a', 13])
      const floats = fromRows({ x: field.float64() }, [{ x: NaN }, { x: Infinity }, { x: -0 }, { x: 5e-324 }])
      await run(pipe(floats, writeSql(server.url, 'floats', { ifExists: 'replace' })))
      expect((await readOut(readSql(server.url, 'SELECT x FROM floats'))).rows).toEqual([{ x: NaN }, { x: Infinity }, { x: -0 }, { x: 5e-324 }])
      await expect(run(pipe(fromRows({ t: field.utf8() }, [{ t: 'ok' }, { t: 'a\0b' }]), writeSql(server.url, 'zero')))).rejects.toMatchObject({ _tag: 'BadRecord', position: { record: 1, column: 't' } })
      await expect(run(pipe(fromRows({ t: field.list(field.list(field.int32())) }, []), writeSql(server.url, 'nested')))).rejects.toMatchObject({ _tag: 'Schema', code: 'NO_SQL_TYPE' })
    })
  })

  test('a connection is encrypted, and the server checked', async () => {
    const { port, user, password, ca } = server
    if (ca === undefined) throw new Error('no openssl to make a certificate with')
    const to = { server: 'postgres', host: '127.0.0.1', port, user, password, database: 'postgres' } as const
    const encrypted = async (tls: SqlTls | boolean): Promise<SqlOutcome> => readOut(readSql({ ...to, tls }, 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'))
    expect((await encrypted({ ca })).rows).toEqual([{ ssl: true }])
    expect((await encrypted({ verify: false })).rows).toEqual([{ ssl: true }])
    expect((await encrypted(false)).rows).toEqual([{ ssl: false }])
    expect((await encrypted(true)).error).toMatchObject({ _tag: 'Storage', code: 'SQL_TLS' })
    expect((await readOut(readSql(`${server.url}?sslmode=require`, 'SELECT 1'))).error).toMatchObject({ code: 'SQL_TLS' })
  })

  test('the environment says where the server is', async () => {
    const { port, user, password } = server
    const variables = { PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: user, PGPASSWORD: password, PGDATABASE: 'postgres' }
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
    try {
      expect((await readOut(readSql('postgres://', 'SELECT current_user::text AS u'))).rows).toEqual([{ u: user }])
    } finally {
      vi.unstubAllEnvs()
    }
  })

  test('ranges are of one snapshot', async () => {
    await admin('DROP TABLE IF EXISTS moving')
    await admin('CREATE TABLE moving AS SELECT g AS id FROM generate_series(1, 1000) g')
    const iterator = readSql(server.url, { table: 'moving' }, { batchRows: 10, partition: { column: 'id', count: 4, parallel: 1 } }).open()
    let rows = (await iterator.next() as { value: Batch }).value.numRows
    await admin('UPDATE moving SET id = id + 500')
    for await (const batch of iterator) rows += batch.numRows
    expect(rows).toBe(1000)
  })

  test('two million rows pass through little memory', () => memoryBounded(server.url, 'SELECT g AS id, repeat(md5(g::text), 2) AS t FROM generate_series(1, 2000000) g'))
})
