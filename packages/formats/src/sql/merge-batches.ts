import type { Batch } from '@millrace/core'

/**
 * The batches of several readings, as they come, `parallel` of them at a time.
 *
 * @param stop - makes readings that are waiting for a server give up; called when the merged one ends early
 */
export async function* mergeBatches(readings: readonly (() => AsyncGenerator<Batch, void, undefined>)[], parallel: number, stop: () => void): AsyncGenerator<Batch, void, undefined> {
  const waiting = [...readings]
  const active = new Map<AsyncGenerator<Batch, void, undefined>, Promise<readonly [AsyncGenerator<Batch, void, undefined>, IteratorResult<Batch, void>]>>()
  const pull = (reading: AsyncGenerator<Batch, void, undefined>): void => {
    const next = reading.next().then((result) => [reading, result] as const)
    // Its error is told when its turn comes, unless the merged reading has ended by then.
    next.catch(() => undefined)
    active.set(reading, next)
  }
  const begin = (): void => {
    while (active.size < parallel && waiting.length > 0) pull(waiting.shift()!())
  }
  try {
    for (begin(); active.size > 0; begin()) {
      const [reading, result] = await Promise.race(active.values())
      if (result.done === true) {
        active.delete(reading)
        continue
      }
      pull(reading)
      yield result.value
    }
  } finally {
    if (active.size > 0) stop()
    await Promise.allSettled([...active.keys()].map((reading) => reading.return()))
  }
}
