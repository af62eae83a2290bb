import { EventEmitter, once } from 'node:events'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { describe, expect, it } from 'vitest'
import { run } from '../job/index.js'
import type { RejectedRecord } from '../records/index.js'
import { field, type Schema } from '../schema/index.js'
import { collect, fromEvents, fromIterable, fromRows, inferRows, preview, schemaOfRows, take, Tally, type InferRowsOptions, type OpenOptions, type Stream } from './index.js'

const schema = { id: field.int32() }

const idsOf = async (stream: Stream<typeof schema>, options: OpenOptions = {}): Promise<number[]> => {
  const ids: number[] = []
  for await (const batch of stream.open(options)) ids.push(...batch.columns.id.values)
  return ids
}

/** An endless source of rows, and how it was used. */
const endless = () => {
  const seen = { made: 0, closed: 0 }
  async function* rows(): AsyncGenerator<{ id: number }, void, undefined> {
    try {
      for (;;) {
        await Promise.resolve()
        yield { id: seen.made++ }
      }
    } finally {
      seen.closed++
    }
  }
  return { seen, rows }
}

const webStream = (seen: { made: number; closed: number }): ReadableStream<{ id: number }> =>
  new ReadableStream(
    {
      pull: (controller) => controller.enqueue({ id: seen.made++ }),
      cancel: () => {
        seen.closed++
      },
    },
    { highWaterMark: 2 },
  )

const nodeStream = (seen: { made: number; closed: number }): Readable =>
  new Readable({
    objectMode: true,
    highWaterMark: 2,
    read() {
      this.push({ id: seen.made++ })
    },
    destroy(error, done) {
      seen.closed++
      done(error)
    },
  })

const made = { generator: endless(), web: { made: 0, closed: 0 }, node: { made: 0, closed: 0 } }
const sources = [
  ['an async generator', made.generator.seen, () => made.generator.rows()],
  ['a web stream', made.web, () => webStream(made.web)],
  ['a Node stream', made.node, () => nodeStream(made.node)],
] as const

describe.each(sources)('%s', (_, seen, make) => {
  it('is read no further than its reader goes, and closed when it is left', async () => {
    Object.assign(seen, { made: 0, closed: 0 })
    const stream = take(7)(fromIterable(schema, make, { batchRows: 5 }))
    expect(await idsOf(stream)).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(seen.closed).toBe(1)
    // One batch more than was asked for, and what the source keeps ready itself.
    expect(seen.made).toBeLessThanOrEqual(10 + 4)
  })

  it('is closed when the signal fires', async () => {
    Object.assign(seen, { made: 0, closed: 0 })
    const controller = new AbortController()
    const reading = (async () => {
      for await (const batch of fromIterable(schema, make, { batchRows: 5 }).open({ signal: controller.signal })) if (batch.numRows > 0) controller.abort()
    })()
    await expect(reading).rejects.toMatchObject({ _tag: 'Aborted' })
    expect(seen.closed).toBe(1)
  })
})

describe('sources that wait', () => {
  it('let go at the signal, though no row ever comes', async () => {
    const closed: string[] = []
    const silent = [
      new Readable({ objectMode: true, read: () => undefined, destroy: (error, done) => (closed.push('node'), done(error)) }),
      new ReadableStream<{ id: number }>({ cancel: () => void closed.push('web') }),
      { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined), return: async () => (closed.push('iterator'), { done: true as const, value: undefined }) }) },
    ]
    for (const source of silent) {
      const controller = new AbortController()
      const reading = idsOf(fromIterable(schema, source), { signal: controller.signal })
      setTimeout(() => controller.abort(), 5)
      await expect(reading).rejects.toMatchObject({ _tag: 'Aborted' })
    }
    expect(closed).toEqual(['node', 'web', 'iterator'])
  })

  it('pass on their errors, after the rows before', async () => {
    const failing = async function* (): AsyncGenerator<{ id: number }, void, undefined> {
      yield { id: 1 }
      await Promise.resolve()
      throw new Error('the line went dead')
    }
    const seen: number[] = []
    const reading = (async () => {
      for await (const batch of fromIterable(schema, failing, { batchRows: 1 })) seen.push(...batch.columns.id.values)
    })()
    await expect(reading).rejects.toThrow('the line went dead')
    expect(seen).toEqual([1])
  })

  it('hand a function the signal of the reading', async () => {
    const { signal } = new AbortController()
    const given: unknown[] = []
    await idsOf(fromIterable(schema, (context) => (given.push(context.signal), [])), { signal })
    expect(given).toEqual([signal])
  })
})

