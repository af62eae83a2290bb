import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { run } from '../job/index.js'
import { quarantine } from '../records/index.js'
import { field } from '../schema/index.js'
import { fromEvents } from './from-events.js'
import { fromIterable } from './from-iterable.js'
import { inferRows } from './infer-rows.js'
import { errorOf } from '../../../../test/support/error-of.js'
import { map } from './operators/index.js'
import { collect } from './sinks/index.js'
import { statistics } from '../statistics/index.js'
import type { Stream } from './stream.js'

const schema = { id: field.int32() }
const boom = (): never => {
  throw new TypeError('boom')
}
const rows = function* (): Generator<{ id: number }, void, undefined> {
  yield { id: 1 }
  yield { id: 2 }
  boom()
}
const all = (stream: Stream): Promise<unknown> => run(collect()(stream))
const threw = (problem: string, position: object = {}): object => ({ _tag: 'Usage', code: 'CALLBACK_THREW', problem, position, cause: expect.any(TypeError) as unknown })

describe('what users hand in and throws is no defect of ours', () => {
  it.each<readonly [string, () => Stream]>([
    ['a generator', () => fromIterable(schema, rows)],
    ['an iterator', () => fromIterable(schema, rows())],
    ['an asynchronous generator', () => fromIterable(schema, async function* () { yield* rows(); await Promise.resolve() })],
    ['a Readable', () => fromIterable(schema, Readable.from(rows()))],
  ])('%s is named with the row', async (_name, make) => {
    await expect(all(make())).rejects.toMatchObject(threw('the source given to fromIterable threw: boom', { source: 'fromIterable', record: 2 }))
  })

  it('whatever it is that was thrown', async () => {
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const error = Object.defineProperty(new Error('x'), 'message', { get: boom })
    for (const thrown of [Object.create(null), revoked.proxy, error, { toString: boom }, Symbol('s'), undefined] as const) {
      const broken = (): never => {
        throw thrown
      }
      const generator = function* (): Generator<{ id: number }, void, undefined> {
        yield { id: 1 }
        broken()
      }
      for (const make of [() => fromIterable(schema, generator), () => fromIterable(schema, async function* () { yield* generator(); await Promise.resolve() }), () => map(schema, broken)(fromIterable(schema, rows))]) {
        expect(await errorOf(all(make()))).toMatchObject({ _tag: 'Usage', code: 'CALLBACK_THREW' })
      }
      expect(await errorOf(run(inferRows(generator)))).toMatchObject({ _tag: 'Usage', code: 'CALLBACK_THREW' })
    }
  })

  it('promises of rows of a generator that does not wait for them', async () => {
    const promises = function* (): Generator<{ id: number }, void, undefined> {
      yield { id: 1 }
      yield Promise.resolve({ id: 2 }) as never
    }
    const error = await errorOf(all(fromIterable(schema, promises)))
    expect([error._tag, error.code, error.position.record, error.remedy]).toEqual(['Usage', 'PROMISED_ROW', 1, expect.stringContaining('async function*')])
  })

  it('sources that cannot be opened, emitters, and rows to infer from', async () => {
    await expect(all(fromIterable(schema, boom, { name: 'agent 7' }))).rejects.toMatchObject(threw('the source given to agent 7 threw: boom', { record: 0 }))
    const emitter = new EventEmitter()
    const events = all(fromEvents(schema, emitter))
    setImmediate(() => {
      emitter.emit('data', { id: 1 })
      emitter.emit('error', new TypeError('boom'))
    })
    await expect(events).rejects.toMatchObject(threw('the emitter given to fromEvents threw: boom', { source: 'fromEvents', record: 1 }))
    await expect(run(inferRows(rows))).rejects.toMatchObject(threw('the source given to inferRows threw: boom', { source: 'inferRows', record: 2 }))
    await expect(run(inferRows([{ a: 1 }, { a: 'x' }]))).rejects.toMatchObject({ code: 'CANNOT_INFER', position: { record: 1, column: 'a' } })
  })

  it('the errors of the system stay what they are', async () => {
    const lost = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    await expect(all(fromIterable(schema, Readable.from((function* () { throw lost })()) as never))).rejects.toMatchObject({ _tag: 'Storage', code: 'ECONNRESET' })
  })

  it('quarantines and listeners', async () => {
    const bad = fromIterable(schema, () => [{ id: 'x' as never }], { onBadRecord: quarantine(boom) })
    await expect(all(bad)).rejects.toMatchObject(threw('the function given to quarantine threw: boom', { source: 'fromIterable', record: 0 }))
    await expect(run(statistics()(fromIterable(schema, () => [{ id: 1 }])), { progress: boom })).rejects.toMatchObject(threw('the listener given as progress threw: boom'))
  })

  it('what is no source of rows', async () => {
    for (const wrong of [42, 'rows', null, {}]) expect(() => fromIterable(schema, wrong as never)).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'NOT_ITERABLE' }) as Error)
    await expect(all(fromIterable(schema, () => 42 as never))).rejects.toMatchObject({ code: 'NOT_ITERABLE', problem: 'fromIterable takes rows that come one after another, and was given 42' })
    await expect(run(inferRows(42 as never))).rejects.toMatchObject({ code: 'NOT_ITERABLE' })
  })
})
