import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import {
  cache, collect, concat, countRows, drop, field, filter, filterColumns, forEach, fromBatches, fromIterable, fromRows, hasTag, interleave, makeBatch, map,
  mapColumns, pipe, prefetch, rebatch, rename, repeat, rows, run, select, shard, shuffle, skip, sort, split, take, tap, tapBatches, withColumn, withSchema,
  type Batch, type Mode, type Position, type Row, type Schema, type Stream,
} from '../../index.js'

const schema = { n: field.int32(), name: field.nullable(field.utf8()) }
type S = typeof schema

const numbers = (count: number, batchRows = 3): Stream<S, 'cold'> =>
  fromRows(schema, Array.from({ length: count }, (_, n) => ({ n, name: n % 4 === 3 ? null : `row ${n}` })), { batchRows })

const ns = async (stream: Stream<{ readonly n: S['n'] }>): Promise<number[]> => (await run(pipe(stream, collect()))).map(({ n }) => n)
const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i)

/** Every row after every position is what the whole reading gave after it. */
const expectResumable = async <T extends Schema>(stream: Stream<T>): Promise<void> => {
  const whole: Row<T>[] = []
  const stops: { position: Position | undefined; rows: number }[] = []
  for await (const batch of stream) {
    for (let i = 0; i < batch.numRows; i++) whole.push(batch.row(i))
    stops.push({ position: batch.position, rows: whole.length })
  }
  for (const { position, rows: given } of stops) {
    expect(position).toBeDefined()
    const rest: Row<T>[] = []
    const stored = JSON.parse(JSON.stringify(position)) as Position
    const positions: (Position | undefined)[] = []
    for await (const batch of stream.open({ from: stored })) {
      for (let i = 0; i < batch.numRows; i++) rest.push(batch.row(i))
      positions.push(batch.position)
    }
    expect(rest).toEqual(whole.slice(given))
    // Positions of a resumed reading can be resumed from again.
    if (positions.length > 1) {
      const again: Row<T>[] = []
      for await (const batch of stream.open({ from: positions[0]! })) for (let i = 0; i < batch.numRows; i++) again.push(batch.row(i))
      expect(whole.slice(whole.length - again.length)).toEqual(again)
      expect(again.length).toBeLessThan(rest.length)
    }
  }
}

/** A source that notes when it was opened and closed, and what was asked of it. */
const watched = (count: number, options: { batchRows?: number; failAfter?: number; stableOrder?: boolean } = {}) => {
  const seen = { opened: 0, closed: 0, pulled: 0, columns: [] as (readonly string[] | undefined)[], signal: undefined as AbortSignal | undefined }
  const inner = numbers(count, options.batchRows ?? 3)
  const stream = {
    ...inner,
    stableOrder: options.stableOrder ?? true,
    open: async function* (context: Parameters<Stream<S>['open']>[0] = {}) {
      seen.opened++
      seen.columns.push(context.columns)
      seen.signal = context.signal
      try {
        for await (const batch of inner.open(context)) {
          if (options.failAfter !== undefined && seen.pulled >= options.failAfter) throw new Error('the source broke')
          seen.pulled++
          yield batch
        }
      } finally {
        seen.closed++
      }
    },
  } as unknown as Stream<S, 'cold'>
  return { stream, seen }
}

const error = async (work: Promise<unknown> | (() => unknown)): Promise<{ code: string; tag: string; message: string; record: number | undefined; column: string | undefined }> => {
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (thrown) {
    if (!(thrown instanceof Error) || thrown.name !== 'MillraceError') throw thrown
    const { code, _tag: tag, message, position } = thrown as never as { code: string; _tag: string; message: string; position: { record?: number; column?: string } }
    return { code, tag, message, record: position.record, column: position.column }
  }
  throw new Error('nothing was thrown')
}

