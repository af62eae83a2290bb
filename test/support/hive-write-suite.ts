import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromBatches, fixedColumn, fromRows, makeBatch, map, pipe, run, type ProgressEvent, type Row } from '@millrace/core'
import { readHive, writeHive, type WriteHiveOptions } from '@millrace/formats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorOf } from './error-of.js'
import { readOut } from './sql-suite.js'

/** A server under test. */
export interface HiveUnderTest {
  /** Its URL, with a database that may be written to. */
  readonly url: () => string
  /** Runs a statement as an administrator would; values as texts, as the server itself shows them. */
  readonly admin: (sql: string) => Promise<(string | null)[][]>
  /** Whether timestamps are instants. */
  readonly isSpark: boolean
}

const kinds = {
  id: field.int64(), b: field.nullable(field.bool()), i8: field.int8(), i16: field.int16(), i32: field.nullable(field.int32()), u8: field.uint8(), u16: field.uint16(), u32: field.uint32(), u64: field.uint64(),
  f: field.float32(), d: field.nullable(field.float64()), n: field.nullable(field.decimal(38, 10)), small: field.decimal(9, 2), t: field.nullable(field.utf8()), word: field.dictionary(), by_: field.nullable(field.binary()),
  day: field.nullable(field.date()), at: field.nullable(field.timestamp({ unit: 'us' })), ints: field.nullable(field.list(field.nullable(field.int32()))), words: field.list(field.utf8()),
}

const rows: readonly Row<typeof kinds>[] = [
  {
    id: 9007199254740993n, b: true, i8: -128, i16: -32768, i32: -2147483648, u8: 255, u16: 65535, u32: 4294967295, u64: 18446744073709551615n, f: Math.fround(0.1), d: 5e-324,
    n: '1234567890123456789012345678.0123456789', small: '-1234567.89', t: 'ü€😀\t\\N\n\'"', word: 'a', by_: new Uint8Array([0, 255, 92]), day: new Date('2024-02-29'), at: new Date('2024-03-31T02:30:00.123Z'),
    ints: [1, null, -3], words: ['x', '"'],
  },
  {
    id: -(2n ** 63n), b: null, i8: 127, i16: 32767, i32: null, u8: 0, u16: 0, u32: 0, u64: 0n, f: -1.5, d: null, n: null, small: '0.00', t: null, word: 'b', by_: null, day: null, at: null, ints: null, words: [],
  },
  {
    id: 2n ** 63n - 1n, b: false, i8: 0, i16: 0, i32: 2147483647, u8: 1, u16: 1, u32: 2147483648, u64: 2n ** 63n, f: 0, d: -0.1, n: '-0.0000000001', small: '0.01', t: '', word: 'a', by_: new Uint8Array(0),
    day: new Date('1969-12-31'), at: new Date('1969-12-31T23:59:59.999Z'), ints: [], words: [''],
  },
]

