import { batchFromRows, field, isMillraceError, type Row, type Schema } from '@millrace/core'
import { describe, expect, it } from 'vitest'
import { ByteBuffer, ExampleDecoder, ExampleEncoder } from './index.js'

type Bytes = readonly number[]
const varint = (value: number | bigint): Bytes => {
  const out: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128)
  return [...out, Number(rest)]
}
const message = (number: number, body: Bytes): Bytes => [...varint(number * 8 + 2), ...varint(body.length), ...body]
const text = (value: string): Bytes => [...new TextEncoder().encode(value)]
const floats = (...values: number[]): Bytes => [...new Uint8Array(Float32Array.from(values).buffer)]
const entry = (key: string, value: Bytes): Bytes => message(1, [...message(1, text(key)), ...message(2, value)])
const example = (...entries: Bytes[]): Uint8Array => Uint8Array.from(message(1, entries.flat()))

const ints = (...values: (number | bigint)[]): Bytes => message(3, values.length === 0 ? [] : message(1, values.flatMap(varint)))
const unpackedInts = (...values: number[]): Bytes => message(3, values.flatMap((value) => [8, ...varint(value)]))
const someFloats = (...values: number[]): Bytes => message(2, values.length === 0 ? [] : message(1, floats(...values)))
const unpackedFloats = (...values: number[]): Bytes => message(2, values.flatMap((value) => [13, ...floats(value)]))
const strings = (...values: string[]): Bytes => message(1, values.flatMap((value) => message(1, text(value))))

const read = <S extends Schema>(schema: S, ...records: Uint8Array[]): Row<S>[] => {
  const decoder = new ExampleDecoder(schema)
  for (const record of records) decoder.decode(record)
  const batch = decoder.finish()
  return records.map((_, row) => batch.row(row))
}
const codeOf = (schema: Schema, record: Uint8Array): string => {
  try {
    read(schema, record)
  } catch (error) {
    expect(isMillraceError(error) && error._tag).toBe('BadRecord')
    const { code, position } = error as { code: string; position: { column?: string } }
    return position.column === undefined ? code : `${code} ${position.column}`
  }
  return 'none'
}

describe('ExampleDecoder reads all that the encoding allows', () => {
  const schema = { i: field.int64({ as: 'number' }), f: field.float32(), s: field.utf8() }
  const plain = [entry('i', ints(5)), entry('f', someFloats(0.5)), entry('s', strings('abc'))] as const
  const row = { i: 5, f: 0.5, s: 'abc' }

  it('any order, unpacked values, unknown fields and keys', () => {
    const shuffled = example(plain[2], plain[0], plain[1])
    const unpacked = example(entry('i', unpackedInts(5)), entry('f', unpackedFloats(0.5)), plain[2])
    const strangers = example(entry('x', strings('?')), plain[0], entry('y', []), plain[1], entry('', ints(1)), plain[2], entry('z'.repeat(200), ints(1)))
    const unknown = Uint8Array.from([...message(9, [1, 2]), ...example(...plain, [0x18, 1]), 0x15, 0, 0, 0, 0, 0x19, 0, 0, 0, 0, 0, 0, 0, 0])
    const grouped = example(message(1, [...message(1, text('i')), 0x1b, 0x23, 0x08, 1, 0x24, 0x1c, ...message(2, ints(5))]), plain[1], plain[2])
    const records = [example(...plain), shuffled, unpacked, strangers, unknown, grouped, example(...plain)]
    expect(read(schema, ...records)).toEqual(records.map(() => row))
  })

  it('a value before its key, values in parts, and the last of several', () => {
    const swapped = message(1, [...message(2, ints(5)), ...message(1, text('i'))])
    const split = Uint8Array.from([...example(plain[0]), ...example(plain[1], plain[2])])
    const again = example(entry('i', ints(1)), entry('s', strings('long before')), ...plain)
    const lastKind = example(entry('i', [...someFloats(1), ...ints(5)]), plain[1], plain[2])
    const lastKey = message(1, [...message(1, text('q')), ...message(1, text('i')), ...message(2, ints(5))])
    expect(read(schema, example(swapped, plain[1], plain[2]), split, again, lastKind, example(lastKey, plain[1], plain[2]))).toEqual([row, row, row, row, row])
  })

  it('lists whose parts are packed, unpacked and split', () => {
    const lists = { i: field.list(field.int32()), f: field.list(field.float32()), s: field.nullable(field.list(field.utf8())) }
    const mixed = message(3, [...message(1, [...varint(1), ...varint(-2)]), 8, ...varint(3), ...message(1, varint(4))])
    expect(
      read(
        lists,
        example(entry('i', mixed), entry('f', [...someFloats(1, 2), ...unpackedFloats(3)]), entry('s', strings('', 'b'))),
        example(entry('i', ints()), entry('f', someFloats()), entry('s', strings())),
        example(entry('i', ints(7)), entry('f', someFloats(1)), entry('f', someFloats(2, 3))),
      ),
    ).toEqual([
      { i: [1, -2, 3, 4], f: [1, 2, 3], s: ['', 'b'] },
      { i: [], f: [], s: [] },
      { i: [7], f: [2, 3], s: null },
    ])
  })

  it('a feature without a list is absent, also when it takes one back', () => {
    const nullable = { i: field.nullable(field.int32()), s: field.nullable(field.utf8()) }
    expect(
      read(nullable, example(entry('i', []), entry('s', strings('a'))), example(entry('i', ints(4)), entry('s', strings('a')), entry('i', []), entry('s', [])), new Uint8Array(0), example(entry('i', ints(2)))),
    ).toEqual([{ i: null, s: 'a' }, { i: null, s: null }, { i: null, s: null }, { i: 2, s: null }])
  })

  it('defaults stand in for what is absent', () => {
    const decoder = new ExampleDecoder({ i: field.int32(), s: field.list(field.utf8()) }, { defaults: { i: -1, s: ['x', 'y'] } })
    decoder.decode(example())
    decoder.decode(example(entry('i', ints(3))))
    const batch = decoder.finish()
    expect([batch.row(0), batch.row(1)]).toEqual([{ i: -1, s: ['x', 'y'] }, { i: 3, s: ['x', 'y'] }])
  })

  it('a float64 and an unsigned integer as the wire has them', () => {
    expect(read({ d: field.float64(), u: field.uint64() }, example(entry('d', someFloats(0.1)), entry('u', ints(-1))))).toEqual([{ d: Math.fround(0.1), u: 2n ** 64n - 1n }])
  })
})

