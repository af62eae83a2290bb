import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collect, field, fromRows, pipe, rename, run, select, type Position, type Row, type Schema, type Stream } from '@millrace/core'
import { readArrow, readCsv, readJson, readParquet, readRawRecords, readTfRecords, writeArrow, writeCsv, writeJson, writeParquet, writeTfRecords } from '../index.js'

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-folders-'))
})
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

const own = { id: field.int64(), name: field.nullable(field.utf8()) }
const schema = { ...own, date: field.date(), country: field.nullable(field.utf8()) }

/** How each format writes a file, and reads a folder of them. */
const formats: { readonly [name: string]: { readonly write: (file: string, stream: Stream) => Promise<unknown>; readonly read: (source: string, options?: object) => Stream<typeof schema> } } = {
  csv: { write: (file, stream) => run(pipe(stream, writeCsv(`${file}.csv.gz`))), read: (source, options) => readCsv(source, { schema, ...options }) },
  json: { write: (file, stream) => run(pipe(stream, writeJson(`${file}.json`))), read: (source, options) => readJson(source, { schema, ...options }) },
  arrow: { write: (file, stream) => run(pipe(stream, writeArrow(`${file}.arrow`))), read: (source, options) => readArrow(source, { schema, ...options }) },
  parquet: { write: (file, stream) => run(pipe(stream, writeParquet(`${file}.parquet`))), read: (source, options) => readParquet(source, { schema, ...options }) },
  tfrecord: { write: (file, stream) => run(pipe(stream, writeTfRecords(file))), read: (source, options) => readTfRecords(source, { schema, ...options }) },
}

const days = ['2026-11-24', '2026-11-25']
const countries = ['de', null]
const rowsOf = (day: number, country: number): readonly Row<typeof own>[] => Array.from({ length: 3 }, (_, i) => ({ id: 2n ** 60n + BigInt(100 * day + 10 * country + i), name: i === 1 ? null : `n${i}` }))
const all = days.flatMap((date, day) => [1, 0].flatMap((country) => rowsOf(day, country).map((row) => ({ ...row, date: new Date(date), country: countries[country]! }))))

/** Without a schema only the batches know their columns. */
const rowsIn = async (stream: Stream): Promise<readonly { readonly [name: string]: unknown }[]> => {
  const found: { readonly [name: string]: unknown }[] = []
  for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) found.push(batch.row(i))
  return found
}

const touch = (...names: readonly string[]): void => {
  for (const name of names) {
    mkdirSync(dirname(name), { recursive: true })
    writeFileSync(name, '')
  }
}

