import { failure, fromUnknown, throwIfAborted, type MillraceError } from '@millrace/core'
import { keptAlive } from './keep-alive.js'
import type { FromWorker, ReadEvent, ReadRequest } from './messages.js'
import type { Slots, Turn } from './slots.js'
import { takeThread, type WorkerThread } from './worker-thread.js'

/** Where and when a {@link RemoteRead} runs. */
export interface RemoteReadOptions {
  readonly slots: Slots
  readonly turn: Turn
  readonly heapMiB: number | undefined
  readonly signal: AbortSignal | undefined
}

let lastId = 0

/** One reading of a file, or of a part of it, on a worker thread. Begins when it is its turn. */
export class RemoteRead {
  private readonly id = ++lastId
  private readonly events: ReadEvent[] = []
  private thread: WorkerThread | undefined
  private failed: MillraceError | undefined
  private wake: (() => void) | undefined
  private readonly left = new AbortController()
  private readonly begun: Promise<void>
  private hasBegun = false
  private isStalled = false
  /** Bytes that were taken, and that the worker does not know of yet. */
  private owed = 0
  private isOver = false
  private closing: Promise<void> | undefined
  private ended: () => void = () => undefined
  private readonly end: Promise<void>

  constructor(
    private readonly request: ReadRequest,
    private readonly options: RemoteReadOptions,
  ) {
    this.end = new Promise((resolve) => (this.ended = resolve))
    options.signal?.addEventListener('abort', this.onAbort)
    this.begun = this.begin()
  }

  private readonly onAbort = (): void => {
    this.left.abort()
    this.wake?.()
  }

  private async begin(): Promise<void> {
    const { slots, turn, heapMiB } = this.options
    if (!(await slots.begin(turn, this.left.signal))) return
    this.hasBegun = true
    try {
      this.thread = takeThread(heapMiB)
      this.thread.use({ said: (message) => this.said(message), died: (error) => this.over(error) })
      this.thread.say({ type: 'start', id: this.id, request: this.request })
    } catch (error) {
      this.thread?.release()
      this.over(
        error instanceof Error && error.name === 'DataCloneError'
          ? failure({ tag: 'Usage', code: 'OPTIONS_NOT_SENT', problem: `options of the reader cannot be sent to a worker thread: ${error.message}`, remedy: 'Give plain data only, or read with workers: 0.', cause: error })
          : fromUnknown(error),
      )
    }
  }

  /** What comes next. After the event `end` there is nothing. @throws when the thread died */
  async next(): Promise<ReadEvent> {
    if (!this.hasBegun) await keptAlive(this.begun)
    for (;;) {
      throwIfAborted(this.options.signal)
      if (this.events.length > 0 || this.failed !== undefined) break
      if (this.closing !== undefined) throw failure({ tag: 'Aborted', code: 'ABORTED', problem: 'the reading was left' })
      await keptAlive(new Promise<void>((resolve) => (this.wake = resolve)))
    }
    const event = this.events.shift()
    if (event === undefined) throw this.failed!.at({ source: this.request.file.url })
    if ('bytes' in event && !this.isOver) this.give(event.bytes)
    return event
  }

  /** Lets the worker send as much again: of several batches at once, but before it has to wait for it. */
  private give(bytes: number): void {
    this.owed += bytes
    if (this.owed < this.request.allowance / 4) return
    this.thread!.say({ type: 'credit', id: this.id, bytes: this.owed })
    this.owed = 0
  }

  /** Ends the reading, wherever it is; resolves when its file is closed. */
  close(): Promise<void> {
    return (this.closing ??= this.leave())
  }

  private async leave(): Promise<void> {
    // A reason of its own: to make the default one takes a stack trace.
    this.left.abort('left')
    this.options.signal?.removeEventListener('abort', this.onAbort)
    await this.begun
    this.wake?.()
    if (!this.hasBegun) return
    if (!this.isOver) {
      this.thread!.say({ type: 'stop', id: this.id })
      await this.thread!.stopped(this.end)
      if (!this.isOver) {
        this.thread!.end()
        this.over(failure({ tag: 'Internal', code: 'WORKER_STUCK', problem: 'a worker thread did not stop' }))
      }
    }
    this.options.slots.done()
  }

  private said(message: FromWorker): void {
    if (!('id' in message) || message.id !== this.id) return
    if (message.type === 'stalled' || message.type === 'going') {
      this.isStalled = message.type === 'stalled'
      this.options.slots.stall(this.isStalled)
      return
    }
    if (message.type === 'batches') for (const batch of message.batches) this.events.push({ type: 'batch', ...batch })
    else this.events.push(message)
    if (message.type === 'end') this.over(undefined)
    this.wake?.()
  }

  private over(error: MillraceError | undefined): void {
    if (this.isOver) return
    this.isOver = true
    this.failed = error
    if (this.isStalled) this.options.slots.stall(false)
    if (error === undefined) this.thread!.release()
    this.options.slots.free()
    this.ended()
    this.wake?.()
  }
}
