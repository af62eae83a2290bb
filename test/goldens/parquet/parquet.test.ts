import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { field, run, Tally, type Field, type Row, type Schema, type Stream } from '@millrace/core'
import { parquetSchema, readParquet } from '@millrace/formats'
import { describe, expect, test } from 'vitest'

const folder = fileURLToPath(new URL('.', import.meta.url))
const path = (name: string): string => `${folder}${name}.parquet`
const names = readdirSync(folder).filter((file) => file.endsWith('.parquet')).map((file) => file.slice(0, -8))

/** A value as make.py shows it. */
const shown = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Date) return value.toISOString()
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}

const rowsOf = async <S extends Schema>(stream: Stream<S>): Promise<Row<S>[]> => {
  const rows: Row<S>[] = []
  for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
  return rows
}

/** pyarrow shows 64-bit integers of some files as numbers. */
const due = (name: string): unknown =>
  (JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8')) as { readonly [column: string]: unknown }[]).map((row) =>
    Object.fromEntries(Object.entries(row).map(([column, value]) => [column, (column === 'n' || column === 'id') && value !== null ? String(value) : value])),
  )

test.each(names)('%s holds what pyarrow wrote, by its own schema', async (name) => {
  const rows = (await rowsOf(readParquet(path(name)))).map((row) => Object.fromEntries(Object.entries(row).map(([column, value]) => [column, shown(value)])))
  expect(rows).toEqual(due(name))
})

describe('conversions', () => {
  const one = async (column: string, target: Field): Promise<readonly unknown[]> => (await rowsOf(readParquet(path('kinds-zstd'), { schema: { [column]: field.nullable(target) } }))).map((row) => shown(row[column]))

  test('widen and narrow what fits', async () => {
    expect(await one('int8', field.int64())).toEqual(['-128', '127', null, '0'])
    expect(await one('int64', field.float64())).toEqual([-(2 ** 63), 2 ** 63, null, 2 ** 53])
    expect(await one('uint32', field.int64())).toEqual(['0', '4294967295', null, '1'])
    expect(await one('uint8', field.int16())).toEqual([0, 255, null, 1])
    expect(await one('int32', field.decimal(20, 2))).toEqual(['-2147483648.00', '2147483647.00', null, '0.00'])
    expect(await one('small', field.float64())).toEqual([1.23, -99999.99, null, 0])
    expect(await one('text', field.binary())).toEqual(['YQ==', Buffer.from('ü€😀').toString('base64'), null, ''])
    expect(await one('word', field.dictionary())).toEqual(['x', 'y', null, 'x'])
    expect(await one('us', field.timestamp({ unit: 's' }))).toEqual(['2001-02-03T04:05:06.000Z', '1960-01-01T00:00:00.000Z', null, '2001-02-03T04:05:06.000Z'])
    expect(await one('ms', field.timestamp({ unit: 'ns' }))).toEqual(['2001-02-03T04:05:06.789Z', '1960-01-01T00:00:00.000Z', null, '2001-02-03T04:05:06.789Z'])
    expect(await one('list', field.list(field.float32()))).toEqual([[1, 2], [], null, [3]])
  })

  test('make a row bad whose value does not fit, and name it', async () => {
    const tally = new Tally()
    const schema = { int64: field.nullable(field.int32()), text: field.nullable(field.utf8()) }
    const stream = readParquet(path('kinds-none'), { schema, onBadRecord: 'skip' })
    const rows: unknown[] = []
    for await (const batch of stream.open({ tally })) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
    expect(rows).toEqual([{ int64: null, text: null }])
    expect(tally.summary()).toMatchObject({ read: 4, delivered: 1, rejectedByCode: { OUT_OF_RANGE: 3 } })
    await expect(rowsOf(readParquet(path('kinds-none'), { schema }))).rejects.toMatchObject({ _tag: 'BadRecord', position: { record: 0, column: 'int64' }, message: expect.stringMatching(/-9223372036854775808 is out of the range of int32/) })
    await expect(rowsOf(readParquet(path('kinds-none'), { schema: { bytes: field.utf8() } }))).rejects.toMatchObject({ code: 'BAD_TEXT', position: { record: 1 } })
    await expect(rowsOf(readParquet(path('kinds-none'), { schema: { text: field.utf8() } }))).rejects.toMatchObject({ code: 'NULL', position: { record: 2 } })
  })

  test('are refused before anything is read where a type cannot fit', async () => {
    await expect(one('text', field.int32())).rejects.toMatchObject({ _tag: 'Schema', code: 'PARQUET_KIND', position: { column: 'text' }, message: expect.stringMatching(/BYTE_ARRAY STRING.*Make it field\.utf8/) })
    await expect(one('float64', field.int32())).rejects.toMatchObject({ code: 'PARQUET_KIND' })
    await expect(one('flaot64', field.float64())).rejects.toMatchObject({ _tag: 'Schema', message: expect.stringMatching(/Did you mean "float64"/) })
  })
})

