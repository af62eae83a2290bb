import { describeField, field, isMillraceError, run } from '@millrace/core'
import { hiveSchema, readHive } from '@millrace/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeHiveApache, startHiveApache, type HiveApache } from '../support/hive-apache.js'
import { hiveWriteSuite } from '../support/hive-write-suite.js'
import { readOut } from '../support/sql-suite.js'

describeHiveApache('Apache Hive', () => {
  let server: HiveApache
  const url = (): string => `hive://reader@127.0.0.1:${server.port}/default`
  const told = async (sql: string): Promise<void> => expect((await readOut(readHive(url(), sql))).error).toBeUndefined()

  beforeAll(async () => {
    server = await startHiveApache()
    await told('CREATE TABLE words (id BIGINT, word STRING, day DATE)')
    await told(`INSERT INTO words VALUES ${Array.from({ length: 20 }, (_, id) => `(${id % 9 === 8 ? 'NULL' : id * 1_000_000_000_000}, 'w${id}', '2024-02-${id + 1}')`).join(', ')}`)
  }, 300_000)
  afterAll(() => server?.stop())

  test('types come exactly, arrays as lists where the schema says so', async () => {
    const query = `SELECT true AS b, CAST(-128 AS TINYINT) AS i8, CAST(-32768 AS SMALLINT) AS i16, CAST(-2147483648 AS INT) AS i32, 9223372036854775807L AS i64, CAST(0.1 AS FLOAT) AS f, CAST('4.9E-324' AS DOUBLE) AS d,
      CAST('1234567890123456789012345678.0123456789' AS DECIMAL(38,10)) AS n, 'ü€😀' AS t, CAST('x' AS VARCHAR(3)) AS v, unhex('00ff5c') AS by_, DATE'2024-02-29' AS day,
      TIMESTAMP'2024-03-31 02:30:00.123456789' AS wall, CAST('2024-03-31 02:30:00.5 UTC' AS TIMESTAMP WITH LOCAL TIME ZONE) AS at, array(1, 2) AS ints, map('k', 1) AS m,
      named_struct('x', 1, 'y', 'a"b') AS s, INTERVAL '1-2' YEAR TO MONTH AS span, NULL AS nothing`
    const out = await readOut(readHive(url(), query))
    expect(out.error).toBeUndefined()
    expect(out.rows).toEqual([{
      b: true, i8: -128, i16: -32768, i32: -2147483648, i64: 9223372036854775807n, f: Math.fround(0.1), d: 5e-324, n: '1234567890123456789012345678.0123456789', t: 'ü€😀', v: 'x',
      by_: new Uint8Array([0, 255, 92]), day: new Date('2024-02-29'), wall: new Date('2024-03-31T02:30:00.123Z'), at: new Date('2024-03-31T02:30:00.500Z'), ints: '[1,2]', m: '{"k":1}',
      s: '{"x":1,"y":"a\\"b"}', span: '1-2', nothing: null,
    }])
    expect(Object.entries(out.schema!).map(([name, of]) => `${name}: ${describeField(of).replace('nullable ', '')}`).join(', ')).toBe(
      'b: bool, i8: int8, i16: int16, i32: int32, i64: int64, f: float32, d: float64, n: decimal, t: utf8, v: utf8, by_: binary, day: date, wall: timestamp, at: timestamp, ints: utf8, m: utf8, ' +
        's: utf8, span: utf8, nothing: utf8',
    )
    const schema = { ints: field.list(field.int64()), words: field.list(field.nullable(field.utf8())), wall: field.timestamp({ zone: 'Europe/Berlin' }) }
    expect((await readOut(readHive(url(), "SELECT array(1, 2) AS ints, array('a\"b', NULL, '\\\\') AS words, TIMESTAMP'2024-07-01 12:00:00' AS wall", { schema }))).rows).toEqual([
      { ints: [1n, 2n], words: ['a"b', null, '\\'], wall: new Date('2024-07-01T10:00:00Z') },
    ])
  })

  test('names and values are never taken for anything else', async () => {
    const variable = ['$', 'system:user.home}'].join('{')
    const wicked = ['it\'s', '\\', '\\\'; DROP TABLE words; --', '\\u0027', variable, '\0\n\r\t\u001a', 'ü€😀', '%_\\%\\_', '?', '']
    const out = await readOut(readHive(url(), `SELECT ${wicked.map((_, i) => `? AS c${i}`).join(', ')}`, { parameters: wicked }))
    expect(out).toMatchObject({ error: undefined, rows: [Object.fromEntries(wicked.map((value, i) => [`c${i}`, value]))] })
    const values = [9007199254740993n, -(2n ** 63n), 0.1, true, null, new Uint8Array([0, 255]), new Date('2024-02-29T01:02:03.004Z'), 7]
    expect(await readOut(readHive(url(), `SELECT ${values.map((_, i) => `? AS c${i}`).join(', ')}`, { parameters: values }))).toMatchObject({
      error: undefined, rows: [{ c0: 9007199254740993n, c1: -(2n ** 63n), c2: 0.1, c3: true, c4: null, c5: new Uint8Array([0, 255]), c6: new Date('2024-02-29T01:02:03.004Z'), c7: 7n }],
    })
  })

  test('a table is read in order from any position, in ranges, and typed without its name before its columns\'', async () => {
    expect(Object.keys(await run(hiveSchema(url(), { table: 'words' })))).toEqual(['id', 'word', 'day'])
    const stream = readHive(url(), { table: 'words' }, { orderBy: 'day', batchRows: 8 })
    const whole = await readOut(stream)
    expect(whole).toMatchObject({ error: undefined, sizes: [8, 8, 4] })
    expect(whole.rows.map(({ word }) => word)).toEqual(Array.from({ length: 20 }, (_, id) => `w${id}`))
    expect((await readOut(stream, { from: whole.positions[0]! })).rows).toEqual(whole.rows.slice(8))
    const ranges = await readOut(readHive(url(), { table: 'words' }, { partition: { column: 'id', count: 2 } }))
    expect(ranges.error).toBeUndefined()
    expect(ranges.rows.map(({ word }) => String(word)).sort()).toEqual(whole.rows.map(({ word }) => String(word)).sort())
  })

  hiveWriteSuite({
    url, isSpark: false,
    admin: async (sql) => {
      const out = await readOut(readHive(url(), sql))
      expect(out.error).toBeUndefined()
      return out.rows.map((row) => Object.values(row).map((value) => (value === null ? null : String(value as string))))
    },
  })

  test('errors say whose fault it is; progress is told while a job runs, which a signal cancels', async () => {
    const errors = await Promise.all([
      readOut(readHive(url().replace('default', 'nowhere'), 'SELECT 1')), readOut(readHive(url(), { table: 'nowhere' })), readOut(readHive(url(), 'SELECT nothing FROM words')), readOut(readHive(url(), 'SELECT FROM WHERE')),
    ])
    expect(errors.map(({ error }) => (isMillraceError(error) ? [error._tag, error.code] : error))).toEqual([
      ['NotFound', 'SQL_NOT_FOUND'], ['NotFound', 'SQL_NOT_FOUND'], ['NotFound', 'SQL_NOT_FOUND'], ['Engine', 'SQL_REFUSED'],
    ])
    const stop = new AbortController()
    const stages = new Set<string>()
    const slow = readHive(url(), 'SELECT word, count(*) AS n FROM words GROUP BY word ORDER BY word')
    const out = await readOut(slow, {
      signal: stop.signal,
      progress: ({ stage }) => {
        stages.add(stage.split(' ').slice(0, 2).join(' '))
        stop.abort()
      },
    })
    expect(out.error).toMatchObject({ _tag: 'Aborted' })
    expect([...stages]).toEqual(['running the'])
  })
})
