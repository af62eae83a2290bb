import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { describeField, field, isMillraceError, map, pipe, run, Tally, type Json, type ProgressEvent, type Schema, type Stream } from '@millrace/core'
import { hiveSchema, readHive, type HiveConnection, type RejectedRecord, type SqlOptions } from '@millrace/formats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { badRows, rows, schema } from '../conformance/records.js'
import { describeHive, startHiveServers, type HiveTestServers } from '../support/hive-servers.js'
import { hiveWriteSuite } from '../support/hive-write-suite.js'
import { readOut } from '../support/sql-suite.js'

describeHive('Spark\'s Thrift server', () => {
  let servers: HiveTestServers
  const url = (): string => `hive://reader:p%40ss@127.0.0.1:${servers.ports.sasl}/suite`
  const sound = rows.map((row) => ({ ...row }))
  const kept = rows.filter(({ id }) => !badRows.includes(id))
  const text = (value: string): string => `CAST(X'${Buffer.from(value).toString('hex')}' AS STRING)`

  /** A view of the conformance suite's rows, which takes Spark less than a table; the bad ones have an id that fits no int32. */
  const view = async (name: string, bad: readonly number[]): Promise<void> => {
    const values = rows.map(({ id, name: word, score }) => `(${bad.includes(id) ? 2 ** 40 : id}L, ${text(word)}, ${score === null ? 'CAST(NULL AS DOUBLE)' : `${score}D`}, ${id})`)
    await servers.admin(`CREATE VIEW suite.${name} AS SELECT * FROM VALUES ${values.join(', ')} AS t(id, name, score, place)`)
  }
  const read = (name: string, options: Partial<SqlOptions> = {}): Stream<typeof schema, 'cold'> => readHive(url(), { table: name }, { orderBy: 'place', ...options, schema })
  const released = async (): Promise<number> => {
    for (let tries = 0; tries < 100 && (await servers.sessions()) > 0; tries++) await pause(100)
    return servers.sessions()
  }

  beforeAll(async () => {
    servers = await startHiveServers()
    await servers.admin('CREATE DATABASE suite')
    await servers.admin('CREATE TABLE suite.target (id INT) USING parquet')
    await view('sound', [])
    await view('bad', badRows)
    await servers.admin('CREATE VIEW suite.numbers AS SELECT CAST(id AS INT) AS id FROM range(50000)')
  }, 300_000)
  afterAll(() => servers?.stop())

  describe('readHive conforms', () => {
    test('reads its rows, again when it is read again, in batches of any size', async () => {
      for (const batchRows of [1, 1000]) {
        const stream = read('sound', { batchRows })
        const out = await readOut(stream)
        expect(out).toMatchObject({ rows: sound, error: undefined })
        expect(Math.max(...out.sizes)).toBeLessThanOrEqual(batchRows)
        if (batchRows > 1) expect(await readOut(stream)).toMatchObject({ rows: sound, error: undefined })
      }
      const all = await readOut(readHive(url(), { table: 'numbers' }))
      expect(all.error).toBeUndefined()
      expect(all.rows.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(Array.from({ length: 50_000 }, (_, id) => id))
      expect(await released()).toBe(0)
    })

    test('gives the same rows whichever columns are looked at', async () => {
      for (const columns of [['name'], ['score', 'id'], []]) {
        const tally = new Tally()
        const out = await readOut(read('bad', { onBadRecord: 'skip' }), { columns, tally })
        expect(out.error).toBeUndefined()
        expect(out.rows).toEqual(kept.map((row) => Object.fromEntries(columns.map((name) => [name, row[name as keyof typeof row]]))))
        expect(tally.summary()).toMatchObject({ read: rows.length, delivered: kept.length, rejected: badRows.length })
      }
      expect((await readOut(read('bad'), { columns: ['name'] })).rows).toEqual(sound.map(({ name }) => ({ name })))
      expect((await readOut(readHive(url(), { table: 'sound' }), { columns: [] })).sizes).toEqual([rows.length])
    })

    test('resumes from every position, with what is bad left out', async () => {
      const stream = read('bad', { batchRows: 4, onBadRecord: 'skip' })
      const whole = await readOut(stream)
      expect(whole.rows).toEqual(kept)
      let before = 0
      for (const [i, position] of whole.positions.entries()) {
        before += whole.sizes[i]!
        expect(await readOut(stream, { from: JSON.parse(JSON.stringify(position)) as Json })).toMatchObject({ rows: whole.rows.slice(before), error: undefined })
      }
      const words = readHive(url(), { table: 'sound' }, { orderBy: 'name', batchRows: 4 })
      const [first] = (await readOut(words)).positions
      expect((await readOut(words, { from: first! })).rows.map(({ name }) => name)).toEqual(rows.map(({ name }) => name).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).slice(4))
      expect((await readOut(read('bad'), { from: { after: [1], rows: 1 } })).error).toMatchObject({ _tag: 'Usage', code: 'BAD_POSITION' })
    })

    test('tells of a bad record where it is, after the rows before it, or hands it on', async () => {
      const failed = await readOut(read('bad'))
      expect(failed.rows).toEqual(sound.slice(0, badRows[0]))
      expect(failed.error).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { record: badRows[0], column: 'id' } })
      const seen: RejectedRecord[] = []
      expect((await readOut(read('bad', { onBadRecord: { quarantine: (record) => void seen.push(record) } }))).rows).toEqual(kept)
      expect(seen.map(({ record, column }) => [record, column])).toEqual(badRows.map((record) => [record, 'id']))
      expect(JSON.parse(Buffer.from(seen[0]!.raw!).toString())).toMatchObject({ id: String(2 ** 40), name: rows[badRows[0]!]!.name })
    })

    test('left early or aborted, stops the query on the server and closes its session', async () => {
      for await (const batch of readHive(url(), { table: 'numbers' }, { batchRows: 10 })) {
        expect(batch.numRows).toBe(10)
        break
      }
      expect(await released()).toBe(0)
      const within = new AbortController()
      const aborted = await readOut(pipe(readHive(url(), { table: 'numbers' }, { batchRows: 10 }), map({ n: field.int32() }, () => {
        within.abort()
        return { n: 1 }
      })), { signal: within.signal })
      expect(aborted.error).toMatchObject({ _tag: 'Aborted' })
      // A server that takes the connection, and says nothing.
      const silent = createServer().listen(0, '127.0.0.1')
      await once(silent, 'listening')
      for (const connection of ['hive', 'hive+http']) {
        const connecting = new AbortController()
        silent.once('connection', () => connecting.abort())
        expect((await readOut(readHive(`${connection}://127.0.0.1:${(silent.address() as AddressInfo).port}`, 'SELECT 1'), { signal: connecting.signal })).error).toMatchObject({ _tag: 'Aborted' })
      }
      silent.close()
      // A query of some minutes.
      const waiting = new AbortController()
      const slow = readOut(readHive(url(), 'SELECT count(*) AS n FROM range(1000000) a CROSS JOIN range(1000000) b WHERE a.id * b.id % 7 < 0'), { signal: waiting.signal })
      for (let tries = 0; tries < 600 && (await servers.jobs()) === 0; tries++) await pause(50)
      expect(await servers.jobs()).toBeGreaterThan(0)
      waiting.abort()
      expect((await slow).error).toMatchObject({ _tag: 'Aborted' })
      for (let tries = 0; tries < 100 && (await servers.jobs()) > 0; tries++) await pause(100)
      expect(await servers.jobs()).toBe(0)
      expect(await released()).toBe(0)
    })

    test('says how far it was when the connection breaks, and reports rows as progress', async () => {
      const sockets: Socket[] = []
      const proxy = createServer((from) => {
        const to = connect(servers.ports.sasl, '127.0.0.1')
        sockets.push(from, to)
        for (const [one, other] of [[from, to], [to, from]] as const) one.pipe(other).on('error', () => undefined)
        from.on('close', () => to.destroy())
      }).listen(0, '127.0.0.1')
      await once(proxy, 'listening')
      const out = await readOut(readHive(`hive://127.0.0.1:${(proxy.address() as AddressInfo).port}/suite`, { table: 'numbers' }, { batchRows: 1000 }), {
        progress: ({ done, unit }) => {
          if (unit === 'rows' && done >= 3000) for (const socket of sockets) socket.destroy()
        },
      })
      proxy.close()
      expect(out.error).toMatchObject({ _tag: 'Storage', message: expect.stringMatching(/broke off after \d+ rows/) })
      expect(out.rows.length).toBeGreaterThanOrEqual(3000)
      const events: ProgressEvent[] = []
      await readOut(readHive(url(), 'SELECT * FROM numbers LIMIT 25', { batchRows: 10 }), { progress: (event) => events.push(event) })
      expect(events.filter(({ unit }) => unit === 'rows').map(({ done, finished }) => [done, finished])).toEqual([[10, undefined], [20, undefined], [25, undefined], [25, true]])
      expect(await readOut(readHive(url(), 'SELECT * FROM numbers WHERE id < 0'))).toMatchObject({ rows: [], sizes: [], error: undefined })
    })
  })

  test('partitions read every row exactly once, several at a time', async () => {
    await servers.admin(`CREATE VIEW suite.cut AS SELECT CAST(id AS INT) AS id, IF(id % 7 = 0, NULL, id * 1000000000000) AS big, CAST(id / 8 AS DECIMAL(12,3)) AS price,
      DATE'2020-01-01' + CAST(id AS INT) AS day, TIMESTAMP'2020-01-01 00:00:00' + make_interval(0, 0, 0, CAST(id AS INT)) AS at FROM range(100)`)
    const ids = async (options: SqlOptions): Promise<readonly number[]> => {
      const out = await readOut(readHive(url(), { table: 'cut' }, { ...options, schema: { id: field.int32() } }))
      expect(out.error).toBeUndefined()
      return out.rows.map(({ id }) => Number(id)).sort((a, b) => a - b)
    }
    const all = Array.from({ length: 100 }, (_, n) => n)
    for (const column of ['big', 'price', 'day', 'at']) expect(await ids({ partition: { column, count: column === 'big' ? 3 : 2, parallel: 2 } }), column).toEqual(all)
    expect(await ids({ partition: { column: 'id', count: 2, lower: 40, upper: 50 } })).toEqual(all)
    const query = readHive(url(), 'SELECT id, big FROM cut WHERE id < ?', { parameters: [50], partition: { column: 'id', count: 2 } })
    const bound = await readOut(query)
    expect(bound.error).toBeUndefined()
    expect(bound.rows).toHaveLength(50)
    expect((await readOut(readHive(url(), { table: 'sound' }, { partition: { column: 'name', count: 2 } }))).error).toMatchObject({ code: 'BAD_PARTITION', position: { column: 'name' } })
    expect(await released()).toBe(0)
  })

  test('types come exactly, as the server says, whatever its zone', async () => {
    const query = `SELECT true AS b, CAST(-128 AS TINYINT) AS i8, CAST(-32768 AS SMALLINT) AS i16, CAST(-2147483648 AS INT) AS i32, 9223372036854775807L AS i64, CAST(0.1 AS FLOAT) AS f, 5e-324D AS d,
      CAST('1234567890123456789012345678.0123456789' AS DECIMAL(38,10)) AS n, ${text('ü€😀')} AS t, CAST('x' AS CHAR(1)) AS c, X'00ff5c' AS by_, DATE'2024-02-29' AS day,
      TIMESTAMP'2024-03-31 02:30:00.123456Z' AS at, TIMESTAMP_NTZ'2024-03-31 02:30:00.123456' AS wall, array(1, NULL, 3) AS ints, array(${text('a"b\\')}, NULL) AS words,
      array(true, false) AS flags, map('k', 1.50) AS m, named_struct('x', 1, 'y', 'z') AS s, array(array(1)) AS nested, INTERVAL '1-2' YEAR TO MONTH AS span, NULL AS nothing`
    const out = await readOut(readHive(url(), query))
    expect(out.error).toBeUndefined()
    expect(out.rows).toEqual([{
      b: true, i8: -128, i16: -32768, i32: -2147483648, i64: 9223372036854775807n, f: Math.fround(0.1), d: 5e-324, n: '1234567890123456789012345678.0123456789', t: 'ü€😀', c: 'x',
      by_: new Uint8Array([0, 255, 92]), day: new Date('2024-02-29'), at: new Date('2024-03-31T02:30:00.123Z'), wall: new Date('2024-03-31T02:30:00.123Z'), ints: [1, null, 3], words: ['a"b\\', null],
      flags: [true, false], m: '{"k":1.50}', s: '{"x":1,"y":"z"}', nested: '[[1]]', span: '1-2', nothing: null,
    }])
    expect(Object.entries(out.schema!).map(([name, of]) => `${name}: ${describeField(of).replaceAll('nullable ', '')}`).join(', ')).toBe(
      'b: bool, i8: int8, i16: int16, i32: int32, i64: int64, f: float32, d: float64, n: decimal, t: utf8, c: utf8, by_: binary, day: date, at: timestamp, wall: timestamp, ints: list<int32>, ' +
        'words: list<utf8>, flags: list<bool>, m: utf8, s: utf8, nested: utf8, span: utf8, nothing: utf8',
    )
    expect(await run(hiveSchema(url(), query))).toEqual(out.schema)
    const zoned = { at: field.timestamp({ zone: 'Europe/Berlin' }), wall: field.timestamp({ zone: 'Europe/Berlin' }) }
    expect((await readOut(readHive(url(), "SELECT TIMESTAMP'2024-07-01 12:00:00Z' AS at, TIMESTAMP_NTZ'2024-07-01 12:00:00' AS wall", { schema: zoned }))).rows).toEqual([
      { at: new Date('2024-07-01T12:00:00Z'), wall: new Date('2024-07-01T10:00:00Z') },
    ])
    const numbers = await readOut(readHive(url(), 'SELECT * FROM VALUES (CAST(\'NaN\' AS DOUBLE), 1), (CAST(\'-Infinity\' AS DOUBLE), NULL), (-0D, 3) AS t(d, i)'))
    expect(numbers.rows).toEqual([{ d: NaN, i: 1 }, { d: -Infinity, i: null }, { d: expect.anything(), i: 3 }])
    expect((await readOut(readHive(url(), 'SELECT 1 AS a, 2 AS a'))).error).toMatchObject({ _tag: 'Schema', code: 'DUPLICATE_COLUMN' })
    expect((await readOut(readHive(url(), { table: 'sound' }, { schema: { score: field.date() } }))).error).toMatchObject({ _tag: 'Schema', code: 'SQL_KIND', position: { column: 'score' } })
  })

  test('names and values are never taken for anything else', async () => {
    const wicked = ['it\'s', '"; DROP TABLE target; --', '\\', '\\\'', '\\u0027 OR 1=1 --', ...['system:user.home', 'hiveconf:x'].map((name) => ['$', name, ''].join('{').replace(/\{$/, '}')), '\0\n\r\t\u001a', 'ü€😀', '%_\\%\\_', '?', '', ' a ', '\'\'', '`']
    const out = await readOut(readHive(url(), `SELECT ${wicked.map((_, i) => `? AS c${i}`).join(', ')}`, { parameters: wicked }))
    expect(out).toMatchObject({ error: undefined, rows: [Object.fromEntries(wicked.map((value, i) => [`c${i}`, value]))] })
    // Servers that read literals in another way.
    const literal = await readOut(readHive({ host: '127.0.0.1', port: servers.ports.sasl, settings: { 'spark.sql.parser.escapedStringLiterals': 'true' } }, 'SELECT ? AS a, ? AS b', { parameters: ['\\\'', '\\n'] }))
    expect(literal).toMatchObject({ error: undefined, rows: [{ a: '\\\'', b: '\\n' }] })
    const values = [9007199254740993n, -(2n ** 63n), 10n ** 37n, 0.1, -0.5, NaN, true, null, new Uint8Array([0, 255]), new Date('2024-02-29T01:02:03.004Z'), 7]
    const bound = await readOut(readHive(url(), `SELECT ${values.map((_, i) => `? AS c${i}`).join(', ')} /* ? */ -- and '?`, { parameters: values }))
    expect(bound).toMatchObject({
      error: undefined, rows: [{ c0: 9007199254740993n, c1: -(2n ** 63n), c2: String(10n ** 37n), c3: 0.1, c4: -0.5, c5: NaN, c6: true, c7: null, c8: new Uint8Array([0, 255]), c9: new Date('2024-02-29T01:02:03.004Z'), c10: 7n }],
    })
    expect((await readOut(readHive(url(), 'SELECT array(1) AS `x``y \' "; --`, 2 AS `k``?`', { orderBy: 'k`?' }))).rows).toEqual([{ 'x`y \' "; --': [1], 'k`?': 2 }])
    expect((await readOut(readHive(url(), { table: 'sound', schema: 'no`such`; DROP TABLE target' }))).error).toMatchObject({ _tag: expect.stringMatching(/^(NotFound|Engine)$/) as unknown })
    expect((await readOut(readHive(url(), 'SELECT 1 AS a; DROP TABLE target'))).error).toMatchObject({ _tag: 'Engine' })
    expect((await readOut(readHive(url(), 'SELECT ? AS a', { parameters: [] }))).error).toMatchObject({ _tag: 'Engine' })
    expect((await readOut(readHive(url(), 'SELECT 1 AS a', { parameters: [1] }))).error).toMatchObject({ _tag: 'Usage', code: 'BAD_PLACEHOLDER' })
    expect(await servers.admin('SELECT count(*) FROM suite.target')).toEqual([['0']])
    expect(readHive(url(), 'SELECT ?', { parameters: ['secret'] }).explain()).not.toContain('secret')
  })

  hiveWriteSuite({ url, isSpark: true, admin: async (sql) => {
    await servers.admin('USE suite')
    return servers.admin(sql)
  } })

  test('every transport reads the same', async () => {
    const { ports, ca } = servers
    const at = { host: '127.0.0.1', database: 'suite' }
    const ways: HiveConnection[] = [
      `hive://127.0.0.1:${ports.nosasl}/suite?auth=nosasl`, `hive+http://reader@127.0.0.1:${ports.http}/cliservice?database=suite`, { ...at, port: ports.http, transport: 'http', user: 'o\'reader' },
      { ...at, port: ports.sasl }, ...(ports.tls === undefined ? [] : [{ ...at, port: ports.tls, tls: { ca: ca! } }, { ...at, port: ports.tls, tls: { verify: false } }]),
    ]
    for (const way of ways) expect(await readOut(readHive(way, { table: 'sound' }, { schema, orderBy: 'place' })), JSON.stringify(way)).toMatchObject({ rows: sound, error: undefined })
    const wide = readHive(ways[0]!, 'SELECT id, repeat(\'x\', 500) AS t FROM numbers LIMIT 20000')
    expect((await readOut(wide)).rows).toHaveLength(20_000)
    if (ports.tls !== undefined) expect((await readOut(readHive({ ...at, port: ports.tls, tls: true }, 'SELECT 1'))).error).toMatchObject({ _tag: 'Storage', code: 'SQL_TLS' })
    expect(await released()).toBe(0)
  })

  test('errors say whose fault it is, without the password', async () => {
    const { ports } = servers
    const password = 'hidden p@ss'
    const of = (connection: object, query = 'SELECT 1'): Promise<{ readonly error: unknown }> => readOut(readHive({ host: '127.0.0.1', port: ports.sasl, user: 'u', password, ...connection }, query) as Stream<Schema>)
    expect((await of({ tls: true })).error).toMatchObject({ _tag: 'Storage' })
    const errors = await Promise.all([
      of({ port: 1 }), of({ database: 'nowhere' }), of({}, 'SELECT * FROM nowhere'), of({}, 'SELECT nothing FROM suite.sound'), of({}, 'SELECT 1 FRM x y z'), of({}, 'SELECT raise_error(\'it broke\') AS a'),
      of({ transport: 'http', port: ports.http, path: 'elsewhere' }), of({ port: ports.http }),
    ])
    expect(errors.map(({ error }) => (isMillraceError(error) ? [error._tag, error.code] : error))).toEqual([
      ['Storage', 'ECONNREFUSED'], ['NotFound', 'SQL_NOT_FOUND'], ['NotFound', 'SQL_NOT_FOUND'], ['NotFound', 'SQL_NOT_FOUND'], ['Engine', 'SQL_REFUSED'], ['Engine', 'SQL_REFUSED'],
      ['Storage', 'HIVE_HTTP'], ['Corrupt', 'HIVE_MESSAGE'],
    ])
    for (const { error } of errors) expect(`${(error as Error).stack} ${String((error as Error).cause)} ${JSON.stringify(error)}`).not.toContain(password)
    expect((errors[5]!.error as Error).message).toContain('it broke')
    expect(await released()).toBe(0)
  })
})
