import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { collect, field, fromIterable, fromRows, pipe, run, sort, tap, type Job, type Row, type Schema, type Stream } from '@millrace/core'
import { readArrow, readCsv, readJson, readParquet, readTfRecords, writeArrow, writeCsv, writeJson, writeParquet, writeTfRecords, type FolderOptions, type WriteReport } from '../index.js'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-folder-out-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

const tree = (folder = root, prefix = ''): readonly string[] =>
  readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? [`${prefix}${entry.name}/`, ...tree(join(folder, entry.name), `${prefix}${entry.name}/`)] : [`${prefix}${entry.name}`]))
const filesIn = (folder = root): readonly string[] => tree(folder).filter((name) => !name.endsWith('/'))

const schema = { id: field.int64(), day: field.date(), country: field.nullable(field.utf8()), size: field.int32() }
const rows: readonly Row<typeof schema>[] = Array.from({ length: 40 }, (_, i) => ({ id: 2n ** 60n + BigInt(i), day: new Date(Date.UTC(2026, 10, 24 + (i % 2))), country: ['de', null, 'a/b: "ü"'][i % 3]!, size: i }))
const byId = async (stream: Stream<typeof schema>): Promise<unknown> => run(pipe(stream, sort('id'), collect()))

interface Format {
  readonly ending: string
  readonly write: (url: string, options: FolderOptions) => (stream: Stream) => Job<WriteReport>
  readonly read: (url: string, options?: object) => Stream<typeof schema>
}

const formats: { readonly [name: string]: Format } = {
  csv: { ending: '.csv', write: writeCsv, read: (url, options) => readCsv(url, { schema, ...options }) },
  json: { ending: '.json', write: writeJson, read: (url, options) => readJson(url, { schema, ...options }) },
  arrow: { ending: '.arrow', write: writeArrow, read: (url, options) => readArrow(url, { schema, ...options }) },
  parquet: { ending: '.parquet', write: writeParquet, read: (url, options) => readParquet(url, { schema, ...options }) },
  tfrecord: { ending: '.tfrecord', write: writeTfRecords, read: (url, options) => readTfRecords(url, { schema, ...options }) },
}