describe('row operators', () => {
  it('map makes rows of rows, nulls included', async () => {
    const made = pipe(numbers(5), map({ text: field.nullable(field.utf8()), twice: field.float64() }, (row) => ({ text: row.name, twice: row.n * 2 })))
    expect(await run(pipe(made, collect()))).toEqual([
      { text: 'row 0', twice: 0 }, { text: 'row 1', twice: 2 }, { text: 'row 2', twice: 4 }, { text: null, twice: 6 }, { text: 'row 4', twice: 8 },
    ])
    expect(made.plan).toEqual({ operator: 'map', options: { columns: ['text', 'twice'], mapper: { lambda: 'anonymous' } }, inputs: [numbers(5).plan] })
    await expectResumable(made)
  })

  it('gives plain rows that can be spread', async () => {
    expect(await run(pipe(numbers(1), map(schema, (row) => ({ ...row, n: 7 })), collect()))).toEqual([{ n: 7, name: 'row 0' }])
  })

  it('names operator, row and column when a function fails or gives what does not fit', async () => {
    const thrown = await error(run(pipe(numbers(8), map(schema, (row) => {
      if (row.n === 5) throw new TypeError('no five')
      return row
    }), collect())))
    expect(thrown).toMatchObject({ tag: 'Usage', code: 'CALLBACK_THREW', record: 5 })
    expect(thrown.message).toContain('map threw: no five')
    expect(await error(run(pipe(numbers(8), map({ n: field.int8() }, (row) => ({ n: row.n * 30 })), collect())))).toMatchObject({
      tag: 'BadRecord', code: 'OUT_OF_RANGE', record: 5, column: 'n',
    })
    expect(await error(run(pipe(numbers(8), withColumn('x', field.utf8(), (row) => row.name!), collect())))).toMatchObject({
      tag: 'BadRecord', code: 'NULL', record: 3, column: 'x',
    })
    expect(await error(run(pipe(numbers(8), filter((row) => row.name!.length > 0), collect())))).toMatchObject({ code: 'CALLBACK_THREW', record: 3 })
    expect(await error(run(pipe(numbers(8), forEach((row) => row.name!.length), )))).toMatchObject({ code: 'CALLBACK_THREW', record: 3 })
    expect(await error(run(pipe(numbers(8), tap((row) => row.name!.length), collect())))).toMatchObject({ code: 'CALLBACK_THREW', record: 3 })
  })

  it('filter keeps rows, and the positions of batches that became empty', async () => {
    const kept = pipe(numbers(20), filter((row) => row.n === 4 || row.n > 16))
    expect(await ns(kept)).toEqual([4, 17, 18, 19])
    await expectResumable(kept)
    expect(await ns(pipe(numbers(20), filter(() => false)))).toEqual([])
  })

  it('filter refuses what is not a boolean', async () => {
    expect(await error(run(pipe(numbers(3), filter((async () => false) as never), collect())))).toMatchObject({ tag: 'Usage', code: 'NOT_A_BOOLEAN', record: 0 })
  })

  it('filterColumns takes a mask', async () => {
    const even = pipe(numbers(10), filterColumns(({ columns, numRows }) => Array.from({ length: numRows }, (_, i) => columns.n.values[i]! % 2 === 0)))
    expect(await ns(even)).toEqual([0, 2, 4, 6, 8])
    await expectResumable(even)
    expect(await error(run(pipe(numbers(3), filterColumns(() => [true]), collect())))).toMatchObject({ code: 'LENGTH_MISMATCH' })
  })

  it('withColumn adds and replaces, in place', async () => {
    const more = pipe(numbers(2), withColumn('n', field.utf8(), (row) => `${row.n}!`), withColumn('m', field.int8(), () => 1))
    expect(Object.keys(more.schema)).toEqual(['n', 'name', 'm'])
    expect(await run(pipe(more, collect()))).toEqual([{ n: '0!', name: 'row 0', m: 1 }, { n: '1!', name: 'row 1', m: 1 }])
  })

  it('mapColumns takes columns, typed arrays and values', async () => {
    const more = pipe(numbers(4), mapColumns({ half: field.float32(), copy: field.nullable(field.utf8()), n: field.int64() }, ({ columns }) => ({
      half: Float32Array.from(columns.n.values, (n) => n / 2),
      copy: columns.name,
      n: columns.n.toArray().map(BigInt),
    })))
    expect(await run(pipe(more, collect()))).toEqual(range(4).map((n) => ({ n: BigInt(n), name: n === 3 ? null : `row ${n}`, half: n / 2, copy: n === 3 ? null : `row ${n}` })))
    expect(await error(run(pipe(numbers(4), mapColumns({ x: field.int32() }, () => ({ x: new Float32Array(3) })), collect())))).toMatchObject({ code: 'WRONG_BUFFER', column: 'x' })
    expect(await error(run(pipe(numbers(4), mapColumns({ x: field.int32() }, () => ({ x: new Int32Array(2) })), collect())))).toMatchObject({ code: 'LENGTH_MISMATCH', column: 'x' })
    expect(await error(run(pipe(numbers(4), mapColumns({ n: field.int32() }, () => ({}) as never), collect())))).toMatchObject({ code: 'NO_SUCH_COLUMN', column: 'n' })
  })

  it('tap and tapBatches see what passes', async () => {
    const seen: number[] = []
    const sizes: number[] = []
    const stream = pipe(numbers(5), tap((row) => seen.push(row.n)), tapBatches(async (batch) => sizes.push(batch.numRows)))
    expect(await ns(stream)).toEqual(range(5))
    expect(seen).toEqual(range(5))
    expect(sizes).toEqual([3, 2])
  })
})

describe('select, drop, rename', () => {
  it('narrow, reorder and rename', async () => {
    expect(await run(pipe(numbers(1), select('name', 'n'), collect()))).toEqual([{ name: 'row 0', n: 0 }])
    expect(Object.keys(pipe(numbers(1), select('name', 'n')).schema)).toEqual(['name', 'n'])
    expect(await run(pipe(numbers(1), drop('n'), collect()))).toEqual([{ name: 'row 0' }])
    expect(await run(pipe(numbers(1), rename({ n: 'name', name: 'n' }), collect()))).toEqual([{ name: 0, n: 'row 0' }])
    await expectResumable(pipe(numbers(7), rename({ n: 'm' }), select('m')))
  })

  it('suggest the name that was meant', async () => {
    expect(await error(() => pipe(numbers(1), select('nmae' as 'name')))).toMatchObject({ code: 'NO_SUCH_COLUMN', message: expect.stringContaining('Did you mean "name"?') as string })
    expect(await error(() => pipe(numbers(1), rename({ n: 'name' })))).toMatchObject({ code: 'DUPLICATE_COLUMN' })
  })

  it('tell the source which columns are wanted', async () => {
    const { stream, seen } = watched(4)
    await ns(pipe(stream, rename({ n: 'm' }), take(3), rebatch(2), shuffle({ seed: 1 }), select('m'), rename({ m: 'n' })))
    expect(seen.columns).toEqual([['n']])
    await ns(pipe(stream, filter((row) => row.n > 0), select('n')))
    expect(seen.columns[1]).toBeUndefined()
    await run(pipe(stream, split({ a: 0.5, b: 0.5 }, { byKey: 'name' }).bind(null), ({ a }) => a, select('n'), collect()))
    expect(seen.columns[2]).toEqual(['n', 'name'])
  })
})

