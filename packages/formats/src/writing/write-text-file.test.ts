import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { field, fromRows, pipe, run, type Row, type Schema, type Stream } from '@millrace/core'
import { readCsv, writeCsv } from '../csv/index.js'
import { readJson, writeJson } from '../json/index.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-text-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const rowsOf = async <S extends Schema>(stream: Stream<S>): Promise<Row<S>[]> => {
  const rows: Row<S>[] = []
  for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
  return rows
}

const schema = {
  text: field.nullable(field.utf8()), int: field.int32(), long: field.int64(), decimal: field.decimal(30, 4), float: field.nullable(field.float64()), bool: field.bool(),
  date: field.date(), time: field.timestamp({ format: 'yyyy/MM/dd HH:mm' }), instant: field.timestamp(), word: field.dictionary(), list: field.nullable(field.list(field.nullable(field.int64()))),
}
const time = new Date('2001-02-03T04:05:00Z')
const rows: Row<typeof schema>[] = [
  { text: 'a, "b"\nc', int: -1, long: 2n ** 62n + 1n, decimal: '12345678901234567890123456.7890', float: 0.1, bool: true, date: new Date('2001-02-03'), time, instant: new Date(1), word: 'x', list: [1n, null, 2n ** 53n - 1n] },
  { text: null, int: 7, long: -(2n ** 63n), decimal: '-0.0001', float: null, bool: false, date: new Date('1960-01-01'), time, instant: new Date(-1), word: 'ü€😀', list: [] },
]

