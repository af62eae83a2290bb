import { expect, test } from 'vitest'
import { unlessAborted } from './unless-aborted.js'

test('what never comes is not waited for when the signal fires', async () => {
  const { signal } = new AbortController()
  expect(await unlessAborted(Promise.resolve(3), signal)).toBe(3)
  const never = new Promise<never>(() => undefined)
  await expect(unlessAborted(never, AbortSignal.abort())).rejects.toMatchObject({ _tag: 'Aborted' })
  const stop = new AbortController()
  const waiting = unlessAborted(never, stop.signal)
  stop.abort()
  await expect(waiting).rejects.toMatchObject({ _tag: 'Aborted' })
})
