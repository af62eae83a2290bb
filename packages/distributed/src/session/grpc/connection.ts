import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'

/** So that a large tensor does not come in pieces of 64 KiB that each wait for an answer. */
const STREAM_WINDOW_BYTES = 8 * 2 ** 20
/** For several of them at once. */
const CONNECTION_WINDOW_BYTES = 32 * 2 ** 20
/** Frames that a server may send: fewer, larger ones cost less. */
const MAX_FRAME_BYTES = 2 ** 20
/** A host that does not answer at all. gRPC's own clients wait as long. */
const CONNECT_TIMEOUT_MS = 20_000
/**
 * TensorFlow's servers end a connection on which more than three pings have come without data, unless five minutes lie between them
 * (`GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS`): the first three come at growing distances, all later ones at this.
 */
const PINGS_AT_ONCE = 3
const LATER_PINGS_MS = 310_000
/** Numbers of streams are odd and have 31 bits. Long before they end, a new connection is made. */
const MAX_STREAMS = 2 ** 29
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
  readonly #session: ClientHttp2Session
  readonly #socket: Socket
  readonly #keepAliveMs: number
  #open = 0
  #streams = 0
  #reason: Error | undefined
  #watch: NodeJS.Timeout | undefined
  #seenBytes = 0
  #seenStreams = 0
  #pings = 0

  /** @param keepAliveMs - of silence before a ping, and for its answer; `Infinity` for no pings */
  constructor(address: string, keepAliveMs: number, { onReady, onEnd }: ConnectionEvents) {
    this.#keepAliveMs = keepAliveMs
    this.#socket = connectTcp({ ...endpoint(address), noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS })
    this.#session = connectHttp2(`http://${address}`, {
      createConnection: () => this.#socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES, maxFrameSize: MAX_FRAME_BYTES },
      // Megabytes. What a message may take is limited by its length, and sending a large one must not refuse the next.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
    })
    const session = this.#session
    // Once there is a connection, requests are on their way.
    const late = setTimeout(() => this.destroy(new Error(`no ${this.#socket.connecting ? 'connection' : 'answer on the connection'} within ${CONNECT_TIMEOUT_MS} ms`)), CONNECT_TIMEOUT_MS).unref()
    session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES))
    session.once('remoteSettings', () => {
      clearTimeout(late)
      onReady()
    })
    // Whatever it is, the calls get it too.
    session.on('error', (error: Error) => {
      this.#reason ??= error
    })
    session.once('goaway', (errorCode: number) => {
      this.#reason ??= new Error(`the server ends the connection (HTTP/2 error ${errorCode})`)
      onEnd()
    })
    session.once('close', () => {
      clearTimeout(late)
      clearTimeout(this.#watch)
      onEnd()
    })
    this.#socket.unref()
  }

  /** False once it has ended, or is ending. */
  get isUsable(): boolean {
    return !this.#session.closed && !this.#session.destroyed && this.#streams < MAX_STREAMS
  }

  /** True when the connection as a whole is gone, and not one stream of it. */
  get isGone(): boolean {
    return this.#session.destroyed || this.#socket.destroyed || this.#reason !== undefined
  }

  /** Why it has ended, for people. */
  get reason(): string {
    const cause = this.#reason
    return cause === undefined ? 'the connection was closed' : cause.message || (cause as NodeJS.ErrnoException).code || cause.name
  }

  /** @throws when it can take no more calls */
  open(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#session.request(headers)
    this.#streams += 1
    if (this.#open === 0) this.#socket.ref()
    this.#open += 1
    stream.once('close', this.#onStreamClose)
    if (this.#watch === undefined && Number.isFinite(this.#keepAliveMs)) this.#lookAfter(this.#keepAliveMs)
    return stream
  }

  /** Ends it and all of its calls at once. */
  destroy(reason?: Error): void {
    this.#reason ??= reason
    clearTimeout(this.#watch)
    this.#session.destroy()
    this.#socket.destroy()
  }

  /** Lets calls that are open end, and takes no new ones. */
  retire(): void {
    this.#session.close()
  }

  readonly #onStreamClose = (): void => {
    this.#open -= 1
    if (this.#open === 0) this.#socket.unref()
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
