import { throwIfAborted } from '../../errors/index.js'
import type { Schema } from '../../schema/index.js'
import type { Batch } from '../batch.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, type Mode, type OpenContext, type Stream } from '../stream.js'
import { requireCount } from './counts.js'

/**
 * Reads ahead: up to `batches` batches (default 2) are fetched while the reader works on the one before. An error of the
 * source comes after the batches that were read before it. Leaving early closes the source.
 */
export const prefetch = (batches = 2) => <S extends Schema, M extends Mode>(stream: Stream<S, M>): Stream<S, M> => {
  requireCount(batches, 1, 'the batches of prefetch')
  return makeStream<S, M>({
    schema: sameSchema(stream),
    mode: stream.mode,
    plan: { operator: 'prefetch', options: { batches }, inputs: [stream.plan] },
    stableOrder: stream.stableOrder,
    positions: 'native',
    open: (context) => readAhead(stream, context, batches),
  })
}

async function* readAhead<S extends Schema>(stream: Stream<S>, context: OpenContext, limit: number): AsyncGenerator<Batch<S>, void, undefined> {
  const left = new AbortController()
  const signal = context.signal === undefined ? left.signal : AbortSignal.any([context.signal, left.signal])
  const source = stream.open({ ...context, signal })
  const queue: Batch<S>[] = []
  let ended = false
  let failed: { readonly error: unknown } | undefined
  // Each side waits for the other by a promise that is renewed whenever it is resolved.
  let wake: () => void = () => undefined
  const change = (): Promise<void> => new Promise((resolve) => (wake = resolve))
  let changed = change()
  const notify = (): void => {
    const resolve = wake
    changed = change()
    resolve()
  }
  const pump = async (): Promise<void> => {
    try {
      while (!left.signal.aborted) {
        if (queue.length >= limit) {
          await changed
          continue
        }
        const next = await source.next()
        if (next.done === true) break
        queue.push(next.value)
        notify()
      }
    } catch (error) {
      failed = { error }
    }
    ended = true
    notify()
  }
  context.signal?.addEventListener('abort', notify, { once: true })
  const pumping = pump()
  try {
    for (;;) {
      throwIfAborted(context.signal)
      const batch = queue.shift()
      if (batch !== undefined) {
        notify()
        yield batch
      } else if (failed !== undefined) throw failed.error
      else if (ended) return
      else await changed
    }
  } finally {
    context.signal?.removeEventListener('abort', notify)
    left.abort()
    notify()
    const closing = source.return().then(() => pumping)
    // After an abort nobody waits for a source that does not listen to the signal.
    if (context.signal?.aborted === true) closing.catch(() => undefined)
    else await closing
  }
}