describe('rows that do not fit', () => {
  const mixed = [{ id: 1 }, { id: 'two' }, null, { id: 4 }, 'five', { id: 2 ** 40 }, { id: 7 }] as never as readonly { id: number }[]

  it.each([
    ['fromRows', () => fromRows(schema, mixed, { onBadRecord: 'skip', batchRows: 2 })],
    ['a generator', () => fromIterable(schema, function* () { yield* mixed }, { onBadRecord: 'skip', batchRows: 2 })],
    ['a Node stream', () => fromIterable(schema, Readable.from([...mixed].filter((row) => row !== null)), { onBadRecord: 'skip', batchRows: 2 })],
  ] as const)('are skipped by %s, and counted', async (name, make) => {
    const tally = new Tally()
    expect(await idsOf(make(), { tally })).toEqual([1, 4, 7])
    const rows = name === 'a Node stream' ? mixed.length - 1 : mixed.length
    expect(tally.summary()).toMatchObject({ read: rows, delivered: 3, rejected: rows - 3 })
  })

  it('go to a quarantine as JSON, with their place', async () => {
    const rejected: RejectedRecord[] = []
    const keep = async (record: RejectedRecord): Promise<void> => {
      await Promise.resolve()
      rejected.push(record)
    }
    await idsOf(fromIterable(schema, () => mixed, { onBadRecord: { quarantine: keep }, name: 'agent 7' }))
    expect(rejected.map(({ source, record, column, code, raw }) => ({ source, record, column, code, raw: Buffer.from(raw!).toString() }))).toEqual([
      { source: 'agent 7', record: 1, column: 'id', code: 'WRONG_TYPE', raw: '{"id":"two"}' },
      { source: 'agent 7', record: 2, column: undefined, code: 'NOT_A_ROW', raw: 'null' },
      { source: 'agent 7', record: 4, column: undefined, code: 'NOT_A_ROW', raw: '"five"' },
      { source: 'agent 7', record: 5, column: 'id', code: 'OUT_OF_RANGE', raw: `{"id":${2 ** 40}}` },
    ])
  })

  it('undo the columns before the one at fault', async () => {
    const two = { text: field.utf8(), list: field.list(field.int32()), id: field.int32() }
    const rows = [{ text: 'a', list: [1], id: 1 }, { text: 'b', list: [2, 3], id: 'x' }, { text: 'c', list: [], id: 3 }]
    const stream = fromIterable(two, () => rows as never, { onBadRecord: 'skip' })
    expect(await run(collect()(stream))).toEqual([rows[0], rows[2]])
  })

  it('end the stream by default, and what a getter throws always does', async () => {
    await expect(idsOf(fromIterable(schema, () => mixed))).rejects.toMatchObject({ _tag: 'BadRecord', code: 'WRONG_TYPE', position: { record: 1, column: 'id' } })
    const broken = { get id(): number { throw new Error('no id today') } }
    await expect(idsOf(fromIterable(schema, () => [broken], { onBadRecord: 'skip' }))).rejects.toMatchObject({ _tag: 'Usage', code: 'CALLBACK_THREW' })
    await expect(idsOf(fromIterable(schema, Readable.from([Buffer.from('bytes')]) as never))).rejects.toMatchObject({ code: 'NOT_A_ROW' })
    expect(() => fromIterable(schema, [], { onBadRecord: 'ignore' as never })).toThrow(/onBadRecord/)
  })
})

