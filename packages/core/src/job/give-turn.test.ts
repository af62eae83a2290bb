import { expect, it } from 'vitest'
import { field } from '../schema/index.js'
import { countRows, filter, fromRows, map, repeat } from '../stream/index.js'
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
