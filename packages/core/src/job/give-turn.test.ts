import { expect, it } from 'vitest'
import { field } from '../schema/index.js'
import { countRows, filter, fromIterable, fromRows, map, repeat } from '../stream/index.js'
import { pipe, run } from './index.js'

const endless = pipe(fromRows({ x: field.int32() }, [{ x: 1 }, { x: 2 }]), repeat())

it('a signal stops work that does no input or output', async () => {
  for (const stream of [endless, pipe(endless, filter(() => false)), pipe(endless, map({ y: field.int32() }, ({ x }) => ({ y: x })))]) {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 50)
    await expect(run(pipe(stream, countRows()), { signal: controller.signal })).rejects.toMatchObject({ _tag: 'Aborted' })
  }
})

it('timers fire while a stream is read without a signal', async () => {
  let fired = false
  setTimeout(() => (fired = true), 20)
  for await (const batch of endless) if (batch.numRows === 0 || fired) break
  expect(fired).toBe(true)
})

it('a signal stops the reading of rows that are all bad, or too few for a batch', async () => {
  const rows = function* (x: unknown): Generator<never> {
    for (let i = 0; i < 5e6; i++) yield { x } as never
  }
  const asyncRows = async function* (): AsyncGenerator<never> {
    yield* rows('bad')
  }
  for (const make of [() => rows('bad'), asyncRows, () => rows(1)]) {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 20)
    const stream = fromIterable({ x: field.int32() }, make, { onBadRecord: 'skip', batchRows: 1e7 })
    await expect(run(pipe(stream, countRows()), { signal: controller.signal })).rejects.toMatchObject({ _tag: 'Aborted' })
  }
})
