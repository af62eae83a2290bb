import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  atPosition, batchFromRows, collect, concat, concatBatches, explainPlan, features, field, forEach, fromBatches, fromIterable, fromRows, hasTag, isMillraceError, makeBatch, makeStream, map, pipe,
  rename, run, select, standardize, Tally, transformBatches,
  type Batch, type Position, type Stream,
} from '../index.js'
import { columnFrom, type Column } from '../columns/index.js'
import { MillraceError } from '../errors/index.js'

const schema = { n: field.int32(), s: field.nullable(field.utf8()) }
type S = typeof schema
const data = Array.from({ length: 10 }, (_, n) => ({ n, s: n % 3 === 0 ? null : `${n}` }))

const caught = async (work: () => unknown): Promise<MillraceError> => {
  try {
    await work()
  } catch (thrown) {
    if (isMillraceError(thrown)) return thrown
    throw thrown
  }
  throw new Error('nothing was thrown')
}

/** A stream that knows nothing of positions. */
const replayed = (options: { stableOrder?: boolean; mode?: 'cold' | 'once' } = {}): Stream<S> =>
  makeStream<S, 'cold' | 'once'>({
    schema, mode: options.mode ?? 'cold', plan: { operator: 'source:test', options: {}, inputs: [] }, stableOrder: options.stableOrder ?? true, positions: 'replay',
    open: async function* () {
      for (let start = 0; start < 10; start += 4) yield batchFromRows(schema, data.slice(start, start + 4))
    },
  })

describe('batches', () => {
  it('are checked against their schema', async () => {
    const columns = { n: columnFrom(schema.n, [1, 2]) as Column, s: columnFrom(schema.s, ['a', null]) as Column }
    expect(makeBatch(schema, columns).row(1)).toEqual({ n: 2, s: null })
    expect(Object.keys(makeBatch(schema, { s: columns.s, n: columns.n }).columns)).toEqual(['n', 's'])
    expect(Object.keys(makeBatch({ n: schema.n }, columns).columns)).toEqual(['n'])
    expect(await caught(() => makeBatch(schema, { n: columns.n }))).toMatchObject({ _tag: 'Schema', code: 'NO_SUCH_COLUMN' })
    expect(await caught(() => makeBatch(schema, { ...columns, s: columnFrom(schema.s, ['a']) }))).toMatchObject({ code: 'LENGTH_MISMATCH', position: { column: 's' } })
    expect(await caught(() => makeBatch(schema, columns, 3))).toMatchObject({ code: 'LENGTH_MISMATCH' })
    expect(await caught(() => makeBatch({ n: schema.n, s: field.utf8() }, columns))).toMatchObject({ code: 'NULL', position: { column: 's' } })
    expect(await caught(() => makeBatch({ n: field.int64() }, columns))).toMatchObject({ code: 'KIND_MISMATCH' })
    expect(await caught(() => batchFromRows({ n: field.int8() }, [{ n: 1 }, { n: 1000 }]))).toMatchObject({ _tag: 'BadRecord', code: 'OUT_OF_RANGE', position: { record: 1, column: 'n' } })
    expect(await caught(() => fromRows({ n: field.int8() }, [{ n: 1 }, { n: 2 }, { n: 1000 }], { batchRows: 2 }))).toMatchObject({ position: { record: 2, column: 'n' } })
  })

  it('slice past their ends, and join', () => {
    const batch = batchFromRows(schema, data)
    const rows = (b: Batch<S>): number[] => Array.from({ length: b.numRows }, (_, i) => b.row(i).n)
    expect(rows(batch.slice(-5, 3))).toEqual([0, 1, 2])
    expect(rows(batch.slice(8, 99))).toEqual([8, 9])
    expect(rows(batch.slice(5, 2))).toEqual([])
    expect(rows(concatBatches(schema, [batch.slice(8, 10), batch.slice(0, 0), batch.take(Int32Array.of(3, 3))]))).toEqual([8, 9, 3, 3])
    expect(concatBatches(schema, []).numRows).toBe(0)
    expect(atPosition(batch, { x: 1 }).position).toEqual({ x: 1 })
    expect(`${batch as unknown as string}`).toBe('Batch(10 rows: n, s)')
  })
})

