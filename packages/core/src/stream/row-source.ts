import { describeValue, failure, throwIfAborted } from '../errors/index.js'
import type { Row, Schema } from '../schema/index.js'

/** A web `ReadableStream` of rows, by the part of it that is used. */
export interface WebRows<T> {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: T | undefined }>
    cancel(reason?: unknown): Promise<void>
    releaseLock(): void
  }
}

/** Objects that come one after another: arrays, generators, Node's streams in object mode, web streams. */
export type ObjectSource<T> = Iterable<T> | AsyncIterable<T> | WebRows<T>

/** Rows that come one after another. */
export type RowSource<S extends Schema> = ObjectSource<Row<S>>

/** True where rows come without waiting. */
export const isSync = <T>(source: ObjectSource<T>): source is Iterable<T> => Symbol.iterator in source

/** For callers whom the compiler does not check. @throws `Usage` NOT_ITERABLE */
export const requireRows = <T>(source: ObjectSource<T>, use: string): ObjectSource<T> => {
  if (typeof source === 'object' && (source as unknown) !== null && (Symbol.iterator in source || Symbol.asyncIterator in source || 'getReader' in source)) return source
  throw failure({
    tag: 'Usage', code: 'NOT_ITERABLE', problem: `${use} takes rows that come one after another, and was given ${describeValue(source)}`,
    remedy: 'Give an array, a generator, a Readable in object mode or a ReadableStream of rows, or a function that makes one.',
  })
}

/** An iterator that can be told to give up at once, while it waits for its next value. */
interface StoppableIterator<T> extends AsyncIterator<T, unknown, undefined> {
  readonly stop: () => void
}

const webIterator = <T>(source: WebRows<T>): StoppableIterator<T> => {
  const reader = source.getReader()
  const cancel = async (): Promise<IteratorResult<T, unknown>> => {
    await reader.cancel()
    reader.releaseLock()
    return { done: true, value: undefined }
  }
  return {
    next: async () => (await reader.read()) as IteratorResult<T, unknown>,
    return: cancel,
    stop: () => void cancel().catch(() => undefined),
  }
}

const plainIterator = <T>(source: AsyncIterable<T>): StoppableIterator<T> => {
  const iterator = source[Symbol.asyncIterator]()
  return {
    next: () => iterator.next(),
    return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
    stop: () => {
      // A generator that waits returns when it has what it waits for; a Node stream is told.
      const { destroy } = source as { readonly destroy?: () => void }
      if (typeof destroy === 'function') destroy.call(source)
      iterator.return?.().catch(() => undefined)
    },
  }
}

/**
 * The values of a source that makes one wait, one taken at a time. Leaving early returns the iterator, which closes what is behind it;
 * when the signal fires, waiting ends at once, also for a source that never gives another value.
 */
export async function* valuesOf<T>(source: AsyncIterable<T> | WebRows<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  throwIfAborted(signal)
  const iterator = 'getReader' in source ? webIterator(source) : plainIterator(source)
  // One listener for all values: a race with one promise for each would keep them all.
  let giveUp: () => void = () => undefined
  const onAbort = (): void => giveUp()
  signal?.addEventListener('abort', onAbort, { once: true })
  const next = (): Promise<IteratorResult<T, unknown> | 'aborted'> =>
    new Promise((resolve, reject) => {
      giveUp = () => resolve('aborted')
      iterator.next().then(resolve, reject)
    })
  let isOver = false
  try {
    for (;;) {
      const found = await next().catch((error: unknown) => {
        isOver = true
        throw error
      })
      throwIfAborted(signal)
      if (found === 'aborted') return
      if (found.done === true) {
        isOver = true
        return
      }
      yield found.value
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    if (signal?.aborted === true) iterator.stop()
    else if (!isOver) await iterator.return?.()
  }
}