describe('ExampleDecoder refuses what does not fit, and names the feature', () => {
  it.each<[string, Schema, Uint8Array]>([
    ['EXAMPLE_MISSING a', { a: field.int32() }, example()],
    ['EXAMPLE_MISSING a', { a: field.list(field.int32()) }, example(entry('a', []))],
    ['EXAMPLE_WRONG_KIND a', { a: field.int32() }, example(entry('a', someFloats(1)))],
    ['EXAMPLE_WRONG_KIND a', { a: field.utf8() }, example(entry('a', ints(1)))],
    ['EXAMPLE_WRONG_KIND a', { a: field.list(field.float32()) }, example(entry('a', strings()))],
    ['EXAMPLE_WRONG_COUNT a', { a: field.int32() }, example(entry('a', ints(1, 2)))],
    ['EXAMPLE_WRONG_COUNT a', { a: field.int32() }, example(entry('a', unpackedInts(1, 2)))],
    ['EXAMPLE_WRONG_COUNT a', { a: field.nullable(field.float32()) }, example(entry('a', someFloats()))],
    ['EXAMPLE_WRONG_COUNT a', { a: field.utf8() }, example(entry('a', strings('x', 'y')))],
    ['EXAMPLE_WRONG_COUNT a', { a: field.list(field.float32(), { size: 2 }) }, example(entry('a', someFloats(1, 2, 3)))],
    ['EXAMPLE_OUT_OF_RANGE a', { a: field.int32() }, example(entry('a', ints(2 ** 31)))],
    ['EXAMPLE_OUT_OF_RANGE a', { a: field.int8() }, example(entry('a', ints(-129)))],
    ['EXAMPLE_OUT_OF_RANGE a', { a: field.bool() }, example(entry('a', ints(2)))],
    ['EXAMPLE_OUT_OF_RANGE a', { a: field.uint32() }, example(entry('a', ints(-1)))],
    ['EXAMPLE_OUT_OF_RANGE a', { a: field.list(field.uint8()) }, example(entry('a', ints(1, 256)))],
    ['EXAMPLE_OUT_OF_RANGE a', { a: field.int64({ as: 'number' }) }, example(entry('a', ints(2n ** 53n)))],
    ['EXAMPLE_OUT_OF_RANGE a', { a: field.int64({ as: 'number' }) }, example(entry('a', ints(-(2n ** 53n))))],
    ['EXAMPLE_OUT_OF_RANGE a', { a: field.uint64({ as: 'number' }) }, example(entry('a', ints(-1)))],
    ['EXAMPLE_BAD_TEXT a', { a: field.utf8() }, example(entry('a', message(1, message(1, [0xc3, 0x28]))))],
    ['EXAMPLE_BAD_TEXT a', { a: field.decimal(5, 2) }, example(entry('a', strings('1.234')))],
    ['none', { a: field.binary() }, example(entry('a', message(1, message(1, [0xc3, 0x28]))))],
    ['none', { a: field.int64({ as: 'number' }) }, example(entry('a', ints(2n ** 53n - 1n)))],
  ])('%s', (code, schema, record) => {
    expect(codeOf(schema, record)).toBe(code)
  })

  it.each<[string, Bytes]>([
    ['a length past the end', [10, 5, 10, 3]],
    ['a length of 2^32', [10, 0x80, 0x80, 0x80, 0x80, 0x10]],
    ['an overlong length', [10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]],
    ['a field number of 0', [0, 1]],
    ['an unknown wire type', [0x0e, 1]],
    ['a group that does not end', [0x0b]],
    ['a group that ends as another', [0x0b, 0x14]],
    ['an end without a group', [0x0c]],
    ['groups nested too deep', Array.from({ length: 150 }, () => 0x0b)],
    ['an integer that is cut short', example(entry('a', message(3, message(1, [0x80])))) as unknown as Bytes],
    ['an integer of 11 bytes', example(entry('a', message(3, message(1, [...Array.from({ length: 10 }, () => 0x80), 1])))) as unknown as Bytes],
    ['packed floats of 5 bytes', example(entry('f', message(2, message(1, [0, 0, 0, 0, 0])))) as unknown as Bytes],
    ['a list that ends past its feature', [10, 9, 10, 7, 10, 1, 97, 18, 2, 26, 4, 10, 2, 1, 1]],
  ])('bytes that are no message: %s', (_, bytes) => {
    expect(codeOf({ a: field.nullable(field.int64()), f: field.nullable(field.list(field.float32())) }, Uint8Array.from(bytes))).toMatch(/^EXAMPLE_MALFORMED/)
  })

  it('a bad record leaves nothing behind', () => {
    const schema = { s: field.nullable(field.utf8()), l: field.nullable(field.list(field.int64())), n: field.nullable(field.int32()), last: field.int32() }
    const good = example(entry('s', strings('good')), entry('l', ints(1, 2)), entry('last', ints(1)))
    const bad = example(entry('s', strings('a longer text')), entry('l', ints(7, 8, 9)), entry('n', ints(5)), entry('last', someFloats(1)))
    const lacking = example(entry('s', strings('x')))
    const decoder = new ExampleDecoder(schema)
    for (const record of [bad, good, bad, lacking, good, lacking]) {
      if (record === good) decoder.decode(record)
      else expect(() => decoder.decode(record)).toThrow()
    }
    const batch = decoder.finish()
    const row = { s: 'good', l: [1n, 2n], n: null, last: 1 }
    expect([batch.numRows, batch.row(0), batch.row(1)]).toEqual([2, row, row])
  })

  it('a scalar with a million values makes no column grow', () => {
    const record = example(entry('a', message(3, message(1, Array.from({ length: 1_000_000 }, () => 1)))))
    expect(codeOf({ a: field.int32() }, record)).toBe('EXAMPLE_WRONG_COUNT a')
  })
})

