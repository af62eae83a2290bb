import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explainPlan, failure, field, Tally, type Batch, type Row, type Schema, type Stream } from '@millrace/core'
import { errorOf } from '../../../../test/support/error-of.js'
import type { RejectedRecord } from '../records/index.js'
import { readJson } from './index.js'
import { splitterOf } from './json-splitter.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-json-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

let files = 0
const file = async (content: string | Uint8Array, name = `${files++}.json`): Promise<string> => {
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

describe('readJson', () => {
  it('reads arrays and lines, whichever the first byte says', async () => {
    const expected = [{ a: 1, b: 'x' }, { a: 2, b: 'ü€😀\n"' }]
    const objects = expected.map((row) => JSON.stringify({ more: [{}], ...row }))
    expect(await rowsOf(readJson(await file(` \n[${objects.join(' , ')}]\n`), { schema: ab }))).toEqual(expected)
    expect(await rowsOf(readJson(await file(`${objects.join('\r\n')}`), { schema: ab }))).toEqual(expected)
    expect(await rowsOf(readJson(await file(`\n${objects.join('\n \n')}\n\n`), { schema: ab }))).toEqual(expected)
    expect(await rowsOf(readJson(await file(gzipSync(`\ufeff[${objects.join(',')}]`)), { schema: ab }))).toEqual(expected)
    expect(await rowsOf(readJson(await file('[]'), { schema: ab }))).toEqual([])
    await expect(rowsOf(readJson(await file('PAR1'), { schema: ab }))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'JSON_NOT_JSON', position: { byte: 0 } })
  })

  it('passes over empty files among others', async () => {
    const first = await file('{"a":1,"b":"x"}')
    for (const none of ['', '\ufeff', '\n \r\n', '[]', ' [ ] \n', gzipSync(''), gzipSync('[]')]) {
      for (const options of [{}, { parser: 'stream-json' }, { workers: 1 }] as const) {
        expect(await rowsOf(readJson([await file(none), first], { schema: ab, ...options }))).toEqual([{ a: 1, b: 'x' }])
      }
    }
  })

  it('reads every kind, and 64-bit integers and decimals to the last digit', async () => {
    const schema = {
      int: field.int64(), uint: field.uint64(), decimal: field.decimal(30, 5), float: field.float32(), bool: field.bool(), date: field.date(),
      time: field.timestamp({ format: 'yyyy/MM/dd HH:mm' }), instant: field.timestamp({ unit: 's' }), word: field.dictionary(), small: field.int8(),
      list: field.list(field.float64()), nested: field.list(field.list(field.utf8())), pair: field.list(field.int32(), { size: 2 }),
    }
    const text = `[{"int":-9223372036854775808,"uint":18446744073709551615,"decimal":1234567890123456789012345.12345,"float":0.1,"bool":true,"date":"2001-02-03",
      "time":"2001/01/01 00:47","instant":978309000,"word":"DTW","small":3.0e0,"list":[1,2.5,-3e-2],"nested":[[],["a","b"]],"pair":[1,2]}]`
    expect(await rowsOf(readJson(await file(text), { schema }))).toEqual([
      {
        int: -9223372036854775808n, uint: 18446744073709551615n, decimal: '1234567890123456789012345.12345', float: Math.fround(0.1), bool: true,
        date: new Date('2001-02-03'), time: new Date('2001-01-01T00:47Z'), instant: new Date(978309000_000), word: 'DTW', small: 3, list: [1, 2.5, -0.03],
        nested: [[], ['a', 'b']], pair: [1, 2],
      },
    ])
  })

  it('takes any value as its JSON text where a column is to be that', async () => {
    const schema = { d: field.nullable(field.utf8()), x: field.nullable(field.int64()), deep: field.nullable(field.utf8()) }
    const lines = [
      '{"d": [ {"a": 1.50, "b": "\\u00e9\\""}, [], null, true ], "in": {"deep": {"k": 12345678901234567890}}}',
      '{"d": {"x": 7, "y": {}}, "in": {"deep": "t"}}', '{"d": "s", "in": {"deep": false}}', '{"d": 1e400}', '{"d": null}', '{"d": {"x": 1}, "d": [2]}',
    ]
    const options = { schema, paths: { x: 'd.x', deep: 'in.deep' }, valuesAsText: ['d', 'deep'] } as const
    const text = await file(lines.join('\n'))
    expect(await rowsOf(readJson(text, { ...options, paths: { ...options.paths, x: 'other' } }))).toEqual([
      { d: '[{"a":1.50,"b":"é\\""},[],null,true]', x: null, deep: '{"k":12345678901234567890}' },
      { d: '{"x":7,"y":{}}', x: null, deep: '"t"' }, { d: '"s"', x: null, deep: 'false' }, { d: '1e400', x: null, deep: null }, { d: null, x: null, deep: null }, { d: '[2]', x: null, deep: null },
    ])
    // A column may be within another.
    expect(await rowsOf(readJson(await file(lines[1]!), options))).toEqual([{ d: '{"x":7,"y":{}}', x: 7n, deep: '"t"' }])
    const long = { ...options, maxStringLength: 20, onBadRecord: 'skip' } as const
    expect(await rowsOf(readJson(text, long))).toHaveLength(5)
    await expect(rowsOf(readJson(text, { ...long, onBadRecord: 'fail' }))).rejects.toMatchObject({ code: 'JSON_STRING_TOO_LONG', position: { record: 0 } })
    await expect(rowsOf(readJson(text, { ...options, maxDepth: 2 }))).rejects.toMatchObject({ code: 'JSON_TOO_DEEP' })
    expect(readJson(text, options).plan.options).toMatchObject({ parser: 'stream-json', because: 'values as text' })
    expect(() => readJson(text, { schema, valuesAsText: ['x'] })).toThrow(/no column of kind utf8/)
  })

  it('takes numbers and booleans as texts in columns that are named, or in all', async () => {
    const schema = { a: field.utf8(), b: field.nullable(field.utf8()), n: field.int32() }
    const text = await file('{"a":1.50,"b":true,"n":1}\n{"a":"x","b":null,"n":2}\n')
    const rows = [{ a: '1.50', b: 'true', n: 1 }, { a: 'x', b: null, n: 2 }]
    for (const workers of [0, 1]) {
      expect(await rowsOf(readJson(text, { schema, scalarsAsText: true, workers }))).toEqual(rows)
      expect(await rowsOf(readJson(text, { schema, scalarsAsText: ['a', 'b'], workers }))).toEqual(rows)
    }
    expect(await errorOf(rowsOf(readJson(text, { schema, scalarsAsText: ['a'] })))).toMatchObject({ _tag: 'BadRecord', position: { column: 'b' } })
    expect(await rowsOf(readJson(text, { schema: { n: field.int32() }, scalarsAsText: true }))).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('says of options that are something else what they may be', async () => {
    const stray = { scalarsAsText: ['n'], valuesAsText: ['n'] }
    for (const [name, value] of Object.entries(stray)) {
      expect(await errorOf(async () => readJson('x', { schema: { n: field.int32() }, [name]: value }))).toMatchObject({ _tag: 'Usage', problem: `${name} names "n", which is no column of kind utf8` })
    }
    const wrong: readonly (readonly [string, unknown, string])[] = [
      ['scalarsAsText', 5, 'Give true, or a list of names.'], ['scalarsAsText', false, 'Give true, or a list of names.'], ['valuesAsText', true, 'Give a list of texts.'], ['records', true, 'Give a text or a list of texts.'],
      ['paths', null, 'Give an object of paths, each a text or a list of keys.'], ['paths', { a: 1 }, 'Give an object of paths, each a text or a list of keys.'],
    ]
    for (const [name, value, remedy] of wrong) expect(await errorOf(async () => readJson('x', { schema: ab, [name]: value }))).toMatchObject({ _tag: 'Usage', code: 'BAD_OPTION', remedy })
  })

  it('finds the array of the records within an object, whatever stands around it', async () => {
    const rows = [{ a: 1, b: 'x' }, { a: 2, b: 'y' }, { a: 3, b: 'z' }]
    const array = JSON.stringify(rows)
    const around = [
      `{"data":${array}}`, ` {\n"meta" : {"data":[{"a":9}], "s":"]}\\"{"} , "n":-1.5e3, "t":true,"\\u0064ata"\n:\n${array} , "next" : {"data":"}]"} }\n`, `{"x":[[],"[",{}],"dat":"data","data":${array},"dat":[1],"x":"data","y":["data",{"data":[1]}]}`,
    ]
    for (const text of around) {
      const stream = readJson(await file(text), { schema: ab, records: 'data', batchRows: 2 })
      expect(await rowsOf(stream), text).toEqual(rows)
      const positions: Batch['position'][] = []
      for await (const batch of stream.open()) positions.push(batch.position)
      expect(await rowsOf(stream, { from: positions[0] })).toEqual(rows.slice(2))
      // In chunks of any size.
      for (let size = 1; size < 9; size++) {
        const found: string[] = []
        const bytes = Buffer.from(text)
        const splitter = splitterOf('array', 0, false, { record: (start, end) => void found.push(bytes.toString('utf8', start, end)), corrupt: (problem) => failure({ tag: 'Corrupt', code: 'X', problem }) }, ['data'])
        for (let at = 0; at < bytes.length; at += size) splitter.push(bytes.subarray(at, at + size), at)
        splitter.finish()
        expect(found).toEqual(rows.map((row) => JSON.stringify(row)))
      }
    }
    expect(await rowsOf(readJson(await file(`{"a":{"data":3},"b":{"c.d":{"data":${array}}}}`), { schema: ab, records: ['b', 'c.d', 'data'] }))).toEqual(rows)
    expect(await rowsOf(readJson(await file('{"r":{"data":[]}}'), { schema: ab, records: 'r.data' }))).toEqual([])
    expect(await rowsOf(readJson(await file(`{"r":{"data":${array},"r":{"r":1}},"data":{"r":{}}}`), { schema: ab, records: 'r.data' }))).toEqual(rows)
    await expect(rowsOf(readJson(await file(`{"r":{"data":${array},"r":1},"r":{}}`), { schema: ab, records: 'r.data', batchRows: 2 }))).rejects.toMatchObject({ _tag: 'Corrupt', problem: expect.stringContaining('the key "r" comes again') as string })
    for (const [text, problem] of [
      ['', 'the file ends before an array at "data"'], ['{"x":1}', 'the object has no array at "data"'], ['{}', 'the object has no array at "data"'], [array, '"[" stands where an object is due, with the records at "data"'],
      ['{"data":{"x":1}}', '"{" stands where the array of the records is due, at "data"'], ['{"data" 1', '"1" stands where ":" is due'], ['{data', '"d" stands where a key is due'], [`{"data":${array}`, 'the file ends within the object that its records are in'],
      [`{"data":${array}}}`, '"}" stands where the object has ended'], ['{"data":[{"a":1,"b":"x"}', 'the file ends within its JSON array'], ['{"x":"', 'the file ends before an array at "data"'],
      [`{"data":${array},"data":[]}`, 'the key "data" comes again after the array of the records, which does not count then'], [`{"data":${array},"x":["data"],"d\\u0061ta":1}`, 'the key "data" comes again'],
    ] as const) await expect(rowsOf(readJson(await file(text), { schema: ab, records: 'data' })), text).rejects.toMatchObject({ _tag: 'Corrupt', code: 'JSON_MALFORMED', problem: expect.stringContaining(problem) as string })
    expect(() => readJson('x', { schema: ab, records: [] })).toThrow(/path of the records is empty/)
    expect(() => readJson('x', { schema: ab, records: 'data', format: 'lines' })).toThrow(/records leads to an array/)
    // Who does not ask for them is told.
    for (const parser of ['auto', 'stream-json'] as const) {
      await expect(rowsOf(readJson(await file(around[0]!), { schema: ab, parser }))).rejects.toMatchObject({ code: 'NULL', problem: expect.stringMatching(/null or missing; the record holds an array of objects at "data"/) as string, remedy: 'If these are the records, pass records: "data".', position: { column: 'a' } })
      await expect(rowsOf(readJson(await file('{\n"data": [\n]}'), { schema: ab, parser }))).rejects.toMatchObject({ code: 'JSON_MALFORMED', remedy: expect.stringContaining("records: 'key'") as string })
    }
  })

  it.each(['auto', 'stream-json'] as const)('takes a text that begins after a record for a bad record, and the next one for what it is: %s', async (parser) => {
    for (const after of ['"', '"}', ' "\\"', '"\\\\\\"']) {
      const path = await file(`{"a":1,"b":"\\"x\\\\"}${after}\n{"a":2,"b":"y"}\n{"a":3,"b":"z"}\n`)
      const tally = new Tally()
      expect(await rowsOf(readJson(path, { schema: ab, parser, onBadRecord: 'skip' }), { tally }), after).toEqual([{ a: 2, b: 'y' }, { a: 3, b: 'z' }])
      expect(tally.summary(), after).toMatchObject({ read: 3, rejectedByCode: { JSON_MALFORMED: 1 } })
    }
  })

  it('names the column and the path where something else than an object is on the way to it', async () => {
    for (const parser of ['auto', 'stream-json'] as const) {
      for (const [value, shown] of [['"str"', '"str"'], ['[1]', 'an array'], ['7', '"7"']] as const) {
        const stream = readJson(await file(`{"p": {"q": ${value}}}`), { schema: { z: field.int32() }, paths: { z: 'p.q.r' }, parser })
        await expect(rowsOf(stream)).rejects.toMatchObject({ code: 'WRONG_TYPE', problem: `${shown} stands at "p.q" where an object is due, since the path of the column is "p.q.r"`, position: { column: 'z' } })
      }
    }
  })

  it('takes missing keys as null, the last of equal keys, and keys below others by their path', async () => {
    const schema = { a: field.nullable(field.int32()), city: field.nullable(field.utf8()), dotted: field.nullable(field.utf8()), tags: field.nullable(field.list(field.utf8())) }
    const path = await file(
      [
        '{"a":1,"a":2,"address":{"city":"Bern","zip":[1,{"city":"no"}]},"x.y":"z","tags":["p"],"tags":["q","r"]}',
        '{"a":null,"address":null}',
        '{"city":"not this one"}',
      ].join('\n'),
    )
    expect(await rowsOf(readJson(path, { schema, paths: { city: 'address.city', dotted: ['x.y'] } }))).toEqual([
      { a: 2, city: 'Bern', dotted: 'z', tags: ['q', 'r'] },
      { a: null, city: null, dotted: null, tags: null },
      { a: null, city: null, dotted: null, tags: null },
    ])
    expect(() => readJson(path, { schema, paths: { nope: 'x' } as object })).toThrow(/path for column "nope"/)
  })

  it('takes the last of equal keys, whatever came before, also on the way to columns', async () => {
    const schema = { a: field.nullable(field.int32()), b: field.nullable(field.int32()), l: field.nullable(field.list(field.list(field.int32(), { size: 2 }))), t: field.nullable(field.utf8()) }
    const options = { schema, paths: { b: 'p.q.b', l: 'p.l' } }
    const none = { a: null, b: null, l: null, t: null }
    for (const [text, row] of [
      ['{"a":"x","a":2}', { a: 2 }], ['{"a":{"a":1},"a":[3],"a":2}', { a: 2 }], ['{"a":1,"a":null}', {}], ['{"p":{"q":{"b":1}},"p":{"c":2}}', {}], ['{"p":{"q":{"b":1}},"p":null}', {}],
      ['{"p":{"q":{"b":1},"l":[[1,2]]},"p":{"q":{"b":5}}}', { b: 5 }], ['{"p":{"q":{"b":1},"q":{}}}', {}], ['{"p":5,"p":{"q":[],"q":{"b":7}}}', { b: 7 }], ['{"p":{"q":{"b":"x"}},"p":{"q":{"b":7}}}', { b: 7 }],
      ['{"p":{"l":[[1,2],[3],[4,5]],"l":[[6,7]]},"a":1}', { l: [[6, 7]], a: 1 }], ['{"p":{"l":[[1,"x"],[3,4]]},"a":"x","p":{"l":[]},"a":1}', { l: [], a: 1 }], ['{"p":{"l":[{"l":[]},[[1]]],"l":[[1,2]]},"t":"s"}', { l: [[1, 2]], t: 's' }],
      ['{"t":7,"t":"\u0061","p":{"q":{"b":2}}}', { t: 'a', b: 2 }],
    ] as const) {
      for (const parser of ['auto', 'stream-json'] as const) {
        const path = await file(`{"a":0}\n${text}\n{"a":9,"p":{"q":{"b":9},"l":[[9,9]]}}\n`)
        expect(await rowsOf(readJson(path, { ...options, parser })), `${parser}: ${text}`).toEqual([{ ...none, a: 0 }, { ...none, ...row }, { a: 9, b: 9, l: [[9, 9]], t: null }])
      }
    }
    // What is wrong is told of the first value that counts.
    for (const [text, column] of [['{"a":2,"a":"x","t":1}', 'a'], ['{"a":"x","t":1,"a":2}', 't'], ['{"p":{"l":[[1]]},"t":5}', 'l'], ['{"p":{"q":{"b":1}},"p":5}', 'b']] as const) {
      for (const parser of ['auto', 'stream-json'] as const) await expect(rowsOf(readJson(await file(text), { ...options, parser })), text).rejects.toMatchObject({ _tag: 'BadRecord', position: { column } })
    }
  })

  it('names record, line, column and value of what does not fit, and counts and quarantines it', async () => {
    const bad = [
      ['{"a":"1","b":"x"}', 'WRONG_TYPE', 'a', /"1" \(string\) is not of kind int32/],
      ['{"a":1.5,"b":"x"}', 'WRONG_TYPE', 'a', /1\.5/],
      ['{"a":3000000000,"b":"x"}', 'OUT_OF_RANGE', 'a', /3000000000/],
      ['{"a":1,"b":7}', 'WRONG_TYPE', 'b', /7 \(number\)/],
      ['{"a":1,"b":{}}', 'WRONG_TYPE', 'b', /an object is not of kind utf8/],
      ['{"a":[1],"b":"x"}', 'WRONG_TYPE', 'a', /an array is not of kind int32/],
      ['{"a":1}', 'NULL', 'b', /null or missing/],
      ['[1,"x"]', 'WRONG_TYPE', undefined, /the record is an array/],
      ['17', 'WRONG_TYPE', undefined, /the record is a number/],
      ['null', 'WRONG_TYPE', undefined, /the record is null/],
      [`{"a":1,"b":"x","deep":${'['.repeat(70)}${']'.repeat(70)}}`, 'JSON_TOO_DEEP', undefined, /64 levels/],
    ] as const
    const good = '{"a":1,"b":"x"}'
    const lines = [good, ...bad.map(([line]) => line), good]
    for (const content of [lines.join('\n'), `[${lines.join(',\n')}]`]) {
      const rejected: RejectedRecord[] = []
      const tally = new Tally()
      const path = await file(content)
      const stream = readJson(path, { schema: ab, onBadRecord: { quarantine: (record) => void rejected.push(record) } })
      expect(await rowsOf(stream, { tally })).toEqual([{ a: 1, b: 'x' }, { a: 1, b: 'x' }])
      expect(rejected.map(({ code, column, record, raw }) => [Buffer.from(raw!).toString(), code, column, record])).toEqual(bad.map(([line, code, column], i) => [line, code, column, i + 1]))
      for (const [i, [, , , reason]] of bad.entries()) expect(rejected[i]!.reason).toMatch(reason)
      expect(rejected.map(({ reason }) => /line (\d+)/.exec(reason)?.[1])).toEqual(bad.map((_, i) => `${i + 2}`))
      expect(tally.summary()).toMatchObject({ read: lines.length, delivered: 2, rejected: bad.length })
      await expect(rowsOf(readJson(path, { schema: ab }))).rejects.toMatchObject({ _tag: 'BadRecord', position: { source: path, record: 1, line: 2, column: 'a' } })
    }
  })

  it('rejects lines that are not JSON one by one', async () => {
    const path = await file('{"a":1,"b":"x"}\n{"a":\n2,"b":"y"} {"a":3,"b":"z"}\n{"a":4,"b":"w"}{"a":5,"b":"v"}\n{"a":6,"b":"u"}\n{"a":7,')
    const tally = new Tally()
    expect(await rowsOf(readJson(path, { schema: ab, onBadRecord: 'skip' }), { tally })).toEqual([{ a: 1, b: 'x' }, { a: 6, b: 'u' }])
    expect(tally.summary()).toMatchObject({ read: 6, rejectedByCode: { JSON_MALFORMED: 4 } })
    await expect(rowsOf(readJson(path, { schema: ab }))).rejects.toMatchObject({ code: 'JSON_MALFORMED', message: expect.stringMatching(/cut short.*line 2, record 1, byte 21/), position: { line: 2, record: 1 } })
  })

  it('ends an array at bad syntax, at its byte', async () => {
    const corrupt = async (text: string): Promise<unknown> => rowsOf(readJson(await file(text), { schema: ab, onBadRecord: 'skip' })).catch((error: unknown) => error)
    expect(await corrupt('[{"a":1,"b":"x"},\n{"a":2 "b":"y"}]')).toMatchObject({ _tag: 'Corrupt', code: 'JSON_MALFORMED', position: { byte: 25, line: 2, record: 1 } })
    expect(await corrupt('[{"a":1,"b":"x"} {"a":1,"b":"x"}]')).toMatchObject({ _tag: 'Corrupt', message: expect.stringMatching(/"{" stands where "," or "]" is due/), position: { byte: 17 } })
    expect(await corrupt('[{"a":1,"b":"x"},]')).toMatchObject({ _tag: 'Corrupt', position: { byte: 17 } })
    expect(await corrupt('[{"a":1,"b":"x"}],')).toMatchObject({ _tag: 'Corrupt', message: expect.stringMatching(/the array has ended/) })
    expect(await corrupt('[{"a":1,"b":"x"}')).toMatchObject({ _tag: 'Corrupt', message: expect.stringMatching(/ends within its JSON array/) })
    expect(await corrupt('[{"a":1,"b":"x"},{"a":1,"b":"x')).toMatchObject({ _tag: 'Corrupt', message: expect.stringMatching(/ends within its JSON array/) })
    expect(await corrupt('[{"a":1,"b":"x"},{"a":1,"b:"y"},{"a":2,"b":"z"}]')).toMatchObject({ _tag: 'Corrupt', problem: expect.stringMatching(/bytes 17 to 48 are not read$/) })
    expect(await corrupt('[{"a":1,"b":"x\ny"}]')).toMatchObject({ _tag: 'Corrupt' })
    expect(await corrupt('[{]}]')).toMatchObject({ _tag: 'Corrupt' })
  })

  it('leaves out elements of an array that are not JSON and end where their brackets say', async () => {
    for (const parser of ['auto', 'stream-json'] as const) {
      const bad = ['{"a":tru,"b":"x"}', 'tru', '{"a":01,"b":"y"}', '{"a":[1,],"b":"y"}', '{"a":1,,"b":"y"}', '{"a":1,"b":"\\x"}', '{"a":1:2}']
      const elements = bad.flatMap((text, i) => [`{"a":${i},"b":"ok"}`, text])
      const tally = new Tally()
      const raws: string[] = []
      const stream = readJson(await file(`[${elements.join(',\n')}]`), { schema: ab, parser, onBadRecord: { quarantine: ({ raw }) => void raws.push(new TextDecoder().decode(raw)) } })
      expect(await rowsOf(stream, { tally })).toEqual(bad.map((_, a) => ({ a, b: 'ok' })))
      expect(raws).toEqual(bad)
      expect(tally.summary()).toMatchObject({ read: elements.length, rejectedByCode: { JSON_MALFORMED: bad.length } })
    }
  })

  it('names the bytes of a packed array that it does not read as far as it knows them', async () => {
    const path = await file(gzipSync('[{"a":1,"b":"x"} 7]'), 'packed.json.gz')
    await expect(rowsOf(readJson(path, { schema: ab, onBadRecord: 'skip' }))).rejects.toMatchObject({ _tag: 'Corrupt', problem: expect.stringMatching(/bytes 17 to the end are not read$/) as string })
  })

  it('refuses bytes that are not UTF-8', async () => {
    const path = await file(Buffer.from('{"a":1,"b":"ok"}\n{"a":2,"b":"Zürich"}\n', 'latin1'))
    await expect(rowsOf(readJson(path, { schema: ab }))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'JSON_BAD_ENCODING', message: expect.stringMatching(/not UTF-8.*encoding/), position: { line: 2 } })
    const array = await file(Buffer.from('[{"a":1,"b":"ok"},{"a":2,"b":"Zürich"},{"a":3,"b":"ok"}]', 'latin1'))
    expect(await rowsOf(readJson(array, { schema: ab, onBadRecord: 'skip' }))).toEqual([{ a: 1, b: 'ok' }, { a: 3, b: 'ok' }])
    expect(await rowsOf(readJson(path, { schema: ab, encoding: 'latin1' }))).toEqual([{ a: 1, b: 'ok' }, { a: 2, b: 'Zürich' }])
  })

  it('refuses records and strings beyond the limits', async () => {
    const path = await file(`[{"a":1,"b":"${'x'.repeat(5000)}"}]`)
    await expect(rowsOf(readJson(path, { schema: ab, maxRecordBytes: 1000 }))).rejects.toMatchObject({ _tag: 'Limit', code: 'JSON_RECORD_TOO_LONG', position: { byte: 1 } })
    await expect(rowsOf(readJson(path, { schema: ab, maxStringLength: 1000 }))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'JSON_STRING_TOO_LONG', position: { column: 'b' } })
    const deep = await file('['.repeat(200_000))
    await expect(rowsOf(readJson(deep, { schema: ab, maxRecordBytes: 100_000 }))).rejects.toMatchObject({ _tag: 'Limit' })
    await expect(rowsOf(readJson(deep, { schema: ab, format: 'lines' }))).rejects.toMatchObject({ _tag: 'BadRecord' })
    // What is nested too deep is read no further: three million levels take no parser's stack, and the record after it is whole.
    const between = await file(`{"a":1,"b":${'[{"x":'.repeat(3_000_000)}\n{"a":2,"b":"y"}\n`)
    expect(await rowsOf(readJson(between, { schema: ab, maxRecordBytes: 2 ** 26, onBadRecord: 'skip' }))).toEqual([{ a: 2, b: 'y' }])
  })

  it('resumes at a byte offset, in arrays and in lines', async () => {
    const rows = Array.from({ length: 10 }, (_, i) => ({ a: i, b: `row ${i}` }))
    const texts = rows.map((row) => JSON.stringify(row))
    for (const content of [texts.join('\n'), `[${texts.join(',\n')}]`]) {
      const stream = readJson(await file(content), { schema: ab, batchRows: 3 })
      const batches: Batch[] = []
      for await (const batch of stream) batches.push(batch)
      for (const [i, batch] of batches.entries()) expect(await rowsOf(stream, { from: batch.position })).toEqual(rows.slice(3 * (i + 1)))
      expect(batches[0]!.position).toMatchObject({ file: 0, at: { record: 3 } })
    }
  })

  it('leaves out columns that nobody looks at, and checks them only where rows may be left out', async () => {
    const path = await file('{"a":"one","b":"x"}\n{"a":2,"b":"y"}\n')
    expect(await rowsOf(readJson(path, { schema: ab }), { columns: ['b'] })).toEqual([{ b: 'x' }, { b: 'y' }])
    expect(await rowsOf(readJson(path, { schema: ab, onBadRecord: 'skip' }), { columns: ['b'] })).toEqual([{ b: 'y' }])
  })

  it('says in its plan which parser reads', () => {
    const said = (schema: Schema, options: object = {}): string => explainPlan(readJson('x.json', { schema, ...options }).plan)
    expect(said(ab)).toContain('"parser":"columnar"')
    expect(said(ab, { parser: 'stream-json' })).toContain('"parser":"stream-json","because":"asked for"')
    expect(said({ a: field.binary() })).toContain('the kind of column \\"a\\"')
    expect(said(ab, { paths: { a: 'x', b: 'x.y' } })).toContain('paths that lead through or to the same place')
    expect(said(ab, { paths: { a: ['"'] } })).toContain('the path of column \\"a\\"')
    expect(said(ab, { maxRecordBytes: 2 ** 30 })).toContain('maxRecordBytes')
    expect(() => readJson('x.json', { schema: ab, parser: 'simdjson' as 'auto' })).toThrow(/no parser/)
  })

  it('lets nothing pass that follows a record on its line', async () => {
    const path = await file('{"a":1,"b":"x"} false\n{"a":2,"b":"y"}\n{"a":3,"b":"z"}7\n{"a":4,"b":"w"}\n')
    for (const parser of ['auto', 'stream-json'] as const) {
      const tally = new Tally()
      expect(await rowsOf(readJson(path, { schema: ab, parser, onBadRecord: 'skip' }), { tally })).toEqual([{ a: 2, b: 'y' }, { a: 4, b: 'w' }])
      expect(tally.summary()).toMatchObject({ read: 4, rejectedByCode: { JSON_MALFORMED: 2 } })
    }
  })

  it('counts lines alike after resuming, whatever ends them', async () => {
    const path = await file('{"a":1,"b":"x"}\r\n\r\n{"a":2,"b":"y"}  \r\n{"a":"bad","b":"z"}\r\n')
    const stream = readJson(path, { schema: ab, batchRows: 1 })
    const positions: Batch['position'][] = []
    await expect((async () => {
      for await (const batch of stream) positions.push(batch.position)
    })()).rejects.toMatchObject({ position: { line: 4, record: 2 } })
    expect(positions).toHaveLength(2)
    for (const from of positions) await expect(rowsOf(stream, { from })).rejects.toMatchObject({ position: { line: 4, record: 2 } })
  })

  it('reads texts and lists that outgrow its memory at first, and wide records', async () => {
    const schema = { ...ab, l: field.list(field.float64()) }
    const rows = Array.from({ length: 40 }, (_, i) => ({ a: i, b: `${'"é\n'.repeat(i * 2000)}${'x'.repeat(i)}`, l: Array.from({ length: i * 60 }, (__, j) => j / 7) }))
    // A key that comes twice sends a record another way into the same columns.
    const texts = rows.map((row) => JSON.stringify(row).replace('{', row.a % 7 === 0 ? '{"a":0,' : '{'))
    expect(await rowsOf(readJson(await file(texts.join('\n')), { schema }))).toEqual(rows)
    const wide = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`c${i}`, field.nullable(field.int8())]))
    const [row] = await rowsOf(readJson(await file('{"c2999":1}\n'), { schema: wide, batchRows: 2 }))
    expect([row!['c0'], row!['c2999']]).toEqual([null, 1])
  })
})
