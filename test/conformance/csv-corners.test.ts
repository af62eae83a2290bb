import { isMillraceError, type Row, type Schema } from '@millrace/core'
import { readCsv, type CsvOptions } from '@millrace/formats'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { MemoryStorage } from './memory-storage.js'

const storage = new MemoryStorage()
afterAll(() => {
  storage.close()
})

const read = async (text: string | Uint8Array, options: CsvOptions = {}, chunkBytes = 1 << 20): Promise<{ rows: Row<Schema>[]; error: unknown }> => {
  storage.chunkBytes = chunkBytes
  const rows: Row<Schema>[] = []
  try {
    for await (const batch of readCsv(storage.put('corner.csv', text), options)) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
    return { rows, error: undefined }
  } catch (error) {
    return { rows, error }
  }
}

/** Documents that readers of CSV are known to get wrong, after the cases of csv-spectrum and of Python's test_csv. */
const corners: readonly (readonly [what: string, text: string, rows: readonly object[], options?: CsvOptions])[] = [
  ['a comma in quotes', 'a,b\n"1,2",3\n', [{ a: '1,2', b: '3' }]],
  ['empty fields and empty quotes', 'a,b,c\n1,"",""\n,,\n', [{ a: '1', b: '', c: '' }, { a: '', b: '', c: '' }]],
  ['doubled quotes', 'a,b\n1,"ha ""ha"" ha"\n""""""," "\n', [{ a: '1', b: 'ha "ha" ha' }, { a: '""', b: ' ' }]],
  ['JSON inside', 'key,val\n1,"{""type"": ""Point"", ""coordinates"": [102.0, 0.5]}"\n', [{ key: '1', val: '{"type": "Point", "coordinates": [102.0, 0.5]}' }]],
  ['line ends inside, of each kind', 'a,b\n"1\n2","3\r\n4"\n"5\r6",\n', [{ a: '1\n2', b: '3\r\n4' }, { a: '5\r6', b: '' }]],
  ['line ends of three kinds, mixed', 'a,b\r\n1,2\n3,4\r5,6', [{ a: '1', b: '2' }, { a: '3', b: '4' }, { a: '5', b: '6' }]],
  ['lines with nothing on them', '\n\r\na,b\n\n1,2\n\r\n\n3,4\n\n', [{ a: '1', b: '2' }, { a: '3', b: '4' }]],
  ['one column, whose empty lines are rows', 'a\n1\n\n""\n2\n', [{ a: '1' }, { a: '' }, { a: '' }, { a: '2' }]],
  ['spaces, which belong to fields', 'a,b\n 1 , 2\n', [{ a: ' 1 ', b: ' 2' }]],
  ['a tab as delimiter', 'a\tb\n1,2\t3\n', [{ a: '1,2', b: '3' }], { delimiter: '\t' }],
  ['a delimiter of two characters', 'a::b\n1:2::3\n', [{ a: '1:2', b: '3' }], { delimiter: '::' }],
  ['no quotes at all', 'a,b\n"1,2"\n', [{ a: '"1', b: '2"' }], { quote: null }],
  ['letters of four bytes', 'a,b\n😀,"ʤ\n漢"\n', [{ a: '😀', b: 'ʤ\n漢' }]],
  ['a record delimiter of its own', 'a,b|1,2\n|3,4|', [{ a: '1', b: '2\n' }, { a: '3', b: '4' }], { recordDelimiter: '|' }],
  ['a comment that looks like a record, and a field that looks like a comment', '#x,y\na,b\n#1,2\n3,#4\n', [{ a: '3', b: '#4' }], { comment: '#' }],
  ['names that objects have', 'toString,constructor\n1,2\n', [Object.fromEntries([['toString', '1'], ['constructor', '2']]) as object]],
  ['a header and no records', 'a,b\n', []],
  ['a header without a line end', 'a,b', []],
]

test.each(corners.map(([what, text, rows, options]) => ({ what, text, rows, options })))('$what', async ({ text, rows, options }) => {
  for (const chunkBytes of [1, 2, 5, 1 << 20]) expect(await read(text, options, chunkBytes)).toEqual({ rows, error: undefined })
})

const piece = fc.constantFrom('a', 'b', '1', ',', ',', '"', '"', '\n', '\n', '\r\n', '\r', ' ', 'é', '😀', '')

test('any text is cut as csv-parse cuts it, or refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')), fc.integer({ min: 1, max: 9 }), async (text, chunkBytes) => {
      const { rows, error } = await read(text, { header: false }, chunkBytes)
      let due: string[][]
      try {
        due = parse(text, { relax_column_count: true, skip_empty_lines: true, record_delimiter: ['\r\n', '\n', '\r'] }) as unknown as string[][]
      } catch {
        expect(isMillraceError(error) ? error._tag : error).toMatch(/^(BadRecord|Corrupt)$/)
        return
      }
      const width = due[0]?.length ?? 0
      // Alone in its record, an empty field is a row to us and none to csv-parse.
      if (width === 1) return
      const bad = due.findIndex((record) => record.length !== width)
      expect(rows.map((row) => Object.values(row))).toEqual(bad < 0 ? due : due.slice(0, bad))
      if (bad < 0) expect(error).toBeUndefined()
      else expect(error).toMatchObject({ _tag: 'BadRecord', code: 'CSV_FIELD_COUNT', position: { record: bad } })
    }),
    { seed: 20261124, numRuns: 500 },
  )
})

test('any table comes back from its text, in any chunks and batches', async () => {
  const cell = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 6 }), fc.constantFrom('', '"', ',', '\n', '\r\n', ' '))
  const tables = fc.integer({ min: 2, max: 4 }).chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { maxLength: 6 }))
  await fc.assert(
    fc.asyncProperty(tables, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 4 }), fc.boolean(), async (table, chunkBytes, batchRows, finalNewline) => {
      const text = table.map((record) => record.map((field) => `"${field.replaceAll('"', '""')}"`).join(',')).join('\n') + (finalNewline ? '\n' : '')
      const { rows, error } = await read(text, { header: false, batchRows }, chunkBytes)
      expect(error).toBeUndefined()
      expect(rows.map((row) => Object.values(row))).toEqual(table)
    }),
    { seed: 20261124, numRuns: 300 },
  )
})
