import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collect, describeField, field, fromRows, pipe, run, type Schema } from '@millrace/core'
import { errorOf } from '../../../../test/support/error-of.js'
import { inferSchema, readCsv, readJson, readTfRecords, writeTfRecords, type InferCsvOptions, type InferJsonOptions, type InferredCsv, type InferredJson, type RejectedRecord } from '../index.js'

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-inference-'))
})
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

let files = 0
const put = (text: string, ending: string): string => {
  const file = join(root, `f${files++}.${ending}`)
  writeFileSync(file, text)
  return file
}
const csv = (text: string, options: InferCsvOptions = {}): Promise<InferredCsv> => run(inferSchema(put(text, 'csv'), { ...options, format: 'csv' }))
const json = (text: string, options: InferJsonOptions = {}): Promise<InferredJson> => run(inferSchema(put(text, 'jsonl'), { ...options, format: 'json' }))
const kinds = (schema: Schema): unknown => Object.fromEntries(Object.entries(schema).map(([name, of]) => [name, `${describeField(of)}${of.params.format === undefined ? '' : ` ${of.params.format}`}`]))
/** One column of a CSV file with these values. */
const typed = async (...values: readonly string[]): Promise<unknown> => (kinds((await csv(`x,y\n${values.map((value) => `${value},z\n`).join('')}`)).schema) as { x: string }).x

