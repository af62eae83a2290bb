import { SHARE_ENV, Worker } from 'node:worker_threads'
import { failure, readBytes, type MillraceError } from '@millrace/core'
import { keptAlive } from './keep-alive.js'
import type { FromWorker, ToWorker } from './messages.js'
import { workerEntry } from './worker-entry.js'
import { errorToWire } from './wire-error.js'

/** Threads that nobody uses are kept so long: to start one costs tens of milliseconds, and files come one after another. */
const IDLE_MS = 5000
/** A thread that does not stop within this is ended. */
const STOP_MS = 2000

/** What the user of a thread is told. */
export interface ThreadUser {
  readonly said: (message: FromWorker) => void
  readonly died: (error: MillraceError) => void
}

/** A worker thread that lives on between readings. It never keeps the process alive by itself. */
export class WorkerThread {
  private readonly worker: Worker
  private user: ThreadUser | undefined
  private readonly reads = new Map<number, AsyncIterator<Uint8Array>>()
  private isDead = false
  private idleTimer: NodeJS.Timeout | undefined

  constructor(readonly heapMiB: number | undefined) {
    this.worker = new Worker(workerEntry(), {
      env: SHARE_ENV, name: 'millrace-reader', execArgv: [], ...(heapMiB === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMiB } }),
    })
    this.worker.unref()
    // To begin with it does so until it runs, whatever it was told before.
    this.worker.on('online', () => this.worker.unref())
    this.worker.on('message', (message: FromWorker) => void this.take(message))
    this.worker.on('error', (cause: unknown) => this.die(workerError(cause, heapMiB)))
    this.worker.on('exit', (code) => this.die(failure({ tag: 'Internal', code: 'WORKER_DIED', problem: `a worker thread ended with code ${code}` })))
  }

  use(user: ThreadUser): void {
    this.user = user
    clearTimeout(this.idleTimer)
  }

  say(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer)
  }

  /** Ends the thread, unless what it was told to stop has stopped soon. */
  async stopped(end: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_MS)))
    await keptAlive(Promise.race([end, late]))
    clearTimeout(timer)
  }

  end(): void {
    this.isDead = true
    void this.worker.terminate()
    this.closeReads()
  }

  /** Hands it to the next reading; ends it when none comes. */
  release(): void {
    this.user = undefined
    if (this.isDead) return
    idle.push(this)
    this.idleTimer = setTimeout(() => {
      idle.splice(idle.indexOf(this), 1)
      this.end()
    }, IDLE_MS)
    this.idleTimer.unref()
  }

  private die(error: MillraceError): void {
    if (this.isDead) return
    this.isDead = true
    const at = idle.indexOf(this)
    if (at >= 0) idle.splice(at, 1)
    clearTimeout(this.idleTimer)
    this.closeReads()
    this.user?.died(error)
  }

  private closeReads(): void {
    for (const chunks of this.reads.values()) void Promise.resolve(chunks.return?.()).catch(() => undefined)
    this.reads.clear()
  }

  private async take(message: FromWorker): Promise<void> {
    if (message.type === 'open') {
      this.reads.set(message.read, readBytes(message.url, { start: message.start, end: message.end, reuse: true })[Symbol.asyncIterator]())
    } else if (message.type === 'next' || message.type === 'close') {
      const answer = await this.bytes(message.read, message.type === 'close')
      if (!this.isDead) this.say({ type: 'chunk', read: message.read, ...answer }, answer.chunk === undefined ? [] : [answer.chunk.buffer])
    } else this.user?.said(message)
  }

  /** Bytes of a file that only this thread can read. */
  private async bytes(read: number, close: boolean): Promise<{ chunk?: Uint8Array<ArrayBuffer>; error?: ReturnType<typeof errorToWire> }> {
    const chunks = this.reads.get(read)
    if (chunks === undefined) return {}
    try {
      if (close) {
        this.reads.delete(read)
        await chunks.return?.()
        return {}
      }
      const next = await chunks.next()
      return next.done === true ? {} : { chunk: new Uint8Array(next.value) }
    } catch (error) {
      return { error: errorToWire(error) }
    }
  }
}

const idle: WorkerThread[] = []

/** A thread that is not in use, else a new one. */
export const takeThread = (heapMiB: number | undefined): WorkerThread => {
  const at = idle.findLastIndex((thread) => thread.heapMiB === heapMiB)
  return at >= 0 ? idle.splice(at, 1)[0]! : new WorkerThread(heapMiB)
}

const workerError = (cause: unknown, heapMiB: number | undefined): MillraceError =>
  (cause as NodeJS.ErrnoException | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? failure({
        tag: 'Limit', code: 'WORKER_OUT_OF_MEMORY', problem: `a worker thread needs more than ${heapMiB === undefined ? 'the memory that Node gives it' : `its ${heapMiB} MiB of heap`}`,
        remedy: 'Raise workerHeapMiB, or read smaller batches.', cause,
      })
    : failure({ tag: 'Internal', code: 'WORKER_DIED', problem: `a worker thread failed: ${cause instanceof Error ? cause.message : String(cause)}`, cause })
