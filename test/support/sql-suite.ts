import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, filter, fixedColumn, fromBatches, fromRows, isMillraceError, makeBatch, map, pipe, run, Tally, type Batch, type Json, type OpenOptions, type ProgressEvent, type Row, type Schema, type Stream } from '@millrace/core'
import { quarantine, readJson, readQuarantine, readSql, sqlSchema, writeSql, type OnBadRecord, type RejectedRecord, type SqlOptions } from '@millrace/formats'
import { describe, expect, test } from 'vitest'
import { badRows, rows, schema } from '../conformance/records.js'
import { buildProgram } from './program.js'
import type { SqlTestServer } from './sql-servers.js'

/** What a reading gave, to its end or its error. */
export interface SqlOutcome {
  readonly rows: readonly { readonly [name: string]: unknown }[]
  readonly schema: Schema | undefined
  readonly sizes: readonly number[]
  readonly positions: readonly Json[]
  readonly error: unknown
}

/** Reads to the end, or to the error. */
export const readOut = async (stream: Stream, options: OpenOptions = {}): Promise<SqlOutcome> => {
  const out = { rows: [] as { [name: string]: unknown }[], schema: undefined as Schema | undefined, sizes: [] as number[], positions: [] as Json[], error: undefined as unknown }
  try {
    for await (const batch of stream.open(options)) {
      out.schema = batch.schema
      out.sizes.push(batch.numRows)
      out.positions.push(batch.position!)
      for (let row = 0; row < batch.numRows; row++) out.rows.push(batch.row(row))
    }
  } catch (error) {
    out.error = error
  }
  return out
}

/** One server under test, and its words where they differ. */
export interface SqlUnderTest {
  readonly server: () => SqlTestServer
  /** Runs statements as an administrator would. */
  readonly admin: (sql: string) => Promise<unknown[][]>
  /** Connections of Millrace that are open. */
  readonly connections: () => Promise<number>
  readonly quote: (name: string) => string
  readonly placeholder: (index: number) => string
  /** A query of the integers from 1 to the count, in a column named `id`. */
  readonly numbers: (count: number) => string
  /** A query that takes a minute. */
  readonly slow: string
  /** Ends the connections of Millrace, as an administrator would. */
  readonly kill: () => Promise<unknown>
  /** A type of instants with microseconds. */
  readonly timestamp: string
}