describe('columns of CSV', () => {
  it('are typed by their values', async () => {
    expect(await typed('1', '-2', '9223372036854775807')).toBe('int64')
    expect(await typed('18446744073709551615', '0')).toBe('uint64')
    expect(await typed('-1', '18446744073709551615')).toBe('decimal')
    expect(await typed('1'.repeat(39))).toBe('utf8')
    expect((await csv('x\n7\n-2\n')).report.columns[0]?.evidence).toBe('integers from -2 to 7')
    expect((await csv('x\n7\n9\n')).report.columns[0]?.evidence).toBe('integers from 7 to 9')
    expect(await typed('1', '2.5', '-1e3')).toBe('float64')
    expect(await typed('01', '2', '3')).toBe('utf8')
    expect(await typed('0', '0.5', '-0')).toBe('float64')
    expect(await typed('true', 'FALSE')).toBe('bool')
    expect(await typed('true', '1')).toBe('utf8')
    expect(await typed('2026-11-24', '1999-01-01')).toBe('date')
    expect(await typed('2026-02-30')).toBe('utf8')
    expect(await typed('2026-11-24T10:00:00Z', '2026-11-24 10:30')).toBe('timestamp')
    expect(await typed('2026/11/24 10:30')).toBe('timestamp yyyy/MM/dd HH:mm')
    expect(await typed('24.12.2026')).toBe('date dd.MM.yyyy')
    expect(await typed('11/12/2026', '24/12/2026')).toBe('date dd/MM/yyyy')
    expect(await typed('11/12/2026', '10/12/2026')).toBe('date MM/dd/yyyy')
    expect(await typed('1/2/2026', '12/31/2026')).toBe('date M/d/yyyy')
    expect(await typed('1/2/2026', '31/12/2026')).toBe('date d/M/yyyy')
    expect(await typed('2026-1-2')).toBe('date yyyy-M-d')
    expect(await typed('2-Jan-2026', '12-DEC-2026')).toBe('date d-MMM-yyyy')
    expect(await typed('1/2/2026 3:04 PM', '12/31/2026 11:00 am')).toBe('timestamp M/d/yyyy h:mm a')
    expect(await typed('1/2/26', '12/31/26')).toBe('date M/d/yy')
    expect(await typed('1.2.26')).toBe('utf8')
    expect(await typed('1/2/2026 13:04:05')).toBe('timestamp M/d/yyyy H:mm:ss')
    expect(await typed('1', '', '3')).toBe('nullable int64')
    expect(await typed('1', 'NA', '3')).toBe('nullable int64')
    expect(await typed('x', 'NA', 'y')).toBe('utf8')
    expect(await typed('', '')).toBe('nullable utf8')
    expect(await typed('10', 'x')).toBe('utf8')
  })

  it('are read with what was inferred in one line', async () => {
    const file = put('id;when;price;note;n\n9007199254740993;24.12.2026;1.50;NA;NA\n2;25.12.2026;;none;3\n', 'csv')
    const inferred = await run(inferSchema(file, { format: 'csv' }))
    expect(await run(pipe(readCsv(file, inferred.options), collect()))).toEqual([
      { id: 9007199254740993n, when: new Date('2026-12-24'), price: 1.5, note: 'NA', n: null },
      { id: 2n, when: new Date('2026-12-25'), price: null, note: 'none', n: 3n },
    ])
    expect(inferred.options).toMatchObject({ delimiter: ';', header: true, nullTokens: ['', 'NA'] })
    expect(inferred.report.columns[4]).toMatchObject({ name: 'n', rows: 2, nulls: 1, examples: ['3'], ambiguous: ['"NA" (1 times) mean null; nullTokens says otherwise'] })
    expect(inferred.report.text).toContain('Inferred from all 2 rows.')
    expect(inferred.report.text).toContain('price: field.decimal(3, 2) keeps every digit of those seen')
    expect(inferred.report.text).toMatch(/^price +nullable float64 +2 +1 +1\.50/m)
    expect(inferred.report.html).toContain('<td>price</td><td>nullable float64</td>')
  })

  it('have a header or none, and are cut as the file is', async () => {
    expect((await csv('a\tb\n1\t2\n')).options).toMatchObject({ delimiter: '\t', header: true })
    const bare = await csv('1|x,y|2026-11-24\n2|z|2026-11-25\n')
    expect(bare.options).toMatchObject({ delimiter: '|', header: false })
    expect(kinds(bare.schema)).toEqual({ column_0: 'int64', column_1: 'utf8', column_2: 'date' })
    expect(bare.report.notes).toContain('The first record has values, so there is no header; header: true says otherwise.')
    expect((await csv('name,city\nAnn,Berlin\nBob,Rome\n')).report.notes.join()).toContain('nothing but its place tells it')
    expect((await csv('"a;b","c;d"\n"e;1;2;3","f"\n')).options.delimiter).toBe(',')
    expect((await csv('only\n1\n2\n')).schema).toMatchObject({ only: { kind: 'int64' } })
    await expect(csv('')).rejects.toMatchObject({ _tag: 'Corrupt', code: 'CSV_NO_HEADER' })
  })

  it('have a header unless its texts are values, as far as that is to be told', async () => {
    const headed = async (text: string): Promise<unknown> => (await csv(text)).options.header
    for (const text of [
      't,f\n1,2\n3,4\n', 'yes,no\n1,x\n2,y\n', 'yes,answer\ntrue,x\nfalse,y\n', ',mpg\nMazda,21\nFiat,22.1\n', ',a\n0,x\n1,y\n', 'name,city\nAnn,Berlin\nBob,Berlin\n',
      'country,code,2019\nG,49,83.1\nF,33,60.1\n', 'id,v\n1,2\nid,v\n3,4\n', 'none,some\n1,2\n', 'a,b\n', `${Array.from({ length: 3000 }, (_, i) => `c${i}`).join()}\n`,
    ]) expect(await headed(text), text).toBe(true)
    for (const text of [
      'yes,no\nyes,yes\nno,yes\n', 't,x\nT,y\n', 'x,x\ny,y\n', 'Ann,,Berlin\nBob,5,Rome\n', 'Ann,NA\nBob,3\n', 'a\nb\na\n', 'Ann,Berlin,red\nBob,Berlin,red\nCid,Rome,red', '1.234,5;2,5\n3,5;4,5\n', '1,2\n',
      'Ann,2026-11-24\nBob,2026-11-25\n',
    ]) expect(await headed(text), text).toBe(false)
  })

  it('are named once, and nothing stands after the last delimiter', async () => {
    const trailing = await csv('a,b,\n1,x,\n2,y,\n')
    expect(kinds(trailing.schema)).toEqual({ a: 'int64', b: 'utf8' })
    expect(trailing.report.notes.at(-1)).toBe('A column without a name has no values either, and is left out.')
    expect(kinds((await csv('a,b,\n1,x,\n2,y,z\n')).schema)).toEqual({ a: 'int64', b: 'utf8', column_2: 'nullable utf8' })
    // As Excel leaves them.
    for (const text of ['a,b,,\n1,x,,\n2,y,,\n', 'b,a,,,\nAnn,1,,,\nBob,2,,,\n']) expect(kinds((await csv(text)).schema)).toEqual({ a: 'int64', b: 'utf8' })
    expect(kinds((await csv('b,,,\nAnn,,,\nBob,,,\n')).schema)).toEqual({ b: 'utf8' })
    const inner = put('a,,,b\n1,2,,x\n', 'csv')
    const inferred = await run(inferSchema(inner, { format: 'csv' }))
    expect(kinds(inferred.schema)).toEqual({ a: 'int64', column_1: 'int64', b: 'utf8' })
    expect(await run(pipe(readCsv(inner, inferred.options), collect()))).toEqual([{ a: 1n, column_1: 2n, b: 'x' }])
    const twice = put('note\na,b,a,a_2\n1,x,2,3\n', 'csv')
    const error = await errorOf(run(inferSchema(twice, { format: 'csv', skipLines: 1 })))
    expect(error).toMatchObject({ _tag: 'Schema', code: 'CSV_DUPLICATE_COLUMN', remedy: 'Give names in its place: skipLines: 2, header: ["a","b","a_3","a_2"].', position: { source: twice, column: 'a' } })
    expect(kinds((await run(inferSchema(twice, { format: 'csv', skipLines: 2, header: ['a', 'b', 'a_3', 'a_2'] }))).schema)).toEqual({ a: 'int64', b: 'utf8', a_3: 'int64', a_2: 'int64' })
  })

  it('come from the first of several files that is not empty', async () => {
    const files = [put('', 'csv'), put('\n', 'csv'), put('a;b\n1;x\n', 'csv'), put('\ufeff', 'csv')]
    const inferred = await run(inferSchema(files, { format: 'csv' }))
    expect(inferred.options).toMatchObject({ delimiter: ';', header: true })
    expect(kinds(inferred.schema)).toEqual({ a: 'int64', b: 'utf8' })
    expect(await run(pipe(readCsv(files, inferred.options), collect()))).toEqual([{ a: 1n, b: 'x' }])
    expect(await errorOf(run(inferSchema([files[0]!, files[3]!], { format: 'csv' })))).toMatchObject({ _tag: 'Schema', code: 'NO_COLUMNS' })
  })

  it('may be told', async () => {
    const text = 'zip,price\n1,0.10\n2,12.5\n'
    expect((await csv(text, { overrides: { zip: field.utf8() }, decimals: 'decimal' })).schema).toEqual({ zip: field.utf8(), price: field.decimal(4, 2) })
    expect(kinds((await csv(text, { nullable: 'all' })).schema)).toEqual({ zip: 'nullable int64', price: 'nullable float64' })
    await expect(csv(text, { overrides: { zap: field.utf8() } })).rejects.toMatchObject({ _tag: 'Schema', code: 'NO_SUCH_COLUMN' })
    await expect(csv(text, { rows: 0 })).rejects.toMatchObject({ _tag: 'Usage' })
    await expect(run(inferSchema(put(text, 'what')))).rejects.toMatchObject({ _tag: 'Usage', code: 'UNKNOWN_FORMAT' })
  })

  it('that contradict the rows that were looked at are bad, with the reason', async () => {
    const file = put('a,b\n1,x\n2,y\nthree,z\n', 'csv')
    const inferred = await run(inferSchema(file, { format: 'csv', rows: 2 }))
    expect(inferred.report).toMatchObject({ rows: 2, isWhole: false })
    const rejected: RejectedRecord[] = []
    expect(await run(pipe(readCsv(file, { ...inferred.options, onBadRecord: { quarantine: (record) => void rejected.push(record) } }), collect()))).toHaveLength(2)
    expect(rejected.map(({ reason, record }) => [record, reason.includes('the type of the column, int64, was inferred from the first 2 rows')])).toEqual([[2, true]])
    await expect(run(pipe(readCsv(file, inferred.options), collect()))).rejects.toMatchObject({ _tag: 'BadRecord', problem: expect.stringContaining('was inferred from the first 2 rows') as string })
    expect(kinds((await run(inferSchema(file, { format: 'csv', rows: 'all' }))).schema)).toEqual({ a: 'utf8', b: 'utf8' })
  })

  it('tell of dates that may be read in two ways', async () => {
    expect((await csv('d,e\n1/2/2026,01/02/2026\n')).report.columns.map(({ ambiguous }) => ambiguous)).toEqual([["field.date({ format: 'd/M/yyyy' }) takes them too"], ["field.date({ format: 'dd/MM/yyyy' }) takes them too"]])
  })

  it('may have decimal commas and groups of thousands', async () => {
    const german = put('id;preis;menge;wann;text\n1;1.234,50;1,5;24.12.2026;a,b\n2;NA;,25;25.12.2026;1,5\n', 'csv')
    const { schema, options, report } = await run(inferSchema(german, { format: 'csv' }))
    expect(kinds(schema)).toEqual({ id: 'int64', preis: 'nullable float64', menge: 'float64', wann: 'date dd.MM.yyyy', text: 'utf8' })
    expect(options).toMatchObject({ decimalComma: true, thousands: '.' })
    expect(report.columns[1]?.examples).toEqual(['1.234,50'])
    expect(report.notes.at(-1)).toBe('Numbers are taken to be written with decimal commas (decimalComma: true, thousands: "."); decimalComma: false says otherwise.')
    expect(await run(pipe(readCsv(german, options), collect()))).toMatchObject([{ preis: 1234.5, menge: 1.5 }, { preis: null, menge: 0.25 }])
    expect(kinds((await run(inferSchema(german, { format: 'csv', decimalComma: true }))).schema)).toMatchObject({ preis: 'utf8', menge: 'float64' })
    expect((await run(inferSchema(german, { format: 'csv', decimalComma: false }))).schema).toMatchObject({ menge: { kind: 'utf8' } })
    // Where other numbers have points, and where fields are cut at commas, it is only said.
    const mixed = await csv('a;b\n1,5;1.25\n2,5;2.5\n')
    expect(kinds(mixed.schema)).toEqual({ a: 'utf8', b: 'float64' })
    expect(mixed.report.columns[0]?.ambiguous).toEqual(['all values are numbers with decimalComma: true'])
    const american = await csv('a,b\n"1,234",x\n"12,345.5",y\n')
    expect(american.report.columns[0]?.ambiguous).toEqual(['all values are numbers with thousands: ","'])
    expect(kinds((await csv('a,b\n"1,234",x\n"12,345.5",y\n', { thousands: ',' })).schema)).toEqual({ a: 'float64', b: 'utf8' })
  })

  it('are not inferred from bad rows, and the report says how many there are, and why', async () => {
    const { report } = await csv('a,b\n1,x\n2,y,z\n3,w\n4\n')
    expect(report).toMatchObject({ rows: 2, isWhole: true })
    expect(report.notes.at(-1)).toMatch(/^2 of 4 records are bad and not counted\. The first one: .*has 3 fields where 2 are due.*line 3/)
    const latin1 = Buffer.from('a\nü\nö\n', 'latin1')
    const file = put('', 'csv')
    writeFileSync(file, latin1)
    await expect(run(inferSchema(file, { format: 'csv' }))).rejects.toMatchObject({
      _tag: 'Schema', code: 'CANNOT_INFER', problem: 'none of 2 records can be read', remedy: expect.stringMatching(/not UTF-8.*encoding: 'latin1'/) as string,
    })
    expect((await run(inferSchema(file, { format: 'csv', encoding: 'latin1' }))).report).toMatchObject({ rows: 2 })
    expect((await csv('a,b\n')).report.notes).toContain('There is no row: the columns are taken for texts.')
  })

  it('come from folders too', async () => {
    for (const day of ['24', '25']) {
      mkdirSync(join(root, 'folder', `day=2026-11-${day}`), { recursive: true })
      writeFileSync(join(root, 'folder', `day=2026-11-${day}`, 'part-0.csv'), `a,b\n${day},x\n`)
    }
    const inferred = await run(inferSchema(join(root, 'folder')))
    expect(kinds(inferred.schema)).toEqual({ a: 'int64', b: 'utf8', day: 'date' })
    if (inferred.format !== 'csv') throw new Error('it is CSV')
    expect(await run(pipe(readCsv(join(root, 'folder'), inferred.options), collect()))).toEqual([{ a: 24n, b: 'x', day: new Date('2026-11-24') }, { a: 25n, b: 'x', day: new Date('2026-11-25') }])
  })
})