describe('take, skip, rebatch, shard, repeat, concat', () => {
  it('take and skip by rows', async () => {
    for (const n of [0, 1, 3, 4, 10, 11]) {
      expect(await ns(pipe(numbers(10), take(n)))).toEqual(range(10).slice(0, n))
      expect(await ns(pipe(numbers(10), skip(n)))).toEqual(range(10).slice(n))
      await expectResumable(pipe(numbers(10), take(n)))
      await expectResumable(pipe(numbers(10), skip(n)))
      await expectResumable(pipe(numbers(10), skip(2), take(n), skip(1)))
    }
    expect(await error(() => pipe(numbers(1), take(-1)))).toMatchObject({ tag: 'Usage', code: 'BAD_COUNT' })
    expect(await error(() => pipe(numbers(1), skip(NaN)))).toMatchObject({ code: 'BAD_COUNT' })
  })

  it('take closes the source as soon as it has its rows', async () => {
    const { stream, seen } = watched(10)
    expect(await ns(pipe(stream, take(3)))).toEqual([0, 1, 2])
    expect(seen).toMatchObject({ opened: 1, closed: 1, pulled: 1 })
  })

  it('rebatch cuts and joins', async () => {
    for (const size of [1, 2, 3, 4, 100]) {
      const sizes: number[] = []
      expect(await ns(pipe(numbers(10), rebatch(size), tapBatches((batch) => sizes.push(batch.numRows))))).toEqual(range(10))
      expect(sizes.slice(0, -1).every((rows) => rows === size)).toBe(true)
      await expectResumable(pipe(numbers(10), rebatch(size)))
      await expectResumable(pipe(numbers(10), rebatch(size), rebatch(3), filter((row) => row.n % 3 !== 1)))
    }
  })

  it('shard deals out rows, all and disjoint, and resumes', async () => {
    const shards = await Promise.all(range(3).map((index) => ns(pipe(numbers(11), shard(index, 3)))))
    expect(shards).toEqual([[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8]])
    await expectResumable(pipe(numbers(11), shard(1, 3)))
    expect(await error(() => pipe(numbers(1), shard(3, 3)))).toMatchObject({ code: 'BAD_COUNT' })
  })

  it('repeat goes round, and ends on nothing', async () => {
    expect(await ns(pipe(numbers(3), repeat(3)))).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2])
    expect(await ns(pipe(numbers(3), repeat(0)))).toEqual([])
    expect(await ns(pipe(numbers(4), repeat(), take(10)))).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1])
    expect(await ns(pipe(numbers(0), repeat()))).toEqual([])
    await expectResumable(pipe(numbers(4), repeat(3)))
    await expectResumable(pipe(numbers(4), repeat(), take(11)))
  })

  it('concat reads one after another', async () => {
    const both = pipe(numbers(4), concat(pipe(numbers(10), skip(7)), numbers(2)))
    expect(await ns(both)).toEqual([0, 1, 2, 3, 7, 8, 9, 0, 1])
    await expectResumable(both)
    expect(await error(() => pipe(numbers(1), concat(fromRows({ n: field.int32() }, []) as never)))).toMatchObject({ code: 'NO_SUCH_COLUMN' })
    expect(await error(() => pipe(fromRows({ n: field.int32() }, []), concat(numbers(1) as never)))).toMatchObject({ code: 'EXTRA_COLUMN' })
    expect(await error(() => pipe(fromRows({ n: field.int64() }, []), concat(pipe(numbers(1), select('n')) as never)))).toMatchObject({ code: 'KIND_MISMATCH' })
  })

  it('concat and interleave narrow batches alike when few columns are wanted', async () => {
    const source = pipe(numbers(4), select('n', 'name'))
    const mixed = pipe(numbers(4), concat(source), interleave([source]), rebatch(5), select('n'))
    expect((await ns(mixed)).sort((a, b) => a - b)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
  })
})

/** Checks that a stream has one order whatever the batches of its sources, also when it is resumed with others than its positions were taken with. */
const expectOneOrder = async (inBatches: (rows: number) => Stream<{ readonly n: typeof schema.n }>): Promise<void> => {
  const all = await ns(inBatches(5))
  for (const rows of [1, 3, 7, 100]) {
    expect(await ns(inBatches(rows))).toEqual(all)
    let given = 0
    for await (const { numRows, position } of inBatches(rows)) {
      given += numRows
      if (position === undefined) continue
      const rest: number[] = []
      for await (const batch of inBatches(5).open({ from: position })) rest.push(...batch.columns.n.values)
      expect(rest).toEqual(all.slice(given))
    }
  }
}

