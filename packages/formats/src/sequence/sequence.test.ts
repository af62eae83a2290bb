import { batchFromRows, field, fromUnknown, type Row, type Schema } from '@millrace/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../../test/conformance/random.js'
import { ByteBuffer, ExampleDecoder } from '../example/index.js'
import { SequenceExampleDecoder, SequenceExampleEncoder, type FeatureLists } from './index.js'

type Bytes = readonly number[]

const context = { id: field.int64(), name: field.nullable(field.utf8()), tags: field.list(field.utf8()), pair: field.nullable(field.list(field.float32(), { size: 2 })) }
const featureLists = {
  f: field.list(field.float32()), i: field.nullable(field.list(field.int64())), small: field.list(field.int8()), t: field.nullable(field.list(field.utf8())),
  ff: field.list(field.list(field.float32())), ii: field.nullable(field.list(field.list(field.int32()))), tt: field.list(field.list(field.utf8())),
  two: field.nullable(field.list(field.list(field.int64(), { size: 2 }))), three: field.nullable(field.list(field.binary(), { size: 3 })),
}
const schema = { ...context, ...featureLists }
const lists = Object.keys(featureLists)

const text = fc.string({ maxLength: 70 }).map((value) => Buffer.from(value).toString())
const float = fc.float({ noNaN: true }).map((value) => (value === 0 ? 0 : value))
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const int = fc.integer()
const steps = <A>(step: fc.Arbitrary<A>) => fc.array(step, { maxLength: 6 })
const row = fc.record({
  id: long, name: fc.option(text), tags: steps(text), pair: fc.option(fc.tuple(float, float)),
  f: steps(float), i: fc.option(steps(long)), small: steps(fc.integer({ min: -128, max: 127 })), t: fc.option(steps(text)),
  ff: steps(fc.array(float, { maxLength: 40 })), ii: fc.option(steps(steps(int))), tt: steps(steps(text)),
  two: fc.option(steps(fc.tuple(long, long))), three: fc.option(fc.tuple(fc.uint8Array(), fc.uint8Array(), fc.uint8Array())),
})

const encodeRows = (rows: readonly Row<typeof schema>[], cut = 0): Uint8Array[] => {
  const encoder = new SequenceExampleEncoder(schema, { featureLists: lists })
  encoder.bind(batchFromRows(schema, rows).slice(cut, rows.length))
  return rows.slice(cut).map((_, index) => {
    const out = new ByteBuffer()
    encoder.encode(index, out)
    return out.written().slice()
  })
}

const decodeRows = (records: readonly Uint8Array[]): unknown[] => {
  const decoder = new SequenceExampleDecoder({ context, featureLists })
  for (const record of records) decoder.decode(record)
  const batch = decoder.finish()
  expect(batch.numRows).toBe(records.length)
  return records.map((_, index) => batch.row(index))
}

describe('SequenceExampleEncoder and SequenceExampleDecoder', () => {
  it('give back the rows, whatever their values, slices included', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), fc.nat(4), (rows, cut) => {
        const from = Math.min(cut, rows.length - 1)
        expect(decodeRows(encodeRows(rows as unknown as Row<typeof schema>[], from))).toEqual(rows.slice(from))
      }),
      { numRuns: 200 },
    )
  })

  it('start again after finish, with memory of their own for each batch', () => {
    const rows = Array.from({ length: 3000 }, (_, i) => ({ n: i, list: Array.from({ length: i % 4 }, (__, k) => [i, k]) }))
    const fields = { n: field.int32(), list: field.nullable(field.list(field.list(field.int32()))) }
    const encoder = new SequenceExampleEncoder(fields, { featureLists: ['list'] })
    encoder.bind(batchFromRows(fields, rows))
    const decoder = new SequenceExampleDecoder({ context: { n: fields.n }, featureLists: { list: fields.list } })
    const batches = [0, 1500].map((start) => {
      for (let i = start; i < start + 1500; i++) {
        const out = new ByteBuffer()
        encoder.encode(i, out)
        decoder.decode(out.bytes, 0, out.length)
      }
      return decoder.finish()
    })
    expect(batches.flatMap((batch) => Array.from({ length: batch.numRows }, (_, i) => batch.row(i)))).toEqual(rows)
    expect(decoder.length).toBe(0)
  })

  it('refuse fields that do not fit where they are to go', () => {
    const fails = (lists: Schema, problem: RegExp): void => expect(() => new SequenceExampleDecoder({ context: { a: field.int32() }, featureLists: lists as FeatureLists })).toThrow(problem)
    fails({ b: field.int32() }, /a int32 cannot be kept in a feature list \(column "b"\)/)
    fails({ b: field.list(field.nullable(field.int32())) }, /cannot be null \(column "b"\)/)
    fails({ b: field.list(field.list(field.list(field.int32()))) }, /cannot be kept in a tf.train.Example/)
    fails({ a: field.list(field.int32()) }, /have the same name/)
    const holes = { b: field.list(field.nullable(field.int32())) }
    expect(() => new SequenceExampleEncoder(holes, { featureLists: ['b'] })).toThrow(/cannot be null/)
    expect(() => new SequenceExampleEncoder({ b: field.list(field.int32()) }, { featureLists: ['c'] })).toThrow(/needs the column "c"/)
    const items = { b: field.list(field.list(field.nullable(field.int32()))) }
    const encoder = new SequenceExampleEncoder(items, { featureLists: ['b'] })
    expect(() => encoder.bind(batchFromRows(items, [{ b: [[1, null]] }]))).toThrow(/a list holds a null/)
  })
})