/** A second decoder, written for plainness: a map of features, all numbers as BigInt. What it cannot read throws. */
const plainDecode = (bytes: Uint8Array, wanted: { readonly [name: string]: number }): Map<string, { kind: number; values: unknown[] }> => {
  const fail = (): never => {
    throw new Error('malformed')
  }
  const number = (at: { p: number }, end: number, limit: bigint): bigint => {
    let value = 0n
    for (let i = 0n; i < 10n; i++) {
      if (at.p >= end) fail()
      const byte = BigInt(bytes[at.p++]!)
      value |= (byte & 127n) << (7n * i)
      if (byte < 128n) return limit > 0n && value >= limit ? fail() : BigInt.asUintN(64, value)
    }
    return fail()
  }
  const small = (at: { p: number }, end: number): number => {
    const from = at.p
    const value = number(at, end, 2n ** 32n)
    return at.p - from > 5 ? fail() : Number(value)
  }
  const skip = (at: { p: number }, end: number, tag: number): void => {
    if ((tag & 7) === 0) number(at, end, 0n)
    else if ((tag & 7) === 1) at.p += 8
    else if ((tag & 7) === 2) at.p = small(at, end) + at.p
    else if ((tag & 7) === 5) at.p += 4
    else if ((tag & 7) === 3) for (;;) {
      const inner = small(at, end)
      if (inner < 8) fail()
      if ((inner & 7) === 4) {
        if (inner >> 3 !== tag >> 3) fail()
        break
      }
      skip(at, end, inner)
    }
    else fail()
    if (at.p > end) fail()
  }
  const walk = (start: number, end: number, visit: (tag: number, at: { p: number }) => boolean): void => {
    for (const at = { p: start }; at.p < end; ) {
      const tag = small(at, end)
      if (tag < 8) fail()
      if (!visit(tag, at)) skip(at, end, tag)
    }
  }
  /** Calls back with the extent of each length-delimited field of a number. */
  const within = (end: number, wantedTag: number, visit: (from: number, to: number) => void) => (tag: number, at: { p: number }): boolean => {
    if (tag !== wantedTag) return false
    const size = small(at, end)
    if (at.p + size > end) fail()
    visit(at.p, at.p + size)
    at.p += size
    return true
  }
  const features = new Map<string, { kind: number; values: unknown[] }>()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const readEntry = (from: number, to: number): void => {
    let key = ''
    const found = { kind: 0, values: [] as unknown[] }
    walk(from, to, within(to, 10, (a, b) => (key = Buffer.from(bytes.subarray(a, b)).toString('latin1'))))
    const due = Object.hasOwn(wanted, key) ? wanted[key]! : 0
    if (due === 0) return
    walk(from, to, within(to, 18, (a, b) =>
      walk(a, b, (tag, at) => {
        const kind = tag >> 3
        if ((tag & 7) !== 2 || kind > 3) return false
        return within(b, tag, (c, d) => {
          if (kind !== found.kind) found.values = []
          found.kind = kind
          // What is in a list of another kind matters to nobody: it is an error as a whole, or replaced.
          if (kind !== due) return
          walk(c, d, (item, q) => {
            if (kind === 1) return within(d, 10, (e, f) => found.values.push(Buffer.from(bytes.subarray(e, f)).toString('latin1')))(item, q)
            if (kind === 2 && item === 13) {
              if (q.p + 4 > d) fail()
              found.values.push(view.getUint32(q.p, true))
              q.p += 4
              return true
            }
            if (kind === 2 && item === 10) return within(d, 10, (e, f) => {
              if ((f - e) % 4 !== 0) fail()
              for (let p = e; p < f; p += 4) found.values.push(view.getUint32(p, true))
            })(item, q)
            if (kind === 3 && item === 8) {
              found.values.push(BigInt.asIntN(64, number(q, d, 0n)))
              return true
            }
            if (kind === 3 && item === 10) return within(d, 10, (e, f) => {
              for (const inner = { p: e }; inner.p < f; ) found.values.push(BigInt.asIntN(64, number(inner, f, 0n)))
            })(item, q)
            return false
          })
        })(tag, at)
      }),
    ))
    if (found.kind === 0) features.delete(key)
    else features.set(key, found)
  }
  walk(0, bytes.length, within(bytes.length, 10, (a, b) => walk(a, b, within(b, 10, readEntry))))
  return features
}