describe('fromEvents', () => {
  const ticks = (emitter: EventEmitter, from: number, to: number): void => {
    for (let id = from; id < to; id++) emitter.emit('data', { id })
  }

  it('gives what was emitted until the end, in batches of what waits, and stops listening', async () => {
    const emitter = new EventEmitter()
    const sizes: number[] = []
    const reading = (async () => {
      const ids: number[] = []
      for await (const batch of fromEvents(schema, emitter, { batchRows: 4 })) {
        sizes.push(batch.numRows)
        ids.push(...batch.columns.id.values)
        if (ids.length === 6) setImmediate(() => (ticks(emitter, 6, 8), emitter.emit('end'), ticks(emitter, 100, 101)))
      }
      return ids
    })()
    ticks(emitter, 0, 6)
    expect(await reading).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(sizes).toEqual([4, 2, 2])
    expect(emitter.eventNames()).toEqual([])
  })

  it('takes events by other names, and makes rows of their values', async () => {
    const emitter = new EventEmitter()
    const stream = fromEvents(schema, emitter, { event: 'trade', end: 'close', row: (id: number, factor: number) => ({ id: id * factor }) })
    const reading = idsOf(stream)
    emitter.emit('trade', 3, 7)
    emitter.emit('close')
    expect(await reading).toEqual([21])
  })

  it('fails when more wait than may, after those that wait', async () => {
    const emitter = new EventEmitter()
    const seen: number[] = []
    const reading = (async () => {
      for await (const batch of fromEvents(schema, emitter, { bufferRows: 10 })) seen.push(...batch.columns.id.values)
    })()
    ticks(emitter, 0, 12)
    await expect(reading).rejects.toMatchObject({ _tag: 'Limit', code: 'EVENTS_OVERFLOW' })
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(emitter.eventNames()).toEqual([])
  })

  it('drops the oldest when asked, and counts them', async () => {
    const emitter = new EventEmitter()
    const tally = new Tally()
    const reading = idsOf(fromEvents(schema, emitter, { bufferRows: 10, overflow: 'drop-oldest' }), { tally })
    ticks(emitter, 0, 25)
    emitter.emit('end')
    expect(await reading).toEqual(Array.from({ length: 10 }, (_, i) => 15 + i))
    expect(tally.summary()).toEqual({ read: 25, delivered: 10, rejected: 15, rejectedByCode: { EVENT_DROPPED: 15 } })
  })

  it('passes on an error, what `row` throws, and rows that do not fit', async () => {
    const failing = new EventEmitter()
    const failed = idsOf(fromEvents(schema, failing))
    failing.emit('data', { id: 1 })
    failing.emit('error', new Error('the socket closed'))
    await expect(failed).rejects.toThrow('the socket closed')
    const throwing = new EventEmitter()
    const thrown = idsOf(fromEvents(schema, throwing, { row: () => { throw new Error('not mine') } }))
    throwing.emit('data', 1)
    await expect(thrown).rejects.toMatchObject({ code: 'CALLBACK_THREW' })
    const mixed = new EventEmitter()
    const kept = idsOf(fromEvents(schema, mixed, { onBadRecord: 'skip' }))
    for (const row of [{ id: 1 }, { id: 'x' }, { id: 3 }]) mixed.emit('data', row)
    mixed.emit('end')
    expect(await kept).toEqual([1, 3])
  })

  it('stops at the signal, and when it is left', async () => {
    const emitter = new EventEmitter()
    const controller = new AbortController()
    const waiting = idsOf(fromEvents(schema, emitter), { signal: controller.signal })
    await Promise.resolve()
    expect(emitter.listenerCount('data')).toBe(1)
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ _tag: 'Aborted' })
    const left = idsOf(take(1)(fromEvents(schema, emitter)))
    ticks(emitter, 0, 3)
    expect(await left).toEqual([0])
    expect(emitter.eventNames()).toEqual([])
  })

  it('ends when its source only closes, listens to targets of the web, and refuses what calls no listeners', async () => {
    const closing = new EventEmitter()
    const closed = idsOf(fromEvents(schema, closing))
    closing.emit('data', { id: 1 })
    closing.emit('close')
    expect(await closed).toEqual([1])
    const target = new EventTarget()
    const heard = idsOf(fromEvents(schema, target, { event: 'message', row: (event: { readonly data: number }) => ({ id: event.data }) }))
    for (const data of [5, 6]) target.dispatchEvent(new MessageEvent('message', { data }))
    target.dispatchEvent(new Event('close'))
    target.dispatchEvent(new MessageEvent('message', { data: 7 }))
    expect(await heard).toEqual([5, 6])
    for (const none of [undefined, null, {}, { on: () => undefined }, 'data']) expect(() => fromEvents(schema, none as never)).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'NO_EVENTS' }) as Error)
  })

  it('reads an emitter of Node as it is', async () => {
    const readable = Readable.from([{ id: 1 }, { id: 2 }])
    const ended = once(readable, 'end')
    expect(await idsOf(fromEvents(schema, readable))).toEqual([1, 2])
    await ended
  })
})