const message = (number: number, body: Bytes): Bytes => [number * 8 + 2, ...varint(body.length), ...body]
const varint = (value: number): Bytes => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)])
const key = (name: string): Bytes => message(1, [...Buffer.from(name)])
const list = (name: string, ...features: Bytes[]): Bytes => message(1, [...key(name), ...message(2, features.flatMap((feature) => message(1, feature)))])
const ints = (...values: number[]): Bytes => message(3, message(1, values.flatMap(varint)))
const record = (...entries: Bytes[]): Uint8Array => Uint8Array.from(message(2, entries.flat()))

const codeOf = (work: () => void): string => {
  try {
    work()
    return 'none'
  } catch (error) {
    const { _tag, code, position } = fromUnknown(error)
    return `${_tag} ${code} ${position.column ?? ''}`.trim()
  }
}

describe('SequenceExampleDecoder', () => {
  const one = { a: field.list(field.int32()) }
  const many = { a: field.list(field.list(field.int32())) }
  const maybe = { a: field.nullable(field.list(field.list(field.int32()))) }
  const read = (fields: FeatureLists, ...records: Uint8Array[]): unknown[] => {
    const decoder = new SequenceExampleDecoder({ featureLists: fields })
    for (const bytes of records) decoder.decode(bytes)
    const batch = decoder.finish()
    return records.map((_, i) => batch.row(i))
  }

  it('takes missing feature lists as null, as their default, or as an error', () => {
    expect(read(maybe, record(), record(list('a')), record(list('a', ints(1))), Uint8Array.of())).toEqual([{ a: null }, { a: [] }, { a: [[1]] }, { a: null }])
    expect(codeOf(() => read(many, record(list('b', ints(1)))))).toBe('BadRecord EXAMPLE_MISSING a')
    const decoder = new SequenceExampleDecoder({ featureLists: { ...one, b: field.list(field.list(field.int32())) } }, { defaults: { a: [], b: [[1, 2], []] } })
    decoder.decode(record(list('a', ints(7))))
    decoder.decode(record())
    const batch = decoder.finish()
    expect([batch.row(0), batch.row(1)]).toEqual([{ a: [7], b: [[1, 2], []] }, { a: [], b: [[1, 2], []] }])
  })

  it('wants one value a step where one is due, and the number that is due', () => {
    expect(read(one, record(list('a', ints(1), ints(2))))).toEqual([{ a: [1, 2] }])
    expect(codeOf(() => read(one, record(list('a', ints(1, 2)))))).toBe('BadRecord EXAMPLE_WRONG_COUNT a')
    expect(codeOf(() => read(one, record(list('a', ints()))))).toBe('BadRecord EXAMPLE_WRONG_COUNT a')
    expect(codeOf(() => read(one, record(list('a', []))))).toBe('BadRecord EXAMPLE_WRONG_COUNT a')
    expect(read(many, record(list('a', [], ints(), ints(1, 2))))).toEqual([{ a: [[], [], [1, 2]] }])
    const pairs = { a: field.list(field.list(field.int32(), { size: 2 })) }
    expect(read(pairs, record(list('a', ints(1, 2), ints(3, 4))))).toEqual([{ a: [[1, 2], [3, 4]] }])
    for (const step of [ints(1), ints(1, 2, 3), []]) expect(codeOf(() => read(pairs, record(list('a', ints(1, 2), step))))).toBe('BadRecord EXAMPLE_WRONG_COUNT a')
    expect(codeOf(() => read({ a: field.list(field.int32(), { size: 2 }) }, record(list('a', ints(1)))))).toBe('BadRecord EXAMPLE_WRONG_COUNT a')
  })

  it('wants the kind that is due in each step, and values in range', () => {
    expect(codeOf(() => read(many, record(list('a', ints(1), message(2, []), ints(2)))))).toBe('BadRecord EXAMPLE_WRONG_KIND a')
    expect(codeOf(() => read(one, record(list('a', message(1, message(1, [65]))))))).toBe('BadRecord EXAMPLE_WRONG_KIND a')
    expect(codeOf(() => read({ a: field.list(field.int8()) }, record(list('a', ints(300)))))).toBe('BadRecord EXAMPLE_OUT_OF_RANGE a')
    expect(codeOf(() => read({ a: field.list(field.utf8()) }, record(list('a', message(1, message(1, [0xff]))))))).toBe('BadRecord EXAMPLE_BAD_TEXT a')
  })

  it('counts the last of several entries with one key, and joins parts of one', () => {
    expect(read(one, record(list('a', ints(1, 2)), list('a', ints(5))))).toEqual([{ a: [5] }])
    expect(codeOf(() => read(one, record(list('a', ints(5)), list('a', ints(1, 2)))))).toBe('BadRecord EXAMPLE_WRONG_COUNT a')
    const parts = message(1, [...message(2, message(1, ints(1))), ...key('x'), ...key('a'), ...message(2, message(1, ints(2)))])
    expect(read(one, Uint8Array.from([...message(2, list('b', ints(1))), 0x1d, 1, 2, 3, 4, ...message(2, [0x20, 5, ...parts])]))).toEqual([{ a: [1, 2] }])
  })

  it('is as before after a bad record', () => {
    const decoder = new SequenceExampleDecoder({ context: { n: field.int64() }, featureLists: maybe })
    const withContext = (n: number, ...entries: Bytes[]): Uint8Array => Uint8Array.from([...message(1, message(1, [...key('n'), ...message(2, ints(n))])), ...record(...entries)])
    decoder.decode(withContext(1, list('a', ints(1), ints(2, 3))))
    expect(codeOf(() => decoder.decode(record(list('a', ints(9, 9), ints(9)))))).toBe('BadRecord EXAMPLE_MISSING n')
    expect(codeOf(() => decoder.decode(withContext(7, list('a', ints(9), message(2, [])))))).toBe('BadRecord EXAMPLE_WRONG_KIND a')
    expect(codeOf(() => decoder.decode(withContext(7, list('a', ints(9))).subarray(0, 20)))).toBe('BadRecord EXAMPLE_MALFORMED')
    decoder.decode(withContext(2))
    decoder.decode(withContext(3, list('a', ints(4))))
    const batch = decoder.finish()
    expect([0, 1, 2].map((i) => batch.row(i))).toEqual([{ n: 1n, a: [[1], [2, 3]] }, { n: 2n, a: null }, { n: 3n, a: [[4]] }])
  })
})