/** Waits until Millrace has no connection to the server, and stays without: one that was being opened when a reading ended comes, and goes. */
const released = async ({ connections }: SqlUnderTest): Promise<number> => {
  for (let tries = 0, quiet = 0; tries < 100 && quiet < 3; tries++) {
    quiet = (await connections()) === 0 ? quiet + 1 : 0
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return connections()
}

/** What `readSql` and `writeSql` do with every server. */
export const sqlSuite = (under: SqlUnderTest): void => {
  const { quote, placeholder, admin, numbers } = under
  const url = (): string => under.server().url
  const sound = rows.map((row) => ({ ...row }))
  const kept = rows.filter(({ id }) => !badRows.includes(id))

  /** A table of the suite's rows, some of which have an id that fits no int32. */
  const table = async (name: string, bad: readonly number[] = []): Promise<void> => {
    const wide = { ...schema, place: field.int32(), id: field.int64() }
    const stream = fromRows(wide, rows.map((row) => ({ ...row, place: row.id, id: BigInt(bad.includes(row.id) ? 2 ** 40 : row.id) })))
    await run(pipe(stream, writeSql(url(), name, { ifExists: 'replace' })))
  }
  const read = (name: string, options: Partial<SqlOptions> = {}): Stream<typeof schema, 'cold'> => readSql(url(), { table: name }, { orderBy: 'place', ...options, schema })

  describe('readSql conforms', () => {
    test('reads its rows, again when it is read again, in batches of any size', async () => {
      await table('sound')
      for (const batchRows of [1, 2, 3, 10, 1000]) {
        const stream = read('sound', { batchRows })
        const out = await readOut(stream)
        expect(out).toMatchObject({ rows: sound, error: undefined })
        expect(Math.max(...out.sizes)).toBeLessThanOrEqual(batchRows)
        expect(await readOut(stream)).toMatchObject({ rows: sound, error: undefined })
      }
      expect(await readOut(readSql(url(), { table: 'sound' }, { orderBy: 'id', schema: { id: field.int64({ as: 'number' }) } }))).toMatchObject({ rows: sound.map(({ id }) => ({ id })) })
      expect(await released(under)).toBe(0)
    })

    test('gives the same rows whichever columns are looked at', async () => {
      await table('looked', badRows)
      for (const columns of [['name'], ['score', 'id'], []]) {
        const tally = new Tally()
        const out = await readOut(read('looked', { onBadRecord: 'skip' }), { columns, tally })
        expect(out.error).toBeUndefined()
        expect(out.rows).toEqual(kept.map((row) => Object.fromEntries(columns.map((name) => [name, row[name as keyof typeof row]]))))
        expect(tally.summary()).toMatchObject({ read: rows.length, delivered: kept.length, rejected: badRows.length })
      }
      expect((await readOut(read('looked'), { columns: ['name'] })).rows).toEqual(sound.map(({ name }) => ({ name })))
      expect((await readOut(readSql(url(), { table: 'looked' }), { columns: [] })).sizes).toEqual([rows.length])
    })

    test('resumes from every position, with what is bad left out, and counts on', async () => {
      await table('resumed', badRows)
      for (const batchRows of [1, 3, 1000]) {
        const stream = read('resumed', { batchRows, onBadRecord: 'skip' })
        const whole = await readOut(stream)
        let before = 0
        for (const [i, position] of whole.positions.entries()) {
          before += whole.sizes[i]!
          const rest = await readOut(stream, { from: JSON.parse(JSON.stringify(position)) as Json })
          expect(rest).toMatchObject({ rows: whole.rows.slice(before), error: undefined })
        }
      }
      for (const from of [null, 3, {}, { after: [], rows: 1 }, { after: [1], rows: 1 }, { after: ['1'], rows: -1 }]) {
        expect((await readOut(read('resumed'), { from })).error).toMatchObject({ _tag: 'Usage', code: 'BAD_POSITION' })
      }
      expect((await readOut(readSql(url(), { table: 'resumed' }), { from: { after: ['1'], rows: 1 } })).error).toMatchObject({ code: 'UNSTABLE_ORDER', message: expect.stringMatching(/orderBy/) })
    })

    test('resumes after keys of several columns, of texts by their bytes, beyond 2^53, and of microseconds', async () => {
      await admin('DROP TABLE IF EXISTS ordered')
      await admin(`CREATE TABLE ordered (word varchar(20) NOT NULL, big bigint NOT NULL, at ${under.timestamp} NOT NULL)`)
      const words = ['a', 'B', 'b', 'é', '😀', 'ab', '']
      const values = words.flatMap((word, w) => [0, 1, 2].map((n) => `('${word}', ${2n ** 62n + BigInt(n)}, '2024-03-31 01:30:00.${String(100000 + w * 3 + n)}')`))
      await admin(`INSERT INTO ordered VALUES ${values.join(', ')}`)
      for (const orderBy of [['word', 'big'], ['big', 'at'], 'at']) {
        const stream = readSql(url(), 'SELECT * FROM ordered -- all of it', { orderBy, batchRows: 2 })
        const whole = await readOut(stream)
        expect(whole.error).toBeUndefined()
        expect(whole.rows).toHaveLength(21)
        let before = 0
        for (const [i, from] of whole.positions.entries()) {
          before += whole.sizes[i]!
          expect((await readOut(stream, { from })).rows).toEqual(whole.rows.slice(before))
        }
      }
      expect((await readOut(readSql(url(), { table: 'ordered' }, { orderBy: 'big' }))).error).toMatchObject({ code: 'ORDER_KEY_NOT_UNIQUE' })
      await table('nulls')
      expect((await readOut(readSql(url(), { table: 'nulls' }, { orderBy: ['place', 'score'] }))).error).toMatchObject({ _tag: 'Usage', code: 'BAD_ORDER_KEY' })
      await admin('ALTER TABLE nulls ADD COLUMN free int')
      expect((await readOut(readSql(url(), { table: 'nulls' }, { orderBy: 'free' }))).error).toMatchObject({ code: 'ORDER_KEY_NULL' })
    })

    test('tells of a bad record where it is, after the rows before it, or hands it on', async () => {
      await table('bad', badRows)
      const failed = await readOut(read('bad'))
      expect(failed.rows).toEqual(sound.slice(0, badRows[0]))
      expect(failed.error).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { record: badRows[0], column: 'id' } })
      const seen: RejectedRecord[] = []
      const out = await readOut(read('bad', { onBadRecord: { quarantine: (record) => void seen.push(record) } }))
      expect(out.rows).toEqual(kept)
      expect(seen.map(({ record, column }) => [record, column])).toEqual(badRows.map((record) => [record, 'id']))
      expect(JSON.parse(Buffer.from(seen[0]!.raw!).toString())).toMatchObject({ id: String(2 ** 40), name: rows[badRows[0]!]!.name })
    })

    test('keeps the quarantine file of a reading whose rest has no bad record', async () => {
      await table('rest', badRows)
      const folder = mkdtempSync(join(tmpdir(), 'millrace-sql-'))
      try {
        const file = join(folder, 'bad.jsonl')
        const stream = read('rest', { onBadRecord: quarantine(file) })
        const { rows: found, positions } = await readOut(stream)
        expect(found).toEqual(kept)
        const before = readFileSync(file, 'utf8')
        expect(await readOut(stream, { from: positions.at(-1) })).toMatchObject({ rows: [], error: undefined })
        expect(readFileSync(file, 'utf8')).toBe(before)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    })

    test('left early or aborted, stops the query on the server and ends its connection', async () => {
      for await (const batch of readSql(url(), numbers(1_000_000), { batchRows: 10 })) {
        expect(batch.numRows).toBe(10)
        break
      }
      expect(await released(under)).toBe(0)
      await readSql(url(), numbers(10)).open().return()
      expect(() => readSql(url(), numbers(10)).open({ signal: AbortSignal.abort() })).toThrow(/aborted/)
      const within = new AbortController()
      const aborted = await readOut(pipe(readSql(url(), numbers(1_000_000), { batchRows: 10 }), map({ n: field.int32() }, () => {
        within.abort()
        return { n: 1 }
      })), { signal: within.signal })
      expect(aborted.error).toMatchObject({ _tag: 'Aborted' })
      expect(await released(under)).toBe(0)
      // A server that takes the connection, and says nothing.
      const silent = createServer().listen(0, '127.0.0.1')
      await once(silent, 'listening')
      const connecting = new AbortController()
      silent.once('connection', () => connecting.abort())
      const mute = await readOut(readSql(url().replace(/:\d+\//, `:${(silent.address() as AddressInfo).port}/`), 'SELECT 1'), { signal: connecting.signal })
      expect(mute.error).toMatchObject({ _tag: 'Aborted' })
      silent.close()
      const waiting = new AbortController()
      const slow = readOut(readSql(url(), under.slow), { signal: waiting.signal })
      while ((await under.connections()) === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      waiting.abort()
      expect((await slow).error).toMatchObject({ _tag: 'Aborted' })
      expect(await released(under)).toBe(0)
    })

    test('says how far it was when the server ends the connection', async () => {
      let killed = false
      const out = await readOut(pipe(readSql(url(), numbers(1_000_000), { batchRows: 1000 }), filter(() => true)), {
        progress: (event) => {
          if (event.done >= 3000 && !killed) {
            killed = true
            void under.kill()
          }
        },
      })
      expect(out.error).toMatchObject({ _tag: 'Storage' })
      const [, told] = /broke off after (\d+) rows/.exec((out.error as Error).message) ?? []
      expect(Number(told)).toBeGreaterThanOrEqual(out.rows.length)
      expect(out.rows.length).toBeGreaterThanOrEqual(3000)
      expect((out.error as Error).message).toContain('SELECT')
    })

    test('reports rows as progress, and gives no rows of an empty result', async () => {
      const events: ProgressEvent[] = []
      await readOut(readSql(url(), numbers(25), { batchRows: 10 }), { progress: (event) => events.push(event) })
      expect(events.map(({ done, unit, finished }) => [done, unit, finished])).toEqual([[10, 'rows', undefined], [20, 'rows', undefined], [25, 'rows', undefined], [25, 'rows', true]])
      expect(await readOut(readSql(url(), `SELECT * FROM (${numbers(5)}) AS q WHERE id > 5`))).toMatchObject({ rows: [], sizes: [], error: undefined })
    })
  })

  describe('partitions', () => {
    test('read every row exactly once: nulls, rows beyond the bounds, one value for all', async () => {
      await admin('DROP TABLE IF EXISTS cut')
      await admin('CREATE TABLE cut (id int NOT NULL, big bigint, price decimal(20,3), day date, at ' + under.timestamp + ' NULL)')
      const value = (n: number): string => (n % 7 === 0 ? 'NULL, NULL, NULL, NULL' : `${9007199254740993n + BigInt(n)}, ${n - 50}.${n % 3}5, '20${10 + (n % 20)}-0${1 + (n % 9)}-15', '20${10 + (n % 20)}-0${1 + (n % 9)}-15 23:59:59.99999${n % 10}'`)
      await admin(`INSERT INTO cut VALUES ${Array.from({ length: 100 }, (_, n) => `(${n}, ${value(n)})`).join(', ')}`)
      const ids = async (options: SqlOptions): Promise<readonly number[]> => {
        const out = await readOut(readSql(url(), { table: 'cut' }, { ...options, schema: { id: field.int32() } }))
        expect(out.error).toBeUndefined()
        return out.rows.map(({ id }) => Number(id)).sort((a, b) => a - b)
      }
      const all = Array.from({ length: 100 }, (_, n) => n)
      for (const column of ['id', 'big', 'price', 'day', 'at']) for (const count of [1, 2, 7, 40]) expect(await ids({ partition: { column, count, parallel: 3 } }), `${column} in ${count}`).toEqual(all)
      expect(await ids({ partition: { column: 'id', count: 3, lower: 40, upper: 50 } })).toEqual(all)
      expect(await ids({ partition: { column: 'id', count: 3, lower: 1000, upper: 2000 } })).toEqual(all)
      expect(await ids({ partition: { column: 'at', count: 3, lower: new Date('2012-01-01'), upper: '2020-01-01' } })).toEqual(all)
      expect(await ids({ partition: { column: 'big', count: 4, lower: 2n ** 62n, upper: 2n ** 62n } })).toEqual(all)
      await admin('DELETE FROM cut WHERE big IS NOT NULL')
      expect(await ids({ partition: { column: 'big', count: 4 } })).toEqual(all.filter((n) => n % 7 === 0))
      const query = `SELECT id, big FROM cut WHERE id < ${placeholder(1)}`
      expect((await readOut(readSql(url(), query, { parameters: [50], partition: { column: 'id', count: 5 } }))).rows).toHaveLength(8)
      expect(await released(under)).toBe(0)
    })

    test('are refused where they make no sense, and stop together', async () => {
      await table('parts')
      expect((await readOut(readSql(url(), { table: 'parts' }, { partition: { column: 'name', count: 2 } }))).error).toMatchObject({ code: 'BAD_PARTITION', position: { column: 'name' } })
      expect((await readOut(readSql(url(), { table: 'parts' }, { partition: { column: 'nowhere', count: 2 } }))).error).toMatchObject({ _tag: 'Schema', code: 'NO_SUCH_COLUMN' })
      expect((await readOut(readSql(url(), { table: 'parts' }, { partition: { column: 'place', count: 2, lower: 'x', upper: 5 } }))).error).toMatchObject({ code: 'BAD_PARTITION' })
      expect(() => readSql(url(), { table: 'parts' }, { orderBy: 'id', partition: { column: 'id', count: 2 } })).toThrow(/orderBy and partition/)
      for await (const batch of readSql(url(), numbers(100_000), { batchRows: 10, partition: { column: 'id', count: 4 } })) {
        expect(batch.numRows).toBe(10)
        break
      }
      expect(await released(under)).toBe(0)
      const failing = await readOut(readSql(url(), { table: 'parts' }, { partition: { column: 'place', count: 4 }, schema: { id: field.int8(), score: field.float64() } }))
      expect(failing.error).toMatchObject({ _tag: 'BadRecord', code: 'NULL' })
      expect(await released(under)).toBe(0)
    })
  })

  describe('names and values', () => {
    test('are never spliced into the query', async () => {
      const wicked = `x"; DROP TABLE victim; -- \`'\\ 😀`
      const column = `a"b\`c' \\ ü€; --`
      await table('victim')
      await run(pipe(fromRows({ [column]: field.utf8(), n: field.int32() }, [{ [column]: wicked, n: 1 }]), writeSql(url(), wicked.replace(' 😀', ''))))
      const source = { table: wicked.replace(' 😀', '') }
      expect((await readOut(readSql(url(), source, { orderBy: column }))).rows).toEqual([{ [column]: wicked, n: 1 }])
      expect((await readOut(readSql(url(), source, { partition: { column: 'n', count: 3 } }))).rows).toHaveLength(1)
      const found = readSql(url(), `SELECT n FROM ${quote(source.table)} WHERE ${quote(column)} = ${placeholder(1)}`, { parameters: [wicked] })
      expect((await readOut(found)).rows).toEqual([{ n: 1 }])
      expect((await readOut(readSql(url(), `SELECT name FROM victim WHERE name = ${placeholder(1)}`, { parameters: ["' OR '1'='1"] }))).rows).toEqual([])
      expect((await readOut(readSql(url(), 'SELECT 1 AS a; DROP TABLE victim'))).error).toBeDefined()
      expect((await readOut(readSql(url(), { table: 'victim', schema: 'no"such`; DROP TABLE victim' }))).error).toMatchObject({ _tag: 'NotFound' })
      expect((await readOut(readSql(url(), { table: '' }))).error).toMatchObject({ code: 'BAD_IDENTIFIER' })
      expect((await readOut(readSql(url(), { table: 'a\0b' }))).error).toMatchObject({ code: 'BAD_IDENTIFIER' })
      expect((await readOut(read('victim'))).rows).toEqual(sound)
      await admin(`DROP TABLE ${quote(source.table)}`)
    })

    test('are bound as what they are', async () => {
      await admin('DROP TABLE IF EXISTS bound')
      await admin('CREATE TABLE bound (id bigint PRIMARY KEY, d double precision, t varchar(10))')
      await admin("INSERT INTO bound VALUES (9007199254740992, 0.1, 'a'), (9007199254740993, 2, 'ü😀'), (-5, NULL, NULL)")
      const ids = async (where: string, ...parameters: NonNullable<SqlOptions['parameters']>): Promise<unknown[]> => (await readOut(readSql(url(), `SELECT id FROM bound WHERE ${where} ORDER BY id`, { parameters }))).rows.map(({ id }) => id)
      const at = placeholder(1)
      expect(await ids(`id = ${at}`, 9007199254740993n)).toEqual([9007199254740993n])
      expect(await ids(`id > ${at}`, 9007199254740992n)).toEqual([9007199254740993n])
      expect(await ids(`id = ${at}`, -5)).toEqual([-5n])
      expect(await ids(`d = ${at}`, 0.1)).toEqual([9007199254740992n])
      expect(await ids(`t = ${at} OR d = ${placeholder(2)}`, 'ü😀', 0.1)).toEqual([9007199254740992n, 9007199254740993n])
      expect(await ids(`t = ${at}`, null)).toEqual([])
      expect(readSql(url(), 'SELECT 1', { parameters: ['secret'] }).explain()).not.toContain('secret')
    })
  })

  describe('errors', () => {
    test('say whose fault it is, without the password', async () => {
      const { port, user, password } = under.server()
      const { server } = { server: url().startsWith('postgres') ? 'postgres' : 'mysql' } as const
      const database = new URL(url()).pathname.slice(1)
      const errors = await Promise.all([
        readOut(readSql({ server, host: '127.0.0.1', port, user, password: `${password}x`, database }, 'SELECT 1')),
        readOut(readSql({ server, host: '127.0.0.1', port: 1, user, password, database }, 'SELECT 1')),
        readOut(readSql(url().replace(/\/\w+$/, '/nowhere'), 'SELECT 1')),
        readOut(readSql(url(), { table: 'nowhere' })),
        readOut(readSql(url(), 'SELECT nothing FROM nowhere WHERE')),
      ])
      expect(errors.map(({ error }) => (isMillraceError(error) ? [error._tag, error.code] : error))).toEqual([
        ['Storage', 'SQL_ACCESS_DENIED'], ['Storage', 'ECONNREFUSED'], ['NotFound', 'SQL_NOT_FOUND'], ['NotFound', 'SQL_NOT_FOUND'], ['Engine', 'SQL_REFUSED'],
      ])
      for (const { error } of errors) {
        const text = `${(error as Error).stack} ${String((error as Error).cause)} ${JSON.stringify(error)}`
        expect(text).not.toContain(password)
        expect(text).not.toContain(encodeURIComponent(password))
        expect(text).toContain(`127.0.0.1:`)
      }
      expect(() => readSql(`${server}://u:hidden%zz@h/d`, 'SELECT 1')).toThrow(/percent sign/)
      expect(() => readSql('oracle://u:hidden@h/d', 'SELECT 1')).toThrow(/^(?!.*hidden)/)
      expect(readSql(url(), 'SELECT 1').explain()).not.toContain(password.slice(0, 5))
    })

    test('of schemas come before rows', async () => {
      await table('typed')
      expect((await readOut(readSql(url(), { table: 'typed' }, { schema: { name: field.utf8(), scoer: field.float64() } }))).error).toMatchObject({ _tag: 'NotFound' })
      expect((await readOut(readSql(url(), 'SELECT * FROM typed', { schema: { scoer: field.float64() } }))).error).toMatchObject({ _tag: 'Schema', code: 'NO_SUCH_COLUMN', message: expect.stringMatching(/Did you mean "score"/) })
      expect((await readOut(readSql(url(), { table: 'typed' }, { schema: { score: field.date() } }))).error).toMatchObject({ _tag: 'Schema', code: 'SQL_KIND', position: { column: 'score' } })
      expect((await readOut(readSql(url(), 'SELECT id, id FROM typed'))).error).toMatchObject({ _tag: 'Schema', code: 'DUPLICATE_COLUMN' })
      const known = await run(sqlSchema(url(), { table: 'typed' }))
      expect(Object.entries(known).map(([name, { kind, nullable }]) => [name, kind, nullable])).toEqual([['id', 'int64', false], ['name', 'utf8', false], ['score', 'float64', true], ['place', 'int32', false]])
    })
  })

  describe('writeSql', () => {
    const some = { id: field.int32(), name: field.nullable(field.utf8()) }
    const of = (ids: readonly number[]) => fromRows(some, ids.map((id) => ({ id, name: id % 2 === 0 ? null : `n${id}` })))
    const ids = async (name: string): Promise<unknown[]> => (await readOut(readSql(url(), { table: name }, { orderBy: 'id' }))).rows.map(({ id }) => id)

    test('fails, adds, or replaces when the table exists', async () => {
      await admin('DROP TABLE IF EXISTS written')
      expect(await run(pipe(of([1, 2]), writeSql(url(), 'written')))).toMatchObject({ table: 'written', rows: 2, created: true })
      await expect(run(pipe(of([3]), writeSql(url(), 'written')))).rejects.toMatchObject({ _tag: 'AlreadyExists' })
      expect(await run(pipe(of([3]), writeSql(url(), 'written', { ifExists: 'append' })))).toMatchObject({ rows: 1, created: false })
      expect(await ids('written')).toEqual([1, 2, 3])
      expect(await run(pipe(of([7]), writeSql(url(), 'written', { ifExists: 'replace' })))).toMatchObject({ rows: 1, created: true })
      expect(await ids('written')).toEqual([7])
      expect(await run(pipe(of([]), writeSql(url(), 'written', { ifExists: 'replace' })))).toMatchObject({ rows: 0 })
      expect(await ids('written')).toEqual([])
      expect(() => pipe(of([1]), writeSql(url(), 'written', { ifExists: 'drop' as 'replace' }))).toThrow(/ifExists/)
    })

    test('leaves nothing when it fails or is aborted, and the old table as it was', async () => {
      await admin('DROP TABLE IF EXISTS halved')
      const many = { id: field.int32() }
      const failing = pipe(fromRows(many, Array.from({ length: 20_000 }, (_, id) => ({ id }))), map(many, ({ id }) => {
        if (id === 15_000) throw new Error('the source broke')
        return { id }
      }))
      await expect(run(pipe(failing, writeSql(url(), 'halved')))).rejects.toThrow(/the source broke/)
      expect((await readOut(readSql(url(), { table: 'halved' }))).error).toMatchObject({ _tag: 'NotFound' })
      await run(pipe(of([1]), writeSql(url(), 'halved')))
      for (const ifExists of ['append', 'replace'] as const) {
        await expect(run(pipe(failing, writeSql(url(), 'halved', { ifExists })))).rejects.toThrow(/the source broke/)
        const controller = new AbortController()
        const aborting = pipe(failing, map(many, ({ id }) => {
          if (id === 12_000) controller.abort()
          return { id }
        }))
        await expect(run(pipe(aborting, writeSql(url(), 'halved', { ifExists })), { signal: controller.signal })).rejects.toMatchObject({ _tag: 'Aborted' })
        expect(await ids('halved')).toEqual([1])
      }
      // The server refuses a row far in.
      await admin('ALTER TABLE halved ADD CONSTRAINT only_once UNIQUE (id)')
      await expect(run(pipe(of([5, 6, 7, 6]), writeSql(url(), 'halved', { ifExists: 'append' })))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'SQL_VALUE_REFUSED' })
      expect(await ids('halved')).toEqual([1])
      const left = await admin("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'millrace%'")
      expect(left).toEqual([])
      expect(await released(under)).toBe(0)
    })

    describe('rows that the table does not take', () => {
      const wide = { id: field.int32(), small: field.nullable(field.int64()), t: field.utf8(), n: field.decimal(12, 3), parent: field.nullable(field.int32()), at: field.timestamp() }
      const sound = (id: number): Row<typeof wide> => ({ id, small: 1n, t: 'abc', n: '1.500', parent: null, at: new Date(id * 1000) })
      /** Each breaks the table in a way of its own. */
      const faults: readonly Partial<Row<typeof wide>>[] = [{ small: 70_000n }, { small: null }, { t: 'too long' }, { n: '123456.000' }, { parent: 7 }, { id: 3 }, { small: 13n }]
      const makeTables = async (): Promise<void> => {
        await admin('DROP TABLE IF EXISTS strict_rows')
        await admin('DROP TABLE IF EXISTS strict_parents')
        await admin('CREATE TABLE strict_parents (id int PRIMARY KEY)')
        await admin(`CREATE TABLE strict_rows (id int PRIMARY KEY, small smallint NOT NULL, t varchar(5), n decimal(5,2), parent int, at ${under.timestamp},
          CHECK (small <> 13), FOREIGN KEY (parent) REFERENCES strict_parents (id))`)
      }
      const into = (onBadRecord: OnBadRecord) => writeSql(url(), 'strict_rows', { ifExists: 'append', onBadRecord })

      test('are set aside one by one, wherever they stand, and what is kept appears at once', async () => {
        // First and last, alone, in a row, and in other pieces than the first.
        const places = [0, 1, 2, 500, 4095, 4096, 5000, 9998, 9999]
        const all = Array.from({ length: 10_000 }, (_, i) => ({ ...sound(i + 10), ...(places.includes(i) ? faults[i % faults.length]! : {}) }))
        // The first of a key stays.
        all[7] = sound(3)
        all[3] = sound(3)
        await makeTables()
        const seen: RejectedRecord[] = []
        const tally = new Tally()
        const watched: unknown[] = []
        const report = await run(pipe(fromRows(wide, all, { batchRows: 5000 }), into({ quarantine: async (record) => {
          seen.push(record)
          watched.push(...(await admin('SELECT COUNT(*) FROM strict_rows'))[0]!)
        } })), { tally })
        const refused = [...places, 7].sort((a, b) => a - b)
        expect(seen.map(({ record }) => record)).toEqual(refused)
        expect(new Set(watched.map(Number))).toEqual(new Set([0]))
        expect(report).toMatchObject({ rows: all.length - refused.length, rejected: refused.length, rejectedByCode: { SQL_VALUE_REFUSED: refused.length }, created: false })
        expect(report.tally).toMatchObject({ read: all.length, delivered: all.length, rejected: 0 })
        expect(await ids('strict_rows')).toEqual(all.filter((_, i) => !refused.includes(i)).map(({ id }) => id).sort((a, b) => a - b))
        expect(seen[0]).toMatchObject({ code: 'SQL_VALUE_REFUSED', encoding: 'utf-8', byte: undefined })
        expect(seen[0]!.source).toContain('127.0.0.1')
        expect(JSON.parse(Buffer.from(seen[0]!.raw!).toString())).toEqual({ id: 10, small: 70_000, t: 'abc', n: 1.5, parent: null, at: '1970-01-01T00:00:10.000Z' })
        expect(seen.map(({ column }) => column).filter((column) => column !== undefined)).toEqual(expect.arrayContaining(['small']))
      })

      test('are replayed from the quarantine once they are mended', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'millrace-sql-'))
        try {
          await makeTables()
          const file = join(folder, 'refused.jsonl')
          const rows = [sound(1), { ...sound(2), small: 99_999n }, sound(3), { ...sound(4), t: 'far too long' }]
          expect(await run(pipe(fromRows(wide, rows), into(quarantine(file))))).toMatchObject({ rows: 2, rejected: 2 })
          const lines: string[] = []
          for await (const { raw, reason } of readQuarantine(file)) {
            expect(reason).toMatch(/small|too long|'t'/)
            lines.push(Buffer.from(raw!).toString().replace('99999', '9').replace('far too long', 'short'))
          }
          writeFileSync(join(folder, 'mended.jsonl'), lines.join('\n'))
          expect(await run(pipe(readJson(join(folder, 'mended.jsonl'), { schema: wide }), into(quarantine(file))))).toMatchObject({ rows: 2, rejected: 0, rejectedByCode: {} })
          expect((await readOut(readSql(url(), { table: 'strict_rows' }, { schema: wide, orderBy: 'id' }))).rows).toEqual([rows[0], { ...rows[1], small: 9n }, rows[2], { ...rows[3], t: 'short' }].map((row) => ({ ...row!, n: '1.500' })))
          // Nothing was refused this time.
          expect(existsSync(file)).toBe(false)
        } finally {
          rmSync(folder, { recursive: true, force: true })
        }
      })

      test('are all of them, some hundreds, and the table stays as it was', async () => {
        await makeTables()
        const seen: number[] = []
        const all = Array.from({ length: 500 }, (_, id) => ({ ...sound(id), parent: 7 }))
        expect(await run(pipe(fromRows(wide, all), into({ quarantine: ({ record }) => void seen.push(record) })))).toMatchObject({ rows: 0, rejected: 500 })
        expect(seen).toEqual(all.map(({ id }) => id))
        expect(await ids('strict_rows')).toEqual([])
      })

      test('end the loading unless it is said otherwise, and what is no row\'s fault always does', async () => {
        await makeTables()
        const rows = [sound(1), { ...sound(2), small: null }, sound(3)]
        await expect(run(pipe(fromRows(wide, rows), into('fail')))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'SQL_VALUE_REFUSED' })
        expect(await run(pipe(fromRows(wide, rows), into('skip')))).toMatchObject({ rows: 2, rejected: 1 })
        expect(await ids('strict_rows')).toEqual([1, 3])
        expect(() => into('drop' as 'skip')(fromRows(wide, rows))).toThrow(/onBadRecord/)
        const other = { ...wide, nowhere: field.int32() }
        await expect(run(pipe(fromRows(other, rows.map((row) => ({ ...row, nowhere: 1 }))), into('skip')))).rejects.toMatchObject({ _tag: 'NotFound' })
        const broken = { quarantine: () => {
          throw new Error('the quarantine is full')
        } }
        await expect(run(pipe(fromRows(wide, [sound(8), { ...sound(9), small: null }]), into(broken)))).rejects.toThrow(/the quarantine is full/)
        const killed = pipe(fromRows(wide, Array.from({ length: 9000 }, (_, id) => sound(id + 10)), { batchRows: 1000 }), into({ quarantine: () => undefined }))
        let kills = 0
        await expect(run(killed, { progress: ({ done }) => {
          if (done >= 3000 && kills++ === 0) void under.kill()
        } })).rejects.toMatchObject({ _tag: 'Storage' })
        expect(await ids('strict_rows')).toEqual([1, 3])
        expect(await released(under)).toBe(0)
      })

      test('are refused by a new table, too, and aborting leaves none', async () => {
        await admin('DROP TABLE IF EXISTS fresh_rows')
        const schema = { id: field.int32(), at: field.timestamp({ unit: 'ns' }) }
        // Neither server keeps nanoseconds.
        const columns = { id: fixedColumn(schema.id, Int32Array.of(1, 2, 3)), at: fixedColumn(schema.at, BigInt64Array.of(1000n, 1001n, 2000n)) }
        const stream = fromBatches(schema, [makeBatch(schema, columns)])
        for (const ifExists of ['fail', 'replace'] as const) {
          expect(await run(pipe(stream, writeSql(url(), 'fresh_rows', { ifExists, onBadRecord: 'skip' })))).toMatchObject({ rows: 2, rejectedByCode: { OUT_OF_RANGE: 1 }, created: true })
          expect(await ids('fresh_rows')).toEqual([1, 3])
        }
        await admin('DROP TABLE fresh_rows')
        const controller = new AbortController()
        const aborting = pipe(fromRows(wide, Array.from({ length: 9000 }, (_, id) => sound(id)), { batchRows: 1000 }), writeSql(url(), 'fresh_rows', { onBadRecord: 'skip' }))
        await expect(run(aborting, { signal: controller.signal, progress: ({ done }) => done >= 4000 && controller.abort() })).rejects.toMatchObject({ _tag: 'Aborted' })
        expect((await readOut(readSql(url(), { table: 'fresh_rows' }))).error).toMatchObject({ _tag: 'NotFound' })
        expect(await released(under)).toBe(0)
      })
    })

    test('carries a stream from a query into a table, by names', async () => {
      await admin('DROP TABLE IF EXISTS copied')
      await admin('CREATE TABLE copied (extra int, doubled bigint, id int)')
      const doubled = pipe(readSql(url(), numbers(30_000), { schema: { id: field.int32() } }), map({ id: field.int32(), doubled: field.int64() }, ({ id }) => ({ id, doubled: BigInt(id) * 2n })))
      expect(await run(pipe(doubled, writeSql(url(), 'copied', { ifExists: 'append' })))).toMatchObject({ rows: 30_000, tally: { delivered: 30_000 } })
      expect(String((await admin('SELECT sum(doubled) FROM copied WHERE extra IS NULL'))[0])).toBe('900030000')
      const dynamic: Stream<Schema, 'cold'> = readSql(url(), { table: 'copied' })
      expect(await run(pipe(dynamic, writeSql(url(), 'copied', { ifExists: 'replace' })))).toMatchObject({ rows: 30_000 })
    })
  })
}

