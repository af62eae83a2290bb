import { parentPort, receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { failure, fromUnknown, registerStorage, schemeOf, Tally, type Storage } from '@millrace/core'
import { keepColumnsTogether } from '../example/column-memory.js'
import type { FileTask } from '../reading/read-files.js'
import { readFilesBlocking } from './blocking-files.js'
import { decoders } from './decoders.js'
import type { FromWorker, ReadRequest, ToWorker } from './messages.js'
import { Outbox } from './outbox.js'
import { BatchSender } from './wire-batch.js'
import { errorFromWire, errorToWire } from './wire-error.js'

/** A bad record's error and the like, beside its bytes. */
const REJECT_BYTES = 1024

/** Bytes that are on their way to the main thread, which are not to become too many. */
class Allowance {
  private out = 0
  private wake: (() => void) | undefined

  constructor(
    private readonly most: number,
    private readonly tell: (isStalled: boolean) => void,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', () => this.wake?.())
  }

  give(bytes: number): void {
    this.out -= bytes
    this.wake?.()
  }

  /** Counts what was sent, and waits until there is room for more. */
  async take(bytes: number): Promise<void> {
    this.out += bytes
    if (this.out < this.most) return
    this.tell(true)
    while (this.out >= this.most && !this.signal.aborted) await new Promise<void>((resolve) => (this.wake = resolve))
    this.tell(false)
  }
}

class ReadServer {
  private readonly reads = new Map<number, (message: Extract<ToWorker, { type: 'chunk' }>) => void>()
  private nextRead = 0
  private outbox: Outbox | undefined
  private current: { readonly id: number; readonly allowance: Allowance; readonly controller: AbortController } | undefined

  constructor(private readonly port: MessagePort) {
    port.on('message', (message: ToWorker) => this.take(message))
    readFilesBlocking(() => this.heed())
    keepColumnsTogether()
  }

  /** Takes the messages that have come: a thread that reads without waiting for events hears of none. */
  private heed(): void {
    for (let next = receiveMessageOnPort(this.port); next !== undefined; next = receiveMessageOnPort(this.port)) this.take(next.message as ToWorker)
  }

  private say(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
    // What is said later is not to be heard before it.
    if (message.type !== 'batches') this.outbox?.send()
    this.port.postMessage(message, transfer)
  }

  private take(message: ToWorker): void {
    if (message.type === 'chunk') this.reads.get(message.read)?.(message)
    else if (message.type === 'start') void this.read(message.id, message.request)
    else if (message.id !== this.current?.id) return
    else if (message.type === 'credit') this.current.allowance.give(message.bytes)
    else this.current.controller.abort()
  }

  /** Reads what is asked for; whatever happens, it says `end`. */
  private async read(id: number, request: ReadRequest): Promise<void> {
    const controller = new AbortController()
    const allowance = new Allowance(request.allowance, (isStalled) => this.say({ type: isStalled ? 'stalled' : 'going', id }), controller.signal)
    this.current = { id, allowance, controller }
    const outbox = new Outbox((batches, transfer) => this.say({ type: 'batches', id, batches }, transfer))
    this.outbox = outbox
    const undo = request.isBridged ? registerStorage(this.bridge(schemeOf(request.file.url))) : () => undefined
    let read = 0
    const take = (): number => {
      const bytes = read
      read = 0
      return bytes
    }
    let place: Parameters<NonNullable<FileTask['span']>['ended']>[0] | undefined
    try {
      const { file, schema, columns, partitioned, resume, span, wanted, policy } = request
      const decoder = decoders[request.format]!
      const sender = new BatchSender(decoder.ownsBuffers)
      const task: FileTask = {
        file, index: 0, schema, columns, partitioned, resume,
        context: { tally: new Tally(), signal: controller.signal, columns: wanted },
        onRead: (bytes) => void (read += bytes),
        reject: async (error, raw) => {
          if (policy === 'fail') throw error
          const bytes = REJECT_BYTES + (raw?.length ?? 0)
          this.say({ type: 'reject', id, error: errorToWire(error), raw, bytes })
          await allowance.take(bytes)
        },
        skip: async (code, count) => {
          this.say({ type: 'skip', id, code, count, bytes: REJECT_BYTES })
          await allowance.take(REJECT_BYTES)
        },
        span: span && { ...span, found: (at) => this.say({ type: 'begin', id, at }), ended: (at) => void (place = at) },
      }
      const onBadRecord = policy === 'quarantine' ? { quarantine: () => undefined } : policy
      for await (const batch of decoder.readFile({ ...request.options, onBadRecord }, task)) {
        this.heed()
        if (controller.signal.aborted) break
        const posted = sender.send(batch)
        outbox.put(posted, take())
        await allowance.take(posted.bytes)
      }
      this.current = undefined
      undo()
      this.say({ type: 'end', id, read, place })
    } catch (error) {
      this.current = undefined
      undo()
      this.say({ type: 'end', id, read, error: errorToWire(fromUnknown(error)) })
    }
  }

  /** The storage of a scheme as the main thread has it. */
  private bridge(scheme: string): Storage {
    return {
      scheme,
      stat: () => {
        throw failure({ tag: 'Internal', code: 'NOT_BRIDGED', problem: 'a reader on a worker thread asked for the size of a file' })
      },
      read: (url, { start, end } = {}) => this.bridged(url, start, end),
    }
  }

  private async *bridged(url: string, start: number | undefined, end: number | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    const read = this.nextRead++
    const answer = (message: FromWorker): Promise<Extract<ToWorker, { type: 'chunk' }>> =>
      new Promise((resolve) => {
        this.reads.set(read, resolve)
        this.say(message)
      })
    this.say({ type: 'open', read, url, start, end })
    try {
      for (;;) {
        const { chunk, error } = await answer({ type: 'next', read })
        if (error !== undefined) throw errorFromWire(error)
        if (chunk === undefined) return
        yield chunk
      }
    } finally {
      // Answered when the file is closed.
      await answer({ type: 'close', read })
      this.reads.delete(read)
    }
  }
}

/**
 * Decodes files for the main thread: what the file `worker.js` of this package does on a worker thread.
 *
 * @internal
 */
export const serveReads = (): void => {
  if (parentPort === null) throw failure({ tag: 'Usage', code: 'NO_WORKER', problem: 'this file runs on worker threads only', remedy: 'Give a reader the option workers.' })
  new ReadServer(parentPort)
}
