import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { field, fromRows, map, pipe, run, type ProgressEvent, type Row, type Schema, type Stream } from '@millrace/core'
import { readSql, writeSql, type RejectedRecord, type WriteSqlOptions } from '@millrace/formats'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeSqlServer } from '../support/sql-peer.js'
import { startMariadb, type SqlTestServer } from '../support/sql-servers.js'
import { readOut, written, writtenRows } from '../support/sql-suite.js'

/** Every character that something makes something of, and what a loader could take for a null or an end. */
const wicked = [
  '', '\\N', '\\', '\\\\', 'NULL', '\\0', '\0', 'a\0b', '\t', '\n', '\r', '\r\n', '\b', '\f', '\v', '\x1a', '\\Z', '\\t', '"', "'", '`', '""', ',', '%', '_', ' ', '  x  ', 'ü€😀', '\u0085\u2028',
  '\\\n', '\\\t', 'x\\', '\t\t\n\n', '$' + '{x}', '{{', String.fromCharCode(...Array.from({ length: 128 }, (_, code) => code)), '\uffff', 'é', '\ufeffx',
]

describeSqlServer('MariaDB, loaded in bulk', 'mariadb', () => {
  let server: SqlTestServer
  let client: mysql.Connection
  beforeAll(async () => {
    server = await startMariadb()
    client = await mysql.createConnection({ uri: server.url, dateStrings: true })
  })
  afterAll(async () => {
    await client?.end()
    await server?.stop()
  })
  const admin = async (sql: string): Promise<unknown[][]> => (await client.query({ sql, rowsAsArray: true }))[0] as unknown[][]
  const write = <S extends Schema>(stream: Stream<S, 'cold'>, name: string, options?: WriteSqlOptions) => run(pipe(stream, writeSql(server.url, name, options)))
  /** The same rows by INSERTs, as a server without `local_infile` takes them. */
  const inserted = async <S extends Schema>(stream: Stream<S, 'cold'>, name: string, options?: WriteSqlOptions) => {
    await admin('SET GLOBAL local_infile = 0')
    try {
      return await write(stream, name, options)
    } finally {
      await admin('SET GLOBAL local_infile = 1')
    }
  }
  const texts = (values: readonly string[]): Stream<{ t: ReturnType<typeof field.utf8> }, 'cold'> => fromRows({ t: field.utf8() }, values.map((t) => ({ t })))

  describe('rows are the same as by INSERTs', () => {
    /** What the server holds, by its own hexadecimal digits, in the order of the rows. */
    const held = async (name: string, columns: readonly string[]): Promise<unknown[][]> => admin(`SELECT ${columns.map((column) => `HEX(CAST(${mysql.escapeId(column)} AS BINARY))`).join(', ')} FROM ${name} ORDER BY id`)
    const bothWays = async <S extends Schema>(schema: S, rows: readonly Row<S>[]): Promise<unknown[][]> => {
      const stream = fromRows(schema, rows, { batchRows: 7 })
      const ways = [await write(stream, 'loaded', { ifExists: 'replace' }), await inserted(stream, 'inserted', { ifExists: 'replace' })]
      expect(ways).toMatchObject([{ by: 'LOAD DATA', rows: rows.length, created: true }, { by: 'INSERT', rows: rows.length, created: true }])
      const loaded = await held('loaded', Object.keys(schema))
      expect(loaded).toHaveLength(rows.length)
      expect(loaded).toEqual(await held('inserted', Object.keys(schema)))
      return loaded
    }

    test('texts and bytes, whatever is in them', async () => {
      const schema = { id: field.int32(), t: field.nullable(field.utf8()), last: field.nullable(field.utf8()), bytes: field.nullable(field.binary()), word: field.nullable(field.dictionary()) }
      const rows = [...wicked, null].flatMap((t, i, all) => [0, 1].map((twice) => ({
        id: 2 * i + twice, t, last: all[all.length - 1 - i]!, bytes: t === null ? null : new Uint8Array(Buffer.from(t, twice === 0 ? 'utf8' : 'latin1')), word: t,
      })))
      const loaded = await bothWays(schema, rows)
      const hex = (text: string | null): string | null => (text === null ? null : Buffer.from(text).toString('hex').toUpperCase())
      expect(loaded.map((row) => [row[1], row[2], row[4]])).toEqual(rows.map(({ t, last, word }) => [hex(t), hex(last), hex(word)]))
      expect(loaded.map((row) => row[3])).toEqual(rows.map(({ bytes }) => (bytes === null ? null : Buffer.from(bytes).toString('hex').toUpperCase())))
      // A table of one column, whose empty texts are empty lines.
      await write(texts(wicked), 'single', { ifExists: 'replace' })
      expect((await readOut(readSql(server.url, { table: 'single' }))).rows).toEqual(wicked.map((t) => ({ t })))
    })

    test('numbers, dates and lists, to the last digit', async () => {
      const schema = { id: field.int32(), ...Object.fromEntries(Object.entries(written).map(([name, of]) => [name, field.nullable(of)])) } as unknown as { id: ReturnType<typeof field.int32> }
      const more = [0.1, -0, 1e21, 1.7976931348623157e308, 123456789.123456789, 2.5, 1e-7].map((f64, i) => ({
        ...writtenRows[0]!, f64, f32: Math.fround(f64 > 1e38 ? 3.4028234663852886e38 : f64), i64: [2n ** 63n - 1n, -(2n ** 63n), 0n][i % 3]!, u64: 2n ** 64n - 1n - BigInt(i), i32s: [i, 2 ** 31 - 1],
        at: new Date(['1000-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z', '1969-12-31T23:59:59.001Z'][i % 3]!), d: new Date(['1000-01-01', '9999-12-31'][i % 2]!),
      }))
      const empty = Object.fromEntries(Object.keys(written).map((name) => [name, null]))
      const rows = [...writtenRows, ...more, empty].map((row, id) => ({ id, ...row })) as unknown as readonly { id: number }[]
      await bothWays(schema, rows)
      const read = (table: string) => readOut(readSql(server.url, { table }, { schema, orderBy: 'id' }))
      const back = await read('loaded')
      // MariaDB keeps no minus before a zero.
      expect(back).toMatchObject({ error: undefined, rows: rows.map((row) => ({ ...row, ...('f64' in row && Object.is(row.f64, -0) ? { f32: 0, f64: 0 } : {}) })) })
      expect(back.rows).toEqual((await read('inserted')).rows)
    })

    test('rows longer than a packet, which no INSERT takes', async () => {
      const bytes = new Uint8Array(5_000_000).fill(0x5c)
      bytes[4_999_999] = 10
      const schema = { id: field.int32(), t: field.utf8(), bytes: field.nullable(field.binary()) }
      await write(fromRows(schema, [{ id: 1, t: '\\'.repeat(5_000_000), bytes }, { id: 2, t: '', bytes: null }]), 'long', { ifExists: 'replace' })
      expect(await admin('SELECT id, LENGTH(t), LENGTH(bytes), HEX(RIGHT(bytes, 2)), t = REPEAT(CHAR(92), 4000000) FROM `long` ORDER BY id')).toEqual([[1, 5_000_000, 5_000_000, '5C0A', 0], [2, 0, null, null, 0]])
    })

    test('more than one statement takes', async () => {
      const schema = { id: field.int32(), t: field.utf8() }
      const rows = Array.from({ length: 700 }, (_, id) => ({ id, t: String(id % 10).repeat(100_000) }))
      const stages = new Set<string>()
      const progress = ({ stage }: ProgressEvent): void => void stages.add(stage)
      expect(await run(pipe(fromRows(schema, rows, { batchRows: 50 }), writeSql(server.url, 'many', { ifExists: 'replace' })), { progress })).toMatchObject({ by: 'LOAD DATA', rows: 700 })
      expect(await admin('SELECT COUNT(DISTINCT id), SUM(LENGTH(t)) FROM many')).toEqual([[700, '70000000']])
      expect([...stages].join()).toMatch(/^writing mysql:.*: many by LOAD DATA$/)
      await admin('TRUNCATE many')
      await admin('ALTER TABLE many ADD UNIQUE (id)')
      const twice = fromRows(schema, [...rows, rows[650]!])
      await expect(write(twice, 'many', { ifExists: 'append' })).rejects.toMatchObject({ _tag: 'BadRecord', code: 'SQL_VALUE_REFUSED', message: expect.stringContaining("'650'") })
      expect(await admin('SELECT COUNT(*) FROM many')).toEqual([[0]])
    })
  })

  describe('what the server would change or leave out', () => {
    test('is an error that names the row, and nothing is added', async () => {
      await admin('DROP TABLE IF EXISTS strict_, parents')
      await admin('CREATE TABLE parents (id int PRIMARY KEY)')
      await admin('INSERT INTO parents VALUES (1)')
      await admin(`CREATE TABLE strict_ (id int PRIMARY KEY, t varchar(3) CHARACTER SET latin1, small tinyint unsigned, n decimal(5,2), at timestamp NOT NULL, parent int, req int NOT NULL,
        CHECK (small <> 13), FOREIGN KEY (parent) REFERENCES parents (id))`)
      const schema = { id: field.int32(), t: field.utf8(), small: field.int32(), n: field.decimal(10, 4), at: field.timestamp(), parent: field.nullable(field.int32()), req: field.nullable(field.int32()) }
      const sound = { id: 0, t: 'abc', small: 255, n: '1.2500', at: new Date('2024-02-29T12:00:00Z'), parent: 1, req: 1 }
      const wrong: readonly Partial<Row<typeof schema>>[] = [
        { t: 'long' }, { t: '€😀' }, { small: 256 }, { small: -1 }, { n: '1234.0000' }, { at: new Date('1900-01-01T00:00:00Z') }, { req: null },
        // Of these the server says what failed, and not in which row.
        { small: 13 }, { parent: 2 }, { id: 0 },
      ]
      for (const way of [write, inserted]) {
        for (const [i, change] of wrong.entries()) {
          const rows = [0, 1, 2, 3].map((id) => ({ ...sound, id, ...(id === 2 ? change : {}) }))
          const expected = { _tag: 'BadRecord', code: 'SQL_VALUE_REFUSED', ...(way === write && i < 7 ? { position: { record: 2 } } : {}) }
          await expect(way(fromRows(schema, rows), 'strict_', { ifExists: 'append' }), `${i}`).rejects.toMatchObject(expected)
          expect(await admin('SELECT COUNT(*) FROM strict_')).toEqual([[0]])
        }
        // A decimal is rounded with a note, as in any INSERT.
        await way(fromRows(schema, [{ ...sound, n: '1.2549' }]), 'strict_', { ifExists: 'append' })
        expect(await admin('SELECT n, at FROM strict_')).toEqual([['1.25', '2024-02-29 17:30:00']])
        await admin('DELETE FROM strict_')
      }
      await expect(write(fromRows({ d: field.date() }, [{ d: new Date('2024-01-01') }, { d: new Date('-000001-01-01') }]), 'early')).rejects.toMatchObject({ _tag: 'BadRecord', position: { record: 1 } })
      expect(await admin("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'millrace%' OR table_name = 'early'")).toEqual([])
    })

    test('is set aside where that is asked, the same rows by INSERTs', async () => {
      await admin('DROP TABLE IF EXISTS aside')
      await admin(`CREATE TABLE aside (id int PRIMARY KEY, t varchar(3) CHARACTER SET latin1, f double, CHECK (id <> 13))`)
      await admin("CREATE TRIGGER no_fives BEFORE INSERT ON aside FOR EACH ROW BEGIN IF NEW.id % 100 = 55 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no fives'; END IF; END")
      const schema = { id: field.int32(), t: field.utf8(), f: field.float64() }
      const rows = Array.from({ length: 3000 }, (_, id) => ({ id: id === 2000 ? 1 : id, t: id % 700 === 1 ? '€😀' : id === 2500 ? 'long' : 'abc', f: id === 2999 ? NaN : 0.5 }))
      const refused = [1, 13, ...Array.from({ length: 30 }, (_, i) => 100 * i + 55), 701, 1401, 2101, 2500, 2801, 2999].sort((a, b) => a - b)
      const warnings: string[] = []
      const warn = ({ message }: Error): void => void warnings.push(message)
      process.on('warning', warn)
      // The one with the key 1 that came first was refused.
      for (const [way, by] of [[write, 'LOAD DATA'], [inserted, 'INSERT']] as const) {
        const seen: RejectedRecord[] = []
        const onBadRecord = { quarantine: (record: RejectedRecord) => void seen.push(record) }
        expect(await way(fromRows(schema, rows, { batchRows: 3000 }), 'aside', { ifExists: 'append', onBadRecord })).toMatchObject({ by, rows: rows.length - refused.length, rejected: refused.length })
        expect(seen.map(({ record }) => record)).toEqual(refused)
        expect(seen.map(({ column }) => column)).toEqual(refused.map((id) => (id % 700 === 1 || id === 2500 ? 't' : id === 2999 ? 'f' : undefined)))
        expect(seen.find(({ record }) => record === 55)!.reason).toContain('no fives')
        expect(JSON.parse(Buffer.from(seen.at(-1)!.raw!).toString())).toEqual({ id: 2999, t: 'abc', f: 'NaN' })
        expect(await admin('SELECT COUNT(*), COUNT(DISTINCT id) FROM aside')).toEqual([[rows.length - refused.length, rows.length - refused.length]])
        await admin('DELETE FROM aside')
      }
      process.off('warning', warn)
      // Listeners of some hundred loads.
      expect(warnings).toEqual([])
      // Without transactions nothing could be taken back.
      await admin('SET GLOBAL default_storage_engine = MyISAM')
      try {
        await expect(write(fromRows(schema, rows), 'nowhere', { onBadRecord: 'skip' })).rejects.toMatchObject({ code: 'SQL_NO_TRANSACTIONS' })
      } finally {
        await admin('SET GLOBAL default_storage_engine = InnoDB')
      }
      expect(await admin("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'millrace%' OR table_name = 'nowhere'")).toEqual([])
    })

    test('columns of other types than the fields\' are filled by INSERTs', async () => {
      const schema = { id: field.int32(), b: field.bool(), e: field.utf8(), i: field.float64() }
      await admin('DROP TABLE IF EXISTS others')
      await admin("CREATE TABLE others (ID int, b bit(1), e enum('1', '0', 'x'), i int)")
      expect(await write(fromRows(schema, [{ id: 1, b: true, e: '0', i: 2.5 }]), 'others', { ifExists: 'append' })).toMatchObject({ by: 'INSERT' })
      expect(await admin('SELECT id, b + 0, e, i FROM others')).toEqual([[1, 1, '0', 2]])
      expect(await write(fromRows({ id: field.int32() }, [{ id: 5 }]), 'others', { ifExists: 'append' })).toMatchObject({ by: 'LOAD DATA' })
      await admin('ALTER TABLE others ADD twice int AS (id * 2) STORED')
      await expect(write(fromRows({ twice: field.int32() }, [{ twice: 5 }]), 'others', { ifExists: 'append' })).rejects.toMatchObject({ _tag: 'Engine' })
      await expect(write(fromRows({ nowhere: field.int32() }, [{ nowhere: 5 }]), 'others', { ifExists: 'append' })).rejects.toMatchObject({ _tag: 'NotFound' })
    })
  })

  test('a source that breaks, and a signal, leave nothing, also amid a statement', async () => {
    const schema = { id: field.int32(), t: field.utf8() }
    const upTo = (count: number, then: () => void): Stream<typeof schema, 'cold'> =>
      pipe(fromRows(schema, Array.from({ length: 40_000 }, (_, id) => ({ id, t: 'x'.repeat(50) })), { batchRows: 500 }), map(schema, (row) => {
        if (row.id === count) then()
        return row
      }))
    await admin('DROP TABLE IF EXISTS halved')
    await admin('CREATE TABLE halved (id int, t text)')
    for (const ifExists of ['append', 'replace'] as const) {
      const broken = upTo(30_000, () => {
        throw new Error('the source broke')
      })
      await expect(write(broken, 'halved', { ifExists })).rejects.toThrow(/the source broke/)
      const controller = new AbortController()
      const job = pipe(upTo(30_000, () => controller.abort()), writeSql(server.url, 'halved', { ifExists }))
      await expect(run(job, { signal: controller.signal })).rejects.toMatchObject({ _tag: 'Aborted' })
      expect(await admin('SELECT COUNT(*) FROM halved')).toEqual([[0]])
    }
    expect(await admin("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'millrace%'")).toEqual([])
    await expect.poll(() => admin('SELECT COUNT(*) FROM information_schema.processlist WHERE user = \'millrace\' AND id <> CONNECTION_ID()'), { timeout: 10_000 }).toEqual([[0]])
  })

  /** A server in whose place a proxy speaks. @param tell - what the client hears instead of what the server says, or in answer to what it says itself, which the server then does not hear */
  const lying = async (tell: (said: string, far: boolean) => string | undefined, use: (url: string, sent: () => string) => Promise<void>): Promise<void> => {
    const sockets: Socket[] = []
    const sent: Buffer[] = []
    const proxy = createServer((near) => {
      const far = connect(server.port, '127.0.0.1')
      sockets.push(near, far)
      near.on('error', () => far.destroy()).on('close', () => far.destroy())
      far.on('error', () => near.destroy()).on('close', () => near.destroy())
      near.on('data', (bytes: Buffer) => {
        sent.push(bytes)
        const answer = tell(bytes.toString('latin1'), false)
        if (answer === undefined) far.write(bytes)
        else near.write(Buffer.from(answer, 'latin1'))
      })
      far.on('data', (bytes: Buffer) => near.write(Buffer.from(tell(bytes.toString('latin1'), true)!, 'latin1')))
    })
    await once(proxy.listen(0, '127.0.0.1'), 'listening')
    try {
      const url = server.url.replace(String(server.port), String((proxy.address() as AddressInfo).port))
      await use(url, () => Buffer.concat(sent).toString('latin1'))
    } finally {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    }
  }

  test('a server that asks for another file gets nothing', async () => {
    let asked = 0
    const tell = (said: string, far: boolean): string | undefined => !far ? undefined : said.replace(/\xfbmillrace_[\da-f]{16}/, () => {
      asked++
      return '\xfb/etc/../etc/../etc/passwd'
    })
    await lying(tell, async (url, sent) => {
      await expect(run(pipe(texts(['a']), writeSql(url, 'robbed')))).rejects.toMatchObject({ _tag: 'Engine', code: 'SQL_FILE_ASKED', message: expect.stringContaining('/etc/../etc/../etc/passwd') })
      expect(asked).toBe(1)
      expect(sent()).not.toMatch(/root:|\/bin\//)
      expect((await readOut(readSql(server.url, { table: 'robbed' }))).error).toMatchObject({ _tag: 'NotFound' })
    })
  })

  test("a server that asks for a file in any query gets nothing, also by its pool's owner", async () => {
    const asks = '/etc/passwd'
    const request = `${String.fromCharCode(asks.length + 1)}\0\0\x01\xfb${asks}`
    // A query by its text, and a prepared one.
    for (const query of [/^...\0\x03.*@@character_set_client/s, /^...\0\x17/s]) {
      let asked = 0
      // The empty packet with which the client says that nothing comes is not the server's to hear.
      const tell = (said: string, far: boolean): string | undefined => {
        if (far) return said
        if (query.test(said)) return ++asked === 1 ? request : undefined
        return asked === 1 && said.startsWith('\0\0\0') ? '\x07\0\0\x03\0\0\0\x02\0\0\0' : undefined
      }
      await lying(tell, async (url, sent) => {
        let given = 0
        const pool = mysql.createPool({ uri: url, connectionLimit: 1, infileStreamFactory: () => {
          given++
          return Readable.from(["the owner's file"])
        } })
        const { error } = await readOut(readSql(pool, 'SELECT 1 AS one'))
        expect({ message: (error as Error | undefined)?.message, asked, given }).toEqual({ message: expect.any(String), asked: 1, given: 0 })
        expect(sent()).not.toContain("owner's file")
        await pool.end()
      })
    }
  }, 20_000)
})
