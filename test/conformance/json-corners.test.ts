import { field, isMillraceError, type Field, type Row } from '@millrace/core'
import { readJson, type RejectedRecord } from '@millrace/formats'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { MemoryStorage } from './memory-storage.js'

const storage = new MemoryStorage()
afterAll(() => {
  storage.close()
})

const schema = { n: field.nullable(field.float64()), s: field.nullable(field.utf8()), b: field.nullable(field.bool()), l: field.nullable(field.list(field.nullable(field.utf8()))) }
type Record = Row<typeof schema>

const read = async (text: string | Uint8Array, format: 'array' | 'lines', chunkBytes = 1 << 20): Promise<{ rows: Record[]; error: unknown }> => {
  storage.chunkBytes = chunkBytes
  const rows: Record[] = []
  try {
    for await (const batch of readJson(storage.put('corner.json', text), { schema, format, maxDepth: 600 })) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
    return { rows, error: undefined }
  } catch (error) {
    return { rows, error }
  }
}

const parses = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Values right and wrong, after the cases of Nicolas Seriot's JSONTestSuite. */
const values: readonly string[] = [
  '0', '-0', '-1', '1.5', '1e5', '1E+5', '1e-5', '0.1e1', '123456789012345678901234567890', '1e400', '[]', '{}', '[ ]', '{ }', '[[],[[]]]', '{"a":{"b":[]}}', '{"a":1,"a":2}', '{"":0}',
  '""', '"a"', '"\\u0041"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00\\ud800"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\u007f"', '"\u2028\u2029"', '"😀"', '"\\u0000"', 'true', 'false', 'null',
  `${'['.repeat(500)}${']'.repeat(500)}`, ' 1 ', '[1 ,2 ]', '"[{\\"]"', '"a\\\\"',
  '', ' ', '01', '-', '-01', '+1', '.5', '1.', '1.e5', '1e', '1e+', '0x10', '1_000', 'Infinity', 'NaN', '-Infinity', '1 2', '--1', '1a', '"', '"a', "'a'", '"\\x41"', '"\\u12"', '"\\u12G4"', '"\\"', '"\t"', '"\u0000"',
  'tru', 'truee', 'True', 'nul', 'nulll', 'undefined', '[', ']', '[1', '[1,]', '[,1]', '[1,,2]', '[1 2]', '[1}', '{', '}', '{"a"', '{"a":', '{"a":1', '{"a":1,}', '{a:1}', "{'a':1}", '{1:1}', '{"a" 1}', '{"a":1 "b":2}', '{"a":1]', '{,}', '{"a":,}', '{"a"::1}', '[1]]',
  '// 1', '/* */ 1', '1 // x', '\ufeff1', '\u00a01', '[\u000b]', '"a" "b"', '[tru]', '[nulla]', '[1,2,3', '["a\u0000b"]', '[-]', '[1.2.3]', '[0e]', '[.1]', '[\\n]', '["\\"]', '["',
]

const none = { n: null, s: null, b: null, l: null }

describe.each(['array', 'lines'] as const)('as %s', (format) => {
  test.each(values)('a record with the value %j reads as JSON.parse has it', async (value) => {
    const record = `{"further":${value},"n":7}`
    // Between others: the first of an array and the last of lines are read in a way of their own.
    const [alone, text] = format === 'array' ? [`[${record}]`, `[{},${record},{}]`] : [record, `{}\n${record}\n{}\n`]
    for (const chunkBytes of [1, 3, 1 << 20]) {
      for (const [written, others] of [[alone, []], [text, [none]]] as const) {
        const { rows, error } = await read(written, format, chunkBytes)
        if (parses(alone)) {
          expect(error).toBeUndefined()
          expect(rows).toEqual([...others, { ...none, n: 7 }, ...others])
        } else {
          expect(rows).toEqual(others)
          // In an array, only what still ends where its brackets say is a record.
          expect(isMillraceError(error) ? error._tag : error).toMatch(format === 'array' ? /^(Corrupt|BadRecord)$/ : /^BadRecord$/)
        }
      }
    }
  })
})

const kinds: { readonly [name: string]: Field } = {
  utf8: field.utf8(), bool: field.bool(), int8: field.int8(), int64: field.int64(), uint64: field.uint64(), float32: field.float32(), float64: field.float64(), decimal: field.decimal(20, 3),
  long: field.decimal(38, 25), date: field.date(), timestamp: field.timestamp(), dictionary: field.dictionary(), 'dictionary of numbers': field.dictionary(field.int64()),
  'list of numbers': field.list(field.int32()), 'list of texts': field.list(field.nullable(field.utf8())), 'list of lists': field.list(field.list(field.float64())),
}

test.each(Object.entries(kinds))('each value in a column of %s is what stream-json makes of it', async (_, kind) => {
  const lines = values.filter((value) => value.length < 100).map((value) => `{"v":${value}}`)
  for (const made of [kind, field.nullable(kind)]) {
    const outcome = async (parser: 'auto' | 'stream-json'): Promise<unknown> => {
      const seen: unknown[] = []
      const stream = readJson(storage.put('corner.json', `{}\n${lines.join('\n')}\n{}\n`), {
        schema: { v: made }, format: 'lines', parser, onBadRecord: { quarantine: ({ reason, code, column, record }: RejectedRecord) => void seen.push({ reason, code, column, record }) },
      })
      for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) seen.push(Object.is(batch.row(i).v, -0) ? '-0' : batch.row(i).v)
      return seen
    }
    expect(await outcome('auto')).toEqual(await outcome('stream-json'))
  }
})