// A plain decoder of feature lists: messages as lists of fields, each step read as the one feature of a tf.train.Example.
const fields = (bytes: Uint8Array): [number, Uint8Array][] => {
  const out: [number, Uint8Array][] = []
  let at = 0
  const word = (): bigint => {
    let value = 0n
    for (let i = 0n; ; i++) {
      if (at >= bytes.length || i === 10n) throw new Error('malformed')
      const byte = bytes[at++]!
      value |= BigInt(byte & 127) << (7n * i)
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const start = at
    const tag = word()
    if (tag < 8n || tag > 0xffffffffn || at - start > 5) throw new Error('malformed')
    const type = Number(tag & 7n)
    if (type === 3 || type === 4) throw new Error('group')
    if (type > 5) throw new Error('malformed')
    const from = at
    const size = type === 0 ? (word(), 0n) : type === 2 ? word() : type === 1 ? 8n : 4n
    if (type === 2 && (at - from > 5 || size > 0xffffffffn)) throw new Error('malformed')
    if (size > BigInt(bytes.length - at)) throw new Error('malformed')
    out.push([Number(tag), bytes.subarray(at, at + Number(size))])
    at += Number(size)
  }
  return out
}

const plainLists = (bytes: Uint8Array): Map<string, Uint8Array[]> => {
  const found = new Map<string, Uint8Array[]>()
  for (const [tag, body] of fields(bytes)) {
    if (tag !== 18) continue
    for (const [inner, entry] of fields(body)) {
      if (inner !== 10) continue
      const parts = fields(entry)
      const name = Buffer.from(parts.filter(([part]) => part === 10).at(-1)?.[1] ?? []).toString('latin1')
      if (!Object.hasOwn(featureLists, name)) continue
      found.set(name, parts.filter(([part]) => part === 18).map(([, value]) => value))
    }
  }
  return new Map([...found].map(([name, values]) => [name, values.flatMap((value) => fields(value).filter(([part]) => part === 10).map(([, step]) => step))]))
}

/** Rows by the plain decoder; undefined for a bad record. */
const plainRow = (bytes: Uint8Array): unknown => {
  const out: { [name: string]: unknown } = {}
  const found = plainLists(bytes)
  for (const [name, of] of Object.entries(featureLists as Schema)) {
    const steps = found.get(name)
    const item = of.params.item!
    if (steps === undefined) {
      if (!of.nullable) return undefined
      out[name] = null
      continue
    }
    if (of.params.size !== undefined && steps.length !== of.params.size) return undefined
    const values: unknown[] = []
    for (const step of steps) {
      const isRagged = item.kind === 'list' && item.params.size === undefined
      const decoder = new ExampleDecoder({ x: isRagged ? { ...item, nullable: true } : item })
      try {
        decoder.decode(Uint8Array.from(message(1, message(1, [...key('x'), ...message(2, [...step])]))))
      } catch {
        return undefined
      }
      values.push(decoder.finish().row(0)['x'] ?? [])
    }
    out[name] = values
  }
  return out
}

describe('mutated records', () => {
  it.each([1, 2, 3, 4])('give what a plain decoder gives, or a typed error, and leave nothing behind (seed %i)', (seed) => {
    const random = new Random(seed)
    const originals = encodeRows(fc.sample(row, { numRuns: 40, seed }) as unknown as Row<typeof schema>[])
    const decoder = new SequenceExampleDecoder({ featureLists })
    const due: unknown[] = []
    let bad = 0
    for (let n = 0; n < Number(process.env['MILLRACE_SEQUENCE_FUZZ'] ?? 1500); n++) {
      const bytes = Uint8Array.from(random.chance(0.1) ? [...random.of(originals), ...random.of(originals)] : random.of(originals))
      for (let k = random.below(3); k > 0; k--) bytes[random.below(bytes.length)] = random.chance(0.5) ? random.of([0, 8, 10, 13, 18, 26, 127, 128, 255]) : random.below(256)
      const cut = random.chance(0.05) ? bytes.subarray(0, random.below(bytes.length)) : bytes
      let row: unknown
      try {
        row = plainRow(cut)
      } catch (error) {
        if ((error as Error).message === 'group') continue
        row = undefined
      }
      const code = codeOf(() => decoder.decode(cut))
      // Damage within the context, and within entries that later ones replace, is not seen by the plain decoder.
      if (code === 'none') due.push(row)
      else {
        bad++
        expect(code).toMatch(/^BadRecord EXAMPLE_/)
        if (row !== undefined) expect(code).toMatch(/^BadRecord EXAMPLE_MALFORMED/)
      }
    }
    const batch = decoder.finish()
    expect(bad).toBeGreaterThan(100)
    expect(due.length).toBeGreaterThan(400)
    expect(Array.from({ length: batch.numRows }, (_, i) => batch.row(i))).toEqual(due)
  })
})