describe('streams', () => {
  it('are cold, or refuse a second reading', async () => {
    const cold = replayed()
    expect(await run(pipe(cold, collect()))).toEqual(data)
    expect(await run(pipe(cold, collect()))).toEqual(data)
    const once = replayed({ mode: 'once' })
    expect(await run(pipe(once, collect()))).toEqual(data)
    expect(await caught(() => run(pipe(once, collect())))).toMatchObject({ _tag: 'Usage', code: 'OPENED_TWICE' })
    expect(await caught(() => once[Symbol.asyncIterator]())).toMatchObject({ code: 'OPENED_TWICE' })
  })

  it('resume from every position, by replay and natively', async () => {
    for (const stream of [replayed(), fromBatches(schema, [batchFromRows(schema, data.slice(0, 4)), batchFromRows(schema, data.slice(4))])]) {
      const positions: Position[] = []
      let given = 0
      for await (const batch of stream) {
        given += batch.numRows
        positions.push(JSON.parse(JSON.stringify(batch.position)) as Position)
        const rest: unknown[] = []
        const later: Position[] = []
        for await (const part of stream.open({ from: positions.at(-1)! })) {
          for (let i = 0; i < part.numRows; i++) rest.push(part.row(i))
          later.push(part.position!)
        }
        expect(rest).toEqual(data.slice(given))
        if (later.length > 0) expect((await stream.open({ from: later.at(-1)! }).next()).done).toBe(true)
      }
      expect(given).toBe(10)
    }
    // A position between the batches of today, from a reading that was batched otherwise.
    expect((await replayed().open({ from: { rows: 6 } }).next()).value).toMatchObject({ numRows: 2, position: { rows: 8 } })
  })

  it('refuse positions of other streams, and any when their order is not stable', async () => {
    for (const bad of [null, 5, 'x', [], {}, { rows: -1 }, { rows: 1.5 }, { batch: '1' }]) {
      expect(await caught(() => replayed().open({ from: bad }).next())).toMatchObject({ code: 'BAD_POSITION' })
      expect(await caught(() => fromRows(schema, data).open({ from: bad }).next())).toMatchObject({ code: 'BAD_POSITION' })
    }
    expect(await caught(() => replayed({ stableOrder: false }).open({ from: { rows: 3 } }).next())).toMatchObject({ code: 'UNSTABLE_ORDER' })
  })

  it('have no column that a plain object cannot hold', async () => {
    expect(await caught(() => fromBatches({ ['__proto__']: field.int8() }, []))).toMatchObject({ code: 'BAD_COLUMN_NAME' })
  })

  it('have columns of any other name, also of what every object inherits', async () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty', '']) {
      const odd = { n: field.int32(), [name]: field.nullable(field.utf8()) }
      const rows = [{ n: 1 }, { n: 2, [name]: 'x' }] as never[]
      const whole = [{ n: 1, [name]: null }, { n: 2, [name]: 'x' }]
      const stream = fromRows(odd, rows)
      expect(await run(pipe(stream, collect()))).toEqual(whole)
      expect(await run(pipe(fromIterable(odd, () => rows), collect()))).toEqual(whole)
      expect(await run(pipe(stream, map(odd, (row) => (row.n === 1 ? { n: 1 } : row) as never), collect()))).toEqual(whole)
      expect(await run(pipe(stream, select(name), rename({ [name]: 'n' } as never), collect()))).toEqual([{ n: null }, { n: 'x' }])
      expect(await run(pipe(fromRows({ n: field.int32() }, [{ n: 3 }]), rename({ n: name } as never), collect()))).toEqual([{ [name]: 3 }])
      expect(await caught(() => concat(stream as never)(fromRows({ n: field.int32() }, [])))).toMatchObject({ code: 'EXTRA_COLUMN' })
      expect(await caught(() => makeBatch(odd, { n: columnFrom(odd.n, [1]) as Column }))).toMatchObject({ code: 'NO_SUCH_COLUMN' })
    }
    expect(await caught(() => rename({ n: '__proto__' } as never)(fromRows({ n: field.int32() }, [])))).toMatchObject({ code: 'BAD_COLUMN_NAME' })
    expect(await caught(() => batchFromRows({ ['__proto__']: field.int8() }, [{} as never]))).toMatchObject({ code: 'BAD_COLUMN_NAME' })
  })

  it('abort before and between batches, and close their source', async () => {
    expect(await caught(() => replayed().open({ signal: AbortSignal.abort() }))).toMatchObject({ _tag: 'Aborted' })
    const controller = new AbortController()
    let closed = false
    const stream = makeStream<S, 'cold'>({
      schema, mode: 'cold', plan: { operator: 'source:test', options: {}, inputs: [] }, stableOrder: true, positions: 'replay',
      open: async function* () {
        try {
          for (;;) yield batchFromRows(schema, data)
        } finally {
          closed = true
        }
      },
    })
    const batches = stream.open({ signal: controller.signal })
    await batches.next()
    controller.abort(new Error('enough'))
    expect(await caught(() => batches.next())).toMatchObject({ _tag: 'Aborted' })
    expect(closed).toBe(true)
  })

  it('close their source when left', async () => {
    let closed = 0
    const source = makeStream<S, 'cold'>({
      schema, mode: 'cold', plan: { operator: 'source:test', options: {}, inputs: [] }, stableOrder: true, positions: 'replay',
      open: async function* () {
        try {
          for (;;) yield batchFromRows(schema, data)
        } finally {
          closed++
        }
      },
    })
    const same = transformBatches<S, S, 'cold'>(source, { operator: 'same', options: {}, schema, transform: (batch) => batch })
    for (const stream of [source, same]) for await (const batch of stream) if (batch.numRows > 0) break
    expect(closed).toBe(2)
  })

  it('explain themselves', () => {
    const same = transformBatches<S, S, 'cold'>(fromRows(schema, data), { operator: 'same', options: { of: 'it' }, schema, transform: (batch) => batch })
    expect(same.explain()).toBe('same {"of":"it"}\n  source:batches {"batches":1}')
    expect(explainPlan(same.plan)).toBe(same.explain())
    expect(JSON.parse(JSON.stringify(same.plan))).toEqual(same.plan)
  })

  it('are shown by consoles as what they do, without being read, and batches and columns by their first values', () => {
    const batch = batchFromRows(schema, Array.from({ length: 12 }, (_, i) => data[i % 10]!))
    const stream = fromBatches(schema, [batch])
    expect(inspect(stream)).toBe('Stream(n: int32, s: nullable utf8)\nsource:batches {"batches":1}')
    const lines = inspect(batch).split('\n')
    expect(lines.slice(0, 5)).toEqual(['Batch(12 rows: n, s)', '    n  s', 'int32  nullable utf8', '─────  ─────────────', '    0  null'])
    expect(lines.slice(13)).toEqual(['    9  null', '… and 2 more rows'])
    expect(inspect(batch.columns.n)).toBe('Column(int32, 12 rows) [\n  0, 1, 2, 3, 4,\n  5, 6, 7, 8, 9\n] and 2 more')
    expect(inspect({ first: batch.slice(0, 1).columns.s })).toBe('{ first: Column(nullable utf8, 1 rows) [ null ] }')
  })

  it('tell a transform the ordinal of its first row', async () => {
    const seen: number[] = []
    const counted = transformBatches<S, S, 'cold'>(fromRows(schema, data, { batchRows: 4 }), {
      operator: 'count', options: {}, schema,
      transform: (batch, _context, firstRow) => {
        seen.push(firstRow)
        return batch.slice(0, 0)
      },
    })
    expect(await run(pipe(counted, collect()))).toEqual([])
    expect(seen).toEqual([0, 4, 8])
  })
})

