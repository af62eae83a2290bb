import { connect, type Socket } from 'node:net'
import { ClientSession } from './http2/client-session.js'
import type { ClientStream, StreamEvents, StreamRequest } from './http2/client-stream.js'
import { errorCode } from './http2/error-code.js'

/** What is read at a time. */
const READ_BYTES = 64 * 2 ** 10
/** A host that does not answer at all. gRPC's own clients wait as long. */
const CONNECT_TIMEOUT_MS = 20_000
/**
 * TensorFlow's servers end a connection on which more than three pings have come without data, unless five minutes lie between them
 * (`GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS`): the first three come at growing distances, all later ones at this.
 */
const PINGS_AT_ONCE = 3
const LATER_PINGS_MS = 310_000
/** Longer timers fire at once in Node. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** TCP's own look at a silent peer, which ends a connection to a machine that is gone some ten seconds later. */
const TCP_KEEP_ALIVE_MS = 20_000

/** Host and port of an address, which may be in brackets. */
const endpoint = (address: string): { readonly host: string; readonly port: number } => {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(colon + 1)) }
}

/** What a connection tells. */
export interface ConnectionEvents {
  /** The server has answered as one of HTTP/2. */
  onReady(): void
  /** No calls can be made any more. Those that are open end by themselves. */
  onEnd(): void
}

/**
 * One HTTP/2 connection, without encryption. It keeps the process running only while calls are open, and finds out by itself when
 * a peer has gone silent: the calls then end with an error.
 */
export class Connection {
  readonly #session: ClientSession
  readonly #socket: Socket
  readonly #keepAliveMs: number
  readonly #late: NodeJS.Timeout
  readonly #onEnd: () => void
  #open = 0
  #streams = 0
  #isEnding = false
  #isGone = false
  #reason: Error | undefined
  #watch: NodeJS.Timeout | undefined
  #seenBytes = 0
  #seenStreams = 0
  #pings = 0

  /** @param keepAliveMs - of silence before a ping, and for its answer; `Infinity` for no pings */
  constructor(address: string, keepAliveMs: number, { onReady, onEnd }: ConnectionEvents) {
    this.#keepAliveMs = keepAliveMs
    this.#onEnd = onEnd
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    // Read into the same memory again and again, which costs half of what a stream of buffers does.
    const onread = {
      buffer,
      callback: (bytes: number): boolean => {
        this.#session.read(buffer.subarray(0, bytes))
        return true
      },
    }
    this.#socket = connect({ ...endpoint(address), noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS, onread })
    // Once there is a connection, requests are on their way.
    this.#late = setTimeout(() => this.destroy(new Error(`no ${this.#socket.connecting ? 'connection' : 'answer on the connection'} within ${CONNECT_TIMEOUT_MS} ms`)), CONNECT_TIMEOUT_MS).unref()
    this.#session = new ClientSession(this.#socket, {
      onReady: () => {
        clearTimeout(this.#late)
        onReady()
      },
      onGoaway: this.#onGoaway,
      onStreamEnd: this.#onStreamEnd,
      onError: (reason) => this.destroy(new Error(reason)),
    })
    this.#socket.on('error', (error: Error) => this.destroy(error))
    this.#socket.on('end', () => this.destroy())
    this.#socket.on('close', () => this.destroy())
    this.#socket.unref()
  }

  /** False once it has ended, or is ending. */
  get isUsable(): boolean {
    return !this.#isGone && this.#session.isUsable
  }

  /** Makes a call. On a connection that can take none, its owner hears so at once. */
  open(request: StreamRequest, events: StreamEvents): ClientStream | undefined {
    if (!this.isUsable) {
      events.onGone(this.#why())
      return undefined
    }
    this.#streams += 1
    if (this.#open === 0) this.#socket.ref()
    this.#open += 1
    if (this.#watch === undefined && Number.isFinite(this.#keepAliveMs)) this.#lookAfter(this.#keepAliveMs)
    return this.#session.request(request, events)
  }

  /** Ends one call, and tells the server. */
  cancel(stream: ClientStream): void {
    this.#session.cancel(stream)
  }

  /** Ends it and all of its calls at once. */
  destroy(reason?: Error): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#reason ??= reason
    clearTimeout(this.#late)
    clearTimeout(this.#watch)
    // Before calls hear of it, which may be made again at once.
    this.#onEnd()
    this.#session.destroy(this.#why())
    this.#socket.destroy()
  }

  /** Lets calls that are open end, and takes no new ones. */
  retire(): void {
    this.#isEnding = true
    this.#session.retire()
    if (this.#open === 0) this.destroy()
  }

  /** Why it has ended, for people. */
  #why(): string {
    const cause = this.#reason
    return cause === undefined ? 'the connection was closed' : cause.message || (cause as NodeJS.ErrnoException).code || cause.name
  }

  readonly #onGoaway = (code: number): void => {
    this.#reason ??= new Error(`the server ends the connection (HTTP/2 error ${code})`)
    if (code !== errorCode.noError) return this.destroy()
    this.#onEnd()
    this.retire()
  }

  readonly #onStreamEnd = (): void => {
    this.#open -= 1
    if (this.#open > 0) return
    if (this.#isEnding) this.destroy()
    else if (!this.#isGone) this.#socket.unref()
  }

  #lookAfter(ms: number): void {
    this.#watch = setTimeout(() => this.#look(ms), Math.min(ms, MAX_TIMER_MS)).unref()
  }

  /** Pings when calls wait, or were made since, and nothing has come since the last look. */
  #look(ms: number): void {
    const { bytesRead } = this.#socket
    if (bytesRead !== this.#seenBytes) {
      this.#seenBytes = bytesRead
      this.#seenStreams = this.#streams
      this.#pings = 0
      this.#lookAfter(this.#keepAliveMs)
    } else if (this.#open > 0 || this.#streams !== this.#seenStreams) {
      this.#seenStreams = this.#streams
      this.#pings += 1
      this.#ping()
      this.#lookAfter(this.#pings < PINGS_AT_ONCE ? ms * 3 : LATER_PINGS_MS)
    } else {
      this.#watch = undefined
    }
  }

  #ping(): void {
    const late = setTimeout(() => this.destroy(new Error(`the server did not answer a ping within ${this.#keepAliveMs} ms`)), Math.min(this.#keepAliveMs, MAX_TIMER_MS)).unref()
    this.#session.ping(() => {
      clearTimeout(late)
      // Its answer is no data: servers count pings until data has come.
      this.#seenBytes = this.#socket.bytesRead
    })
  }
}
