import { afterEach, expect, test, vi } from 'vitest'
import { ChiefWatch, throwIfFailed } from './chief-life.js'

afterEach(() => {
  vi.restoreAllMocks()
})

test('a chief is gone when it has been silent for longer than a recovery may take', () => {
  const now = vi.spyOn(performance, 'now')
  const at = (ms: number): void => {
    now.mockReturnValue(ms)
  }
  at(0)
  const watch = new ChiefWatch({ timeoutMs: 100 })
  // It may not have begun, or not be heard.
  at(90)
  watch.saw(undefined)
  watch.saw(7)
  at(180)
  watch.saw(8)
  // Another chief has another clock.
  at(270)
  watch.saw(3)
  at(370)
  watch.saw(3)
  at(371)
  expect(() => { watch.saw(3) }).toThrow(/no sign of life for 100 ms/)
  expect(() => { watch.saw(undefined) }).toThrow(/no sign of life/)
})

test('a chief that has failed ends the others', () => {
  throwIfFailed({ hasFailed: false })
  expect(() => { throwIfFailed({ hasFailed: true }) }).toThrow(expect.objectContaining({ _tag: 'Engine', code: 'CLUSTER_CHIEF_GONE' }) as Error)
})