describe.each(Object.entries(formats))('folders of %s', (_name, { ending, write, read }) => {
  const out = (): string => join(root, 'out')
  const manifest = ending === '.tfrecord' ? ['.manifest.json'] : []

  it('have a file for each partition', async () => {
    const report = await run(pipe(fromRows(schema, rows), write(out(), { partitionBy: ['day', 'country'] })))
    const countries = ['country=__HIVE_DEFAULT_PARTITION__', 'country=a%2Fb%3A %22ü%22', 'country=de']
    const expected = ['2026-11-24', '2026-11-25'].flatMap((day) => countries.map((country) => `day=${day}/${country}/part-00000${ending}`))
    expect(filesIn(out())).toEqual([...manifest, '_SUCCESS', ...expected])
    expect(report).toMatchObject({ rows: 40, files: expected.map((name) => join(out(), name)) })
    expect(report.bytes).toBe(report.files.reduce((sum, file) => sum + readFileSync(file).length, 0))
    expect(await byId(read(out(), { requireSuccess: true }))).toEqual(rows)
    expect(await byId(read(out(), { partitions: { country: { eq: 'de' } } }))).toEqual(rows.filter(({ country }) => country === 'de'))
  })

  it('have files by count, by rows and by bytes', async () => {
    await run(pipe(fromRows(schema, rows), write(join(root, 'count'), { partitionBy: ['day'], shards: 3, success: false })))
    expect(filesIn(join(root, 'count'))).toEqual([...manifest, ...['24', '25'].flatMap((day) => [0, 1, 2].map((i) => `day=2026-11-${day}/part-0000${i}${ending}`))])
    const [first] = await Promise.all([read(`${root}/count/day=*/part-00000*`), read(`${root}/count/day=*/part-00001*`)].map(byId)) as unknown as Row<typeof schema>[][]
    expect(first!.map(({ size }) => size)).toEqual([0, 1, 6, 7, 12, 13, 18, 19, 24, 25, 30, 31, 36, 37])
    await run(pipe(fromRows(schema, rows), write(join(root, 'rows'), { partitionBy: ['day'], rowsPerFile: 8 })))
    expect(filesIn(join(root, 'rows'))).toHaveLength(7 + manifest.length)
    await run(pipe(fromRows(schema, rows, { batchRows: 10 }), write(join(root, 'bytes'), { partitionBy: [], bytesPerFile: 1 })))
    for (const name of ['count', 'rows', 'bytes']) expect(await byId(read(join(root, name)))).toEqual(rows)
    expect(filesIn(join(root, 'bytes'))[1 + manifest.length]).toBe(`part-00000${ending}`)
  })

  it('have few files open', async () => {
    const many = rows.map((row) => ({ ...row, size: row.size % 10 }))
    const report = await run(pipe(fromRows(schema, many, { batchRows: 10 }), write(out(), { partitionBy: ['size'], openFiles: 3 })))
    expect(report.files).toHaveLength(40)
    expect(await byId(read(out()))).toEqual(many)
  })

  it('are replaced, added to, or left', async () => {
    const put = (options: FolderOptions, ...some: readonly Row<typeof schema>[]): Promise<WriteReport> => run(pipe(fromRows(schema, some), write(out(), { partitionBy: ['size'], ...options })))
    await put({}, rows[0]!, rows[1]!)
    await expect(put({}, rows[2]!)).rejects.toMatchObject({ _tag: 'AlreadyExists', code: 'OUTPUT_EXISTS' })
    await put({ ifExists: 'append' }, rows[1]!, rows[2]!)
    expect(await byId(read(out()))).toEqual([rows[0], rows[1], rows[1], rows[2]])
    await put({ ifExists: 'replace' }, rows[1]!, rows[3]!)
    expect(tree(out())).toEqual([...manifest, '_SUCCESS', 'size=1/', `size=1/part-00000${ending}`, 'size=3/', `size=3/part-00000${ending}`])
    writeFileSync(join(out(), 'thesis.txt'), 'years of work')
    await expect(put({ ifExists: 'replace' }, rows[2]!)).rejects.toMatchObject({ _tag: 'AlreadyExists', code: 'FOREIGN_FILES' })
    expect(filesIn(out())).toHaveLength(4 + manifest.length)
  })

  it('leave nothing when they fail or are aborted', async () => {
    const failing = pipe(fromRows(schema, rows, { batchRows: 10 }), tap((row) => {
      if (row.size === 25) throw new Error('no')
    }))
    await expect(run(pipe(failing, write(out(), { partitionBy: ['day', 'country'] })))).rejects.toMatchObject({ message: expect.stringContaining('no') as string })
    expect(tree()).toEqual([])
    const controller = new AbortController()
    const aborting = pipe(fromRows(schema, rows, { batchRows: 10 }), tap((row) => {
      if (row.size === 25) controller.abort()
    }))
    await expect(run(pipe(aborting, write(out(), { partitionBy: ['day'] })), { signal: controller.signal })).rejects.toMatchObject({ _tag: 'Aborted' })
    expect(tree()).toEqual([])
    // What was there stays, and is whole.
    await run(pipe(fromRows(schema, rows), write(out(), { partitionBy: ['size'] })))
    const before = tree()
    await expect(run(pipe(failing, write(out(), { partitionBy: ['day'], ifExists: 'replace' })))).rejects.toThrow('no')
    expect(tree()).toEqual(before)
  })

  it('take no columns that cannot be partitions', async () => {
    const put = (of: Schema, partitionBy: readonly string[]): Promise<WriteReport> => run(pipe(fromRows(of, [] as Row<Schema>[]), write(out(), { partitionBy })))
    // Without rows there is nothing to partition, but the names are known.
    await expect(put(schema, ['what'])).rejects.toMatchObject({ _tag: 'Schema', code: 'NO_SUCH_COLUMN' })
    await expect(put({ a: field.list(field.int32()), b: field.int32() }, ['a'])).rejects.toMatchObject({ _tag: 'Schema', code: 'NO_PARTITION' })
    await expect(put({ a: field.int32() }, ['a'])).rejects.toMatchObject({ _tag: 'Usage', code: 'ONLY_PARTITIONS' })
    await expect(put(schema, ['day', 'day'])).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION' })
    await expect(run(pipe(fromRows(schema, rows), write(join(root, 'x'), { rowsPerFile: 3 })))).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION' })
    await expect(run(pipe(fromRows(schema, rows), write(join(root, 'x'), { ifExists: 'append' })))).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION' })
    expect(tree()).toEqual([])
    await run(pipe(fromRows(schema, []), write(out(), { partitionBy: ['day'] })))
    expect(tree()).toEqual(['out/', ...manifest.map((name) => `out/${name}`), 'out/_SUCCESS'])
  })
})