describe('tallies', () => {
  it('count and add up', () => {
    const tally = new Tally()
    tally.deliver(3)
    tally.reject(new MillraceError({ tag: 'BadRecord', code: 'X', problem: 'x' }))
    const other = new Tally()
    other.add(tally.summary())
    other.add(tally.summary())
    expect(other.summary()).toEqual({ read: 8, delivered: 6, rejected: 2, rejectedByCode: { X: 2 } })
  })

  it('of a job\'s caller count along, whatever the job gives', async () => {
    const tally = new Tally()
    const stream = fromRows(schema, data)
    await run(pipe(stream, collect()), { tally })
    await run(pipe(stream, forEach(() => undefined)), { tally })
    await run(features({ n: standardize() }).fit(stream), { tally })
    tally.reject(new MillraceError({ tag: 'BadRecord', code: 'X', problem: 'x' }))
    expect(tally.summary()).toEqual({ read: 31, delivered: 30, rejected: 1, rejectedByCode: { X: 1 } })
  })

  it('see what was delivered through a stream', async () => {
    const tally = new Tally()
    for await (const batch of fromRows(schema, data).open({ tally })) expect(batch.numRows).toBe(10)
    expect(tally.summary()).toMatchObject({ read: 10, delivered: 10, rejected: 0 })
    expect(hasTag(new Error('x'), 'Usage')).toBe(false)
  })
})