/** The values of one column of a batch, by name. */
export const batchOf = async (stream: Stream): Promise<Batch> => {
  for await (const batch of stream) return batch
  throw new Error('no batch')
}

/** Heap of the process that reads two million rows, in MiB: the rows as values would take ten times as much. */
const HEAP_MIB = 48

/** Reads two million rows of `id` and a text of 64 characters in a process with a small heap. */
export const memoryBounded = async (url: string, query: string): Promise<void> => {
  const program = await buildProgram(
    `import { readSql } from '@millrace/formats'
     let rows = 0, sum = 0n, bytes = 0
     for await (const batch of readSql(process.argv[2], process.argv[3])) {
       rows += batch.numRows
       bytes = Math.max(bytes, process.memoryUsage().arrayBuffers)
       for (let row = 0; row < batch.numRows; row += 1000) sum += BigInt(batch.columns.t.get(row).length)
     }
     console.log(JSON.stringify({ rows, bytes }))`,
    'sql-memory',
  )
  const child = spawnSync(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, program, url, query], { encoding: 'utf8' })
  expect(child.stderr).toBe('')
  const { rows: count, bytes } = JSON.parse(child.stdout) as { rows: number; bytes: number }
  expect(count).toBe(2_000_000)
  // The whole result has 140 MB.
  expect(bytes).toBeLessThan(64 * 1024 * 1024)
}

