import { gzipSync } from 'node:zlib'
import { collect, expandInputs, field, fromIterable, fromRows, pipe, run, sort, storageFor, take, writeBytes, writeText, type Job, type Row, type Schema, type Stream } from '@millrace/core'
import { encodeFrame, readArrow, readCsv, readJson, readParquet, readRawRecords, readTfRecords, writeArrow, writeCsv, writeJson, writeParquet, writeTfRecords, type FolderOptions, type WriteReport } from '@millrace/formats'
import { describe, expect, test } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { allNames } from './writing.js'

const schema = { id: field.int64(), day: field.date(), country: field.nullable(field.utf8()), size: field.int32() }
const countries = ['de', null, 'a/b: "ü" {x}=%'] as const
const rows: readonly Row<typeof schema>[] = Array.from({ length: 36 }, (_, i) => ({ id: 2n ** 60n + BigInt(i), day: new Date(Date.UTC(2026, 10, 24 + (i % 2))), country: countries[i % 3]!, size: i }))

interface Format {
  readonly ending: string
  readonly write: (url: string, options: FolderOptions) => (stream: Stream) => Job<WriteReport>
  readonly read: (url: string, options?: object) => Stream<typeof schema, 'cold'>
}

const formats: { readonly [name: string]: Format } = {
  CSV: { ending: '.csv', write: writeCsv, read: (url, options) => readCsv(url, { schema, ...options }) },
  JSON: { ending: '.json', write: writeJson, read: (url, options) => readJson(url, { schema, ...options }) },
  Arrow: { ending: '.arrow', write: writeArrow, read: (url, options) => readArrow(url, { schema, ...options }) },
  Parquet: { ending: '.parquet', write: writeParquet, read: (url, options) => readParquet(url, { schema, ...options }) },
  TFRecord: { ending: '.tfrecord', write: writeTfRecords, read: (url, options) => readTfRecords(url, { schema, ...options }) },
}

const byId = (stream: Stream<typeof schema>): Promise<readonly Row<typeof schema>[]> => run(pipe(stream, sort('id'), collect()))

/**
 * What every storage that can be written and listed must do with folders of many files, as Spark, Hadoop and Beam leave them and as
 * our writers do.
 *
 * @param newFolder - URL of a folder that is for the test that asks alone, and has nothing in it
 * @param written - formats to write, where not all. Few where each file costs much
 */