describe('columns of JSON', () => {
  it('are paths, typed by their values', async () => {
    const text = [
      '{"id": 9007199254740993, "p": {"x": 1, "y": {"z": "2026-11-24"}}, "tags": ["a", "b"], "n": null, "ok": true}',
      '{"id": 2, "p": {"x": 2.5}, "tags": [], "n": null, "deep": [[1]], "objects": [{"a": 1}]}',
    ].join('\n')
    const inferred = await json(text)
    expect(kinds(inferred.schema)).toEqual({ id: 'int64', 'p.x': 'float64', 'p.y.z': 'nullable date', tags: 'list<utf8>', n: 'nullable utf8', ok: 'nullable bool' })
    expect(inferred.report.notes).toEqual(['deep is left out: its lists hold objects or lists, which are no column; nested: \'text\' reads it as JSON text.', 'objects is left out: its lists hold objects or lists, which are no column; nested: \'text\' reads it as JSON text.'])
    expect(await run(pipe(readJson(put(text, 'json'), inferred.options), collect()))).toEqual([
      { id: 9007199254740993n, 'p.x': 1, 'p.y.z': new Date('2026-11-24'), tags: ['a', 'b'], n: null, ok: true },
      { id: 2n, 'p.x': 2.5, 'p.y.z': null, tags: [], n: null, ok: null },
    ])
    expect(kinds((await json('[{"a": [1, null, 2]}, {"a": [1.5]}]')).schema)).toEqual({ a: 'list<nullable float64>' })
    expect(kinds((await json('{"a.b": 1, "__proto": 2}')).schema)).toEqual({ 'a.b': 'int64', __proto: 'int64' })
  })

  it('may be JSON texts where values make no column, and stand within an object', async () => {
    const text = '{"meta": {"n": 2}, "data": [{"a": 1, "d": [{"x": 1.50}], "o": {"k": 1}}, {"a": 2, "d": [], "o": 3}]}'
    const inferred = await json(text, { records: 'data', nested: 'text' })
    expect(kinds(inferred.schema)).toEqual({ a: 'int64', d: 'utf8', o: 'utf8' })
    expect(inferred.options).toMatchObject({ records: 'data', valuesAsText: ['d', 'o'] })
    expect(await run(pipe(readJson(put(text, 'json'), inferred.options), collect()))).toEqual([{ a: 1n, d: '[{"x":1.50}]', o: '{"k":1}' }, { a: 2n, d: '[]', o: '3' }])
    expect((await json(text)).report.notes).toContain("data is left out: its lists hold objects or lists, which are no column; nested: 'text' reads it as JSON text.")
    expect((await json(text)).report.notes).toContain('The file is one object, and an array of objects is at "data": records: "data" takes these for the records.')
  })

  it('are found in records of many pieces, whose parts are bad or not', async () => {
    const keys = Array.from({ length: 4000 }, (_, i) => `"a key of the record ${i}": ${i % 2 === 0 ? i : `[${i}, null]`}`)
    const long = `{${keys.join(', ')}, "o": {"p": {"q": ${' '.repeat(70_000)}"t"}}}`
    const inferred = await json(`${long}\n${long.slice(0, -1)}\n`)
    expect(Object.keys(inferred.schema)).toHaveLength(4001)
    expect(inferred.schema).toMatchObject({ 'a key of the record 3998': field.int64(), 'a key of the record 3999': field.list(field.nullable(field.int64())), 'o.p.q': field.utf8() })
    expect(inferred.report.notes).toEqual([expect.stringMatching(/^1 of 2 records is bad.*cut short/) as string])
  })

  it('of mixed types are texts or an error', async () => {
    const text = '{"a": 1.50}\n{"a": "x"}\n{"a": true}\n{"a": null}\n'
    await expect(json(text)).rejects.toMatchObject({ _tag: 'Schema', code: 'MIXED_TYPES', position: { column: 'a' } })
    const inferred = await json(text, { mixed: 'text' })
    expect(await run(pipe(readJson(put(text, 'json'), inferred.options), collect()))).toEqual([{ a: '1.50' }, { a: 'x' }, { a: 'true' }, { a: null }])
    expect((await json('{"a": {"b": 1}}\n{"a": 2}\n')).report.notes).toEqual(['a is left out: it is an object here and something else there; nested: \'text\' reads it as JSON text.'])
    expect(kinds((await json('{"a": 1}\nnot json\n{"a": 2}\n')).schema)).toEqual({ a: 'int64' })
    await expect(json(`{${Array.from({ length: 5000 }, (_, i) => `"k${i}": 1`).join(',')}}`)).rejects.toMatchObject({ _tag: 'Limit', code: 'TOO_MANY_KEYS' })
    const deep = `{"a":${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}}`
    expect((await json(`${deep}\n{"b": 1}`)).schema).toEqual({ b: field.int64() })
  })

  it('are not inferred from bad records, and the report says how many there are, and why', async () => {
    const { report } = await json('{"a": 1}\n{"a": \n[1]\n{"a": 2}\n')
    expect(report).toMatchObject({ rows: 2, isWhole: true })
    expect(kinds((await json('{"a": 1} 5\n{"b": 2}\n')).schema)).toEqual({ b: 'int64' })
    expect(report.notes).toEqual([expect.stringMatching(/^2 of 4 records are bad and not counted\. The first one: the record is cut short \(.*line 2/) as string])
    const file = put('', 'jsonl')
    writeFileSync(file, Buffer.from('{"a": "ü"}\n', 'latin1'))
    await expect(run(inferSchema(file, { format: 'json' }))).rejects.toMatchObject({ _tag: 'Schema', code: 'CANNOT_INFER', remedy: expect.stringMatching(/not UTF-8.*encoding: 'latin1'/) as string })
    for (const empty of ['', ' \n', '[]']) await expect(json(empty)).rejects.toMatchObject({ _tag: 'Schema', code: 'CANNOT_INFER', problem: 'there is no record to infer columns from' })
  })

  it('that contradict the rows that were looked at are bad, with the reason', async () => {
    const file = put('{"a": 1}\n{"a": 2}\n{"a": "x"}\n', 'jsonl')
    const inferred = await run(inferSchema(file, { format: 'json', rows: 2 }))
    await expect(run(pipe(readJson(file, inferred.options), collect()))).rejects.toMatchObject({ problem: expect.stringContaining('was inferred from the first 2 rows') as string })
  })
})

describe('features of TFRecords', () => {
  it('are typed by kind and length', async () => {
    const schema = { i: field.int64(), f: field.float32(), s: field.utf8(), b: field.binary(), fixed: field.list(field.int64(), { size: 2 }), ragged: field.list(field.float32()), maybe: field.nullable(field.int64()) }
    const rows = [0, 1, 2].map((i) => ({ i: 2n ** 62n + BigInt(i), f: i / 2, s: `ü${i}`, b: Uint8Array.of(255, i), fixed: [1n, 2n], ragged: Array.from({ length: i }, () => 1), maybe: i === 0 ? null : BigInt(i) }))
    await run(pipe(fromRows(schema, rows), writeTfRecords(join(root, 'tf'))))
    const inferred = await run(inferSchema(join(root, 'tf@*'), { format: 'tfrecord' }))
    expect(inferred.schema).toEqual(Object.fromEntries(Object.entries(schema).sort(([a], [b]) => (a < b ? -1 : 1))))
    expect(await run(pipe(readTfRecords(join(root, 'tf@*'), inferred.options), collect()))).toEqual(rows)
    expect(inferred.report.columns.find(({ name }) => name === 'maybe')).toMatchObject({ nulls: 1, rows: 3, evidence: 'int64_list, 1 value each', examples: ['1', '2'] })
    const few = await run(inferSchema(join(root, 'tf@*'), { format: 'tfrecord', rows: 1 }))
    expect(few.options).toMatchObject({ inferredFrom: 1 })
  })
})