/** A column of each kind that both servers hold. */
export const written = {
  b: field.bool(), i16: field.int16(), i32: field.int32(), i64: field.int64(), u64: field.uint64(), f32: field.float32(), f64: field.float64(), t: field.nullable(field.utf8()), by_: field.binary(),
  d: field.date(), at: field.timestamp(), n: field.decimal(38, 10), word: field.dictionary(), i32s: field.list(field.int32()),
}

export const writtenRows: readonly Row<typeof written>[] = [
  {
    b: true, i16: -32768, i32: 1, i64: 9007199254740993n, u64: 18446744073709551615n, f32: Math.fround(0.1), f64: 0.1, t: 'ü€😀\t\\N\n', by_: new Uint8Array([0, 255, 92, 10]),
    d: new Date('2024-02-29'), at: new Date('2024-02-29T12:00:00.123Z'), n: '1234567890123456789012345678.0123456789', word: 'a', i32s: [1, -2],
  },
  {
    b: false, i16: 32767, i32: 2, i64: -9223372036854775808n, u64: 0n, f32: -1.5, f64: 5e-324, t: null, by_: new Uint8Array(0),
    d: new Date('1969-12-31'), at: new Date('1969-12-31T23:59:59.999Z'), n: '-0.0000000001', word: 'a', i32s: [],
  },
]