describe.each(Object.entries(formats))('a partitioned folder of %s', (format, { write, read }) => {
  let folder: string
  beforeAll(async () => {
    folder = join(root, format)
    for (const [day, date] of days.entries()) {
      for (const [country, name] of countries.entries()) {
        const file = join(folder, `date=${date}`, `country=${name ?? '__HIVE_DEFAULT_PARTITION__'}`, 'part-00000-0a1b.c000')
        mkdirSync(dirname(file), { recursive: true })
        await write(file, fromRows(own, rowsOf(day, country)))
      }
    }
    touch(join(folder, '_SUCCESS'), join(folder, '._SUCCESS.crc'), join(folder, `date=${days[0]!}`, '_temporary', '0', 'part-00009'), join(folder, `date=${days[0]!}`, 'country=de', '.part-00000.crc'))
  })

  it('has the partitions as columns', async () => {
    expect(await run(pipe(read(folder), collect()))).toEqual(all)
    expect(await run(pipe(read(`${folder}/date=*`, { requireSuccess: true }), collect()))).toEqual(all)
    expect(await run(pipe(read(folder), select('country', 'id'), collect()))).toEqual(all.map(({ country, id }) => ({ country, id })))
    const ofFolders: { date: Date }[] = []
    for await (const batch of read(folder).open({ columns: ['date'] })) for (let i = 0; i < batch.numRows; i++) ofFolders.push(batch.row(i))
    expect(ofFolders).toEqual(all.map(({ date }) => ({ date })))
  })

  it('is pruned without a look at the files', async () => {
    touch(join(folder, `date=2025-01-01`, 'country=fr', 'broken'))
    writeFileSync(join(folder, `date=2025-01-01`, 'country=fr', 'broken'), Buffer.alloc(100, 7))
    try {
      const chosen = (partitions: object): Promise<unknown> => run(pipe(read(folder, { partitions }), collect()))
      expect(await chosen({ date: { gt: new Date(days[0]!) } })).toEqual(all.slice(6))
      expect(await chosen({ country: { eq: 'de' } })).toEqual(all.filter(({ country }) => country === 'de'))
      expect(await chosen({ country: { in: ['at', 'ch'] } })).toEqual([])
      await expect(chosen({ id: { eq: 1n } })).rejects.toMatchObject({ _tag: 'Usage', code: 'NO_SUCH_PARTITION' })
      if (format === 'parquet') expect(await run(pipe(readParquet(folder, { schema, where: { country: { eq: 'de' }, id: { gte: 2n ** 60n + 100n } } }), collect()))).toEqual(all.slice(9))
    } finally {
      rmSync(join(folder, 'date=2025-01-01'), { recursive: true })
    }
  })

  it('resumes from every position', async () => {
    const stream = read(folder, { batchRows: 2, partitions: { country: { eq: 'de' } } })
    const expected = all.filter(({ country }) => country === 'de')
    const places: [Position, number][] = [[null, 0]]
    let rows = 0
    for await (const batch of stream) places.push([JSON.parse(JSON.stringify(batch.position)) as Position, (rows += batch.numRows)])
    expect(places).toHaveLength(5)
    for (const [from, done] of places) {
      const rest: unknown[] = []
      for await (const batch of stream.open(from === null ? {} : { from })) for (let i = 0; i < batch.numRows; i++) rest.push(batch.row(i))
      expect(rest).toEqual(expected.slice(done))
    }
  })

  it('tells a partition that does not fit its field', async () => {
    const narrow = { ...schema, country: field.utf8() }
    await expect(run(pipe(read(folder, { schema: narrow }), collect()))).rejects.toMatchObject({ _tag: 'Schema', code: 'PARTITION_VALUE', position: { column: 'country' } })
    const wrong = { ...schema, date: field.int32() }
    await expect(run(pipe(read(folder, { schema: wrong }), collect()))).rejects.toMatchObject({ _tag: 'Schema', code: 'PARTITION_VALUE', position: { column: 'date' } })
  })

  it('gives its columns without a schema', async () => {
    if (format !== 'csv' && format !== 'arrow' && format !== 'parquet') return
    const reader = { csv: readCsv, arrow: readArrow, parquet: readParquet }[format] as typeof readParquet
    const rows = await rowsIn(reader(folder))
    expect(rows).toEqual(format === 'csv' ? all.map((row) => ({ ...row, id: String(row.id), name: row.name ?? '' })) : all)
    expect(Object.keys(rows[0]!)).toEqual(['id', 'name', 'date', 'country'])
    if (format !== 'csv') expect(await rowsIn(reader(folder, { columns: ['country', 'id'] }))).toEqual(all.map(({ country, id }) => ({ country, id })))
  })
})

describe('the keys of folders', () => {
  const columnsOf = async (name: string, ...folders: readonly string[]): Promise<unknown> => {
    for (const folder of folders) {
      mkdirSync(join(root, name, folder), { recursive: true })
      writeFileSync(join(root, name, folder, 'part-0.csv'), 'a\n1\n')
    }
    const seen: unknown[] = []
    for await (const batch of readCsv(join(root, name))) seen.push(...Object.entries(batch.schema).slice(1).map(([key, { kind, nullable }]) => `${key} ${nullable ? '?' : ''}${kind} ${String(Object.values(batch.row(0)).at(-1))}`))
    return seen
  }

  it('are typed by their values', async () => {
    expect(await columnsOf('ints', 'm=01', 'm=-2')).toEqual(['m int32 -2', 'm int32 1'])
    expect(await columnsOf('longs', 'm=9007199254740993', 'm=1')).toEqual(['m int64 1', 'm int64 9007199254740993'])
    expect(await columnsOf('huge', 'm=99999999999999999999')).toEqual(['m utf8 99999999999999999999'])
    expect(await columnsOf('nodates', 'd=2026-02-30', 'd=2026-02-28')).toEqual(['d utf8 2026-02-28', 'd utf8 2026-02-30'])
    expect(await columnsOf('nulls', 'd=__HIVE_DEFAULT_PARTITION__')).toEqual(['d ?utf8 null'])
    expect(await columnsOf('escaped', 't=10%3A30%2F%25')).toEqual(['t utf8 10:30/%'])
    await expect(columnsOf('proto', '__proto__=1')).rejects.toMatchObject({ code: 'BAD_COLUMN_NAME' })
  })

  it('are the same for all files', async () => {
    await expect(columnsOf('mixed', 'a=1', 'b=1')).rejects.toMatchObject({ _tag: 'Schema', code: 'PARTITIONS_DIFFER' })
    await expect(columnsOf('half', 'a=1', '.')).rejects.toMatchObject({ _tag: 'Schema', code: 'PARTITIONS_DIFFER' })
  })

  it('win over columns of the same name in the files', async () => {
    mkdirSync(join(root, 'win', 'a=7'), { recursive: true })
    writeFileSync(join(root, 'win', 'a=7', 'x.csv'), 'a,b\n1,2\n')
    expect(await rowsIn(readCsv(join(root, 'win')))).toEqual([{ a: 7, b: '2' }])
    expect(await run(pipe(readCsv(join(root, 'win'), { schema: { a: field.int32(), b: field.int32() } }), collect()))).toEqual([{ a: 7, b: 2 }])
  })

  it('do not come into raw records', async () => {
    const file = join(root, 'raw', 'a=7', 'x')
    mkdirSync(dirname(file), { recursive: true })
    await run(pipe(fromRows({ a: field.int32() }, [{ a: 1 }]), writeTfRecords(file)))
    expect(Object.keys((await run(pipe(readRawRecords(join(root, 'raw')), collect())))[0]!)).toEqual(['record'])
  })
})

