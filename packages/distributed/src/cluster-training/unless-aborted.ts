import { throwIfAborted } from '@millrace/core'

/** What a promise resolves with. @throws `Aborted` as soon as the signal fires */
export const unlessAborted = async <A>(promise: Promise<A>, signal: AbortSignal): Promise<A> => {
  throwIfAborted(signal)
  let stop: () => void = () => undefined
  const aborted = new Promise<void>((resolve) => { stop = resolve })
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([promise, aborted.then((): Promise<never> => {
      throwIfAborted(signal)
      return new Promise(() => undefined)
    })])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