describe('writeCsv and writeJson', () => {
  it('write what the readers read back, to the last digit', async () => {
    const csv = join(folder, 'all.csv')
    expect(await run(pipe(fromRows(schema, rows, { batchRows: 1 }), writeCsv(csv)))).toMatchObject({ files: [csv], rows: 2, tally: { read: 2 } })
    expect(await rowsOf(readCsv(csv, { schema }))).toEqual(rows)
    const json = join(folder, 'all.jsonl.gz')
    const report = await run(pipe(fromRows(schema, rows), writeJson(json, { nulls: 'omit' })))
    expect(await rowsOf(readJson(json, { schema }))).toEqual(rows)
    expect(report.bytes).toBe((await readFile(json)).length)
    expect(gunzipSync(await readFile(json)).toString()).toContain('"long":4611686018427387905,')
  })

  it('keep what is finer than a millisecond', async () => {
    const fine = { us: field.timestamp({ unit: 'us' }), ns: field.timestamp({ unit: 'ns' }) }
    const path = join(folder, 'fine.csv')
    const text = 'us,ns\n2001-02-03T04:05:06.789012Z,1960-01-01T00:00:00.000000001Z\n'
    const first = join(folder, 'fine-1.csv')
    await run(pipe(readCsv(await write(first, text), { schema: fine }), writeCsv(path)))
    expect(await readFile(path, 'utf8')).toBe(text)
  })

  it('keep the sign of zero, and say which instants have no text', async () => {
    const floats = { f: field.float64(), g: field.float32() }
    const instants = { s: field.timestamp({ unit: 's' }), year: field.timestamp({ format: 'yyyy-MM-dd' }), day: field.date() }
    const ancient = { s: new Date(-1e12), year: new Date('0000-01-01'), day: new Date('-000500-01-02') }
    for (const [name, writing, reading] of [['csv', writeCsv, readCsv], ['jsonl', writeJson, readJson]] as const) {
      const path = join(folder, `edges.${name}`)
      await run(pipe(fromRows(floats, [{ f: -0, g: -0 }]), writing(path)))
      expect(await rowsOf(reading(path, { schema: floats }))).toEqual([{ f: -0, g: -0 }])
      const write = (row: object) => run(pipe(fromRows(instants, [{ ...ancient, ...row } as Row<typeof instants>]), writing(path, { ifExists: 'replace' })))
      await write({})
      expect(await rowsOf(reading(path, { schema: instants }))).toEqual([ancient])
      await expect(write({ s: 2n ** 63n - 1n })).rejects.toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { record: 0, column: 's' } })
      await expect(write({ year: new Date('+010000-01-01T00:00:00Z') })).rejects.toMatchObject({ code: 'OUT_OF_RANGE', position: { column: 'year' } })
    }
  })

  it('write no local time that reads back as another instant', async () => {
    const late = new Date('2024-11-03T06:30:00Z')
    for (const [name, writing, reading] of [['csv', writeCsv, readCsv], ['jsonl', writeJson, readJson]] as const) {
      const path = join(folder, `clocks.${name}`)
      const local = { at: field.timestamp({ zone: 'America/New_York', format: 'yyyy-MM-dd HH:mm:ss' }) }
      await expect(run(pipe(fromRows(local, [{ at: new Date('2024-11-03T05:30:00Z') }, { at: late }]), writing(path)))).rejects.toMatchObject({
        _tag: 'BadRecord', code: 'OUT_OF_RANGE', problem: expect.stringContaining('a format with an offset (XXX) tells them apart') as string, position: { record: 1, column: 'at' },
      })
      const offset = { at: field.timestamp({ zone: 'America/New_York', format: 'yyyy-MM-dd HH:mm:ssXXX' }) }
      await run(pipe(fromRows(offset, [{ at: late }]), writing(path)))
      expect(await rowsOf(reading(path, { schema: offset }))).toEqual([{ at: late }])
    }
  })

  it('write dialects, and nothing where there are no rows', async () => {
    const path = join(folder, 'dialect.tsv')
    const two = { a: field.nullable(field.utf8()), b: field.utf8() }
    await run(pipe(fromRows(two, [{ a: null, b: 'x\ty' }]), writeCsv(path, { delimiter: '\t', header: false, nullToken: 'NULL' })))
    expect(await readFile(path, 'utf8')).toBe('NULL\t"x\ty"\n')
    const one = join(folder, 'one.csv')
    await run(pipe(fromRows({ a: field.utf8() }, [{ a: '' }, { a: 'x' }]), writeCsv(one)))
    expect(await rowsOf(readCsv(one))).toEqual([{ a: '' }, { a: 'x' }])
    await run(pipe(fromRows(two, []), writeJson(path, { ifExists: 'replace' })))
    expect(await readFile(path, 'utf8')).toBe('')
  })

  it('write arrays, which any parser of JSON takes, also in folders', async () => {
    const path = join(folder, 'array.json')
    const report = await run(pipe(fromRows(schema, rows, { batchRows: 1 }), writeJson(path, { format: 'array' })))
    expect(report.bytes).toBe((await readFile(path)).length)
    expect(JSON.parse(await readFile(path, 'utf8'))).toHaveLength(2)
    for (const format of ['array', undefined] as const) expect(await rowsOf(readJson(path, { schema, format }))).toEqual(rows)
    const ids = { id: field.int32(), day: field.utf8() }
    const days = [{ id: 1, day: 'a' }, { id: 2, day: 'b' }, { id: 3, day: 'a' }]
    const parts = join(folder, 'arrays')
    await run(pipe(fromRows(ids, days), writeJson(parts, { format: 'array', partitionBy: ['day'] })))
    const [part] = (await readdir(join(parts, 'day=a'))).filter((name) => name.endsWith('.json'))
    expect(await readFile(join(parts, 'day=a', part!), 'utf8')).toBe('[\n{"id":1},\n{"id":3}\n]\n')
    await run(pipe(fromRows(ids, []), writeJson(path, { format: 'array', ifExists: 'replace' })))
    expect(await rowsOf(readJson(path, { schema: ids }))).toEqual([])
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual([])
    await expect(async () => run(pipe(fromRows(ids, days), writeJson(path, { format: 'ndjson' as 'lines' })))).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION' })
  })

  it('leave nothing behind when they fail, and replace only when told to', async () => {
    const path = join(folder, 'nan.jsonl')
    const numbers = { x: field.float64() }
    await expect(run(pipe(fromRows(numbers, [{ x: 1 }, { x: NaN }]), writeJson(path)))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'JSON_NOT_FINITE', position: { record: 1, column: 'x' } })
    expect((await readdir(folder)).filter((name) => name.includes('nan'))).toEqual([])
    await run(pipe(fromRows(numbers, [{ x: 1 }]), writeJson(path)))
    await expect(run(pipe(fromRows(numbers, [{ x: 2 }]), writeJson(path)))).rejects.toMatchObject({ _tag: 'AlreadyExists' })
    expect(await readFile(path, 'utf8')).toBe('{"x":1}\n')
    expect(() => writeCsv('x')(fromRows({ a: field.binary() }, []))).toThrow(/no form for binary/)
    await expect(run(pipe(fromRows({}, [{}]), writeCsv(join(folder, 'none.csv'))))).rejects.toMatchObject({ _tag: 'Schema', code: 'NO_COLUMNS' })
    expect((await readdir(folder)).filter((name) => name.includes('none'))).toEqual([])
  })
})

const write = async (path: string, text: string): Promise<string> => {
  const { writeFile } = await import('node:fs/promises')
  await writeFile(path, text)
  return path
}

it('knows no other compression than its own', async () => {
  const url = join(folder, 'bad-compression.csv')
  for (const write of [writeCsv, writeJson]) {
    await expect(run(pipe(fromRows({ n: field.int32() }, [{ n: 1 }]), write(url, { compression: 'gz' as 'gzip' })))).rejects.toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION' })
  }
})