export const foldersConform = (name: string, newFolder: () => Promise<string>, written: readonly string[] = Object.keys(formats)): void => {
  describe(`folders: ${name}`, () => {
    test('of Spark are their data, and partitions are columns', async () => {
      const folder = `${await newFolder()}/flights (1) [a]+b`
      const put = (path: string, text: string): Promise<void> => writeBytes(`${folder}/${path}`, path.endsWith('.gz') ? gzipSync(text) : Buffer.from(text))
      await put('day=2026-11-24/country=de/part-00000-7f.c000.csv.gz', 'id,size\n1,10\n')
      await put('day=2026-11-24/country=a%2Fb%3A ü/part-00000-7f.c000.csv.gz', 'id,size\n2,20\n')
      await put('day=2026-11-25/country=__HIVE_DEFAULT_PARTITION__/part-00001-7f.c000.csv.gz', 'size,id\n30,3\n')
      await put('day=2026-11-25/country=de/part-00001-7f.c000.csv', '')
      await put('day=2026-11-25/country=de/.part-00001-7f.c000.csv.crc', 'crc')
      await put('_temporary/0/part-00007.csv', 'id,size\n9,9\n')
      const reader = (options = {}): Stream<typeof schema, 'cold'> => readCsv(folder, { schema, requireSuccess: true, ...options })
      expect(await errorOf(() => byId(reader()))).toMatchObject({ _tag: 'NotFound', code: 'JOB_NOT_DONE' })
      await put('_SUCCESS', '')
      const all = [{ id: 1n, day: new Date('2026-11-24'), country: 'de', size: 10 }, { id: 2n, day: new Date('2026-11-24'), country: 'a/b: ü', size: 20 }, { id: 3n, day: new Date('2026-11-25'), country: null, size: 30 }]
      expect(await byId(reader())).toEqual(all)
      expect(await byId(reader({ partitions: { day: { gte: new Date('2026-11-25') } } }))).toEqual([all[2]])
      expect(await byId(reader({ partitions: { day: { eq: new Date('2026-11-24') }, country: { in: ['de', 'fr'] } } }))).toEqual([all[0]])
      expect(await byId(reader({ partitions: { day: { lt: new Date('2020-01-01') } } }))).toEqual([])
      expect(await byId(readCsv(`${folder}/day=2026-11-24`, { schema: { id: schema.id, country: schema.country, size: schema.size }, requireSuccess: true }) as Stream as never)).toHaveLength(2)
      const positions: (readonly [number, unknown])[] = []
      let seen = 0
      for await (const batch of reader({ batchRows: 1 })) positions.push([(seen += batch.numRows), JSON.parse(JSON.stringify(batch.position)) as unknown])
      for (const [before, from] of positions) {
        let rest = 0
        for await (const batch of reader({ batchRows: 1 }).open({ from: from as never })) rest += batch.numRows
        expect(before + rest).toBe(3)
      }
    })

    test('of Hadoop and Beam are their parts, and say which one is missing', async () => {
      const folder = await newFolder()
      const put = (path: string, ...records: readonly string[]): Promise<void> => writeBytes(`${folder}/${path}`, Buffer.concat(records.map((record) => encodeFrame(Buffer.from(record)))))
      const read = async (source: string): Promise<readonly string[]> => (await run(pipe(readRawRecords(`${folder}/${source}`), collect()))).map(({ record }) => Buffer.from(record).toString())
      await put('hadoop/part-r-00000', 'a', 'b')
      await put('hadoop/part-r-00001')
      await put('hadoop/part-r-00002', 'c')
      await writeText(`${folder}/hadoop/_SUCCESS`, '')
      for (const source of ['hadoop', 'hadoop/', 'hadoop/part-r-*', 'had*']) expect(await read(source), source).toEqual(['a', 'b', 'c'])
      await put('beam/train-00000-of-00003.tfrecord', 'a')
      await put('beam/train-00002-of-00003.tfrecord', 'c')
      for (const source of ['beam', 'beam/train-*']) expect(await errorOf(() => read(source))).toMatchObject({ code: 'MISSING_SHARD', position: { source: `${folder}/beam/train-00001-of-00003.tfrecord` } })
      await put('beam/train-00001-of-00003.tfrecord', 'b')
      for (const source of ['beam', 'beam/train-*', 'beam/*.tfrecord', 'beam/train-0000[0-2]-of-*']) expect(await read(source), source).toEqual(['a', 'b', 'c'])
      expect((await expandInputs([`${folder}/beam/train-00002*`, `${folder}/hadoop`])).map(({ url }) => url.slice(folder.length + 1))).toEqual(['beam/train-00002-of-00003.tfrecord', 'hadoop/part-r-00000', 'hadoop/part-r-00002'])
      expect(await errorOf(() => read('nothing'))).toMatchObject({ _tag: 'NotFound' })
    })

    test.each(written)('of %s are written whole, replaced whole, added to, and not at all when their writer fails', async (format) => {
      const { ending, write, read } = formats[format]!
      const out = `${await newFolder()}/out`
      const report = await run(pipe(fromRows(schema, rows, { batchRows: 10 }), write(out, { partitionBy: ['day', 'country'] })))
      const folders = ['country=__HIVE_DEFAULT_PARTITION__', 'country=a%2Fb%3A %22ü%22 %7Bx}%3D%25', 'country=de']
      const files = ['2026-11-24', '2026-11-25'].flatMap((day) => folders.map((country) => `${out}/day=${day}/${country}/part-00000${ending}`))
      expect(report.files).toEqual(files)
      expect((await allNames(out)).filter((file) => !file.endsWith('.json') || !file.startsWith('.'))).toEqual(['_SUCCESS', ...files.map((file) => file.slice(out.length + 1))])
      expect(await byId(read(out, { requireSuccess: true }))).toEqual(rows)
      expect(await byId(read(out, { partitions: { country: { eq: 'de' } } }))).toEqual(rows.filter(({ country }) => country === 'de'))
      const before = await allNames(out)
      expect(await errorOf(() => run(pipe(fromRows(schema, rows), write(out, { partitionBy: ['day'] }))))).toMatchObject({ code: 'OUTPUT_EXISTS' })
      const failing = fromIterable(schema, function* () {
        yield* rows.slice(0, 3)
        throw new Error('the source broke')
      })
      for (const ifExists of ['replace', 'append'] as const) await expect(run(pipe(failing as Stream, write(out, { partitionBy: ifExists === 'replace' ? ['size'] : ['day', 'country'], ifExists })))).rejects.toThrow('the source broke')
      expect(await allNames(out)).toEqual(before)
      await run(pipe(fromRows(schema, rows.slice(0, 1)), write(out, { partitionBy: ['day', 'country'], ifExists: 'append' })))
      expect(await byId(read(out))).toEqual([rows[0], ...rows])
      await run(pipe(fromRows(schema, rows.slice(0, 2)), write(out, { partitionBy: ['size'], ifExists: 'replace' })))
      expect(await byId(read(out))).toEqual(rows.slice(0, 2))
      await run(pipe(fromRows(schema, []), write(out, { partitionBy: ['size'], ifExists: 'replace' })))
      expect((await allNames(out)).filter((file) => !file.startsWith('.'))).toEqual(['_SUCCESS'])
      expect(await byId(read(out, { requireSuccess: true }))).toEqual([])
      await run(pipe(fromRows(schema, rows.slice(0, 2)), write(out, { partitionBy: ['size'], ifExists: 'replace' })))
      // Nothing is left of the partitions that went, where a storage has folders.
      const { browse } = storageFor(out)
      if (browse !== undefined) expect((await browse(out)).folders.filter((folder) => !folder.startsWith('size='))).toEqual([])
    })
  })
}