test('bytes that are not UTF-8 are refused', async () => {
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]]) {
    const text = Buffer.concat([Buffer.from('[{"s":"'), Buffer.from(bytes), Buffer.from('"}]')])
    const between = Buffer.concat([Buffer.from('[{},'), text.subarray(1, -1), Buffer.from(',{}]')])
    const refused = { _tag: 'BadRecord', code: 'JSON_BAD_ENCODING' }
    for (const array of [text, between]) expect((await read(array, 'array')).error).toMatchObject(refused)
    const line = text.subarray(1, -1)
    for (const lines of [line, Buffer.concat([Buffer.from('{}\n'), line, Buffer.from('\n{}\n')])]) expect((await read(lines, 'lines')).error).toMatchObject(refused)
  }
})

const texts = fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', ',', ':', '[', ']', '{', '}', 'é', '😀', '\u0001'), maxLength: 8 })
const records = fc.array(
  fc.record(
    {
      n: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
      s: fc.option(texts),
      b: fc.option(fc.boolean()),
      l: fc.option(fc.array(fc.option(texts), { maxLength: 3 })),
      further: fc.jsonValue(),
    },
    { requiredKeys: [] },
  ),
  { maxLength: 5 },
)

const whole = ({ n = null, s = null, b = null, l = null }: Partial<Record>): Record => ({ n: n === 0 ? 0 : n, s, b, l })

test('any records come back from their text, in any chunks', async () => {
  await fc.assert(
    fc.asyncProperty(records, fc.integer({ min: 1, max: 9 }), fc.constantFrom(0, 1), async (given, chunkBytes, indent) => {
      const due = given.map((record) => whole(JSON.parse(JSON.stringify(record)) as Partial<Record>))
      expect(await read(JSON.stringify(given, undefined, indent), 'array', chunkBytes)).toEqual({ rows: due, error: undefined })
      expect(await read(given.map((record) => JSON.stringify(record)).join('\n'), 'lines', chunkBytes)).toEqual({ rows: due, error: undefined })
    }),
    { seed: 20261124, numRuns: 300 },
  )
})

test('text that was tampered with is refused where JSON.parse refuses it, and read as it reads it', async () => {
  const edits = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), drop: fc.integer({ min: 0, max: 2 }), put: fc.constantFrom('', ',', '"', '[', ']', '{', '}', '1', ' ', '\\', 'null', ':') })
  await fc.assert(
    fc.asyncProperty(records, edits, fc.integer({ min: 1, max: 9 }), async (given, { at, drop, put }, chunkBytes) => {
      const sound = JSON.stringify(given)
      const place = Math.floor(at * sound.length)
      // Half a surrogate pair does not survive UTF-8: the text is what its bytes say.
      const text = Buffer.from(sound.slice(0, place) + put + sound.slice(place + drop)).toString()
      const { rows, error } = await read(text, 'array', chunkBytes)
      if (!parses(text)) {
        expect(error, text).toBeDefined()
        expect((error as { _tag: string })._tag).toMatch(/^(Corrupt|BadRecord)$/)
        return
      }
      const parsed = JSON.parse(text) as unknown
      if (error === undefined) expect(rows).toEqual((parsed as Partial<Record>[]).map(whole))
      // Sound JSON that is no array of records, or whose values are of other types.
      else expect((error as { _tag: string })._tag).toMatch(Array.isArray(parsed) ? /^BadRecord$/ : /^Corrupt$/)
    }),
    { seed: 20261124, numRuns: 600 },
  )
})

test('an element of an array that was tampered with takes no other with it unnoticed', async () => {
  const edits = fc.record({ which: fc.nat(), at: fc.double({ min: 0, max: 1, noNaN: true }), drop: fc.integer({ min: 0, max: 1 }), put: fc.constantFrom('', ',', '"', '[', ']', '{', '}', '1', '\\', 'x', 'x', '1', '-', ':', '\n') })
  let leftOut = 0
  await fc.assert(
    fc.asyncProperty(records, edits, fc.constantFrom('auto' as const, 'stream-json' as const), async (given, { which, at, drop, put }, parser) => {
      if (given.length === 0) return
      const bad = which % given.length
      const elements = given.map((record) => JSON.stringify(record))
      const place = Math.floor(at * elements[bad]!.length)
      elements[bad] = elements[bad]!.slice(0, place) + put + elements[bad]!.slice(place + drop)
      const text = `[${elements.join(',')}]`
      const rejected: RejectedRecord[] = []
      const rows: Record[] = []
      try {
        const stream = readJson(storage.put('tampered.json', text), { schema, format: 'array', parser, onBadRecord: { quarantine: (record) => void rejected.push(record) } })
        for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
      } catch (error) {
        // The rest is lost, and the error says which bytes that is.
        expect(error).toMatchObject({ _tag: 'Corrupt' })
        if (rejected.length === 0) expect(rows).toEqual(given.slice(0, rows.length).map((record) => whole(JSON.parse(JSON.stringify(record)) as Partial<Record>)))
        return
      }
      if (!rejected.some(({ code }) => code === 'JSON_MALFORMED')) return
      leftOut++
      expect(rejected.map(({ record, raw }) => [record, Buffer.from(raw!).toString()]), text).toEqual([[bad, Buffer.from(elements[bad]!).toString()]])
      expect(rows).toEqual(given.filter((_, i) => i !== bad).map((record) => whole(JSON.parse(JSON.stringify(record)) as Partial<Record>)))
    }),
    { seed: 20261126, numRuns: 500 },
  )
  expect(leftOut).toBeGreaterThan(10)
})
