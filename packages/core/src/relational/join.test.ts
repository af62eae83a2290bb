import fc from 'fast-check'
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { columnFrom, type Column } from '../columns/index.js'
import { pipe } from '../job/index.js'
import { field, type Field, type Float32, type Int32, type Nullable, type Schema, type Utf8 } from '../schema/index.js'
import { fromBatches, fromRows, makeBatch, type Stream } from '../stream/index.js'
import { join } from './join.js'

type AnyRow = Record<string, unknown>

const rowsOf = async (stream: Stream): Promise<AnyRow[]> => {
  const out: AnyRow[] = []
  for await (const batch of stream) for (let row = 0; row < batch.numRows; row++) out.push(batch.row(row))
  return out
}

const keyText = (values: readonly unknown[]): string | undefined =>
  values.some((value) => value === null) ? undefined : JSON.stringify(values, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))

/** The join as two loops. */
const naive = (left: readonly AnyRow[], right: readonly AnyRow[], keys: readonly string[], kind: 'inner' | 'left'): AnyRow[] => {
  const out: AnyRow[] = []
  for (const l of left) {
    const key = keyText(keys.map((name) => l[name]))
    const partners = right.filter((r) => key !== undefined && keyText(keys.map((name) => r[name])) === key)
    for (const { id, payload } of partners) out.push({ ...l, id, payload })
    if (partners.length === 0 && kind === 'left') out.push({ ...l, id: null, payload: null })
  }
  return out
}

const text = fc.oneof(fc.constantFrom('', 'a', 'SFO', 'twelve bytes', 'thirteen bytes', 'zoë', 'a longer text that lies behind a pointer'), fc.string({ maxLength: 30 }))

/** A field with values that meet each other often. */
const keyKinds: readonly (readonly [Field, fc.Arbitrary<unknown>])[] = [
  [field.utf8(), text],
  [field.int32(), fc.integer({ min: -3, max: 3 })],
  [field.int64(), fc.bigInt({ min: -(2n ** 62n) - 1n, max: -(2n ** 62n) + 1n })],
  [field.uint8(), fc.integer({ min: 250, max: 255 })],
  [field.bool(), fc.boolean()],
  [field.timestamp(), fc.constantFrom(new Date(0), new Date(-1), new Date(1e12))],
  [field.date(), fc.constantFrom(new Date(0), new Date(86_400_000))],
  [field.decimal(30, 2), fc.constantFrom('1.00', '-1.00', '99999999999999999999.99')],
  [field.dictionary(), text],
]

const batchesOf = (schema: Schema, rows: readonly AnyRow[], size: number): Stream<Schema, 'cold'> => fromRows(schema, rows as never, { batchRows: size })

