import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collect, countRows, field, pipe, run, type RejectedRecord, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../test/support/error-of.js'
import { csvSchema, readCsv } from '../index.js'
import { splitRecord, byteDialect } from './columnar/split-record.js'
import { resolveCsvOptions } from './csv-options.js'
import { CsvSplitter } from './csv-splitter.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-wide-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = (text: string): string => {
  const path = join(folder, 'x.csv')
  writeFileSync(path, text)
  return path
}

const schema = { a: field.utf8(), b: field.utf8() }

describe.each(['auto', 'csv-parse'] as const)('records with very many fields (%s)', (parser) => {
  it('are bad beyond maxFields, and the next one is read', async () => {
    const seen: RejectedRecord[] = []
    const onBadRecord = { quarantine: (record: RejectedRecord) => void seen.push(record) }
    const text = `a,b\n1,2\n${','.repeat(200_000)}\n"x","y\n"${',"z"'.repeat(70_000)}\n3,4\n`
    expect(await run(pipe(readCsv(file(text), { schema, parser, onBadRecord }), collect()))).toEqual([{ a: '1', b: '2' }, { a: '3', b: '4' }])
    expect(seen.map(({ record, code, byte, raw }) => [record, code, byte, raw!.length])).toEqual([[1, 'CSV_TOO_MANY_FIELDS', 8, 200_001], [2, 'CSV_TOO_MANY_FIELDS', 200_009, 280_009]])
    expect(seen[0]!.reason).toContain('more than 65536 fields')
  })

  it('end the reading where the first one names or counts the columns', async () => {
    const path = file(`${','.repeat(100)}\n1\n`)
    const limits = { parser, maxFields: 100 }
    for (const stream of [readCsv(path, { ...limits, schema }), readCsv(path, limits), readCsv(path, { ...limits, header: false })]) {
      expect(await errorOf(run(pipe(stream as Stream, countRows())))).toMatchObject({ _tag: 'Limit', code: 'CSV_TOO_MANY_FIELDS', position: { source: path } })
    }
    expect(await run(pipe(readCsv(path, { header: false, parser, maxFields: 101 }), countRows())).catch((error: unknown) => (error as { code: string }).code)).toBe('CSV_FIELD_COUNT')
    expect(await errorOf(run(csvSchema(path, { maxFields: 100 })))).toMatchObject({ _tag: 'Limit' })
  })
})

it('no texts are made of fields beyond maxFields', () => {
  const split = splitRecord(Buffer.from(`${'1,"2",'.repeat(50)}3\n4\n`), byteDialect(resolveCsvOptions({ maxFields: 10 })))
  expect(split).toEqual({ fields: ['1', '2', '1', '2', '1', '2', '1', '2', '1', '2', '1'], end: 302 })
})

it('a header is found whatever follows it', async () => {
  const path = file(`a,b\n1,${'x'.repeat(100)}`)
  expect(Object.keys(await run(csvSchema(path, { maxRecordBytes: 20 })))).toEqual(['a', 'b'])
})

it.each(['auto', 'csv-parse'] as const)('a long last record with a stray quote and no line end is set aside whole: %s', async (parser) => {
  const last = `"x"${'y'.repeat(100_000)}`
  const rejected: RejectedRecord[] = []
  const rows = readCsv(file(`a,b\n1,z\n${last}`), { schema, parser, onBadRecord: { quarantine: (record) => void rejected.push(record) } })
  expect(await run(pipe(rows, countRows()))).toBe(1)
  expect(rejected.map(({ raw, reason }) => [raw!.length, reason.includes('after its closing quote')])).toEqual([[last.length, true]])
})

it('csv-parse keeps few fields beyond maxFields', async () => {
  const records: (readonly [number, number])[] = []
  const splitter = new CsvSplitter(resolveCsvOptions({ maxFields: 10 }), 'x', 0, 1, { record: ({ length }, _, end) => void records.push([length, end]), malformed: () => undefined })
  for (let i = 0; i < 20; i++) await splitter.push(Buffer.alloc(100_000, ','))
  await splitter.push(Buffer.from('\n1,2\n3'))
  await splitter.finish()
  expect(records.map(([, end]) => end)).toEqual([2_000_001, 2_000_005, 2_000_006])
  expect(records[0]![0]).toBeGreaterThan(10)
  expect(records[0]![0]).toBeLessThan(20_000)
  expect(records.slice(1).map(([fields]) => fields)).toEqual([2, 1])
})

it('a message lists a few of many columns, and the beginning of long names', async () => {
  const many = file(`${Array.from({ length: 50_000 }, (_, i) => `column ${i}`).join(',')}\n1\n`)
  const error = (await errorOf(run(pipe(readCsv(many, { schema }), countRows())))) as Error
  expect(error).toMatchObject({ code: 'CSV_NO_SUCH_COLUMN' })
  expect(error.message).toContain('column 18, column 19 and 49980 more. The option')
  expect(error.message.length).toBeLessThan(1000)
  const long = file(`${'n'.repeat(1_000_000)}\n1\n`)
  expect(((await errorOf(run(pipe(readCsv(long, { schema }), countRows())))) as Error).message.length).toBeLessThan(1000)
})
