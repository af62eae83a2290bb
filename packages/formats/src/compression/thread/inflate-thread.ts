import { availableParallelism, loadavg } from 'node:os'
import { isMainThread, MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import { failure, type MillraceError } from '@millrace/core'
import { inflateEntry } from './inflate-entry.js'
import type { FromInflater, ToInflater } from './messages.js'

/** Files from this size on, packed, are worth a thread: to start it takes as long as to inflate 4 MiB. */
const LEAST_BYTES = 8 * 1024 * 1024
/** Load of the last minute, by core, up to which one is taken to be free: this process and the thread may be all of it. */
const MOST_LOAD = 1.25
/** A thread that nobody uses is kept so long: files come one after another. */
const IDLE_MS = 5000
/** What is handed over at a time, and how many of these may be on their way: with less each, the hand-overs cost more. */
const ROOM_BYTES = 1024 * 1024
const ROOMS = 4
/** Chunks that may be on their way. */
const CHUNKS = 2

/** What comes from the thread, in order. */
class Inbox {
  private readonly messages: FromInflater[] = []
  private error: MillraceError | undefined
  private wake: (() => void) | undefined

  put(message: FromInflater): void {
    this.messages.push(message)
    this.wake?.()
  }

  fail(error: MillraceError): void {
    this.error = error
    this.wake?.()
  }

  /** @throws what the thread died of */
  async next(): Promise<FromInflater> {
    while (this.messages.length === 0 && this.error === undefined) await new Promise<void>((resolve) => (this.wake = resolve))
    const message = this.messages.shift()
    if (message === undefined) throw this.error!
    return message
  }
}

/** The thread that inflates, for one stream at a time. It never keeps the process alive by itself. */
export class InflateThread {
  /** Whether it has started; `false` where its file is not there, as in a bundle of somebody's own. */
  readonly isReady: Promise<boolean>
  isBusy = false
  private readonly worker: Worker
  private inbox: Inbox | undefined
  private idleTimer: NodeJS.Timeout | undefined

  constructor(private readonly onDeath: (thread: InflateThread) => void) {
    this.worker = new Worker(inflateEntry(), { name: 'millrace-inflater', execArgv: [] })
    this.isReady = new Promise((resolve) => {
      this.worker.once('message', () => resolve(true))
      const die = (cause?: unknown): void => {
        onDeath(this)
        clearTimeout(this.idleTimer)
        resolve(false)
        this.inbox?.fail(failure({ tag: 'Internal', code: 'WORKER_DIED', problem: 'the thread that inflates ended', cause }))
      }
      this.worker.on('error', die)
      this.worker.on('exit', () => die())
    })
    void this.isReady.then(() => this.worker.unref())
  }

  /** Begins with a stream. */
  open(kind: 'gzip' | 'zlib'): { readonly port: MessagePort; readonly inbox: Inbox } {
    const { port1, port2 } = new MessageChannel()
    const inbox = new Inbox()
    this.inbox = inbox
    port1.on('message', (message: FromInflater) => inbox.put(message))
    this.worker.postMessage({ port: port2, kind }, [port2])
    return { port: port1, inbox }
  }

  take(): void {
    this.isBusy = true
    clearTimeout(this.idleTimer)
  }

  /** Hands it to the next stream; ends it when none comes. */
  release(): void {
    this.inbox = undefined
    this.isBusy = false
    this.idleTimer = setTimeout(() => {
      this.onDeath(this)
      void this.end()
    }, IDLE_MS)
    this.idleTimer.unref()
  }

  async end(): Promise<void> {
    await this.worker.terminate()
  }
}

let thread: InflateThread | undefined
let isUnavailable = false

const forget = (dead: InflateThread): void => {
  if (thread === dead) thread = undefined
}

/** Whether a thread would inflate a file of so many packed bytes sooner: a large one, where a core has nothing to do. Windows tells no load. */
export const isWorthThread = (packedBytes: number | undefined): boolean =>
  packedBytes !== undefined && packedBytes >= LEAST_BYTES && availableParallelism() > 1 && loadavg()[0]! <= MOST_LOAD * availableParallelism()

/**
 * The thread that inflates beside this one: `undefined` where it has another file, or there is none to be had, and on worker threads, which have company
 * already.
 */
export const takeInflateThread = async (): Promise<InflateThread | undefined> => {
  if (isUnavailable || thread?.isBusy === true || !isMainThread) return undefined
  const mine = (thread ??= new InflateThread(forget))
  mine.take()
  if (await mine.isReady) return mine
  isUnavailable = true
  return undefined
}

/** Ends the thread, whatever it does: for tests. */
export const endInflateThread = async (): Promise<void> => {
  await thread?.end()
}

/** Options of {@link inflatedOnThread}. */
export interface OnThreadOptions {
  readonly kind: 'gzip' | 'zlib'
  /** Whether a piece is good only until the next one is asked for. */
  readonly reuse: boolean
  /** Makes the error for damage; without one, for data that is cut. */
  readonly fault: (error: Error | undefined) => Error
}

/**
 * Inflates on the thread.
 *
 * @returns packed bytes that were used
 * @throws what `fault` makes
 */
export async function* inflatedOnThread(
  on: InflateThread, packed: AsyncGenerator<Uint8Array, void, undefined>, { kind, reuse, fault }: OnThreadOptions,
): AsyncGenerator<Uint8Array, number, undefined> {
  const { port, inbox } = on.open(kind)
  const say = (message: ToInflater, transfer: readonly ArrayBuffer[] = []): void => port.postMessage(message, transfer)
  const feed = async (memory?: ArrayBuffer): Promise<void> => {
    const next = await packed.next()
    if (next.done === true) return say({ type: 'end' })
    const bytes = memory === undefined || memory.byteLength < next.value.length ? new Uint8Array(next.value.length) : new Uint8Array(memory, 0, next.value.length)
    bytes.set(next.value)
    say({ type: 'chunk', bytes }, [bytes.buffer])
  }
  try {
    for (let i = 0; i < ROOMS; i++) say({ type: 'room', buffer: new ArrayBuffer(ROOM_BYTES) })
    for (let i = 0; i < CHUNKS; i++) await feed()
    for (;;) {
      const message = await inbox.next()
      if (message.type === 'fault') throw fault(new Error(message.problem))
      if (message.type === 'more') await feed(message.buffer)
      else if (message.type === 'piece') {
        yield reuse ? message.bytes : message.bytes.slice()
        say({ type: 'room', buffer: message.bytes.buffer }, [message.bytes.buffer])
      } else {
        if (!message.isWhole) throw fault(undefined)
        return message.used
      }
    }
  } finally {
    port.close()
    on.release()
  }
}