/** What `writeHive` does with every server. */
export const hiveWriteSuite = ({ url, admin, isSpark }: HiveUnderTest): void => {
  describe('writeHive', () => {
    let staging = ''
    beforeAll(() => (staging = mkdtempSync(join(realpathSync(tmpdir()), 'millrace staging-'))))
    afterAll(() => rmSync(staging, { recursive: true, force: true }))
    /** The staging folder is empty after everything. */
    const isClean = (): void => expect(readdirSync(staging)).toEqual([])
    const some = { id: field.int64(), t: field.nullable(field.utf8()) }
    const of = (...ids: readonly number[]) => fromRows(some, ids.map((id) => ({ id: BigInt(id), t: id % 2 === 0 ? null : `n${id}` })))
    const into = (table: string, options: Partial<WriteHiveOptions> = {}) => writeHive(url(), table, { staging, ...options })
    const ids = async (table: string): Promise<number[]> => {
      const out = await readOut(readHive(url(), { table }, { schema: { id: field.int64() } }))
      expect(out.error).toBeUndefined()
      return out.rows.map(({ id }) => Number(id)).sort((a, b) => a - b)
    }
    const tables = async (): Promise<string[]> => (await readOut(readHive(url(), 'SHOW TABLES'))).rows.map((row) => String(row['tableName'] ?? row['tab_name']))

    test('values of every kind are the same to the server, and to readHive', async () => {
      expect(await run(pipe(fromRows(kinds, rows, { batchRows: 2 }), into('every')))).toMatchObject({ table: 'every', rows: 3, created: true, partitions: 0, tally: { delivered: 3 } })
      isClean()
      const schema = Object.fromEntries((await admin('DESCRIBE every')).map(([name, type]) => [name, type]))
      expect(schema).toEqual({
        id: 'bigint', b: 'boolean', i8: 'tinyint', i16: 'smallint', i32: 'int', u8: 'smallint', u16: 'int', u32: 'bigint', u64: 'decimal(20,0)', f: 'float', d: 'double', n: 'decimal(38,10)',
        small: 'decimal(9,2)', t: 'string', word: 'string', by_: 'binary', day: 'date', at: 'timestamp', ints: 'array<int>', words: 'array<string>',
      })
      const texts = ['id', 'i8', 'u32', 'u64', 'n', 'small', 'day'].map((name) => `CAST(${name} AS STRING)`)
      // As the server itself has them: a TIMESTAMP of Hive is the digits, one of Spark an instant.
      const seen = await admin(`SELECT ${texts.join(', ')}, hex(t), hex(by_), CAST(${isSpark ? "to_utc_timestamp(at, 'Asia/Kolkata')" : 'at'} AS STRING), CAST(CASE WHEN ints IS NULL THEN NULL ELSE size(ints) END AS STRING), CAST(d AS STRING), CAST(b AS STRING) FROM every`)
      const hex = (text: string): string => Buffer.from(text).toString('hex').toUpperCase()
      // Not ordered by the server: Hive's vectorized reader, which jobs use, takes an empty array for one of a null.
      expect(seen.map((row) => row.map((value) => value?.toLowerCase() ?? null)).sort(([a], [b]) => (BigInt(a!) < BigInt(b!) ? -1 : 1))).toEqual([
        ['-9223372036854775808', '127', '0', '0', null, '0.00', null, null, null, null, null, null, null],
        ['9007199254740993', '-128', '4294967295', '18446744073709551615', '1234567890123456789012345678.0123456789', '-1234567.89', '2024-02-29', hex(rows[0]!.t!).toLowerCase(), '00ff5c',
          '2024-03-31 02:30:00.123', '3', '4.9e-324', 'true'],
        ['9223372036854775807', '0', '2147483648', '9223372036854775808', '-0.0000000001', '0.01', '1969-12-31', '', '', '1969-12-31 23:59:59.999', '0', '-0.1', 'false'],
      ])
      const wide = { ...kinds, u8: field.int16(), u16: field.int32(), u32: field.int64(), u64: field.decimal(20, 0), word: field.utf8() }
      const back = await readOut(readHive(url(), { table: 'every' }, { schema: wide }))
      expect(back.error).toBeUndefined()
      expect([...back.rows].sort(({ id: a }, { id: b }) => ((a as bigint) < (b as bigint) ? -1 : 1))).toEqual([rows[1]!, rows[0]!, rows[2]!].map((row) => ({ ...row, u32: BigInt(row.u32), u64: String(row.u64) })))
    })

    test('microseconds are kept, and nanoseconds where the server has them', async () => {
      const schema = { id: field.int64(), us: field.timestamp({ unit: 'us' }), ns: field.timestamp({ unit: 'ns' }) }
      const stream = (nanos: bigint) => fromBatches(schema, [makeBatch(schema, { id: fixedColumn(schema.id, BigInt64Array.of(1n)), us: fixedColumn(schema.us, BigInt64Array.of(1_700_000_000_123_456n)), ns: fixedColumn(schema.ns, BigInt64Array.of(nanos)) })])
      if (isSpark) expect(await errorOf(run(pipe(stream(1_700_000_000_123_456_789n), into('moments'))))).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { column: 'ns' } })
      isClean()
      const nanos = isSpark ? 1_700_000_000_123_456_000n : 1_700_000_000_123_456_789n
      await run(pipe(stream(nanos), into('moments')))
      const batch = await (async () => {
        for await (const one of readHive(url(), { table: 'moments' }, { schema })) return one
        throw new Error('no rows')
      })()
      expect([batch.columns.us.values[0], batch.columns.ns.values[0]]).toEqual([1_700_000_000_123_456n, nanos])
    })

    test('fails, adds, or replaces when the table exists', async () => {
      expect(await run(pipe(of(1, 2), into('written')))).toMatchObject({ rows: 2, created: true })
      expect(await errorOf(run(pipe(of(3), into('written'))))).toMatchObject({ _tag: 'AlreadyExists', code: 'SQL_TABLE_EXISTS' })
      expect(await run(pipe(of(3), into('written', { ifExists: 'append' })))).toMatchObject({ rows: 1, created: false })
      expect(await run(pipe(of(4), into('written', { ifExists: 'append' })))).toMatchObject({ rows: 1, created: false })
      expect(await ids('written')).toEqual([1, 2, 3, 4])
      expect(await run(pipe(of(7), into('written', { ifExists: 'replace' })))).toMatchObject({ rows: 1, created: false })
      expect(await ids('written')).toEqual([7])
      await run(pipe(fromRows(some, []), into('written', { ifExists: 'append' })))
      expect(await ids('written')).toEqual([7])
      await run(pipe(fromRows(some, []), into('written', { ifExists: 'replace' })))
      expect(await ids('written')).toEqual([])
      // A column that the stream has not is null.
      await run(pipe(fromRows({ id: some.id }, [{ id: 8n }]), into('written', { ifExists: 'append' })))
      expect((await readOut(readHive(url(), { table: 'written' }))).rows).toEqual([{ id: 8n, t: null }])
      expect(() => into('written', { ifExists: 'drop' as 'replace' })(of(1))).toThrow(/ifExists/)
      isClean()
    })

    test('partitions are made, added to and replaced, and others stay', async () => {
      const schema = { id: field.int64(), day: field.date(), place: field.utf8(), n: field.int32() }
      const at = (id: number, day: string, place: string) => ({ id: BigInt(id), day: new Date(day), place, n: id % 2 })
      const partitionBy = ['day', 'place', 'n'] as const
      const write = (list: readonly ReturnType<typeof at>[], ifExists: 'fail' | 'append' | 'replace' = 'fail') => run(pipe(fromRows(schema, list), writeHive(url(), 'parted', { staging, ifExists, partitionBy })))
      const first = [at(1, '2024-02-29', 'Hamburg'), at(3, '2024-02-29', 'Hamburg'), at(2, '2024-02-29', 'Hamburg'), at(4, '2024-03-01', 'São Paulo: 50%/2')]
      expect(await write(first)).toMatchObject({ rows: 4, created: true, partitions: 3 })
      const sorted = async () => (await readOut(readHive(url(), 'SELECT id, day, place, n FROM parted ORDER BY id', { schema }))).rows
      expect(await sorted()).toEqual([first[0], first[2], first[1], first[3]])
      expect(await admin("SELECT CAST(id AS STRING) FROM parted WHERE day = DATE'2024-03-01' AND n = 0")).toEqual([['4']])
      const more = [at(5, '2024-02-29', 'Hamburg'), at(6, '2024-04-01', 'Hamburg')]
      expect(await write(more, 'append')).toMatchObject({ rows: 2, created: false, partitions: 2 })
      expect(await write([at(8, '2024-03-01', 'São Paulo: 50%/2')], 'replace')).toMatchObject({ partitions: 1 })
      expect((await sorted()).map(({ id }) => Number(id))).toEqual([1, 2, 3, 5, 6, 8])
      isClean()
      // What no statement can name.
      for (const [place, code] of [['it\'s', 'HIVE_PARTITION'], ['', 'PARTITION_VALUE']] as const) {
        expect(await errorOf(write([at(9, '2024-05-01', 'Hamburg'), at(10, '2024-05-01', place)], 'append')), place).toMatchObject({ _tag: 'BadRecord', code, position: { column: 'place' } })
      }
      expect((await sorted()).map(({ id }) => Number(id))).toEqual([1, 2, 3, 5, 6, 8])
      expect(await errorOf(run(pipe(fromRows(schema, first), into('parted', { ifExists: 'append' }))))).toMatchObject({ code: 'HIVE_TABLE', message: expect.stringMatching(/partitionBy: \['day', 'place', 'n'\]/) as string })
      isClean()
    })

    test('leaves nothing of what fails or is aborted, and the table as it was', async () => {
      await run(pipe(of(1), into('halved')))
      const failing = (then: () => void) => pipe(fromRows(some, Array.from({ length: 2000 }, (_, id) => ({ id: BigInt(id), t: null })), { batchRows: 500 }), map(some, (row) => {
        if (row.id === 1500n) then()
        return row
      }))
      for (const [table, ifExists] of [['halved', 'replace'], ['nowhere', 'fail']] as const) {
        const broken = failing(() => {
          throw new Error('the source broke')
        })
        await expect(run(pipe(broken, into(table, { ifExists })))).rejects.toThrow(/the source broke/)
        const controller = new AbortController()
        await expect(run(pipe(failing(() => controller.abort()), into(table, { ifExists })), { signal: controller.signal })).rejects.toMatchObject({ _tag: 'Aborted' })
      }
      // Aborted before the server is told.
      const late = new AbortController()
      const events: ProgressEvent[] = []
      const job = pipe(of(5), into('nowhere'))
      expect(await errorOf(run(job, { signal: late.signal, progress: (event) => {
        events.push(event)
        if (event.stage.startsWith('loading')) late.abort()
      } }))).toMatchObject({ _tag: 'Aborted' })
      expect(events.map(({ stage }) => stage.split(' ')[0])).toEqual(expect.arrayContaining(['writing', 'loading']))
      expect(await ids('halved')).toEqual([1])
      const names = await tables()
      expect(names).not.toContain('nowhere')
      expect(names.filter((name) => name.startsWith('millrace'))).toEqual([])
      isClean()
      // The server cannot get at the files.
      expect(await errorOf(run(pipe(of(2), into('halved', { ifExists: 'append', stagingOnServer: 'file:///nowhere/at/all' }))))).toMatchObject({ _tag: 'Engine', message: expect.stringMatching(/left it as it was/) as string })
      expect(await errorOf(run(pipe(of(2), into('nowhere', { stagingOnServer: 'file:///nowhere/at/all' }))))).toMatchObject({ _tag: 'Engine', message: expect.stringMatching(/left no table/) as string })
      expect(await tables()).not.toContain('nowhere')
      expect(await ids('halved')).toEqual([1])
      isClean()
    })

    test('tables and columns that do not fit are refused before a row is written', async () => {
      await admin('CREATE TABLE texts_ (id BIGINT, t STRING) STORED AS TEXTFILE')
      await admin('CREATE TABLE narrow_ (id INT, t VARCHAR(10), at TIMESTAMP) STORED AS PARQUET')
      const append = { ifExists: 'append' } as const
      const unopened = pipe(of(1), map(some, () => {
        throw new Error('it was read')
      }))
      expect(await errorOf(run(pipe(unopened, into('texts_', append))))).toMatchObject({ code: 'HIVE_TABLE', message: expect.stringMatching(/STORED AS PARQUET/) as string })
      expect(await errorOf(run(pipe(unopened, into('narrow_', append))))).toMatchObject({ code: 'HIVE_TABLE', position: { column: 'id' }, message: expect.stringMatching(/as int, .* bigint/) as string })
      expect(await errorOf(run(pipe(fromRows({ extra: field.utf8() }, []), into('narrow_', append))))).toMatchObject({ code: 'HIVE_TABLE', position: { column: 'extra' } })
      expect(await errorOf(run(pipe(fromRows({ id: field.int32() }, []), writeHive(url(), 'narrow_', { staging, ...append, partitionBy: ['id'] }))))).toMatchObject({ code: 'HIVE_COLUMNS' })
      expect(await errorOf(run(pipe(fromRows({ a: field.int32(), A: field.int32() }, []), into('capitals'))))).toMatchObject({ code: 'HIVE_COLUMNS' })
      expect(await errorOf(run(pipe(unopened, writeHive(url(), { table: 'x', schema: 'no_such_database' }, { staging }))))).toMatchObject({ _tag: expect.stringMatching(/CALLBACK|Usage|NotFound/) as string })
      expect(await run(pipe(fromRows({ T: field.utf8(), id: field.int32() }, [{ T: 'x', id: 4 }]), into('narrow_', append)))).toMatchObject({ rows: 1 })
      expect((await readOut(readHive(url(), 'SELECT id, t FROM narrow_'))).rows).toEqual([{ id: 4, t: 'x' }])
      for (const wrong of ['', 'https://somewhere/else', "/tmp/it's", '/tmp/$x', '/tmp/a*']) expect(() => into('x', { staging: wrong })(of(1)), wrong).toThrow(/staging|read/)
      isClean()
    })

    test('names are never taken for anything else', async () => {
      await run(pipe(of(1), into('victim')))
      // Neither server reads a Parquet file with such a name.
      const wicked = 'a` STRING); DROP TABLE victim; --'
      expect(await errorOf(run(pipe(fromRows({ [wicked]: field.int32() }, []), into('quoted'))))).toMatchObject({ code: 'HIVE_COLUMNS', position: { column: wicked } })
      const strange = 'a`"\'--ü$x'
      await run(pipe(fromRows({ [strange]: field.int32() }, [{ [strange]: 1 }]), into('quoted')))
      expect(await readOut(readHive(url(), { table: 'quoted' }))).toMatchObject({ error: undefined, rows: [{ [strange]: 1 }] })
      // Hive takes it as a name, Spark does not.
      await run(pipe(of(1), into('x`; DROP TABLE victim; --'))).catch(async (error: unknown) => expect(await errorOf(Promise.reject(error as Error))).toMatchObject({ _tag: 'Engine' }))
      expect(await ids('victim')).toEqual([1])
      expect((await tables()).filter((name) => name.startsWith('millrace'))).toEqual([])
      isClean()
    })
  })
}
