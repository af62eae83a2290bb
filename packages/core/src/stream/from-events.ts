import { describeValue, failure, requireOneOf, requireOptions, throwIfAborted, type MillraceError, type OptionRules } from '../errors/index.js'
import { requirePolicy, type OnBadRecord } from '../records/bad-records.js'
import { withQuarantine } from '../records/quarantine.js'
import type { Row, Schema } from '../schema/index.js'
import type { Batch } from './batch.js'
import { callbackError, outsideError } from './callback.js'
import { requireCount } from './operators/counts.js'
import { RowBatcher } from './row-batcher.js'
import { makeStream, type OpenContext, type Stream } from './stream.js'

const DEFAULT_BATCH_ROWS = 4096
const DEFAULT_BUFFER_ROWS = 65_536

type Listener = (...values: unknown[]) => void

/** What calls listeners, as Node's `EventEmitter` does. */
export interface EmitterSource {
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
}

/** What calls listeners, as the web's `EventTarget` does: a `WebSocket`, a `MessagePort`. */
export interface TargetSource {
  addEventListener(event: string, listener: Listener): unknown
  removeEventListener(event: string, listener: Listener): unknown
}

/** A source of events. */
export type EventSource = EmitterSource | TargetSource

/** Options of {@link fromEvents}. */
export interface FromEventsOptions<S extends Schema> {
  /** Event that brings a row. Default `data`. */
  readonly event?: string | undefined
  /** Event that ends the stream. Default: `end` or `close`, whichever comes first. */
  readonly end?: string | undefined
  /** Event that fails the stream, after the rows before it. Default `error`. */
  readonly error?: string | undefined
  /** Makes the row of what the event brings. Default: its first value. */
  readonly row?: ((...values: never[]) => Row<S>) | undefined
  /** Rows that may wait for the reader. Default 65,536. */
  readonly bufferRows?: number | undefined
  /**
   * What happens when one more comes: an emitter cannot be asked to wait. `error` (default) fails the stream after the rows that wait;
   * `drop-oldest` forgets the oldest, counted in the tally as rejected with the code `EVENT_DROPPED`.
   */
  readonly overflow?: 'error' | 'drop-oldest' | undefined
  /** Rows of a batch at most; what waits makes a batch, so that rows are not kept for later ones. Default 4,096. */
  readonly batchRows?: number | undefined
  /** What becomes of rows that do not fit the schema. Default: the stream ends with their error. */
  readonly onBadRecord?: OnBadRecord | undefined
  /** What quarantined rows name as their source. Default `fromEvents`. */
  readonly name?: string | undefined
}

const rules: OptionRules<FromEventsOptions<Schema>> = {
  event: 'text', end: 'text', error: 'text', row: 'any', bufferRows: 'any', overflow: 'any', batchRows: 'any', onBadRecord: 'any', name: 'text',
}

/**
 * A stream over the events of an emitter. It listens from when its first batch is asked for to when it ends, is left or aborted, and
 * knows nothing of events before: what has ended by then is waited for, until the signal fires.
 *
 * @throws `Limit` EVENTS_OVERFLOW when rows come faster than they are read, unless `overflow` says otherwise; what an `error` event brings
 * @example
 * fromEvents({ price: field.float64() }, ticker, { event: 'trade', row: (trade: Trade) => ({ price: trade.price }), overflow: 'drop-oldest' })
 */
export const fromEvents = <S extends Schema>(schema: S, source: EventSource, options: FromEventsOptions<S> = {}): Stream<S, 'once'> => {
  requireOptions('fromEvents', options, rules)
  const batchRows = requireCount(options.batchRows ?? DEFAULT_BATCH_ROWS, 1, 'batchRows of fromEvents')
  const bufferRows = requireCount(options.bufferRows ?? DEFAULT_BUFFER_ROWS, 1, 'bufferRows of fromEvents')
  requireOneOf('overflow of fromEvents', options.overflow ?? 'error', ['error', 'drop-oldest'])
  requirePolicy(options.onBadRecord)
  requireSource(source)
  return makeStream<S, 'once'>({
    schema,
    mode: 'once',
    plan: { operator: 'source:events', options: { batchRows, bufferRows, overflow: options.overflow ?? 'error' }, inputs: [] },
    stableOrder: false,
    positions: 'replay',
    open: (context) => withQuarantine(options.onBadRecord, (onBadRecord) => batches(schema, source, { ...options, batchRows, bufferRows, onBadRecord }, context), context),
  })
}

const isEmitter = (source: EventSource): source is EmitterSource => typeof (source as Partial<EmitterSource>).on === 'function' && typeof (source as Partial<EmitterSource>).off === 'function'