test('row groups are chosen by index, and resumed within', async () => {
  const schema = { n: field.int32() }
  const numbers = async (options: object, from?: unknown): Promise<number[]> => {
    const out: number[] = []
    for await (const batch of readParquet(path('groups'), { schema, ...options }).open(from === undefined ? {} : { from: from as never })) out.push(...batch.columns.n.values)
    return out
  }
  expect(await numbers({ rowGroups: [1, 3] })).toEqual([...Array.from({ length: 300 }, (_, i) => 300 + i), ...Array.from({ length: 100 }, (_, i) => 900 + i)])
  const from = { file: 0, url: path('groups'), at: { rowGroup: 2, row: 250 } }
  expect(await numbers({}, from)).toEqual(Array.from({ length: 150 }, (_, i) => 850 + i))
})

test('the schema of a file is a job, and columns may be picked without one', async () => {
  expect(await run(parquetSchema(path('groups')))).toEqual({ n: field.nullable(field.int64()), t: field.nullable(field.utf8()) })
  expect((await rowsOf(readParquet(path('groups'), { columns: ['t'] })))[9]).toEqual({ t: '2' })
  await expect(rowsOf(readParquet(path('groups'), { columns: ['u'] }))).rejects.toMatchObject({ code: 'NO_SUCH_COLUMN' })
})

test('real flights: 64-bit integers as int32 and float32, microseconds as milliseconds, no nulls in nullable columns', async () => {
  const flight = { date: field.timestamp(), delay: field.int32(), distance: field.float32(), origin: field.utf8(), destination: field.utf8() }
  const stream = readParquet(fileURLToPath(new URL('../../../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url)), { schema: flight, rowGroups: [0] })
  let count = 0
  for await (const batch of stream) {
    if (count === 0) expect(batch.row(0)).toEqual({ date: new Date('2001-01-01T00:01:00Z'), delay: 33, distance: 2176, origin: 'LAS', destination: 'PHL' })
    count += batch.numRows
  }
  expect(count).toBe(272_727)
})

test('what is no Parquet file is named, with what was found', async () => {
  await expect(rowsOf(readParquet(`${folder}make.py`))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'NOT_PARQUET', message: expect.stringMatching(/begins with bytes|begins with "/) })
})

test('counts and runs are checked before they are expanded', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-parquet-'))
  try {
    // One bit each of a page's encoding, its number of values, the length of its levels, and the first run in them. The first made
    // hyparquet fill an array until V8 gave up.
    for (const [byte, bit] of [[264, 4], [258, 6], [266, 3], [318, 7]] as const) {
      const bytes = readFileSync(path('kinds-v2'))
      bytes[byte]! ^= 1 << bit
      const file = join(scratch, `${byte}.parquet`)
      writeFileSync(file, bytes)
      await expect(rowsOf(readParquet(file, { columns: ['int64'] })), `byte ${byte}`).rejects.toMatchObject({ _tag: 'Corrupt', code: 'PARQUET_CORRUPT', position: { source: file } })
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
})