/** A folder of many days, put by what is quickest, and read for one of them with few requests. @param requests - made by a work */
export const prunesPartitions = (put: (days: number, filesADay: number, text: string) => Promise<string>, requests: (work: () => Promise<unknown>) => Promise<number>): void => {
  test('a partition of a large folder is found with few requests', async () => {
    const [days, filesADay] = [400, 3]
    const folder = await put(days, filesADay, 'id\n1\n')
    const dayOf = (day: number): Date => new Date(Date.UTC(2024, 0, 1 + day))
    /** Requests for listings, when so many rows are asked for, each of which is in a file of its own. */
    const listed = async (options: object, count: number): Promise<number> =>
      (await requests(async () => expect(await run(pipe(readCsv(folder, options) as Stream<Schema>, take(count), collect()))).toHaveLength(count))) - count
    const typed = { schema: { id: field.int32(), day: field.date() } }
    // What names the file itself, a page, the folders, and the day; without a schema once more before, with the first file asked for its columns.
    expect(await listed({ ...typed, partitions: { day: { eq: dayOf(7) } } }, filesADay)).toBeLessThanOrEqual(5)
    expect(await listed({ partitions: { day: { eq: dayOf(7) } } }, filesADay)).toBeLessThanOrEqual(2 * 5 + 2 * filesADay)
    // So many are wanted that pages of all of them are fewer.
    expect(await listed({ ...typed, partitions: { day: { gte: dayOf(50) } } }, 1)).toBeLessThanOrEqual(8)
    expect(await listed(typed, 1)).toBeLessThanOrEqual(4)
  })
}
