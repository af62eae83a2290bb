import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { field, Tally, type OpenOptions, type Schema, type Stream } from '@millrace/core'
import { readSql, type RejectedRecord, type SqlConnection, type SqlOptions, type SqlSource } from '@millrace/formats'
import callbacks from 'mysql2'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeSqlServer } from '../support/sql-peer.js'
import { startMariadb, startPostgres, type SqlTestServer } from '../support/sql-servers.js'
import { readOut, type SqlOutcome } from '../support/sql-suite.js'

/** What a reading gave, with what was set aside. */
interface Outcome extends SqlOutcome {
  readonly rejected: readonly string[]
}

const read = async (connection: SqlConnection, source: SqlSource, schema: Schema | undefined, orderBy: string, options: OpenOptions = {}): Promise<Outcome> => {
  const rejected: string[] = []
  const onBadRecord = { quarantine: ({ record, reason, column, raw }: RejectedRecord) => void rejected.push(`${record} ${column}: ${reason} ${Buffer.from(raw!).toString()}`) }
  const given: SqlOptions & { readonly schema?: undefined } = { orderBy, onBadRecord, batchRows: 7 }
  const stream: Stream = schema === undefined ? readSql(connection, source, given) : readSql(connection, source, { ...given, schema })
  const out = await readOut(stream, { tally: new Tally(), ...options })
  return { ...out, rejected }
}

/** Frees what nobody holds any more, at once. */
const garbageCollector = (): (() => void) => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

/** What may differ: the sizes of batches, and so where they end. */
const comparable = ({ rows, schema, rejected, error }: Outcome) => ({ rows, schema, rejected, error: error instanceof Error ? error.message : error })

/** The bytes' way and that of the driver's values, of one server. */
type Ways = readonly [SqlConnection, SqlConnection]

/** Reads the table of other kinds under a schema, whose rows may be bad. */
const sameEitherWay = async ([bytes, values]: Ways, schema: Schema, rows: number): Promise<void> => {
  const one = await read(bytes, { table: 'other_kinds' }, schema, 'id')
  const other = await read(values, { table: 'other_kinds' }, schema, 'id')
  expect(one.rows.length + one.rejected.length).toBe(rows)
  expect(comparable(one), Object.keys(schema).join(', ')).toEqual(comparable(other))
}

/** Resumes from each position of the bytes' way. */
const resumedEitherWay = async (ways: Ways, source: SqlSource, orderBy: string, rows: number): Promise<void> => {
  const whole = await read(ways[0], source, undefined, orderBy)
  expect(whole.rows).toHaveLength(rows)
  let before = 0
  for (const [i, from] of whole.positions.entries()) {
    before += whole.sizes[i]!
    for (const connection of ways) expect((await read(connection, source, undefined, orderBy, { from })).rows).toEqual(whole.rows.slice(before))
  }
}

/** An object of a driver with other members in the place of some. */
const hide = <T extends object>(target: T, replaced: { readonly [name: string]: unknown }): T =>
  new Proxy(target, {
    get: (of, name) => {
      if (typeof name === 'string' && name in replaced) return replaced[name]
      const value: unknown = Reflect.get(of, name, of)
      return typeof value === 'function' ? (value.bind(of) as unknown) : value
    },
    set: (of, name, value) => Reflect.set(of, name, value, of),
  })

