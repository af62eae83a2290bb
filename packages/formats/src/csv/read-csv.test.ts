import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { field, pipe, run, select, Tally, withSchema, type Batch, type Row, type Schema, type Stream } from '@millrace/core'
import { errorOf } from '../../../../test/support/error-of.js'
import type { RejectedRecord } from '../records/index.js'
import { csvSchema, readCsv, writeCsv } from './index.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-csv-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

let files = 0
const file = async (content: string | Uint8Array, name = `${files++}.csv`): Promise<string> => {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

const rowsOf = async <S extends Schema>(stream: Stream<S>, options: Parameters<Stream<S>['open']>[0] = {}): Promise<Row<S>[]> => {
  const rows: Row<S>[] = []
  for await (const batch of stream.open(options)) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
  return rows
}

const ab = { a: field.int32(), b: field.utf8() }

describe('readCsv', () => {
  it('finds columns by name, in any order, and leaves further ones alone', async () => {
    const path = await file('b,extra,a\nx,?,1\n"y, ""z""",?,-2\r\n"two\nlines",?,3')
    expect(await rowsOf(readCsv(path, { schema: ab }))).toEqual([
      { a: 1, b: 'x' },
      { a: -2, b: 'y, "z"' },
      { a: 3, b: 'two\nlines' },
    ])
  })

  it('reads dialects: delimiter, quote, escape, comments, trimming, decimal commas, null tokens', async () => {
    const path = await file("# made by hand\nname; score\n'o\\'hara';1,5\n# a comment\n  x ; NA\n")
    const schema = { name: field.utf8(), score: field.nullable(field.float64()) }
    const stream = readCsv(path, { schema, delimiter: ';', quote: "'", escape: '\\', comment: '#', trim: true, decimalComma: true, nullTokens: ['', 'NA'] })
    expect(await rowsOf(stream)).toEqual([{ name: "o'hara", score: 1.5 }, { name: 'x', score: null }])
  })

  it('reads numbers with decimal commas and groups of thousands, and quotes what the file has where it cannot', async () => {
    const path = await file('n;d;i\n1.234,5;-1.234.567,89;12.345\n1234,5;,5;7\n')
    const schema = { n: field.float64(), d: field.decimal(12, 2), i: field.int32() }
    for (const parser of ['auto', 'csv-parse'] as const) {
      const options = { schema, delimiter: ';', decimalComma: true, parser }
      expect(await rowsOf(readCsv(path, { ...options, thousands: '.' }))).toEqual([{ n: 1234.5, d: '-1234567.89', i: 12345 }, { n: 1234.5, d: '0.50', i: 7 }])
      await expect(rowsOf(readCsv(path, options))).rejects.toMatchObject({ code: 'BAD_TEXT', problem: '"1.234,5" is not of kind float64', position: { line: 2, column: 'n' } })
      for (const [text, problem] of [['1.5', '"1.5" is not of kind float64'], ['1.23,4', '"1.23,4" is not of kind float64'], ['1e400,0', '"1e400,0" is not of kind float64'], ['1,5e400', expect.stringContaining('"1,5e400"')]] as const) {
        const bad = await file(`n\n${text}\n`)
        for (const thousands of [undefined, '.'] as const) await expect(rowsOf(readCsv(bad, { ...options, schema: { n: field.float64() }, thousands })), text).rejects.toMatchObject({ problem })
      }
      expect(await rowsOf(readCsv(await file('n,i\n"1,234.5","1,000"\nnan,1\n'), { schema: { n: field.float64(), i: field.int64() }, thousands: ',', parser }))).toEqual([{ n: 1234.5, i: 1000n }, { n: NaN, i: 1n }])
      await expect(rowsOf(readCsv(await file('i\n"1,00"\n'), { schema: { i: field.int64() }, thousands: ',', parser }))).rejects.toMatchObject({ code: 'BAD_TEXT', problem: '"1,00" is not of kind int64' })
    }
    expect(readCsv(path, { thousands: '.', decimalComma: true }).plan.options).toMatchObject({ parser: 'csv-parse', because: 'a separator of thousands' })
    for (const thousands of ['', '..', '1', '.', '-']) expect(() => readCsv(path, { thousands }), thousands).toThrow(/cannot separate thousands/)
    expect(() => readCsv(path, { thousands: ',', decimalComma: true })).toThrow(/cannot separate thousands/)
  })

  it('reads times by any pattern, to the unit of the column, and writes them so', async () => {
    const schema = {
      us: field.timestamp({ unit: 'us', format: 'M/d/yyyy h:mm:ss.SSSSSS a' }), ns: field.timestamp({ unit: 'ns', format: 'epochSeconds' }),
      east: field.timestamp({ format: 'yyyy-MM-dd HH:mm:ssXXX' }), day: field.date({ format: 'd MMM yy' }), ms: field.timestamp(),
    }
    const text = 'us,ns,east,day,ms\n1/2/2026 3:04:05.678901 PM,-1767366245.678901234,2026-01-02 03:04:05+05:30,3 Feb 69,2026-01-02T03:04:05.678901Z\n'
    for (const parser of ['auto', 'csv-parse'] as const) {
      const stream = readCsv(await file(text), { schema, parser })
      for await (const { columns } of stream) {
        const { us, ns } = columns as unknown as { readonly [name: string]: { readonly values: BigInt64Array } }
        expect([us!.values[0], ns!.values[0]]).toEqual([1767366245678901n, -1767366245678901234n])
      }
      expect(await rowsOf(stream)).toMatchObject([{ east: new Date('2026-01-01T21:34:05Z'), day: new Date('1969-02-03'), ms: new Date('2026-01-02T03:04:05.678Z') }])
      const out = join(folder, `times-${parser}.csv`)
      await run(pipe(stream, writeCsv(out)))
      // What is finer than the unit is cut, and offsets are those of the zone.
      expect(await readFile(out, 'utf8')).toBe(text.replace('03:04:05+05:30', '21:34:05Z').replace('2026-01-02 21', '2026-01-01 21').replace('678901Z', '678Z'))
    }
  })

  it('passes over lines before the header, whatever they hold', async () => {
    const preamble = ['Report of "2026\n\n', '"\r\r\n', '\r\n"a\n']
    for (const lines of preamble) {
      for (const parser of ['auto', 'csv-parse'] as const) {
        const path = await file(`${lines}a,b\n1,x\n2,y\nthree,z\n`)
        const stream = readCsv(path, { schema: ab, skipLines: 2, batchRows: 1, parser })
        const batches: Batch[] = []
        await expect((async () => {
          for await (const batch of stream) batches.push(batch)
        })()).rejects.toMatchObject({ code: 'BAD_TEXT', position: { line: 6, record: 2, byte: lines.length + 12 } })
        expect(batches.map((batch) => batch.row(0))).toEqual([{ a: 1, b: 'x' }, { a: 2, b: 'y' }])
        expect(await rowsOf(readCsv(path, { schema: ab, skipLines: 2, batchRows: 1, parser, onBadRecord: 'skip' }), { from: batches[0]!.position })).toEqual([{ a: 2, b: 'y' }])
      }
    }
    expect(await rowsOf(readCsv(await file('A,A\n1,x\n'), { schema: ab, header: ['a', 'b'], skipLines: 1 }))).toEqual([{ a: 1, b: 'x' }])
    expect(await rowsOf(readCsv(await file('note'), { schema: ab, header: ['a', 'b'], skipLines: 1 }))).toEqual([])
    await expect(rowsOf(readCsv(await file('note\n'), { schema: ab, skipLines: 3 }))).rejects.toMatchObject({ code: 'CSV_NO_HEADER' })
    await expect(rowsOf(readCsv(await file('x'.repeat(500_000)), { schema: ab, skipLines: 1, maxRecordBytes: 1000 }))).rejects.toMatchObject({ _tag: 'Limit', code: 'CSV_RECORD_TOO_LONG' })
    expect(() => readCsv('x', { skipLines: -1 })).toThrow(/skipLines/)
    expect(await run(csvSchema(await file('note\na,b\n'), { skipLines: 1 }))).toEqual({ a: field.utf8(), b: field.utf8() })
  })

  it('takes empty fields as null where null is allowed, as empty texts where it is not, and refuses them in numbers', async () => {
    const path = await file('a,b\n,\n')
    expect(await rowsOf(readCsv(path, { schema: { a: field.nullable(field.int32()), b: field.utf8() } }))).toEqual([{ a: null, b: '' }])
    await expect(rowsOf(readCsv(path, { schema: ab }))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'NULL', position: { line: 2, record: 0, column: 'a' } })
  })

  it('reads UTF-8 and UTF-16 by their byte order marks, other encodings by label', async () => {
    const text = 'a,b\n1,Zürich €\n'
    const expected = [{ a: 1, b: 'Zürich €' }]
    expect(await rowsOf(readCsv(await file('\ufeff' + text), { schema: ab }))).toEqual(expected)
    expect(await rowsOf(readCsv(await file(Buffer.from('\ufeff' + text, 'utf16le')), { schema: ab }))).toEqual(expected)
    expect(await rowsOf(readCsv(await file(Buffer.from('\ufeff' + text, 'utf16le').swap16()), { schema: ab }))).toEqual(expected)
    expect(await rowsOf(readCsv(await file(Buffer.from(text, 'utf16le')), { schema: ab, encoding: 'utf-16le' }))).toEqual(expected)
    expect(await rowsOf(readCsv(await file(Buffer.from('a,b\n1,Zürich\n', 'latin1')), { schema: ab, encoding: 'latin1' }))).toEqual([{ a: 1, b: 'Zürich' }])
  })

  it('refuses bytes that are not UTF-8, and says so', async () => {
    const path = await file(Buffer.from('a,b\n1,ok\n2,Zürich\n', 'latin1'))
    await expect(rowsOf(readCsv(path, { schema: ab }))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'CSV_BAD_ENCODING', position: { line: 3, record: 1 } })
    expect(await rowsOf(readCsv(path, { schema: ab, onBadRecord: 'skip' }))).toEqual([{ a: 1, b: 'ok' }])
    expect(() => readCsv(path, { encoding: 'klingon' })).toThrow(/no such encoding/)
  })

  it('inflates gzip by name and by its first bytes', async () => {
    const packed = gzipSync('a,b\n1,x\n')
    expect(await rowsOf(readCsv(await file(packed, 'packed.csv.gz'), { schema: ab }))).toEqual([{ a: 1, b: 'x' }])
    expect(await rowsOf(readCsv(await file(packed, 'packed.csv'), { schema: ab }))).toEqual([{ a: 1, b: 'x' }])
    const cut = await file(packed.subarray(0, packed.length - 6), 'cut.csv.gz')
    await expect(rowsOf(readCsv(cut, { schema: ab }))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'COMPRESSED_TRUNCATED' })
  })

  it('names the columns there are when one is missing, and refuses a name that is there twice', async () => {
    await expect(rowsOf(readCsv(await file('a;b\n1;x\n'), { schema: ab }))).rejects.toMatchObject({ _tag: 'Schema', code: 'CSV_NO_SUCH_COLUMN', message: expect.stringMatching(/Its columns are: a;b/) })
    const twice = await file('a,b,a\n1,x,2\n')
    const refusal = { _tag: 'Schema', code: 'CSV_DUPLICATE_COLUMN', remedy: expect.stringContaining('columns: { "a": 0 }') as string }
    for (const read of [readCsv(twice, { schema: ab }), readCsv(twice, { schema: { x: field.int32() }, columns: { x: 'a' } }), readCsv(twice)]) {
      await expect(rowsOf(read as Stream)).rejects.toMatchObject({ _tag: 'Schema', code: 'CSV_DUPLICATE_COLUMN' })
    }
    await expect(rowsOf(readCsv(twice, { schema: ab }))).rejects.toMatchObject(refusal)
    for (const parser of ['auto', 'csv-parse'] as const) {
      expect(await rowsOf(readCsv(twice, { schema: { b: field.utf8() }, parser }))).toEqual([{ b: 'x' }])
      expect(await rowsOf(readCsv(twice, { schema: { a: field.int32(), c: field.int32() }, columns: { a: 0, c: 2 }, parser }))).toEqual([{ a: 1, c: 2 }])
    }
  })

  it('maps names and indices, with and without a header', async () => {
    const path = await file('A,B\n1,x\n')
    expect(await rowsOf(readCsv(path, { schema: ab, columns: { a: 'A', b: 1 } }))).toEqual([{ a: 1, b: 'x' }])
    const bare = await file('1,x\n2,y\n')
    expect(await rowsOf(readCsv(bare, { schema: ab, header: false }))).toEqual([{ a: 1, b: 'x' }, { a: 2, b: 'y' }])
    expect(await rowsOf(readCsv(bare, { schema: { b: field.utf8() }, header: ['a', 'b'] }))).toEqual([{ b: 'x' }, { b: 'y' }])
  })

  it('gives text columns without a schema', async () => {
    const path = await file('a,b\n1,x\n')
    expect(await rowsOf(readCsv(path))).toEqual([{ a: '1', b: 'x' }])
    expect(await rowsOf(readCsv(path, { header: false }))).toEqual([{ column_0: 'a', column_1: 'b' }, { column_0: '1', column_1: 'x' }])
    expect(await run(csvSchema(path))).toEqual({ a: field.utf8(), b: field.utf8() })
  })

  it('calls columns that the header has no name for by their index, as Excel leaves them behind a table', async () => {
    const path = await file('a,,b,\n1,2,3,\n')
    for (const parser of ['auto', 'csv-parse'] as const) {
      expect(await rowsOf(readCsv(path, { parser }))).toEqual([{ a: '1', column_1: '2', b: '3', column_3: '' }])
      expect(await rowsOf(readCsv(path, { parser, schema: { column_1: field.int32(), b: field.int32() } }))).toEqual([{ column_1: 2, b: 3 }])
      expect(await rowsOf(readCsv(await file('column_1,\n1,2\n'), { parser }))).toEqual([{ column_1: '1', column_1_: '2' }])
      // By no name, as long as there is one such column.
      const once = await file(',mpg\nFiat,3\n')
      expect(await rowsOf(readCsv(once, { parser, schema: { '': field.utf8() } }))).toEqual([{ '': 'Fiat' }])
      expect(await rowsOf(readCsv([once, await file('mpg\n4\n')], { parser, schema: { '': field.nullable(field.utf8()), mpg: field.int32() } }))).toEqual([{ '': 'Fiat', mpg: 3 }, { '': null, mpg: 4 }])
      await expect(rowsOf(readCsv(path, { parser, schema: { '': field.utf8() } }))).rejects.toMatchObject({ code: 'CSV_DUPLICATE_COLUMN' })
    }
    expect(Object.keys(await run(csvSchema(path)))).toEqual(['a', 'column_1', 'b', 'column_3'])
  })

  it('brings rows without a schema into one, and files whose columns stand otherwise', async () => {
    const paths = [await file('a,b\n1,x\n'), await file('b,further,a\ny,?,2\n')]
    const stream = pipe(readCsv(paths), withSchema(ab))
    expect(await rowsOf(stream)).toEqual([{ a: 1, b: 'x' }, { a: 2, b: 'y' }])
    expect(await rowsOf(pipe(stream, select('b')))).toEqual([{ b: 'x' }, { b: 'y' }])
    await expect(rowsOf(pipe(readCsv(paths), withSchema({ c: field.utf8() })))).rejects.toMatchObject({ _tag: 'Schema', code: 'NO_SUCH_COLUMN' })
    expect(await rowsOf(readCsv(paths, { schema: ab }))).toEqual([{ a: 1, b: 'x' }, { a: 2, b: 'y' }])
  })

  it('counts and quarantines bad records with their bytes, line and record', async () => {
    const path = await file('a,b\n1,x\n2\n3,y,z\nfour,"q\r\nq"\n5,w"w\n6,"v"v\n99999999999,u\n7,t\n')
    const rejected: RejectedRecord[] = []
    const tally = new Tally()
    const stream = readCsv(path, { schema: ab, onBadRecord: { quarantine: (record) => void rejected.push(record) } })
    expect(await rowsOf(stream, { tally })).toEqual([{ a: 1, b: 'x' }, { a: 7, b: 't' }])
    expect(rejected.map(({ record, code, column, raw }) => [record, code, column, Buffer.from(raw!).toString()])).toEqual([
      [1, 'CSV_FIELD_COUNT', undefined, '2\n'],
      [2, 'CSV_FIELD_COUNT', undefined, '3,y,z\n'],
      [3, 'BAD_TEXT', 'a', 'four,"q\r\nq"\n'],
      [4, 'CSV_STRAY_QUOTE', undefined, '5,w"w\n'],
      [5, 'CSV_STRAY_QUOTE', undefined, '6,"v"v\n'],
      [6, 'OUT_OF_RANGE', 'a', '99999999999,u\n'],
    ])
    expect(rejected.map(({ reason }) => /line (\d+)/.exec(reason)?.[1])).toEqual(['3', '4', '5', '7', '8', '9'])
    expect(tally.summary()).toMatchObject({ read: 8, delivered: 2, rejected: 6, rejectedByCode: { CSV_FIELD_COUNT: 2, CSV_STRAY_QUOTE: 2 } })
  })

  it('goes on after bad records however many there are, and names what cannot be a column', async () => {
    const bad = 'é,5,"a"b\n'
    const path = await file(`a,b\n1,x\n${bad.repeat(20_000)}2,y\n`)
    const bytes: number[] = []
    const stream = readCsv(path, { schema: ab, onBadRecord: { quarantine: ({ byte, raw }) => void bytes.push(byte!, raw!.length) } })
    expect(await rowsOf(stream)).toEqual([{ a: 1, b: 'x' }, { a: 2, b: 'y' }])
    expect(bytes).toEqual(Array.from({ length: 20_000 }, (_, i) => [8 + 10 * i, 10]).flat())
    await expect(rowsOf(readCsv(await file('__proto__,z\nv,1\n')))).rejects.toMatchObject({ _tag: 'Schema', code: 'BAD_COLUMN_NAME' })
    expect(await rowsOf(readCsv(await file('constructor,z\nv,1\n')))).toEqual([{ constructor: 'v', z: '1' }])
  }, 20_000)

  it('names the byte range of a quote that is never closed', async () => {
    const path = await file('a,b\n1,x\n2,"y\n3,z\n')
    await expect(rowsOf(readCsv(path, { schema: ab, onBadRecord: 'skip' }))).rejects.toMatchObject({
      _tag: 'Corrupt', code: 'CSV_UNCLOSED_QUOTE', message: expect.stringMatching(/bytes 8 to 17/), position: { line: 3, byte: 8 },
    })
  })

  it('refuses records and fields beyond the limits', async () => {
    const path = await file(`a,b\n1,"${'x'.repeat(5000)}"\n`)
    await expect(rowsOf(readCsv(path, { schema: ab, maxRecordBytes: 1000 }))).rejects.toMatchObject({ _tag: 'Limit', code: 'CSV_RECORD_TOO_LONG', position: { line: 2, byte: 4 } })
    await expect(rowsOf(readCsv(path, { schema: ab, maxFieldLength: 1000 }))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'CSV_FIELD_TOO_LONG' })
    for (const parser of ['auto', 'csv-parse'] as const) {
      const stream = readCsv(await file('a\nnull\n'), { schema: { a: field.nullable(field.int32()) }, nullTokens: ['null'], maxFieldLength: 3, parser })
      await expect(rowsOf(stream)).rejects.toMatchObject({ code: 'CSV_FIELD_TOO_LONG' })
    }
    const endless = await file(`a,b\n1,"${'x\n'.repeat(100_000)}`)
    await expect(rowsOf(readCsv(endless, { schema: ab, maxRecordBytes: 10_000 }))).rejects.toMatchObject({ _tag: 'Limit', code: 'CSV_RECORD_TOO_LONG' })
  })

  it('resumes at a byte offset, line and record included', async () => {
    const path = await file('a,b\n1,x\n2,y\n\n3,z\nfour,w\n')
    const stream = readCsv(path, { schema: ab, batchRows: 2, onBadRecord: 'skip' })
    const batches: Batch[] = []
    for await (const batch of stream) batches.push(batch)
    expect(batches[0]!.position).toMatchObject({ file: 0, url: path, at: { byte: 12, record: 2, line: 4 } })
    expect(await rowsOf(stream, { from: batches[0]!.position })).toEqual([{ a: 3, b: 'z' }])
    const strict = readCsv(path, { schema: ab, batchRows: 2 })
    await expect(rowsOf(strict, { from: batches[0]!.position })).rejects.toMatchObject({ position: { record: 3, line: 6, byte: 17 } })
  })

  it('leaves out columns that nobody looks at, and checks them only where rows may be left out', async () => {
    const path = await file('a,b\none,x\n2,y\n')
    expect(await rowsOf(readCsv(path, { schema: ab }), { columns: ['b'] })).toEqual([{ b: 'x' }, { b: 'y' }])
    expect(await rowsOf(readCsv(path, { schema: ab, onBadRecord: 'skip' }), { columns: ['b'] })).toEqual([{ b: 'y' }])
  })

  it('can demand a final line end', async () => {
    expect(await rowsOf(readCsv(await file('a,b\n1,x'), { schema: ab }))).toHaveLength(1)
    await expect(rowsOf(readCsv(await file('a,b\n1,x'), { schema: ab, finalNewline: 'required' }))).rejects.toMatchObject({ code: 'CSV_NO_FINAL_NEWLINE' })
    expect(await rowsOf(readCsv(await file('a,b\n1,x\n'), { schema: ab, finalNewline: 'required' }))).toHaveLength(1)
  })

  it('passes over empty files, whatever they are read with', async () => {
    const empty = [await file(''), await file('\ufeff'), await file('\n\r\n'), await file(gzipSync('')), await file(Buffer.from('\ufeff', 'utf16le'))]
    const [first, last] = [await file('a,b\n1,x\n'), await file('b,a\ny,2')]
    for (const none of empty) {
      for (const options of [{ parser: 'auto' }, { parser: 'csv-parse' }, { workers: 2 }] as const) {
        expect(await rowsOf(readCsv([first, none, last], { schema: ab, ...options }))).toEqual([{ a: 1, b: 'x' }, { a: 2, b: 'y' }])
        expect(await rowsOf(readCsv(none, { schema: ab, ...options }))).toEqual([])
      }
      // Columns are nullable where a file with rows lacks them only.
      const untyped = readCsv([none, first, last])
      expect(await untyped.findSchema()).toEqual({ a: field.utf8(), b: field.utf8() })
      expect(await rowsOf(untyped)).toEqual([{ a: '1', b: 'x' }, { a: '2', b: 'y' }])
      expect(await rowsOf(readCsv(none, { schema: ab, header: false }))).toEqual([])
      expect(await run(csvSchema([none, first]))).toEqual({ a: field.utf8(), b: field.utf8() })
    }
  })

  it('refuses empty files where nobody knows the columns, and others where a header is due', async () => {
    const empty = [await file(''), await file('\ufeff')]
    const remedy = 'Nobody knows the columns then. Give a schema: there are no rows with it.'
    for (const read of [readCsv(empty), readCsv(empty, { header: false })]) expect(await errorOf(rowsOf(read))).toMatchObject({ _tag: 'Schema', code: 'NO_COLUMNS', problem: 'all 2 files are empty', remedy })
    expect(await errorOf(readCsv(empty[0]!).findSchema())).toMatchObject({ _tag: 'Schema', code: 'NO_COLUMNS', problem: 'the file is empty', position: { source: empty[0] } })
    const noHeader = { _tag: 'Corrupt', code: 'CSV_NO_HEADER' }
    expect(await errorOf(rowsOf(readCsv(empty[0]!)))).toMatchObject(noHeader)
    expect(await errorOf(run(csvSchema(empty)))).toMatchObject(noHeader)
    expect(await errorOf(rowsOf(readCsv(await file('# nothing\n'), { schema: ab, comment: '#' })))).toMatchObject(noHeader)
  })

  it('says in its plan which parser reads', () => {
    expect(readCsv('x.csv', { delimiter: ';' }).plan.options).toMatchObject({ parser: 'columnar' })
    expect(readCsv('x.csv', { parser: 'csv-parse' }).plan.options).toMatchObject({ parser: 'csv-parse', because: 'asked for' })
    expect(readCsv('x.csv', { delimiter: '::' }).plan.options).toMatchObject({ parser: 'csv-parse', because: 'delimiter "::"' })
    expect(readCsv('x.csv', { escape: '\\' }).plan.options).toMatchObject({ parser: 'csv-parse', because: 'an escape that is not the quote' })
    expect(() => readCsv('x.csv', { parser: 'fastest' as unknown as 'auto' })).toThrow(/no parser/)
  })

  it('keeps what follows a last bad record, whatever reads it', async () => {
    for (const parser of ['auto', 'csv-parse'] as const) {
      const stream = readCsv(await file('a\n1\n2"\n3'), { schema: { a: field.int32() }, parser, onBadRecord: 'skip' })
      expect(await rowsOf(stream)).toEqual([{ a: 1 }, { a: 3 }])
    }
  })

  it('reads texts that outgrow its memory at first, and as many columns as a file has', async () => {
    const long = 'x'.repeat(300_000)
    const wide = Array.from({ length: 3000 }, (_, i) => `c${i}`)
    expect(await rowsOf(readCsv(await file(`a,b\n1,${long}\n2,"${long}"\n3,\n`), { schema: ab }))).toEqual([{ a: 1, b: long }, { a: 2, b: long }, { a: 3, b: '' }])
    const rows = await rowsOf(readCsv(await file(`${wide.join()}\n${wide.join()}\n`)))
    expect(rows).toEqual([Object.fromEntries(wide.map((name) => [name, name]))])
  })

  it('checks its options when it is called', () => {
    expect(() => readCsv('x', { delimiter: '' })).toThrow(/delimiter is empty/)
    expect(() => readCsv('x', { delimiter: '"' })).toThrow(/also the quote/)
    expect(() => readCsv('x', { batchRows: 0 })).toThrow(/batchRows/)
  })

  it('says of options that are something else what they may be', async () => {
    const wrong: readonly (readonly [string, unknown, string])[] = [
      ['quote', 5, 'a text, or null'], ['escape', {}, 'a text, or null'], ['recordDelimiter', [5], 'a text or a list of texts'], ['header', 'a,b', 'true, false, or a list of names'],
      ['columns', null, 'an object of names and indices'], ['columns', { a: true }, 'an object of names and indices'], ['nullTokens', 'NA', 'a list of texts'],
    ]
    for (const [name, value, form] of wrong) expect(await errorOf(async () => readCsv('x', { schema: ab, [name]: value }))).toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION', remedy: `Give ${form}.` })
  })
})

it('takes no onBadRecord and no source that it does not know', () => {
  const schema = { n: field.int32() }
  for (const policy of ['ignore', null, {}, { quarantine: 'bad.jsonl' }, () => undefined]) {
    const read = () => readCsv('a.csv', { schema, onBadRecord: policy as unknown as 'skip' })
    expect(read).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'BAD_OPTION', remedy: expect.stringContaining("'fail', 'skip', or quarantine") as string }) as Error)
  }
  expect(() => readCsv(new URL('file:///a.csv') as unknown as string, { schema })).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'BAD_SOURCE' }) as Error)
})