describe('interleave', () => {
  it('takes turns', async () => {
    const mixed = pipe(numbers(4, 1), interleave([pipe(numbers(14, 2), skip(10)), pipe(numbers(22, 3), skip(20))], { blockRows: 1 }))
    expect(await ns(mixed)).toEqual([0, 10, 20, 1, 11, 21, 2, 12, 3, 13])
    await expectResumable(mixed)
  })

  it('keeps shares by rows whatever the batches, and can end with the first', async () => {
    const a = numbers(300, 5)
    const b = pipe(numbers(2000, 3), skip(1000))
    const mixed = pipe(a, interleave([b], { weights: [1, 3], until: 'first', blockRows: 5 }))
    const all = await ns(mixed)
    const ofA = all.filter((n) => n < 1000).length
    expect(ofA / all.length).toBeCloseTo(0.25, 1)
    expect(await ns(mixed)).toEqual(all)
    const inBatches = (rows: number): Stream<typeof schema> => pipe(numbers(30, rows), interleave([numbers(20, rows + 1)], { weights: [1, 3], until: 'first', blockRows: 4 }))
    await expectResumable(inBatches(5))
    await expectOneOrder(inBatches)
    expect(await error(() => pipe(a, interleave([b], { weights: [1] })))).toMatchObject({ code: 'BAD_WEIGHTS' })
    // One by one or in a list, as with concat.
    const expected = await ns(pipe(a, interleave([b, a], { blockRows: 2 })))
    const other = interleave as unknown as (...given: readonly unknown[]) => (stream: typeof a) => typeof a
    for (const mix of [other(b, a, { blockRows: 2 }), other([b], a, { blockRows: 2 })]) expect(await ns(mix(a))).toEqual(expected)
    expect(await ns(pipe(a, interleave(b)))).toEqual(await ns(pipe(a, interleave([b]))))
    expect(await ns(pipe(a, interleave(b, { blockRows: 1 })))).toEqual(await ns(pipe(a, interleave([b], { blockRows: 1 }))))
    expect(await ns(pipe(a, interleave(b, a)))).toEqual(await ns(pipe(a, interleave([b, a]))))
    expect(await ns(pipe(a, concat([b, a])))).toEqual(await ns(pipe(a, concat(b, a))))
    for (const wrong of [undefined, null, 1, {}, [undefined]]) {
      for (const use of [interleave, concat]) expect(await error(() => pipe(a, use(wrong as never)))).toMatchObject({ tag: 'Usage', code: 'NO_STREAM' })
    }
    expect(await error(() => pipe(a, interleave([b], { weights: [1, 0] })))).toMatchObject({ code: 'BAD_WEIGHTS' })
  })

  it('closes all its sources when left', async () => {
    const one = watched(10)
    const two = watched(10)
    for await (const batch of pipe(one.stream, interleave([two.stream]))) if (batch.position !== undefined && two.seen.pulled > 0) break
    expect([one.seen.closed, two.seen.closed]).toEqual([1, 1])
  })
})

describe('shuffle', () => {
  it('refuses the position of another order', async () => {
    const own = pipe(numbers(50, 7), shuffle({ seed: 5, windowRows: 20, batchRows: 6 }))
    const position = (await own.open().next()).value!.position!
    for (const options of [{ seed: 6, windowRows: 20 }, { seed: 5, windowRows: 21 }]) {
      await expect(pipe(numbers(50, 7), shuffle(options)).open({ from: position }).next()).rejects.toMatchObject({ _tag: 'Usage', code: 'STALE_POSITION', problem: expect.stringContaining('"seed":5,"windowRows":20') as string })
    }
  })

  it('permutes within windows, by seed, whatever the batches', async () => {
    const shuffled = await ns(pipe(numbers(100, 7), shuffle({ seed: 5, windowRows: 20, batchRows: 6 })))
    expect(shuffled).not.toEqual(range(100))
    for (let window = 0; window < 5; window++) expect(shuffled.slice(window * 20, window * 20 + 20).sort((a, b) => a - b)).toEqual(range(20, window * 20))
    expect(await ns(pipe(numbers(100, 33), shuffle({ seed: 5, windowRows: 20 })))).toEqual(shuffled)
    expect(await ns(pipe(numbers(100, 7), shuffle({ seed: 6, windowRows: 20 })))).not.toEqual(shuffled)
    // Pinned: an order once given stays, so that experiments can be run again with later versions.
    expect(await ns(pipe(numbers(10), shuffle({ seed: 42 })))).toMatchInlineSnapshot(`
      [
        1,
        9,
        4,
        0,
        8,
        2,
        3,
        7,
        5,
        6,
      ]
    `)
  })

  it('resumes from everywhere, re-reading one window at most', async () => {
    await expectResumable(pipe(numbers(50, 7), shuffle({ seed: 5, windowRows: 20, batchRows: 6 })))
    await expectResumable(pipe(numbers(50, 7), filter((row) => row.n % 3 > 0), rebatch(4), shuffle({ seed: 5, windowRows: 8, batchRows: 3 }), take(30)))
    const { stream, seen } = watched(1000, { batchRows: 10 })
    const shuffled = pipe(stream, shuffle({ seed: 1, windowRows: 50, batchRows: 10 }))
    const positions: Position[] = []
    for await (const batch of shuffled) positions.push(batch.position!)
    seen.pulled = 0
    await shuffled.open({ from: positions.at(-2)! }).next()
    expect(seen.pulled).toBeLessThanOrEqual(5)
  })

  it('is unbiased: each row is as likely in each place', async () => {
    const places = Array.from({ length: 6 }, () => new Array<number>(6).fill(0))
    for (let seed = 0; seed < 3000; seed++) {
      (await ns(pipe(numbers(6, 6), shuffle({ seed })))).forEach((n, place) => places[n]![place]!++)
    }
    for (const row of places) for (const count of row) expect(Math.abs(count - 500)).toBeLessThan(110)
  })
})