describe('a folder', () => {
  it('is not lost to a stream that can be read once', async () => {
    mkdirSync(join(root, 'out'))
    writeFileSync(join(root, 'out', 'part-0'), '')
    const once = fromIterable({ a: field.int32() }, [{ a: 1 }][Symbol.iterator]() as unknown as Iterable<{ a: number }>)
    await expect(run(pipe(once, writeCsv(join(root, 'out'), { partitionBy: [] })))).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' })
    await run(pipe(once, writeCsv(join(root, 'out'), { partitionBy: [], ifExists: 'replace' })))
    expect(existsSync(join(root, 'out', 'part-00000.csv'))).toBe(true)
  })

  it('has all that jobs add to it that are at work at one time', async () => {
    const out = join(root, 'out')
    const one = { id: field.int32() }
    const add = (stream: Stream<typeof one>): Promise<WriteReport> => run(pipe(stream, writeTfRecords(out, { partitionBy: [], ifExists: 'append' })))
    const idsIn = async (): Promise<unknown> => (await run(pipe(readTfRecords(out, { schema: one }), sort('id'), collect()))).map(({ id }) => id)
    const meanwhile = (first: number, work: () => Promise<unknown>): Stream<typeof one> => fromIterable(one, async function* () {
      yield { id: first }
      await work()
      yield { id: first + 1 }
    })
    // First of a folder that is not there yet, then of one that is.
    await add(meanwhile(1, () => add(fromRows(one, [{ id: 3 }]))))
    expect(await idsIn()).toEqual([1, 2, 3])
    await add(meanwhile(4, () => add(fromRows(one, [{ id: 6 }]))))
    expect(await idsIn()).toEqual([1, 2, 3, 4, 5, 6])
    // Two do not give names at one time: the one that comes later says so, and leaves what is the other's.
    const busy = join(out, '_COMMITTING')
    await expect(add(meanwhile(7, () => Promise.resolve(writeFileSync(busy, 'theirs'))))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'SET_NOT_WHOLE', position: { source: busy } })
    expect(readFileSync(busy, 'utf8')).toBe('theirs')
    rmSync(busy)
    expect(await idsIn()).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('keeps what has the name of a manifest and is none', async () => {
    const manifest = join(root, 'out', '.manifest.json')
    mkdirSync(join(root, 'out'))
    const put = (write: typeof writeCsv | typeof writeTfRecords, ifExists: 'fail' | 'replace'): Promise<WriteReport> => run(pipe(fromRows({ a: field.int32() }, [{ a: 1 }]), write(join(root, 'out'), { partitionBy: [], ifExists })))
    for (const text of ['{"name":"a web app"}', 'no JSON']) {
      writeFileSync(manifest, text)
      for (const [write, ifExists] of [[writeCsv, 'replace'], [writeTfRecords, 'replace'], [writeTfRecords, 'fail']] as const) {
        await expect(put(write, ifExists)).rejects.toMatchObject({ _tag: 'AlreadyExists', code: 'FOREIGN_FILES', message: expect.stringContaining(manifest) as string })
      }
      expect(readFileSync(manifest, 'utf8')).toBe(text)
    }
    // Of no matter to what has no manifest and replaces nothing.
    await put(writeCsv, 'fail')
    expect(filesIn()).toEqual(['out/.manifest.json', 'out/_SUCCESS', 'out/part-00000.csv'])
  })

  it('has packed files and times as Spark names them', async () => {
    const times = { at: field.timestamp({ unit: 'us', format: 'yyyy' }), b: field.bool(), d: field.nullable(field.dictionary()), n: field.int32() }
    const at = new Date('2026-11-24T10:30:00Z')
    await run(pipe(fromRows(times, [{ at, b: true, d: 'x', n: 1 }, { at: new Date(at.getTime() + 120), b: false, d: null, n: 2 }]), writeJson(join(root, 'out'), { partitionBy: ['at', 'b', 'd'], compression: 'gzip' })))
    expect(filesIn(join(root, 'out'))).toEqual(['_SUCCESS', 'at=2026-11-24 10%3A30%3A00/b=true/d=x/part-00000.json.gz', 'at=2026-11-24 10%3A30%3A00.12/b=false/d=__HIVE_DEFAULT_PARTITION__/part-00000.json.gz'])
    const back = { at: field.timestamp(), b: field.bool(), d: field.nullable(field.utf8()), n: field.int32() }
    for (const schema of [back, times]) expect(await run(pipe(readJson(join(root, 'out'), { schema }), collect()))).toEqual([{ at: new Date(at.getTime() + 120), b: false, d: null, n: 2 }, { at, b: true, d: 'x', n: 1 }])
  })

  it('has no folder for texts that Spark and Hive take for null', async () => {
    const words = { d: field.nullable(field.utf8()), n: field.int32() }
    for (const d of ['', '__HIVE_DEFAULT_PARTITION__']) {
      await expect(run(pipe(fromRows(words, [{ d: null, n: 1 }, { d, n: 2 }]), writeJson(join(root, 'out'), { partitionBy: ['d'] })))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'PARTITION_VALUE', position: { column: 'd' } })
      expect(filesIn()).toEqual([])
    }
  })
})