const requireSource = (source: EventSource): void => {
  const { addEventListener, removeEventListener } = (source ?? {}) as Partial<TargetSource>
  if (source !== null && typeof source === 'object' && (isEmitter(source) || (typeof addEventListener === 'function' && typeof removeEventListener === 'function'))) return
  throw failure({ tag: 'Usage', code: 'NO_EVENTS', problem: `fromEvents was given ${describeValue(source)}, which calls no listeners`, remedy: 'Give an EventEmitter or an EventTarget.' })
}

/** Lets a listener be called, until the function that it gives is called. */
const listen = (source: EventSource, event: string, listener: Listener): (() => void) => {
  if (isEmitter(source)) {
    source.on(event, listener)
    return () => source.off(event, listener)
  }
  source.addEventListener(event, listener)
  return () => source.removeEventListener(event, listener)
}

type Resolved<S extends Schema> = FromEventsOptions<S> & { readonly batchRows: number; readonly bufferRows: number }

async function* batches<S extends Schema>(schema: S, source: EventSource, options: Resolved<S>, context: OpenContext): AsyncGenerator<Batch<S>, void, undefined> {
  const batcher = new RowBatcher(schema, { operator: 'fromEvents', name: options.name ?? 'fromEvents', tally: context.tally, signal: context.signal, onBadRecord: options.onBadRecord })
  const inbox = new Inbox(source, options, context)
  try {
    for (;;) {
      throwIfAborted(context.signal)
      while (batcher.held < options.batchRows) {
        const row = inbox.take()
        if (row === undefined) break
        const rejected = batcher.append(row.value)
        if (rejected !== undefined) await rejected
      }
      if (batcher.held > 0) yield batcher.finish()
      else if (inbox.waiting > 0) continue
      else if (inbox.failed !== undefined) throw inbox.failed
      else if (inbox.ended) return
      else await inbox.change()
    }
  } finally {
    inbox.close()
  }
}

/** The rows that events brought and nobody took yet, in a ring. */
class Inbox<S extends Schema> {
  ended = false
  failed: MillraceError | undefined
  waiting = 0
  private readonly ring: unknown[] = []
  private first = 0
  private received = 0
  private wake: () => void = () => undefined
  private readonly unlisten: readonly (() => void)[]
  private readonly onAbort = (): void => this.wake()

  constructor(
    source: EventSource,
    private readonly options: Resolved<S>,
    private readonly context: OpenContext,
  ) {
    const failed: Listener = (...values) => this.fail(outsideError('the emitter given to fromEvents', values[0], { source: options.name ?? 'fromEvents', record: this.received }))
    this.unlisten = [
      listen(source, options.event ?? 'data', (...values) => this.receive(values)),
      listen(source, options.error ?? 'error', failed),
      ...(options.end === undefined ? ['end', 'close'] : [options.end]).map((event) => listen(source, event, () => this.end())),
    ]
    context.signal?.addEventListener('abort', this.onAbort, { once: true })
  }

  /** The oldest row that waits. */
  take(): { readonly value: unknown } | undefined {
    if (this.waiting === 0) return undefined
    const value = this.ring[this.first]
    this.ring[this.first] = undefined
    this.first = (this.first + 1) % this.options.bufferRows
    this.waiting--
    return { value }
  }

  /** Resolves at the next event, or when the signal fires. */
  change(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve))
  }

  close(): void {
    for (const stop of this.unlisten) stop()
    this.context.signal?.removeEventListener('abort', this.onAbort)
  }

  private receive(values: readonly unknown[]): void {
    if (this.ended || this.failed !== undefined) return
    const { row, bufferRows, overflow } = this.options
    const record = this.received++
    let value = values[0]
    try {
      if (row !== undefined) value = row(...(values as readonly never[]))
    } catch (thrown) {
      return this.fail(callbackError('fromEvents', record, thrown))
    }
    if (this.waiting === bufferRows) {
      if (overflow !== 'drop-oldest') return this.fail(overflowed(bufferRows))
      this.take()
      this.context.tally.reject(dropped())
    }
    this.ring[(this.first + this.waiting) % bufferRows] = value
    this.waiting++
    this.wake()
  }

  private end(): void {
    this.ended = true
    this.wake()
  }

  private fail(error: MillraceError): void {
    if (!this.ended) this.failed ??= error
    this.wake()
  }
}

const overflowed = (bufferRows: number): MillraceError =>
  failure({
    tag: 'Limit',
    code: 'EVENTS_OVERFLOW',
    problem: `more than ${bufferRows} rows of an emitter wait for their reader`,
    remedy: "Read faster, raise bufferRows, or let old rows go with overflow: 'drop-oldest'.",
  })

const dropped = (): MillraceError =>
  failure({ tag: 'Limit', code: 'EVENT_DROPPED', problem: 'the row was the oldest of a full buffer', remedy: 'Read faster, or raise bufferRows.' })