describe('sort', () => {
  const values = { a: field.nullable(field.int32()), b: field.utf8(), c: field.float64(), d: field.nullable(field.dictionary()), e: field.decimal(30, 2), f: field.int64(), g: field.bool() }

  it('orders by several keys, stable, nulls last either way', async () => {
    const stream = fromRows(values, [
      { a: 2, b: 'ä', c: NaN, d: 'x', e: '-5.10', f: 9007199254740993n, g: true },
      { a: null, b: 'z', c: -0, d: null, e: '12345678901234567890123.45', f: -1n, g: false },
      { a: 1, b: 'z', c: Infinity, d: 'a', e: '0.00', f: 9007199254740992n, g: true },
      { a: 2, b: 'a', c: 0, d: 'm', e: '1.00', f: 0n, g: false },
      { a: 2, b: 'zz', c: -Infinity, d: 'a', e: '-1.00', f: 5n, g: true },
    ], { batchRows: 2 })
    const by = async (...keys: Parameters<typeof sort<typeof values, 'cold', keyof typeof values>>): Promise<unknown[]> =>
      (await run(pipe(stream, sort(...keys), collect()))).map((row) => row[typeof keys[0] === 'string' ? keys[0] : typeof keys[0][0] === 'string' ? keys[0][0] : (keys[0][0] as { by: 'a' }).by])
    expect(await by('a')).toEqual([1, 2, 2, 2, null])
    expect(await by([{ by: 'a', order: 'desc' }])).toEqual([2, 2, 2, 1, null])
    expect(await by('b')).toEqual(['a', 'z', 'z', 'zz', 'ä'])
    expect(await by('c')).toEqual([-Infinity, -0, 0, Infinity, NaN])
    expect(await by([{ by: 'c', order: 'desc' }])).toEqual([NaN, Infinity, -0, 0, -Infinity])
    expect(await by('d')).toEqual(['a', 'a', 'm', 'x', null])
    expect(await by('e')).toEqual(['-5.10', '-1.00', '0.00', '1.00', '12345678901234567890123.45'])
    expect(await by([{ by: 'f', order: 'desc' }])).toEqual([9007199254740993n, 9007199254740992n, 5n, 0n, -1n])
    expect(await by('g')).toEqual([false, false, true, true, true])
    const multiple = await run(pipe(stream, sort([{ by: 'a', order: 'desc' }, 'b']), collect()))
    expect(multiple.map(({ a, b }) => [a, b])).toEqual([[2, 'a'], [2, 'zz'], [2, 'ä'], [1, 'z'], [null, 'z']])
    await expectResumable(pipe(stream, sort('b', { batchRows: 2 })))
  })

  it('agrees with Array.sort', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.record({ n: fc.integer({ min: 0, max: 9 }), name: fc.option(fc.string()) })), fc.integer({ min: 1, max: 5 }), async (data, batchRows) => {
      const sorted = await run(pipe(fromRows(schema, data, { batchRows }), sort('n', { batchRows }), collect()))
      expect(sorted).toEqual([...data].sort((x, y) => x.n - y.n))
    }), { numRuns: 60 })
  })

  it('has limits, and makes an order stable only when told that it is', async () => {
    expect(await error(ns(pipe(numbers(11), sort('n', { maxRows: 10 }))))).toMatchObject({ tag: 'Limit' })
    const { stream } = watched(6, { stableOrder: false })
    expect(pipe(stream, sort('n')).stableOrder).toBe(false)
    expect(pipe(stream, sort('n', { unique: true })).stableOrder).toBe(true)
    expect(await error(ns(pipe(stream, withColumn('n', field.int32(), () => 1), sort('n', { unique: true }))))).toMatchObject({ code: 'NOT_UNIQUE' })
    expect(await error(() => pipe(fromRows({ l: field.list(field.int8()) }, []), sort('l')))).toMatchObject({ code: 'NOT_SORTABLE' })
  })
})