describe('files of one source', () => {
  const reading: { readonly [name: string]: { readonly read: (source: string, options?: object) => Stream; readonly write: (file: string, stream: Stream) => Promise<unknown> } } = {
    csv: { read: (source, options = {}) => readCsv(source, options), write: formats['csv']!.write },
    arrow: { read: (source, options = {}) => readArrow(source, options), write: formats['arrow']!.write },
    parquet: { read: (source, options = {}) => readParquet(source, options), write: formats['parquet']!.write },
  }

  const put = async (format: string, name: string, files: readonly Stream[]): Promise<string> => {
    const folder = join(root, `merge-${format}-${name}`)
    mkdirSync(folder, { recursive: true })
    for (const [index, stream] of files.entries()) await reading[format]!.write(join(folder, `part-${index}`), stream)
    return folder
  }
  const stream = <S extends Schema>(of: S, ...rows: readonly Row<S>[]): Stream => fromRows(of, rows)

  describe.each(Object.keys(reading))('%s', (format) => {
    const { read } = reading[format]!
    const first = { a: field.int32(), b: field.utf8() }
    const second = { c: field.float64(), b: field.utf8() }

    it('are merged by name', async () => {
      const folder = await put(format, 'names', [stream(first, { a: 1, b: 'x' }), stream(second, { c: 0.5, b: 'y' })])
      const merged = await rowsIn(read(folder))
      const text = (value: unknown): unknown => (format === 'csv' && value !== null ? String(value) : value)
      expect(merged).toEqual([{ a: text(1), b: 'x', c: null }, { a: null, b: 'y', c: text(0.5) }])
      expect(merged.map((row) => Object.keys(row))).toEqual([['a', 'b', 'c'], ['a', 'b', 'c']])
      const schema = { c: field.nullable(field.float64()), b: field.utf8(), a: field.nullable(field.int32()) }
      expect(await run(pipe(read(folder, { schema }), collect()))).toEqual([{ c: null, b: 'x', a: 1 }, { c: 0.5, b: 'y', a: null }])
      expect(await run(pipe(read(folder, { schema }), select('a'), collect()))).toEqual([{ a: 1 }, { a: null }])
    })

    it('lack only what may be null and is not a wrong name', async () => {
      const folder = await put(format, 'lack', [stream(first, { a: 1, b: 'x' }), stream({ b: field.utf8() }, { b: 'y' })])
      await expect(run(pipe(read(folder, { schema: first }), collect()))).rejects.toMatchObject({ _tag: 'Schema', position: { column: 'a' } })
      await expect(run(pipe(read(folder, { schema: { ...first, d: field.nullable(field.int32()) } }), collect()))).rejects.toMatchObject({ _tag: 'Schema', position: { column: 'd' } })
    })

    it('resume where columns are lacking', async () => {
      const folder = await put(format, 'resume', [stream(first, { a: 1, b: 'x' }, { a: 2, b: 'y' }), stream(second, { c: 1, b: 'z' }, { c: 2, b: 'u' })])
      const merged = read(folder, { batchRows: 1, schema: { b: field.utf8(), c: field.nullable(field.float64()) } })
      const positions: Position[] = []
      for await (const batch of merged) positions.push(batch.position!)
      const lengths: number[] = []
      for (const from of positions) {
        let rows = 0
        for await (const batch of merged.open({ from })) rows += batch.numRows
        lengths.push(rows)
      }
      expect(lengths).toEqual([3, 2, 1, 0])
    })

    if (format !== 'csv') {
      it('whose types differ are an error that names both', async () => {
        const folder = await put(format, 'types', [stream(first, { a: 1, b: 'x' }), pipe(stream({ z: field.utf8() }, { z: 'x' }), rename({ z: 'a' }))])
        await expect(run(pipe(read(folder), collect()))).rejects.toMatchObject({
          _tag: 'Schema', code: 'COLUMN_DIFFERS', position: { column: 'a', source: join(folder, `part-1.${format}`) }, problem: `the column is utf8 here, and int32 in ${join(folder, `part-0.${format}`)}`,
        })
      })
    }
  })
})