describe('ExampleDecoder under mutated bytes', () => {
  const schema = {
    i: field.nullable(field.int64()),
    f: field.nullable(field.float32()),
    b: field.nullable(field.binary()),
    li: field.nullable(field.list(field.int64())),
    lf: field.nullable(field.list(field.float32())),
    lb: field.nullable(field.list(field.binary())),
  }
  const kinds = { i: 3, f: 2, b: 1, li: 3, lf: 2, lb: 1 } as const
  type Name = keyof typeof kinds

  const encoder = new ExampleEncoder(schema)
  const blob = (value: string): Uint8Array => new TextEncoder().encode(value)
  const rows = [
    { i: 1n, f: 0.5, b: blob('abc'), li: [1n, -1n, 300n], lf: [1, 2], lb: [blob(''), blob('xy')] },
    { i: -5n, f: -1, b: blob(''), li: [], lf: [], lb: [] },
    { i: null, f: 3, b: null, li: null, lf: [1, 2, 3, 4, 5], lb: null },
  ]
  encoder.bind(batchFromRows(schema, rows))
  const seeds: Uint8Array[] = rows.map((_, index) => {
    const out = new ByteBuffer()
    encoder.encode(index, out)
    return out.written().slice()
  })
  seeds.push(example(entry('x', ints(1)), entry('i', unpackedInts(9)), entry('f', unpackedFloats(1)), entry('li', unpackedInts(1, 2)), entry('lf', unpackedFloats(1, 2)), entry('b', strings('s'))))

  /** What the schema makes of features, as the plain decoder has them; `undefined` for a bad record. */
  const expected = (bytes: Uint8Array): Record<string, unknown> | undefined => {
    let features: ReturnType<typeof plainDecode>
    try {
      features = plainDecode(bytes, kinds)
    } catch {
      return undefined
    }
    const out: Record<string, unknown> = {}
    for (const name of Object.keys(kinds) as Name[]) {
      const found = features.get(name)
      if (found === undefined) out[name] = null
      else if (found.kind !== kinds[name]) return undefined
      else if (name.startsWith('l')) out[name] = found.values
      else if (found.values.length !== 1) return undefined
      else out[name] = found.values[0]
    }
    return out
  }
  const word = new DataView(new ArrayBuffer(4))
  const comparable = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
    if (Array.isArray(value)) return value.map(comparable)
    if (typeof value !== 'number') return value
    word.setFloat32(0, value)
    return word.getUint32(0)
  }

  it('gives what a plain decoder gives, or throws a typed error and is as before', () => {
    const count = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 20_000)
    const seed = Number(process.env['MILLRACE_FUZZ_SEED'] ?? Date.now() % 2147483647)
    let state = seed
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      return ((state >>> 8) * below) / 16777216 | 0
    }
    const decoder = new ExampleDecoder(schema)
    let good = 0
    for (let run = 0; run < count; run++) {
      const seedBytes = seeds[random(seeds.length)]!
      let bytes: Uint8Array = seedBytes.slice()
      for (let edits = 1 + random(3); edits > 0; edits--) {
        const at = random(bytes.length)
        const kind = random(5)
        if (kind === 0) bytes[at]! ^= 1 << random(8)
        else if (kind === 1) bytes[at] = [0, 1, 2, 8, 10, 18, 26, 127, 128, 255][random(10)]!
        else if (kind === 2) bytes = bytes.slice(0, at)
        else if (kind === 3) bytes = Uint8Array.from([...bytes.slice(0, at), random(256), ...bytes.slice(at)])
        else bytes = Uint8Array.from([...bytes.slice(0, at), ...bytes.slice(at + 1 + random(3))])
        if (bytes.length === 0) break
      }
      const due = expected(bytes)
      const hint = `seed ${seed}, run ${run}: ${Buffer.from(bytes).toString('hex')}`
      const before = decoder.length
      // The record lies within a larger buffer, as in a file: what is around it must not matter.
      const padded = new Uint8Array(bytes.length + 32).fill(10)
      padded.set(bytes, 16)
      try {
        decoder.decode(padded, 16, 16 + bytes.length)
      } catch (error) {
        expect(isMillraceError(error) && error._tag, hint).toBe('BadRecord')
        // NaNs lose their payload in JavaScript, so only errors and values are compared, not NaN bits.
        expect(due, hint).toBeUndefined()
        expect(decoder.length, hint).toBe(before)
        continue
      }
      expect(due, hint).toBeDefined()
      good++
      const batch = decoder.finish()
      expect(batch.numRows, hint).toBe(1)
      const row = batch.row(0) as unknown as Record<string, unknown>
      for (const name of Object.keys(kinds)) {
        const got = comparable(row[name])
        const want = due![name]
        const isNaNBits = (bits: unknown): boolean => typeof bits === 'number' && (bits & 0x7f800000) === 0x7f800000 && (bits & 0x7fffff) !== 0
        const same = (a: unknown, b: unknown): boolean => (isNaNBits(a) && isNaNBits(b)) || a === b
        const equal = Array.isArray(want) && Array.isArray(got) ? want.length === got.length && want.every((value, i) => same(value, got[i])) : same(want, got)
        if (!equal) expect(got, `${name}: ${hint}`).toEqual(want)
      }
      // Now and then a good row stays in the decoder while bad records come.
      if (run % 7 === 0) {
        decoder.decode(seeds[0]!)
        decoder.finish()
      }
    }
    expect(good).toBeGreaterThan(count / 20)
    decoder.decode(seeds[0]!)
    expect(decoder.finish().row(0)).toEqual(rows[0])
  }, 60_000)
})