describe('cache', () => {
  it('resumes by rows, whatever the batches', async () => {
    await expectOneOrder((rows) => pipe(numbers(20, rows), cache()))
  })

  it('reads its source once, for readers one after another and at once', async () => {
    const { stream, seen } = watched(10)
    const cached = pipe(stream, cache())
    const all = await Promise.all([ns(cached), ns(cached), ns(cached)])
    expect(all).toEqual([range(10), range(10), range(10)])
    expect(await ns(cached)).toEqual(range(10))
    expect(seen).toMatchObject({ opened: 1, closed: 1 })
    await expectResumable(cached)
  })

  it('is not poisoned by a reader that leaves early', async () => {
    const { stream, seen } = watched(10)
    const cached = pipe(stream, cache())
    for await (const batch of cached) if (batch.numRows > 0) break
    expect(seen).toMatchObject({ opened: 1, closed: 1, pulled: 1 })
    expect(await ns(cached)).toEqual(range(10))
    // The second reader went on where the first had left.
    expect(seen).toMatchObject({ opened: 2, closed: 2, pulled: 4 })
  })

  it('keeps a source open that cannot be read again', async () => {
    const source = fromIterable(schema, numbersAsync(10), { batchRows: 3 })
    const cached = pipe(source, cache())
    expect(cached.mode).toBe('cold')
    for await (const batch of cached) if (batch.numRows > 0) break
    expect(await ns(cached)).toEqual(range(10))
    expect(await ns(cached)).toEqual(range(10))
  })

  it('goes on after an error, and after one reader aborts', async () => {
    const broken = watched(10, { failAfter: 2 })
    const cached = pipe(broken.stream, cache())
    expect(await error(ns(cached).catch((thrown: Error) => Promise.reject(thrown)))).toMatchObject({ message: expect.stringContaining('the source broke') as string })
    broken.seen.pulled = -100
    expect(await ns(cached)).toEqual(range(10))

    const { stream } = watched(10)
    const shared = pipe(stream, cache())
    const controller = new AbortController()
    const leaving = run(pipe(shared, tapBatches(() => controller.abort()), collect()), { signal: controller.signal })
    const staying = ns(shared)
    expect(await error(leaving)).toMatchObject({ tag: 'Aborted' })
    expect(await staying).toEqual(range(10))
  })

  it('serves a reader who comes while the last one is leaving', async () => {
    let release: () => void = () => undefined
    const { stream } = watched(10)
    let slow = true
    const cached = pipe(stream, tapBatches(async () => {
      if (slow) await new Promise<void>((resolve) => (release = resolve))
    }), cache())
    const controller = new AbortController()
    const leaving = run(pipe(cached, collect()), { signal: controller.signal })
    await new Promise((resolve) => setTimeout(resolve, 5))
    controller.abort()
    await new Promise((resolve) => setTimeout(resolve, 5))
    const coming = ns(cached)
    slow = false
    release()
    expect(await error(leaving)).toMatchObject({ tag: 'Aborted' })
    expect(await coming).toEqual(range(10))
  })

  it('counts for each reader what its source counted', async () => {
    const cached = pipe(numbers(10), filter((row) => row.n > 4), cache())
    expect(await run(pipe(cached, forEach(() => undefined)))).toMatchObject({ read: 10, rejected: 0 })
    expect(await run(pipe(cached, forEach(() => undefined)))).toMatchObject({ read: 10, rejected: 0 })
  })
})

async function* numbersAsync(count: number): AsyncGenerator<Row<S>> {
  for (let n = 0; n < count; n++) yield { n, name: null }
}

describe('prefetch', () => {
  it('gives the same batches and positions', async () => {
    expect(await ns(pipe(numbers(20), prefetch(2)))).toEqual(range(20))
    await expectResumable(pipe(numbers(20), prefetch(3)))
  })

  it('reads ahead no further than told', async () => {
    const { stream, seen } = watched(30)
    const batches = pipe(stream, prefetch(2)).open()
    await batches.next()
    await vi.waitFor(() => expect(seen.pulled).toBe(3))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(seen.pulled).toBe(3)
    await batches.return()
    expect(seen.closed).toBe(1)
    expect(seen.signal?.aborted).toBe(true)
  })

  it('gives the batches before an error, then the error', async () => {
    const { stream, seen } = watched(30, { failAfter: 3 })
    const given: number[] = []
    await expect((async () => {
      for await (const batch of pipe(stream, prefetch(8))) given.push(batch.numRows)
    })()).rejects.toThrow('the source broke')
    expect(given).toEqual([3, 3, 3])
    expect(seen.closed).toBe(1)
  })

  it('ends at once on abort, even when its source hangs', async () => {
    const hanging = fromIterable({ n: field.int32() }, (async function* () {
      yield { n: 1 }
      await new Promise(() => undefined)
    })(), { batchRows: 1 })
    const controller = new AbortController()
    const batches = pipe(hanging, prefetch(1)).open({ signal: controller.signal })
    await batches.next()
    setTimeout(() => controller.abort(), 5)
    expect(await error(batches.next())).toMatchObject({ tag: 'Aborted' })
  })
})