describeSqlServer('rows of MariaDB as bytes', 'mariadb', () => {
  let server: SqlTestServer
  let pool: callbacks.Pool
  let admin: (sql: string, values?: readonly unknown[]) => Promise<unknown>
  beforeAll(async () => {
    server = await startMariadb()
    pool = callbacks.createPool({ uri: server.url, connectionLimit: 3, timezone: 'Z' })
    admin = (sql, values = []) => pool.promise().query(sql, [...values])
  })
  afterAll(async () => {
    await pool?.promise().end()
    await server?.stop()
  })

  /** A pool whose driver has no parser that could be replaced: its rows are taken. */
  const plain = (): SqlConnection => {
    type Take = (done: (error: Error | null, connection: callbacks.PoolConnection) => void) => void
    const getConnection: Take = (done) => pool.getConnection((error, connection) => {
      if (error !== null) return done(error, connection)
      const execute = (...given: Parameters<typeof connection.execute>) => hide(connection.execute(...given), { buildParserFromFields: undefined })
      done(null, hide(connection, { execute }))
    })
    return hide(pool, { getConnection }) as unknown as SqlConnection
  }

  const types: { readonly [column: string]: string } = {
    id: 'INT PRIMARY KEY', i8: 'TINYINT', u8: 'TINYINT UNSIGNED', yes: 'BOOL', i16: 'SMALLINT', u16: 'SMALLINT UNSIGNED', i24: 'MEDIUMINT',
    u24: 'MEDIUMINT UNSIGNED', i32: 'INT', u32: 'INT UNSIGNED', i64: 'BIGINT', u64: 'BIGINT UNSIGNED', y: 'YEAR', bit1: 'BIT(1)', bit20: 'BIT(20)',
    f: 'FLOAT', x: 'DOUBLE', n5: 'DECIMAL(5,2)', n38: 'DECIMAL(38,10)', n65: 'DECIMAL(65,30)', un: 'DECIMAL(10,0) UNSIGNED', d: 'DATE',
    dt: 'DATETIME', dt3: 'DATETIME(3)', dt6: 'DATETIME(6)', ts: 'TIMESTAMP(6) NULL', t: 'TIME', t3: 'TIME(3)', c: 'CHAR(4)',
    v: 'VARCHAR(40) CHARACTER SET latin1', tx: 'TEXT', mb3: 'VARCHAR(40) CHARACTER SET utf8mb3', wide: 'VARCHAR(40) CHARACTER SET ucs2',
    cyr: 'VARCHAR(40) CHARACTER SET koi8r', e: "ENUM('a', 'é')", s: "SET('x', 'y')", j: 'JSON', b: 'BLOB', vb: 'VARBINARY(10)', fb: 'BINARY(3)',
    u: 'UUID', ip: 'INET6',
  }

  const rows: readonly (readonly unknown[])[] = [
    [1, -128, 0, 1, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, '-9223372036854775808', '18446744073709551615', 2155, 1, Buffer.from([0, 1, 2]), 0.1, 5e-324, '-999.99', '1234567890123456789012345678.0123456789', '-12345678901234567890123456789012345.123456789012345678901234567891', 4294967296,
      '2024-02-29', '2024-03-31 02:30:00', '1900-01-01 00:00:00.001', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.000001', '-838:59:59', '00:00:00.25',
      'ab', 'straße', 'ü€😀', 'ü€', 'Ω', 'Привет', 'é', 'x,y', '{"a": [1, 2.50]}', Buffer.from([0, 255, 92]), Buffer.alloc(0), Buffer.from([1, 2, 3]), 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1'],
    [2, 127, 255, 0, 32767, 0, 8388607, 0, 2147483647, 0, '9223372036854775807', '9223372036854775808', 1901, 0, Buffer.from([15, 255, 255]), -1.5, 1.7976931348623157e308, '0.00', '-0.0000000001', '0', 0,
      '0001-01-01', '1000-01-01 00:00:00', '1969-12-31 23:59:59.999', '0001-01-01 00:00:00.000001', '1970-01-01 00:00:01', '838:59:59', '23:59:59.999',
      '', '', '', '', '', '', 'a', '', '[]', Buffer.from('text'), Buffer.from([0]), Buffer.from([0, 0, 0]), '00000000-0000-0000-0000-000000000000', 'ffff:ffff::'],
    // Dates that are none, and a boolean that is neither.
    [3, 2, 1, 7, 0, 1, 0, 1, 0, 1, '0', '0', 0, 1, Buffer.from([0, 0, 0]), 0, -0, '1.00', '10', '1', 1, '0000-00-00', '0000-00-00 00:00:00', '2024-00-00 00:00:00', '2023-02-29 00:00:00', '0000-00-00 00:00:00', '00:00:00', '00:00:01',
      'x', 'x', 'x', 'x', 'x', 'x', 'a', 'x', '1', Buffer.from('x'), Buffer.from('x'), Buffer.from('x'), 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::2'],
    [4, ...Array<null>(Object.keys(types).length - 1).fill(null)],
  ]

  const fill = async (name: string): Promise<void> => {
    await admin(`DROP TABLE IF EXISTS ${name}`)
    await admin(`CREATE TABLE ${name} (${Object.entries(types).map(([column, type]) => `${column} ${type}`).join(', ')}) CHARACTER SET utf8mb4`)
    const connection = await pool.promise().getConnection()
    try {
      await connection.query("SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
      for (const row of rows) await connection.query(`INSERT INTO ${name} VALUES (?)`, [row])
      // More of them than a batch has, and runs of nulls.
      const some = Object.keys(types).slice(1).map((column, i) => `IF(MOD(seq * ${i + 3}, 5) = 0, NULL, ${column})`)
      await connection.query(`INSERT INTO ${name} SELECT seq * 10 + 5, ${some.join(', ')} FROM ${name}, seq_1_to_50 WHERE id = 1`)
    } finally {
      connection.destroy()
    }
  }

  test('make the columns that the driver\'s values make, whatever the types', async () => {
    await fill('every_type')
    const one = await read(server.url, { table: 'every_type' }, undefined, 'id')
    const other = await read(plain(), { table: 'every_type' }, undefined, 'id')
    expect(one.rows).toHaveLength(53)
    expect(one.rejected).toHaveLength(1)
    // A source is another's: the pool's name has no part in it.
    expect(comparable(one)).toEqual(comparable(other))
    expect(one.rows[0]).toMatchObject({ i64: -9223372036854775808n, u64: 18446744073709551615n, n38: '1234567890123456789012345678.0123456789', tx: 'ü€😀', cyr: 'Привет', dt6: new Date('9999-12-31T23:59:59.999Z'), b: new Uint8Array([0, 255, 92]) })
  })

  test('go into other kinds, or are bad, as the driver\'s values do', async () => {
    await fill('other_kinds')
    const schemas: readonly Schema[] = [
      { id: field.uint8(), i8: field.nullable(field.float32()), u32: field.nullable(field.int32()), i64: field.nullable(field.int64({ as: 'number' })), u64: field.nullable(field.int64()), y: field.nullable(field.int8()), bit20: field.nullable(field.int32()) },
      { id: field.float64(), yes: field.nullable(field.int8()), u8: field.nullable(field.bool()), i32: field.nullable(field.utf8()), i64: field.nullable(field.float64()), u64: field.nullable(field.decimal(20, 0)), x: field.nullable(field.float32()) },
      { id: field.decimal(10, 0), n5: field.nullable(field.float64()), n38: field.nullable(field.float64()), n65: field.nullable(field.decimal(38, 3)), un: field.nullable(field.int64()), f: field.nullable(field.float64()) },
      { id: field.utf8(), d: field.nullable(field.timestamp()), dt: field.nullable(field.timestamp({ zone: 'Europe/Berlin' })), dt6: field.nullable(field.timestamp({ unit: 'ns' })), ts: field.nullable(field.timestamp({ unit: 's', zone: 'Europe/Berlin' })), dt3: field.nullable(field.timestamp({ unit: 'us' })) },
      { id: field.dictionary(field.int32()), tx: field.nullable(field.dictionary()), v: field.nullable(field.dictionary()), e: field.nullable(field.utf8()), t: field.nullable(field.utf8()) },
      { id: field.int64(), i16: field.int16(), tx: field.utf8() },
    ]
    for (const schema of schemas) await sameEitherWay([server.url, plain()], schema, 54)
  })

  test('resume from every position, on either way', async () => {
    await fill('resumed_bytes')
    for (const orderBy of ['id', 'u64']) {
      const source = `SELECT id, tx, CAST(18446744073709000000 + id AS UNSIGNED) AS u64 FROM resumed_bytes WHERE id <> 3`
      await resumedEitherWay([server.url, plain()], source, orderBy, 53)
    }
  })

  test('are taken where types that only the driver reads are beside them, and from packets beyond 16 MiB', async () => {
    const beside = 'SELECT seq AS id, POINT(seq, 1) AS p, CAST(seq AS CHAR) AS t FROM seq_1_to_200'
    const schema = { id: field.int32(), t: field.utf8() }
    const out = await readOut(readSql(server.url, beside, { schema }))
    expect(out).toMatchObject({ error: undefined })
    expect(out.rows).toEqual(Array.from({ length: 200 }, (_, i) => ({ id: i + 1, t: String(i + 1) })))
    await admin('SET GLOBAL max_allowed_packet = 67108864')
    try {
      const sizes = [10, 250, 251, 65_535, 65_536, 16_777_200, 16_777_215, 17_000_000, 33_554_430, 5]
      const large = await readOut(readSql(server.url, `SELECT id, REPEAT(CHAR(65 + id USING utf8mb4), n) AS t, n FROM (${sizes.map((n, id) => `SELECT ${id} AS id, ${n} AS n`).join(' UNION ALL ')}) AS sizes ORDER BY id`))
      expect(large.error).toBeUndefined()
      expect(large.rows.map(({ t }) => [(t as string).length, (t as string)[0], (t as string).at(-1)])).toEqual(sizes.map((n, id) => [n, String.fromCharCode(65 + id), String.fromCharCode(65 + id)]))
    } finally {
      await admin('SET GLOBAL max_allowed_packet = 4194304')
    }
  })
})

describeSqlServer('rows of PostgreSQL as bytes', 'postgres', () => {
  let server: SqlTestServer
  let pool: pg.Pool
  beforeAll(async () => {
    server = await startPostgres()
    pool = new pg.Pool({ connectionString: server.url, max: 3 })
  })
  afterAll(async () => {
    await pool?.end()
    await server?.stop()
  })

  /** A pool whose clients show no socket: the driver's rows are taken. */
  const plain = (): SqlConnection => hide(pool, { connect: async () => hide(await pool.connect(), { connection: undefined }) }) as unknown as SqlConnection

  /** By column: its type, and values of rows, the last one of which fits no column. */
  const types: { readonly [column: string]: readonly [type: string, ...values: (string | null)[]] } = {
    id: ['int primary key', '1', '2', '3', '4'],
    b: ['bool', 't', 'f', 't', null], i2: ['int2', '-32768', '32767', '0', null], i4: ['int4', '-2147483648', '2147483647', '1', null],
    i8: ['int8', '-9223372036854775808', '9223372036854775807', '9007199254740993', null], o: ['oid', '4294967295', '0', '1', null],
    f4: ['float4', '0.1', '-3.4028235e38', '1e-45', null], f8: ['float8', '0.1', '5e-324', '-0', null], nan: ['float8', 'NaN', 'Infinity', '-Infinity', null],
    n: ['numeric(38,10)', '1234567890123456789012345678.0123456789', '-0.0000000001', '0', null], free: ['numeric', '0.66666666666666666667', '1e50', 'NaN', null], small: ['numeric(5,2)', '-999.99', '1', '0.05', null],
    t: ['text', 'ü€😀', '', 'x', null], v: ['varchar(20)', 'a', 'b', 'c', null], c: ['char(5)', 'é', 'x', '', null], nm: ['name', 'n', 'm', '', null], ch: ['"char"', 'a', '', 'z', null],
    by: ['bytea', '\\x00ff5c', '\\x', '\\x01', null], u: ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-0000-0000-000000000000', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', null],
    d: ['date', '2024-02-29', '0044-03-15 BC', 'infinity', null], far: ['date', '12024-01-01', '4713-01-01 BC', '1969-12-31', null],
    ts: ['timestamp', '2024-03-31 02:30:00.123456', '1883-11-18 12:03:57.5', '0001-01-01 00:00:00 BC', null], tz: ['timestamptz', '2024-03-31 02:30:00.1+05:45', '1969-12-31 23:59:59.999999+00', '20024-01-01 00:00:00+00', null],
    never: ['timestamptz', '2024-01-01', '2024-01-01', '-infinity', null],
    j: ['json', '{"a": [1, 2.50]}', '[]', 'null', null], jb: ['jsonb', '{"a":1}', '[]', '1', null], iv: ['interval', '1 day 2 hours', '-3 mons', '0', null], tm: ['time', '12:34:56.7', '00:00', '24:00', null],
    ai: ['int8[]', '{1,NULL,3}', '{}', '{5}', null], at: ['text[]', '{"a,b",NULL,"NULL"}', '{}', '{x}', null], af: ['float8[]', '{0.5,1}', '{}', '{-1}', null], ip: ['inet', '::1', '10.0.0.1/8', '::', null],
  }

  const fill = async (name: string): Promise<void> => {
    await pool.query(`DROP TABLE IF EXISTS ${name}`)
    await pool.query(`CREATE TABLE ${name} (${Object.entries(types).map(([column, [type]]) => `${column} ${type}`).join(', ')})`)
    for (let row = 1; row <= 4; row++) await pool.query(`INSERT INTO ${name} VALUES (${Object.keys(types).map((_, i) => `$${i + 1}`).join(', ')})`, Object.values(types).map((of) => of[row]))
    const some = Object.keys(types).slice(1).map((column, i) => `CASE WHEN g * ${i + 3} % 5 = 0 THEN NULL ELSE ${column} END`)
    await pool.query(`INSERT INTO ${name} SELECT g * 10 + 5, ${some.join(', ')} FROM ${name}, generate_series(1, 200) AS g WHERE id = 1`)
  }

  test('make the columns that the driver\'s values make, whatever the types', async () => {
    await fill('every_type')
    const one = await read(server.url, { table: 'every_type' }, undefined, 'id')
    const other = await read(plain(), { table: 'every_type' }, undefined, 'id')
    expect(one.rows).toHaveLength(203)
    expect(one.rejected).toHaveLength(1)
    // The texts of the row that was set aside are the server's, whichever way they came.
    expect(comparable(one)).toEqual(comparable(other))
    expect(one.rows[0]).toMatchObject({ i8: -9223372036854775808n, n: '1234567890123456789012345678.0123456789', t: 'ü€😀', by: new Uint8Array([0, 255, 92]), tz: new Date('2024-03-30T20:45:00.100Z'), ai: [1n, null, 3n] })
  })

  test('go into other kinds, or are bad, as the driver\'s values do', async () => {
    await fill('other_kinds')
    const schemas: readonly Schema[] = [
      { id: field.uint8(), i2: field.nullable(field.float32()), i4: field.nullable(field.uint32()), i8: field.nullable(field.int64({ as: 'number' })), o: field.nullable(field.int32()), b: field.nullable(field.uint8()) },
      { id: field.float64(), i4: field.nullable(field.utf8()), i8: field.nullable(field.float64()), o: field.nullable(field.uint64()), f4: field.nullable(field.float64()), f8: field.nullable(field.float32()), nan: field.nullable(field.float32()) },
      { id: field.decimal(10, 0), n: field.nullable(field.float64()), small: field.nullable(field.decimal(4, 1)), free: field.nullable(field.decimal(38, 20)) },
      { id: field.utf8(), d: field.nullable(field.timestamp()), far: field.nullable(field.timestamp({ unit: 'us' })), ts: field.nullable(field.timestamp({ unit: 'ns' })), tz: field.nullable(field.timestamp({ unit: 's' })) },
      { id: field.int64(), d: field.nullable(field.timestamp({ zone: 'Europe/Berlin' })), ts: field.nullable(field.timestamp({ zone: 'Europe/Berlin' })), tz: field.nullable(field.timestamp({ unit: 'ns' })) },
      { id: field.dictionary(field.int32()), t: field.nullable(field.dictionary()), v: field.nullable(field.dictionary()), jb: field.nullable(field.utf8()) },
      { id: field.int64(), i2: field.int16(), t: field.utf8() },
    ]
    for (const schema of schemas) await sameEitherWay([server.url, plain()], schema, 204)
  })

  test('resume from every position, on either way', async () => {
    await fill('resumed_bytes')
    for (const orderBy of ['id', 'k']) {
      const source = "SELECT id, t, timestamptz '2024-01-01 00:00+00' + id * interval '1.5 us' AS k FROM resumed_bytes WHERE id < 300"
      await resumedEitherWay([server.url, plain()], source, orderBy, 33)
    }
  })

  test('hold the server up amid a fetch when they become wide', async () => {
    // Fetches have grown by the time that rows of a mebibyte come.
    const wide = "SELECT g AS id, repeat('x', CASE WHEN g < 6000 THEN 1 ELSE 1048576 END) AS t FROM generate_series(1, 6200) AS g"
    const collect = garbageCollector()
    let [rows, held] = [0, 0]
    for await (const batch of readSql(server.url, wide, { schema: { id: field.int32(), t: field.utf8() } })) {
      rows += batch.numRows
      if (rows < 6000 || held > 0) continue
      collect()
      const before = process.memoryUsage().arrayBuffers
      // Time for all of them to come.
      await new Promise((resolve) => setTimeout(resolve, 1500))
      collect()
      held = process.memoryUsage().arrayBuffers - before
    }
    expect(rows).toBe(6200)
    expect(held).toBeLessThan(32 * 2 ** 20)
  })

  test('all rows are planned for, not the first ones', async () => {
    expect((await readOut(readSql(server.url, "SELECT current_setting('cursor_tuple_fraction') AS f"))).rows).toEqual([{ f: '1' }])
  })
})
