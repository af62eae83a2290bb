import { setTimeout as wait } from 'node:timers/promises'
import { throwIfAborted } from '@millrace/core'

/** @throws `Aborted` when the signal fires, at once */
export const sleep = async (ms: number, signal: AbortSignal | undefined): Promise<void> => {
  try {
    await wait(ms, undefined, signal === undefined ? {} : { signal })
  } catch (thrown) {
    throwIfAborted(signal)
    throw thrown
  }
}