describe('split', () => {
  it.each([[undefined, 'undefined'], [null, 'null'], [{}, 'an object with nothing in it'], [{ by: 'n' }, 'an object with by'], [{ byKey: undefined }, 'an object with byKey'], ['n', '"n"']])('names the ways to split when given %o', (how, shown) => {
    expect(() => pipe(numbers(3), split({ a: 0.5, b: 0.5 }, how as unknown as { seed: number }))).toThrow(expect.objectContaining({
      _tag: 'Usage', code: 'BAD_OPTION', problem: expect.stringContaining(`is ${shown}`) as string, remedy: "Give { byKey: 'column' }, { byTime: 'column' } or { seed: 1 }.",
    }) as Error)
  })

  const keyed = { user: field.nullable(field.utf8()), at: field.timestamp(), n: field.int32() }
  const data = fc.array(fc.record({ user: fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'ü', '')), at: fc.integer({ min: 0, max: 20 }).map((ms) => new Date(ms)) }), { maxLength: 60 })
    .map((list) => list.map((row, n) => ({ ...row, n })))
  const fractions = { train: 0.6, validation: 0.3, test: 0.1 }
  const read = async (parts: { readonly [name: string]: Stream<typeof keyed> }): Promise<{ [name: string]: Row<typeof keyed>[] }> =>
    Object.fromEntries(await Promise.all(Object.entries(parts).map(async ([name, part]) => [name, await run(pipe(part, collect()))] as const)))

  const how = [{ byKey: 'user' }, { byTime: 'at' }, { seed: 3 }] as const
  it.each(how)('%o: disjoint, covering, the same again and however the input is cut', async (by) => {
    await fc.assert(fc.asyncProperty(data, fc.integer({ min: 1, max: 7 }), async (list, batchRows) => {
      const parts = pipe(fromRows(keyed, list, { batchRows }), split(fractions, by))
      const first = await read(parts)
      expect(Object.values(first).flat().map((row) => row.n).sort((a, b) => a - b)).toEqual(range(list.length))
      expect(await read(parts)).toEqual(first)
      expect(await read(pipe(fromRows(keyed, list), split(fractions, by)))).toEqual(first)
      for (const part of Object.values(parts)) await expectResumable(part)
    }), { numRuns: 25 })
  })

  it('byKey: one key, one part; the share holds on average; pinned', async () => {
    const users = fromRows({ user: field.utf8(), id: field.int64(), small: field.int16() }, range(4000).map((n) => ({ user: `user ${n % 1000}`, id: BigInt(n % 1000), small: n % 1000 })))
    const { train, test } = pipe(users, split({ train: 0.8, test: 0.2 }, { byKey: 'user' }))
    const [inTrain, inTest] = [new Set((await run(pipe(train, collect()))).map((row) => row.user)), new Set((await run(pipe(test, collect()))).map((row) => row.user))]
    expect([...inTrain].filter((user) => inTest.has(user))).toEqual([])
    expect(inTest.size).toBeGreaterThan(150)
    expect(inTest.size).toBeLessThan(250)
    const ids = async (key: 'id' | 'small'): Promise<number[]> => (await run(pipe(users, split({ train: 0.8, test: 0.2 }, { byKey: key }), (parts) => parts.test, take(10), collect()))).map((row) => row.small)
    expect(await ids('id')).toEqual(await ids('small'))
    expect(await ids('id')).toMatchInlineSnapshot(`
      [
        0,
        4,
        12,
        15,
        20,
        22,
        34,
        35,
        41,
        43,
      ]
    `)
    const dictionary = fromRows({ user: field.dictionary(), n: field.int32() }, range(1000).map((n) => ({ user: `user ${n}`, n })))
    const encoded = (await run(pipe(dictionary, split({ train: 0.8, test: 0.2 }, { byKey: 'user' }), (parts) => parts.test, collect()))).map((row) => row.user)
    expect(new Set(encoded)).toEqual(inTest)
    expect(new Set((await run(pipe(users, split({ train: 0.8, test: 0.2 }, { byKey: 'user', seed: 1 }), (parts) => parts.test, collect()))).map((row) => row.user))).not.toEqual(inTest)
  })

  it('byTime: the cut-off is the quantile, ties go to the later part, the cut-off is fitted once', async () => {
    const { stream, seen } = watched(10)
    const timed = pipe(stream, withColumn('at', field.timestamp({ unit: 'ns' }), (row) => new Date(1e12 + (row.n < 3 ? row.n : row.n < 9 ? 5 : 9))))
    const { early, late } = pipe(timed, split({ early: 0.5, late: 0.5 }, { byTime: 'at' }))
    expect(await ns(early)).toEqual([0, 1, 2])
    expect(await ns(late)).toEqual([3, 4, 5, 6, 7, 8, 9])
    await Promise.all([ns(early), ns(late)])
    // Four readings of parts and one that fitted the cut-off.
    expect(seen.opened).toBe(5)
    const { train, test } = pipe(numbers(1000), shuffle({ seed: 1 }), split({ train: 0.7, test: 0.3 }, { byTime: 'n' }))
    expect((await ns(train)).sort((a, b) => a - b)).toEqual(range(700))
    expect((await ns(test)).length).toBe(300)
  })

  it('byTime: fits once for parts that are read at once, and again when the first reader aborts', async () => {
    const { stream, seen } = watched(10)
    const { a, b } = pipe(stream, split({ a: 0.5, b: 0.5 }, { byTime: 'n' }))
    const controller = new AbortController()
    const [left, right] = await Promise.allSettled([
      run(pipe(a, collect()), { signal: controller.signal }),
      (async () => {
        controller.abort()
        return ns(b)
      })(),
    ])
    expect(left.status === 'rejected' && hasTag(left.reason, 'Aborted')).toBe(true)
    expect(right).toMatchObject({ status: 'fulfilled', value: [5, 6, 7, 8, 9] })
    expect(await ns(a)).toEqual(range(5))
    expect(seen.closed).toBe(seen.opened)
  })

  it('refuses what cannot be split', async () => {
    expect(await error(() => pipe(numbers(1), split({ a: 0.5, b: 0.4 }, { seed: 1 })))).toMatchObject({ code: 'BAD_FRACTIONS' })
    expect(await error(() => pipe(numbers(1), split({ a: 1.5, b: -0.5 }, { seed: 1 })))).toMatchObject({ code: 'BAD_FRACTIONS' })
    expect(await error(() => pipe(numbers(1), split({ a: 0.5, b: 0.5 }, { byTime: 'name' })))).toMatchObject({ code: 'NOT_A_TIME' })
    expect(await error(() => pipe(fromRows({ l: field.list(field.int8()) }, []), split({ a: 0.5, b: 0.5 }, { byKey: 'l' })))).toMatchObject({ code: 'NO_KEY' })
    const { stream } = watched(3, { stableOrder: false })
    expect(await error(() => pipe(stream, split({ a: 0.5, b: 0.5 }, { seed: 1 })))).toMatchObject({ code: 'UNSTABLE_ORDER' })
    expect(Object.keys(pipe(stream, split({ a: 0.5, b: 0.5 }, { byKey: 'n' })))).toEqual(['a', 'b'])
    const withNull = fromRows({ at: field.nullable(field.timestamp()) }, [{ at: new Date() }, { at: null }])
    expect(await error(run(pipe(withNull, split({ a: 0.5, b: 0.5 }, { byTime: 'at' }), ({ a }) => a, collect())))).toMatchObject({ code: 'NO_TIME', record: 1 })
  })
})