describe('schemas of rows', () => {
  it('say what the values are', () => {
    const found: Schema = schemaOfRows([
      { number: 1, big: 1n, flag: true, text: 'a', at: new Date(0), bytes: new Uint8Array(1), state: new Float32Array(2), tags: [] as (string | null)[], nested: [[1]], gone: null },
      { number: 1.5, big: 2n, flag: false, text: '', at: new Date(1), bytes: new Uint8Array(0), state: new Float32Array(2), tags: ['x', null], nested: [], gone: 'here', late: 3 },
    ])
    expect(found).toEqual({
      number: field.float64(), big: field.int64(), flag: field.bool(), text: field.utf8(), at: field.timestamp(), bytes: field.binary(),
      state: field.list(field.float32()), tags: field.list(field.nullable(field.utf8())), nested: field.list(field.list(field.float64())),
      gone: field.nullable(field.utf8()), late: field.nullable(field.float64()),
    })
  })

  it('refuse what makes no columns', () => {
    for (const rows of [[], [{ a: null }], [{ a: 1 }, { a: 'x' }], [{ a: { b: 1 } }], [{ a: [] }], [{ a: [1, 'x'] }]]) {
      expect(() => schemaOfRows(rows as readonly object[]), JSON.stringify(rows)).toThrow(expect.objectContaining({ code: 'CANNOT_INFER' }) as Error)
    }
  })

  it('make fromRows one line, with a preview', async () => {
    const stream = fromRows([{ name: 'a', score: 1 }, { name: 'b', score: 2.5 }])
    expect((await run(preview(stream))).text).toMatch(/name.*score/s)
    const rows: readonly { name: string; score: number }[] = await run(collect()(stream))
    expect(rows).toEqual([{ name: 'a', score: 1 }, { name: 'b', score: 2.5 }])
  })

  it('does not lose columns that only later rows have, unless told to', async () => {
    const late = [{ id: 1 }, { id: 2, note: null }, { id: 3, note: 'late' }] as { id: number }[]
    const of = async (options: InferRowsOptions) => run(collect()(await run(inferRows(() => late, { sampleRows: 1, ...options }))))
    await expect(of({})).rejects.toMatchObject({ _tag: 'BadRecord', code: 'NOT_A_COLUMN', position: { record: 2, column: 'note' } })
    expect(await of({ onBadRecord: 'skip' })).toEqual([{ id: 1 }, { id: 2 }])
    expect(await of({ furtherKeys: 'ignore' })).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
    expect(await run(collect()(fromIterable({ id: field.float64() }, () => late)))).toHaveLength(3)
  })

  it('come from the first rows of any source, of which none is lost', async () => {
    const mixed = [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 'four' }, { id: 5 }] as { id: number }[]
    const due = [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 5 }]
    const options = { sampleRows: 2, onBadRecord: 'skip' } as const
    expect(await run(collect()(await run(inferRows(() => mixed, options))))).toEqual(due)
    expect(await run(collect()(await run(inferRows(Readable.from(mixed) as AsyncIterable<{ id: number }>, options))))).toEqual(due)
    const { seen, rows } = endless()
    const stream = await run(inferRows(rows(), { sampleRows: 3 }))
    expect(seen.made).toBeLessThanOrEqual(4)
    expect(await run(collect()(take(5)(stream)))).toEqual([0, 1, 2, 3, 4].map((id) => ({ id })))
    expect(seen.closed).toBe(1)
    const failing = endless()
    await expect(run(inferRows((async function* () { for await (const { id } of failing.rows()) yield { id: id === 0 ? 'a' : id } })()))).rejects.toMatchObject({ code: 'CANNOT_INFER' })
    expect(failing.seen.closed).toBe(1)
  })
})