describe('join', () => {
  it.each(keyKinds.map(([of, values]) => [of.kind, of, values] as const))('agrees with two loops on a nullable %s key', async (_kind, of, values) => {
    const schema = { key: field.nullable(of), n: field.int32() } as unknown as Schema
    const rightSchema = { key: field.nullable(of), id: field.int32(), payload: field.nullable(field.utf8()) } as unknown as Schema
    const key = fc.option(values, { freq: 6 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key, n: fc.integer({ min: 0, max: 9 }) }), { maxLength: 12 }),
        fc.array(fc.record({ key, id: fc.integer({ min: 0, max: 99 }), payload: fc.option(text) }), { maxLength: 12 }),
        fc.constantFrom('inner' as const, 'left' as const),
        fc.integer({ min: 1, max: 5 }),
        async (left, right, kind, size) => {
          const joined = pipe(batchesOf(schema, left, size), join(batchesOf(rightSchema, right, size) as never, { on: 'key', kind }) as (s: Stream) => Stream)
          expect(await rowsOf(joined)).toEqual(naive(left, right, ['key'], kind))
        },
      ),
      { numRuns: 6, seed: 7 },
    )
  })

  it('refuses kinds that it does not have', () => {
    const right = fromRows({ k: field.int32() }, [])
    expect(() => join(right, { on: 'k', kind: 'full' as 'left' })).toThrow(/no join of the kind "full".*'inner' and 'left'/)
  })

  it('takes several keys, of different widths, and names that differ', async () => {
    const left = fromRows({ a: field.int32(), b: field.utf8() }, [{ a: 1, b: 'x' }, { a: 1, b: 'y' }, { a: 2, b: 'x' }])
    const right = fromRows({ p: field.int64(), q: field.dictionary(), v: field.float32() }, [{ p: 1n, q: 'y', v: 0.1 }, { p: 2n, q: 'x', v: 2 }])
    const joined = pipe(left, join(right, { left: ['a', 'b'], right: ['p', 'q'] }))
    expect(Object.keys(joined.schema)).toEqual(['a', 'b', 'v'])
    expect(await rowsOf(joined)).toEqual([{ a: 1, b: 'y', v: Math.fround(0.1) }, { a: 2, b: 'x', v: 2 }])
  })

  it('carries every kind across, nulls included', async () => {
    const kinds: readonly (readonly [Field, unknown])[] = [
      [field.bool(), true], [field.int8(), -128], [field.int16(), -32768], [field.int32(), -5], [field.int64(), -(2n ** 63n)],
      [field.uint8(), 255], [field.uint16(), 65535], [field.uint32(), 4294967295], [field.uint64(), 2n ** 64n - 1n],
      [field.float32(), Math.fround(0.1)], [field.float64(), NaN], [field.utf8(), 'behind a pointer, zoë'], [field.binary(), new Uint8Array([0, 255, 0])],
      [field.date(), new Date(-86_400_000)], [field.timestamp({ unit: 'ns' }), new Date(5)], [field.decimal(38, 3), '-12345678901234567890.125'],
      [field.dictionary(), 'again'], [field.list(field.nullable(field.utf8())), ['a', null, 'a text behind a pointer']], [field.list(field.int32(), { size: 2 }), [1, 2]],
    ]
    const schema: Schema = { id: field.int32(), ...Object.fromEntries(kinds.map(([of], i) => [`v${i}`, field.nullable(of)])) }
    const ids = [1, 2, 3]
    const columns: Record<string, Column> = { id: columnFrom(field.int32(), ids) }
    kinds.forEach(([of, value], i) => (columns[`v${i}`] = columnFrom(field.nullable(of), [value, null, value])))
    const right = fromBatches(schema, [makeBatch(schema, columns)])
    const left = fromRows({ id: field.int32() }, [{ id: 3 }, { id: 2 }, { id: 4 }])
    const rows = await rowsOf(pipe(left, join(right as never, { on: 'id', kind: 'left' }) as (s: Stream) => Stream))
    kinds.forEach(([, value], i) => expect([value, ...rows.map((row) => row[`v${i}`])]).toEqual([value, value, null, null]))
  })

  it('keeps the order of many rows over windows and threads', async () => {
    const n = 300_000
    const left = fromRows({ key: field.int32() }, Array.from({ length: n }, (_, i) => ({ key: (i * 7919) % 1000 })), { batchRows: 8192 })
    const right = fromRows({ key: field.int32(), id: field.int32() }, Array.from({ length: 1500 }, (_, id) => ({ key: id % 1000, id })))
    let row = 0
    let at = 0
    for await (const batch of pipe(left, join(right, { on: 'key', threads: 2 }))) {
      for (let i = 0; i < batch.numRows; i++) {
        const key = (row * 7919) % 1000
        if (batch.columns.key.values[i] !== key || batch.columns.id.values[i] !== key + at * 1000) throw new Error(`row ${row} is out of place`)
        if (key < 500 && at === 0) at = 1
        else {
          at = 0
          row++
        }
      }
    }
    expect(row).toBe(n)
  })

  it('says what its order is, and resumes from a position', async () => {
    const left = fromRows({ key: field.int32() }, Array.from({ length: 40_000 }, (_, key) => ({ key })))
    const right = fromRows({ key: field.int32(), id: field.int32() }, Array.from({ length: 40_000 }, (_, key) => ({ key, id: -key })))
    expect(pipe(left, join(right, { on: 'key', order: 'any' })).stableOrder).toBe(false)
    const joined = pipe(left, join(right, { on: 'key' }))
    expect(joined.stableOrder).toBe(true)
    const open = joined.open()
    const first = await open.next()
    await open.return(undefined)
    const rest = joined.open({ from: first.value!.position })
    expect((await rest.next()).value!.columns.key.get(0)).toBe(first.value!.numRows)
    await rest.return(undefined)
  })

  it('reads only the columns that are wanted of it', async () => {
    const left = fromRows({ key: field.int32(), x: field.utf8(), y: field.utf8() }, [{ key: 1, x: 'x', y: 'y' }])
    const right = fromRows({ key: field.int32(), a: field.utf8(), b: field.utf8() }, [{ key: 1, a: 'a', b: 'b' }])
    for await (const batch of pipe(left, join(right, { on: 'key' })).open({ columns: ['b', 'x'] })) {
      expect(Object.keys(batch.columns)).toEqual(['x', 'b'])
      expect(batch.row(0)).toEqual({ x: 'x', b: 'b' })
    }
  })

  it('knows its schema', () => {
    const left = fromRows({ code: field.utf8(), n: field.int32() }, [])
    const right = fromRows({ iata: field.utf8(), n: field.float32(), state: field.utf8() }, [])
    const inner = pipe(left, join(right, { left: 'code', right: 'iata', suffix: '_airport' }))
    expectTypeOf(inner.schema).toEqualTypeOf<{ readonly code: Utf8; readonly n: Int32; readonly n_airport: Float32; readonly state: Utf8 }>()
    const outer = pipe(left, join(right, { left: ['code'], right: ['iata'], suffix: '_airport', kind: 'left' }))
    expectTypeOf(outer.schema).toEqualTypeOf<{ readonly code: Utf8; readonly n: Int32; readonly n_airport: Nullable<Float32>; readonly state: Nullable<Utf8> }>()
    expect(outer.schema.state).toEqual(field.nullable(field.utf8()))
    // @ts-expect-error -- the left side has no such column
    expect(() => pipe(left, join(right, { left: 'origin', right: 'iata', suffix: '_airport' }))).toThrow(/needs the column "origin"/)
    // @ts-expect-error -- nor has the right side
    expect(() => pipe(left, join(right, { left: 'code', right: 'faa', suffix: '_airport' }))).toThrow(/needs the column "faa"/)
  })

  it('refuses keys that do not compare, and names that meet', () => {
    const left = fromRows({ key: field.utf8(), name: field.utf8() }, [])
    expect(() => pipe(left, join(fromRows({ key: field.int32() }, []), { on: 'key' }))).toThrow(/utf8 on the left and int32/)
    expect(() => pipe(left, join(fromRows({ ky: field.utf8() }, []), { left: 'kye' as 'key', right: 'ky' }))).toThrow(/Did you mean "key"/)
    const right = fromRows({ key: field.utf8(), name: field.utf8() }, [])
    expect(() => pipe(left, join(right, { on: 'key' }))).toThrow(/both sides of the join have a column "name"/)
    expect(Object.keys(pipe(left, join(right, { on: 'key', suffix: '_right' })).schema)).toEqual(['key', 'name', 'name_right'])
    const floats = fromRows({ key: field.float32() }, [])
    expect(() => pipe(floats, join(floats, { on: 'key' }))).toThrow(/Floats are no keys/)
  })

  it('spills beyond its memory limit, stops when aborted, and leaves no file', async () => {
    const temporaryFolder = await mkdtemp(joinPath(tmpdir(), 'millrace-join-test-'))
    const row = (key: number) => ({ key, text: `${key}`.padStart(200, 'x') })
    const many = fromRows({ key: field.int32(), text: field.utf8() }, Array.from({ length: 200_000 }, (_, i) => row(i)), { batchRows: 10_000 })
    const left = fromRows({ key: field.int32() }, Array.from({ length: 200_000 }, (_, i) => ({ key: i })))
    let rows = 0
    for await (const batch of pipe(left, join(many, { on: 'key', memoryLimit: '40MB', temporaryFolder, threads: 1 }))) rows += batch.numRows
    expect(rows).toBe(200_000)

    const aborting = new AbortController()
    const cross = fromRows({ one: field.int32() }, Array.from({ length: 20_000 }, () => ({ one: 1 })))
    setTimeout(() => aborting.abort(), 200)
    const started = Date.now()
    await expect((async () => {
      for await (const _ of pipe(cross, join(cross, { on: 'one', temporaryFolder })).open({ signal: aborting.signal })) rows++
    })()).rejects.toMatchObject({ _tag: 'Aborted' })
    expect(Date.now() - started).toBeLessThan(10_000)

    await expect((async () => {
      for await (const _ of pipe(left, join(many, { on: 'key', memoryLimit: '1MB', temporaryFolder }))) rows++
    })()).rejects.toMatchObject({ _tag: 'Engine' })
    expect(await readdir(temporaryFolder)).toEqual([])
  })
})
