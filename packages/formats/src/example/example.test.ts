import { batchFromRows, field, type Row, type Schema } from '@millrace/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteBuffer, ExampleDecoder, ExampleEncoder } from './index.js'

const schema = {
  flag: field.nullable(field.bool()),
  i8: field.int8(),
  u16: field.nullable(field.uint16()),
  u32: field.uint32(),
  i64: field.int64(),
  u64: field.nullable(field.uint64()),
  safe: field.int64({ as: 'number' }),
  f32: field.float32(),
  f64: field.nullable(field.float64()),
  text: field.utf8(),
  maybe: field.nullable(field.utf8()),
  blob: field.binary(),
  day: field.date(),
  at: field.nullable(field.timestamp({ unit: 'us' })),
  price: field.nullable(field.decimal(12, 2)),
  word: field.dictionary(),
  ints: field.list(field.int32()),
  longs: field.nullable(field.list(field.int64())),
  floats: field.nullable(field.list(field.float32())),
  texts: field.list(field.utf8()),
  pair: field.list(field.float32(), { size: 2 }),
} satisfies Schema

const float32 = fc.float({ noNaN: false })
const day = 86_400_000
const row = fc.record({
  flag: fc.option(fc.boolean()),
  i8: fc.integer({ min: -128, max: 127 }),
  u16: fc.option(fc.integer({ min: 0, max: 65535 })),
  u32: fc.integer({ min: 0, max: 4294967295 }),
  i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  u64: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  safe: fc.maxSafeInteger(),
  f32: float32,
  f64: fc.option(float32),
  text: fc.string({ unit: 'binary', maxLength: 200 }),
  maybe: fc.option(fc.string({ maxLength: 5 })),
  blob: fc.uint8Array({ maxLength: 200 }),
  day: fc.integer({ min: -100000, max: 100000 }).map((days) => new Date(days * day)),
  at: fc.option(fc.integer({ min: -1e12, max: 1e12 }).map((ms) => new Date(ms))),
  price: fc.option(fc.integer({ min: -1e9, max: 1e9 }).map((cents) => `${cents < 0 ? '-' : ''}${Math.floor(Math.abs(cents) / 100)}.${String(Math.abs(cents) % 100).padStart(2, '0')}`)),
  word: fc.constantFrom('a', 'b', ''),
  ints: fc.array(fc.integer(), { maxLength: 40 }),
  longs: fc.option(fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 20 })),
  floats: fc.option(fc.array(float32, { maxLength: 40 })),
  texts: fc.array(fc.string({ maxLength: 60 }), { maxLength: 5 }),
  pair: fc.tuple(float32, float32),
})

const encodeRows = <S extends Schema>(ofSchema: S, rows: readonly Row<S>[]): Uint8Array[] => {
  const encoder = new ExampleEncoder(ofSchema)
  encoder.bind(batchFromRows(ofSchema, rows))
  const out = new ByteBuffer()
  return rows.map((_, index) => {
    out.clear()
    encoder.encode(index, out)
    return out.written().slice()
  })
}

const wellFormed = (value: string): string => Buffer.from(value).toString()

/** Rows as they compare: -0 is 0 to nobody, lone surrogates become U+FFFD on the way through UTF-8. */
const normal = (rows: readonly object[]): unknown =>
  JSON.parse(JSON.stringify(rows, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : typeof value === 'number' && (Number.isNaN(value) || !Number.isFinite(value) || Object.is(value, -0)) ? `number ${Object.is(value, -0) ? '-0' : value}` : typeof value === 'string' ? wellFormed(value) : value))

describe('ExampleEncoder and ExampleDecoder', () => {
  it('give back the rows, whatever their values', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), (rows) => {
        const decoder = new ExampleDecoder(schema)
        for (const record of encodeRows(schema, rows as unknown as Row<typeof schema>[])) decoder.decode(record)
        const batch = decoder.finish()
        expect(normal(rows.map((_, index) => batch.row(index)))).toEqual(normal(rows))
      }),
      { numRuns: 300 },
    )
  })

  it('encodes slices of a batch', () => {
    const lists = { words: field.list(field.utf8()), n: field.nullable(field.int64()) }
    const rows = Array.from({ length: 30 }, (_, i) => ({ words: Array.from({ length: i % 4 }, (__, k) => `w${i}.${k}`), n: i % 3 === 0 ? null : BigInt(i) }))
    const encoder = new ExampleEncoder(lists)
    encoder.bind(batchFromRows(lists, rows).slice(11, 25))
    const decoder = new ExampleDecoder(lists)
    for (let i = 0; i < 14; i++) {
      const out = new ByteBuffer()
      encoder.encode(i, out)
      decoder.decode(out.bytes, 0, out.length)
    }
    const batch = decoder.finish()
    expect(Array.from({ length: 14 }, (_, i) => batch.row(i))).toEqual(rows.slice(11, 25))
  })

  it('decodes any number of rows in one batch and starts again after finish', () => {
    const person = { id: field.int32(), name: field.utf8() }
    const records = encodeRows(person, [{ id: 7, name: 'seven' }, { id: 8, name: 'eight' }])
    const decoder = new ExampleDecoder(person)
    const batches = [0, 1, 0].map((which) => {
      for (let i = 0; i < 5000; i++) decoder.decode(records[which]!)
      return decoder.finish()
    })
    // Each batch owns its buffers: those after it change nothing in it.
    expect(batches.map((batch) => [batch.numRows, batch.row(0), batch.row(4999)])).toEqual([
      [5000, { id: 7, name: 'seven' }, { id: 7, name: 'seven' }],
      [5000, { id: 8, name: 'eight' }, { id: 8, name: 'eight' }],
      [5000, { id: 7, name: 'seven' }, { id: 7, name: 'seven' }],
    ])
    expect(decoder.length).toBe(0)
  })

  it('refuses kinds that a tf.train.Example cannot hold, and nulls within lists', () => {
    expect(() => new ExampleDecoder({ deep: field.list(field.list(field.int32())) })).toThrow(/cannot be kept in a tf.train.Example \(column "deep"\)/)
    const holes = { holes: field.list(field.nullable(field.int32())) }
    const encoder = new ExampleEncoder(holes)
    expect(() => encoder.bind(batchFromRows(holes, [{ holes: [1, null] }]))).toThrow(/a list holds a null/)
    expect(() => new ExampleEncoder({ a: field.int32() }, ['b'])).toThrow(/needs the column "b"/)
  })
})

describe('lengths of one byte, two and three', () => {
  it.each([1, 47, 48, 49, 120, 130])('are written right around keys of %i bytes', (length) => {
    const schema = { ['k'.repeat(length)]: field.utf8(), number: field.int64(), raw: field.nullable(field.binary()) }
    const encoder = new ExampleEncoder(schema)
    const decoder = new ExampleDecoder(schema)
    const sizes = [0, 1, 40, 63, 64, 65, 66, 90, 127, 128, 129, 16300, 16383, 16384, 64, 2, 16200, 0]
    const rows = sizes.map((size, i) => ({ ['k'.repeat(length)]: 'x'.repeat(size), number: BigInt(size) << BigInt(3 * i), raw: i % 3 === 0 ? null : new Uint8Array(size % 70) }))
    encoder.bind(batchFromRows(schema, rows))
    const out = new ByteBuffer()
    for (let row = 0; row < rows.length; row++) {
      const start = out.length
      encoder.encode(row, out)
      decoder.decode(out.bytes, start, out.length)
    }
    const batch = decoder.finish()
    expect(rows.map((_, row) => batch.row(row))).toEqual(rows)
  })
})
