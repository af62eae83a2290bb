import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, field, fromRows, pipe, run, withSchema, type Job, type RejectedRecord, type Row, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readArrow, readCsv, readJson, readParquet, readTfRecords, writeArrow, writeCsv, writeJson, writeParquet, writeTfRecords, type OnBadRecord } from '../index.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-safe-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const wide = { i: field.int64(), u: field.nullable(field.uint64()) }
const schema = { i: field.int64({ as: 'number' }), u: field.nullable(field.uint64({ as: 'number' })) }
type Options = { readonly schema: typeof schema; readonly onBadRecord?: OnBadRecord }
const most = 2n ** 53n - 1n
const rows: readonly Row<typeof wide>[] = [{ i: most, u: most }, { i: -most, u: null }, { i: most + 2n, u: 1n }, { i: -most - 2n, u: 1n }, { i: 1n, u: 2n ** 63n }, { i: 2n, u: most + 1n }, { i: 3n, u: 3n }]
const sound = [{ i: Number(most), u: Number(most) }, { i: -Number(most), u: null }, { i: 3, u: 3 }]

const formats: { readonly [name: string]: readonly [write: (file: string) => (stream: Stream) => Job<unknown>, read: (file: string, options: Options) => Stream<typeof schema>] } = {
  csv: [(file) => writeCsv(file), (file, options) => readCsv(file, options)],
  'csv by csv-parse': [(file) => writeCsv(file), (file, options) => readCsv(file, { ...options, parser: 'csv-parse' })],
  json: [(file) => writeJson(file), (file, options) => readJson(file, options)],
  'json by stream-json': [(file) => writeJson(file), (file, options) => readJson(file, { ...options, parser: 'stream-json' })],
  parquet: [(file) => writeParquet(file), (file, options) => readParquet(file, options)],
  arrow: [(file) => writeArrow(file), (file, options) => readArrow(file, options)],
  tfrecord: [(file) => writeTfRecords(file), (file, options) => readTfRecords(`${file}@1`, options)],
}

describe.each(Object.entries(formats))('64-bit integers of %s that rows show as numbers', (name, [write, read]) => {
  it('are bad records beyond 2⁵³, with their place', async () => {
    const file = join(folder, name.replaceAll(' ', '-'))
    await run(pipe(fromRows(wide, rows), write(file)))
    expect(await run(pipe(read(file, { schema, onBadRecord: 'skip' }), collect()))).toEqual(sound)
    const rejected: RejectedRecord[] = []
    await run(pipe(read(file, { schema, onBadRecord: { quarantine: (record) => void rejected.push(record) } }), collect()))
    expect(rejected.map(({ record, column }) => [record, column])).toEqual([[2, 'i'], [3, 'i'], [4, 'u'], [5, 'u']])
    await expect(run(pipe(read(file, { schema }), collect()))).rejects.toMatchObject({ _tag: 'BadRecord', code: expect.stringMatching(/OUT_OF_RANGE$/) as string, position: { record: 2, column: 'i' } })
  })
})

it('are refused by withSchema too', async () => {
  await expect(run(pipe(fromRows(wide, rows), withSchema(schema), collect()))).rejects.toMatchObject({ code: 'OUT_OF_RANGE', position: { record: 2, column: 'i' } })
})

describe('decimals', () => {
  it('have 1 to 38 digits, none of them beyond the scale', () => {
    const bad: readonly (readonly [number, number])[] = [[0, 0], [39, 2], [50, 2], [5, 6], [5, -1], [5.5, 1], [NaN, 0]]
    for (const [precision, scale] of bad) expect(() => field.decimal(precision, scale)).toThrow(expect.objectContaining({ _tag: 'Schema', code: 'DECIMAL_PRECISION' }) as Error)
    expect([field.decimal(38, 38), field.decimal(1, 0)]).toHaveLength(2)
  })

  it('of a schema made by hand are refused where they are built', async () => {
    const file = join(folder, 'long.csv')
    writeFileSync(file, `d\n${'9'.repeat(45)}\n`)
    const byHand = { d: { ...field.decimal(38, 2), params: { precision: 50, scale: 2 } } }
    await expect(run(pipe(readCsv(file, { schema: byHand }), collect()))).rejects.toMatchObject({ _tag: 'Schema', code: 'DECIMAL_PRECISION' })
    await expect(run(pipe(readCsv(file, { schema: { d: field.decimal(38, 2) } }), collect()))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE' })
  })
})
