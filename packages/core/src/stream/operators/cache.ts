import { failure, throwIfAborted } from '../../errors/index.js'
import type { Schema } from '../../schema/index.js'
import type { Batch } from '../batch.js'
import { RowCount } from '../row-count.js'
import { sameSchema } from '../schema-later.js'
import { makeStream, type Mode, type Stream } from '../stream.js'
import { Tally, type TallySummary } from '../tally.js'

/** A batch of the cache, with what its source counted while it was read. */
interface Cached<S extends Schema> {
  readonly batch: Batch<S>
  readonly counts: TallySummary
}

/**
 * Keeps the batches in memory as they are read first, so that reading again redoes no work. Makes a `once` stream `cold`,
 * and its order stable.
 *
 * Several readers at a time share one reading of the source. When the last of them leaves before the end, the source is
 * closed, and the next reader goes on from where it stood; a source that cannot be resumed (`once`, or without a stable
 * order) stays open instead. All columns are kept: `select` first what is needed.
 */
export const cache = () => <S extends Schema>(stream: Stream<S, Mode>): Stream<S, 'cold'> => {
  const filling = new Filling(stream)
  return makeStream<S, 'cold'>({
    schema: sameSchema(stream),
    mode: 'cold',
    plan: { operator: 'cache', options: {}, inputs: [stream.plan] },
    stableOrder: true,
    positions: 'native',
    open: async function* ({ from, signal, tally }) {
      const count = new RowCount(from)
      filling.enter()
      try {
        for (let index = 0; ; index++) {
          throwIfAborted(signal)
          const cached = await filling.get(index, signal)
          if (cached === undefined) return tally.add(filling.remainder())
          const rest = count.rest(cached.batch)
          if (rest === undefined) continue
          tally.add(cached.counts)
          yield rest
        }
      } finally {
        await filling.leave()
      }
    },
  })
}

/** The one reading of the source that all readers of a cache share. */
class Filling<S extends Schema> {
  private readonly batches: Cached<S>[] = []
  private complete = false
  private readers = 0
  private source: AsyncGenerator<Batch<S>, void, undefined> | undefined
  private stop = new AbortController()
  private pending: Promise<void> | undefined
  private tally = new Tally()
  private counted = new Tally().summary()
  private rest = new Tally().summary()

  constructor(private readonly stream: Stream<S>) {}

  enter(): void {
    this.readers++
  }

  /** Batch `index`; `undefined` past the end. */
  async get(index: number, signal: AbortSignal | undefined): Promise<Cached<S> | undefined> {
    while (index >= this.batches.length && !this.complete) {
      this.pending ??= this.pull().finally(() => (this.pending = undefined))
      await unlessAborted(this.pending, signal)
    }
    return this.batches[index]
  }

  /** What the source counted after its last batch. */
  remainder(): TallySummary {
    return this.rest
  }

  async leave(): Promise<void> {
    if (--this.readers > 0 || this.complete || this.source === undefined || !this.resumable) return
    const { source } = this
    this.stop.abort()
    this.source = undefined
    await this.pending?.catch(() => undefined)
    await source.return()
  }

  private get resumable(): boolean {
    return this.stream.mode === 'cold' && this.stream.stableOrder
  }

  private async pull(): Promise<void> {
    try {
      const source = (this.source ??= this.reopen())
      const next = await source.next()
      const counts = this.countsSince()
      if (next.done === true) {
        this.complete = true
        this.rest = counts
        this.source = undefined
      } else this.batches.push({ batch: next.value, counts })
    } catch (error) {
      // The next reader begins where this one failed; a source that cannot begin again fails each time.
      this.source = undefined
      // Stopped because the last reader had left: who came since pulls again.
      if (!this.stop.signal.aborted) throw error
    }
  }

  private reopen(): AsyncGenerator<Batch<S>, void, undefined> {
    const last = this.batches.at(-1)?.batch
    if (last !== undefined && (!this.resumable || last.position === undefined)) {
      throw failure({
        tag: 'Usage',
        code: 'CACHE_INCOMPLETE',
        problem: `the source of this cache (${this.stream.plan.operator}) failed before its end, and cannot be read on from there`,
        remedy: 'Build the stream anew.',
      })
    }
    this.stop = new AbortController()
    this.tally = new Tally()
    this.counted = this.tally.summary()
    return this.stream.open({ signal: this.stop.signal, tally: this.tally, from: last?.position })
  }

  private countsSince(): TallySummary {
    const now = this.tally.summary()
    const before = this.counted
    this.counted = now
    const rejectedByCode = Object.fromEntries(Object.entries(now.rejectedByCode).map(([code, count]) => [code, count - (before.rejectedByCode[code] ?? 0)]))
    return { read: now.read - before.read, delivered: now.delivered - before.delivered, rejected: now.rejected - before.rejected, rejectedByCode }
  }
}

/** Waits for shared work, or until this reader's own signal fires. */
const unlessAborted = async (work: Promise<void>, signal: AbortSignal | undefined): Promise<void> => {
  if (signal === undefined) return work
  let onAbort: () => void = () => undefined
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    await Promise.race([work, aborted])
    throwIfAborted(signal)
  } finally {
    signal.removeEventListener('abort', onAbort)
    work.catch(() => undefined)
  }
}
