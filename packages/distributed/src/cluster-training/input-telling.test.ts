import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Session } from '@millrace/export'
import { InputTelling } from './input-telling.js'

const session = {} as Session

describe('the state of what a server reads', () => {
  beforeEach(() => { vi.useFakeTimers() })
  afterEach(() => { vi.useRealTimers() })

  /** One whose state has so many bytes and takes so long. */
  const telling = (bytes: number, ms: number) => {
    const [told, tooLarge]: [number[], number[]] = [[], []]
    const read = async () => {
      await vi.advanceTimersByTimeAsync(ms)
      return new Uint8Array(bytes)
    }
    const made = new InputTelling({ read }, (size) => tooLarge.push(size), 100)
    const tell = () => made.tell(session, {}, async (state) => { told.push(state.length) })
    return { made, tell, told, tooLarge }
  }

  test('is told each five seconds, less often where that takes long', async () => {
    const { made, tell, told } = telling(10, 1_000)
    expect(made.isDue).toBe(false)
    vi.advanceTimersByTime(5_000)
    expect(made.isDue).toBe(true)
    await tell()
    vi.advanceTimersByTime(19_000)
    expect(made.isDue).toBe(false)
    vi.advanceTimersByTime(1_001)
    expect(made.isDue).toBe(true)
    expect(told).toEqual([10])
  })

  test('is not told where it is too large, which is said once', async () => {
    const { made, tell, told, tooLarge } = telling(101, 0)
    await tell()
    await tell()
    vi.advanceTimersByTime(100_000)
    expect([made.isDue, made.isTold, told, tooLarge]).toEqual([false, false, [], [101]])
  })

  test('there is none of what is fed', async () => {
    const made = new InputTelling(undefined, () => undefined)
    vi.advanceTimersByTime(10_000)
    expect([made.isDue, made.isTold]).toEqual([false, false])
  })
})
