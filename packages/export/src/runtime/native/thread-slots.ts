import { failure } from '@millrace/core'
import type { CallLimits } from '../session.js'

/** Threads of libuv's pool, which files and name lookups share with us (`UV_THREADPOOL_SIZE`; libuv takes 4 by default, 1,024 at most). */
const poolSize = (): number => {
  const size = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)
  return Number.isInteger(size) && size > 0 ? Math.min(size, 1024) : 4
}

/**
 * How many native steps may run at a time; others wait for them. One thread of the pool stays free, so that steps that wait never stop
 * the reading of files.
 */
export const nativeStepsAtATime = (): number => Math.max(1, poolSize() - 1)

let taken = 0
const waiting: (() => void)[] = []

const release = (): void => {
  const next = waiting.shift()
  if (next === undefined) taken -= 1
  else next()
}

const aborted = (signal: AbortSignal): Error => failure({ tag: 'Aborted', code: 'ABORTED', problem: 'the step was aborted', cause: signal.reason })

/** Longer timers fire at once in Node. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Rejects when `promise` is late or the signal fires; what `promise` gives then is dropped. */
export const within = <T>(promise: Promise<T>, { timeoutMs, signal }: CallLimits, late: () => Error): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = timeoutMs > MAX_TIMER_MS ? undefined : setTimeout(() => end(() => reject(late())), timeoutMs)
    const onAbort = (): void => end(() => reject(aborted(signal!)))
    const end = (settle: () => void): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    promise.then((value) => end(() => resolve(value)), (thrown: unknown) => end(() => reject(thrown as Error)))
  })

/**
 * Waits for a thread. Steps may wait for each other (a queue's), so one that never gets a thread has to say why, and one that was
 * given up must not run later.
 *
 * @returns the milliseconds that are left, and what gives the thread back
 */
export const takeSlot = async (limits: CallLimits, source: string): Promise<{ readonly timeoutMs: number; readonly release: () => void }> => {
  if (taken < nativeStepsAtATime()) {
    taken += 1
    return { timeoutMs: limits.timeoutMs, release }
  }
  const start = performance.now()
  let give: () => void = () => undefined
  const turn = new Promise<void>((resolve) => {
    give = resolve
  })
  waiting.push(give)
  try {
    await within(turn, limits, () =>
      failure({
        tag: 'Engine',
        code: 'TF_DEADLINE_EXCEEDED',
        problem: `the step did not start within ${limits.timeoutMs} ms: ${nativeStepsAtATime()} native steps run at a time, and they ran all the while`,
        remedy: 'Steps that wait for each other need a thread each: start Node with a larger UV_THREADPOOL_SIZE.',
        position: { source },
      }))
  } catch (thrown) {
    const place = waiting.indexOf(give)
    if (place >= 0) waiting.splice(place, 1)
    else release()
    throw thrown
  }
  return { timeoutMs: Math.max(1, limits.timeoutMs - (performance.now() - start)), release }
}

/** True when steps have every thread, the one that stays free where there are several among them. */
export const isFull = (): boolean => taken >= poolSize()