describe('withSchema', () => {
  it('passes what fits and converts the rest', async () => {
    const texts = fromRows({ id: field.utf8(), score: field.nullable(field.float64()), at: field.timestamp({ unit: 'ns' }), tag: field.dictionary(), more: field.bool() }, [
      { id: '12', score: 3, at: new Date(5000), tag: '7', more: true }, { id: '-1', score: null, at: new Date(6000), tag: '8', more: false },
    ])
    const known = pipe(texts as Stream<Schema, 'cold'>, withSchema({ score: field.nullable(field.int8()), id: field.int64(), at: field.timestamp({ unit: 's' }), tag: field.uint8() }))
    expect(await run(pipe(known, collect()))).toEqual([{ score: 3, id: 12n, at: new Date(5000), tag: 7 }, { score: null, id: -1n, at: new Date(6000), tag: 8 }])
  })

  it('names what does not fit', async () => {
    const stream = numbers(5) as Stream<Schema, 'cold'>
    expect(await error(() => pipe(stream, withSchema({ nn: field.int32() })))).toMatchObject({ code: 'NO_SUCH_COLUMN' })
    expect(await error(run(pipe(stream, withSchema({ name: field.utf8() }), collect())))).toMatchObject({ code: 'NULL', record: 3, column: 'name' })
    expect(await error(run(pipe(stream, withSchema({ name: field.nullable(field.int8()) }), collect())))).toMatchObject({ tag: 'BadRecord', code: 'BAD_TEXT', record: 0 })
    expect(await error(() => pipe(stream, withSchema({ name: field.list(field.int8()) })))).toMatchObject({ code: 'KIND_MISMATCH' })
    const fine = fromRows({ at: field.timestamp() }, [{ at: new Date(1) }]) as Stream<Schema, 'cold'>
    expect(await error(run(pipe(fine, withSchema({ at: field.timestamp({ unit: 's' }) }), collect())))).toMatchObject({ code: 'OUT_OF_RANGE', column: 'at' })
  })
})

describe('sources and sinks', () => {
  it('fromIterable batches rows, once or cold', async () => {
    const once = fromIterable(schema, numbersAsync(7), { batchRows: 3 })
    const sizes: number[] = []
    expect(await ns(pipe(once, tapBatches((batch) => sizes.push(batch.numRows))))).toEqual(range(7))
    expect(sizes).toEqual([3, 3, 1])
    expect(await error(ns(once))).toMatchObject({ code: 'OPENED_TWICE' })
    const cold = fromIterable(schema, () => numbersAsync(7), { batchRows: 3, stableOrder: true })
    expect(await ns(cold)).toEqual(await ns(cold))
    await expectResumable(cold)
    expect(await error(run(pipe(fromIterable({ n: field.int8() }, [{ n: 1 }, { n: 300 }]), collect())))).toMatchObject({ code: 'OUT_OF_RANGE', record: 1, column: 'n' })
  })

  it('closes an iterable that is left early', async () => {
    let closed = false
    const source = (async function* () {
      try {
        for (let n = 0; ; n++) yield { n, name: null }
      } finally {
        closed = true
      }
    })()
    expect(await ns(pipe(fromIterable(schema, source, { batchRows: 2 }), take(3)))).toEqual([0, 1, 2])
    expect(closed).toBe(true)
  })

  it('rows, countRows and forEach', async () => {
    const seen: number[] = []
    for await (const row of rows(numbers(10))) {
      seen.push(row.n)
      if (row.n === 4) break
    }
    expect(seen).toEqual(range(5))
    expect(await run(pipe(numbers(10), countRows()))).toBe(10)
    const slow: number[] = []
    expect(await run(pipe(numbers(4), forEach(async (row) => {
      await Promise.resolve()
      slow.push(row.n)
    })))).toEqual({ read: 4, delivered: 4, rejected: 0, rejectedByCode: {} })
    expect(slow).toEqual(range(4))
  })

  it('aborts everywhere', async () => {
    const endless = pipe(numbers(10), repeat())
    const chains: ((stream: Stream<S, 'cold'>) => Stream<Schema, Mode>)[] = [
      (s) => pipe(s, filter(() => false)), (s) => pipe(s, sort('n')), (s) => pipe(s, shuffle({ seed: 1, windowRows: 1e9 })), (s) => pipe(s, prefetch(2)),
      (s) => pipe(s, cache()), (s) => pipe(s, rebatch(1e9)), (s) => pipe(s, skip(1e12)), (s) => pipe(s, interleave([s])), (s) => pipe(s, concat(s)),
      (s) => pipe(s, split({ a: 0.5, b: 0.5 }, { byTime: 'n' })).b, (s) => pipe(s, shard(0, 2)),
    ]
    for (const chain of chains) {
      const controller = new AbortController()
      let pulled = 0
      const source = pipe(endless, tapBatches(async () => {
        if (++pulled === 50) controller.abort()
        if (pulled % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
      }))
      expect(await error(run(pipe(chain(source), collect()), { signal: controller.signal }))).toMatchObject({ tag: 'Aborted' })
    }
  })
})

describe('batches that operators make', () => {
  it('hold the columns of their schema in its order', async () => {
    const empty: Batch<S>[] = []
    expect(await ns(fromBatches(schema, empty))).toEqual([])
    const none = fromBatches({}, [makeBatch({}, {}, 4)])
    expect(await run(pipe(none, countRows()))).toBe(4)
  })
})
