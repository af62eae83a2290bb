import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeField, field, fromRows, hdfsStorage, isMillraceError, listFolder, pipe, registerStorage, run } from '@millrace/core'
import { hiveSchema, readHive, writeHive } from '@millrace/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { describeHdfs, startHdfs, type HdfsTestCluster } from '../support/hdfs-cluster.js'
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

  describeHdfs('with a database in HDFS', 'ha', () => {
    let cluster: HdfsTestCluster
    let rpc = ''
    const undo: (() => void)[] = []
    const schema = { id: field.int64(), day: field.date() }
    const of = (...ids: readonly number[]) => fromRows(schema, ids.map((id) => ({ id: BigInt(id), day: new Date(`2024-03-0${id % 3 + 1}`) })))
    const distant = (): string => url().replace('default', 'distant')
    const ids = async (table: string): Promise<number[]> => {
      const out = await readOut(readHive(distant(), { table }, { schema: { id: field.int64() } }))
      expect(out.error).toBeUndefined()
      return out.rows.map(({ id }) => Number(id)).sort()
    }
    /** Makes a folder of alice's. */
    const makeFolder = async (path: string, permission: number): Promise<void> => {
      const answer = await fetch(`http://localhost:${cluster.ports[0]}/webhdfs/v1${path}?op=MKDIRS&user.name=alice&permission=${permission}`, { method: 'PUT' })
      expect(answer.status, await answer.text()).toBe(200)
    }

    beforeAll(async () => {
      cluster = await startHdfs('ha')
      rpc = `localhost:${await cluster.tell('rpc', 0)}`
      const config = join(cluster.folder, 'config')
      mkdirSync(config)
      const site = (name: string, value: string): string => `<configuration><property><name>${name}</name><value>${value}</value></property></configuration>`
      writeFileSync(join(config, 'core-site.xml'), site('fs.defaultFS', `hdfs://${rpc}`))
      writeFileSync(join(config, 'hdfs-site.xml'), site('dfs.namenode.http-address', `localhost:${cluster.ports[0]}`))
      for (const scheme of ['hdfs', 'webhdfs'] as const) undo.push(registerStorage(hdfsStorage({ scheme, configFolder: config, user: 'alice' })))
      await makeFolder('/shared', 777)
      await makeFolder('/private', 755)
      await told(`CREATE DATABASE distant LOCATION 'hdfs://${rpc}/warehouse'`)
    }, 300_000)
    afterAll(async () => {
      for (const one of undo.splice(0)) one()
      await cluster?.stop()
    })

    test('tables are written from a staging folder there, and read', async () => {
      const onServer = `hdfs://${rpc}/shared`
      const places = [{ staging: onServer }, { staging: 'hdfs:///shared', stagingOnServer: onServer }, { staging: `webhdfs://localhost:${cluster.ports[0]}/shared`, stagingOnServer: onServer }]
      for (const [n, place] of places.entries()) expect(await run(pipe(of(1, 2), writeHive(distant(), `plain${n}`, place)))).toMatchObject({ rows: 2, created: true })
      const into = (table: string, more: { readonly ifExists?: 'append' | 'replace'; readonly partitionBy?: ['day'] }) => writeHive(distant(), table, { ...places[0]!, ...more })
      expect(await run(pipe(of(3), into('plain2', { ifExists: 'append' })))).toMatchObject({ rows: 1, created: false })
      expect(await ids('plain2')).toEqual([1, 2, 3])
      expect(await run(pipe(of(4, 5, 6), into('parted', { partitionBy: ['day'] })))).toMatchObject({ rows: 3, created: true, partitions: 3 })
      expect(await run(pipe(of(7), into('parted', { partitionBy: ['day'], ifExists: 'replace' })))).toMatchObject({ rows: 1, partitions: 1 })
      expect(await ids('parted')).toEqual([5, 6, 7])
      expect(await listFolder(`hdfs://${rpc}/shared`)).toEqual([])
    })

    test('a folder that the server may not take files from leaves no table, and nothing in the folder', async () => {
      const refused = await errorOf(run(pipe(of(1), writeHive(distant(), 'refused', { staging: `hdfs://${rpc}/private` }))))
      expect(refused).toMatchObject({ _tag: 'Engine', message: expect.stringMatching(/ermission denied/) as string })
      expect((await readOut(readHive(distant(), { table: 'refused' }))).error).toMatchObject({ _tag: 'NotFound' })
      expect(await listFolder(`hdfs://${rpc}/private`)).toEqual([])
    })
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
