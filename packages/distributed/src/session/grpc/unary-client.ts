import { failure } from '@millrace/core'
import { statusFailure, type CallLimits } from '@millrace/export'
import { Connection } from './connection.js'
import { encodeHeaders } from './http2/hpack-encoder.js'
import { MAX_MESSAGE_BYTES } from './message-frame.js'
import { code } from './response-status.js'
import { UnaryCall } from './unary-call.js'

/** Between attempts to connect: a server that was restarted is found again within a second, and one that is gone is not stormed. */
const FIRST_BACK_OFF_MS = 100
const MAX_BACK_OFF_MS = 800
/** Any server that lives answers a ping in this time, also one whose processors are all busy. */
const KEEP_ALIVE_MS = 20_000

/** How a client treats its connection. */
export interface UnaryClientOptions {
  /** Silence after which a server that owes an answer is asked whether it lives; after as long again it is given up. Default 20,000; `Infinity` never asks. */
  readonly keepAliveMs?: number | undefined
}

/** For people. */
const names: { readonly [method: string]: string } = { RunStep: 'the step', RunCallable: 'the step', CreateSession: 'making the session', ListDevices: 'listing the devices' }
const whatOf = (path: string): string => {
  const method = path.slice(path.lastIndexOf('/') + 1)
  return names[method] ?? `the call ${method}`
}

/** `grpc-timeout` has eight digits at most. Undefined for no limit. */
const timeoutText = (ms: number): string | undefined => {
  if (ms < 1e8) return `${Math.ceil(ms)}m`
  return ms < 1e11 ? `${Math.ceil(ms / 1000)}S` : undefined
}

/**
 * Unary calls of gRPC on one server: bytes there, bytes back. It connects when it has something to send, again after the connection
 * has ended, and repeats no call.
 */
export class UnaryClient {
  readonly #address: string
  readonly #source: string
  readonly #keepAliveMs: number
  readonly #calls = new Set<UnaryCall>()
  readonly #blocks = new Map<string, Buffer>()
  /** Calls that wait for the next attempt. */
  #waiting: UnaryCall[] = []
  #connection: Connection | undefined
  #failures = 0
  #nextAttempt = 0
  #backOff: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param address - `host:port` @throws `Usage` for a silence that is none */
  constructor(address: string, { keepAliveMs = KEEP_ALIVE_MS }: UnaryClientOptions = {}) {
    if (!(keepAliveMs > 0)) throw failure({ tag: 'Usage', code: 'KEEP_ALIVE', problem: `keepAliveMs is ${keepAliveMs}`, remedy: 'Give milliseconds above 0.' })
    this.#address = address
    this.#source = `grpc://${address}`
    this.#keepAliveMs = keepAliveMs
  }

  /**
   * @param path - `/package.Service/Method`
   * @throws `Engine` with the status's code, `TF_UNAVAILABLE` when there is no connection, or `BAD_RESPONSE`; `Aborted` when the signal fires
   */
  call(path: string, message: Uint8Array, limits: CallLimits): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(statusFailure(code.cancelled, 'the client is closed', this.#source))
      if (message.length > MAX_MESSAGE_BYTES) return reject(statusFailure(code.resourceExhausted, `a message of ${message.length} bytes is too long to send`, this.#source))
      const call = new UnaryCall({ source: this.#source, what: whatOf(path), block: this.#blockOf(path, limits.timeoutMs), message, limits, resolve, reject, onEnd: this.#onCallEnd })
      this.#calls.add(call)
      this.#start(call)
    })
  }

  /** Ends the connection, and calls that are open with `TF_CANCELLED`. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#backOff)
    for (const call of [...this.#calls]) call.fail(code.cancelled, 'the client was closed')
    this.#connection?.destroy()
  }

  readonly #onCallEnd = (call: UnaryCall): void => {
    this.#calls.delete(call)
  }

  #start(call: UnaryCall): void {
    if (this.#connection?.isUsable === true) return call.start(this.#connection)
    const wait = this.#nextAttempt - performance.now()
    if (wait <= 0 && this.#backOff === undefined) return call.start(this.#connect())
    this.#waiting.push(call)
    this.#backOff ??= setTimeout(this.#onBackOffEnd, wait)
  }

  readonly #onBackOffEnd = (): void => {
    this.#backOff = undefined
    const calls = this.#waiting.filter((call) => this.#calls.has(call))
    this.#waiting = []
    if (calls.length === 0) return
    const connection = this.#connect()
    for (const call of calls) call.start(connection)
  }

  #connect(): Connection {
    this.#connection?.retire()
    let wasReady = false
    const connection = new Connection(this.#address, this.#keepAliveMs, {
      onReady: () => {
        wasReady = true
        this.#failures = 0
      },
      onEnd: () => {
        if (this.#connection !== connection) return
        this.#connection = undefined
        if (wasReady) return
        this.#nextAttempt = performance.now() + Math.min(FIRST_BACK_OFF_MS * 2 ** this.#failures, MAX_BACK_OFF_MS)
        this.#failures += 1
      },
    })
    this.#connection = connection
    return connection
  }

  /** Headers as they are sent: the same bytes for the same call again. */
  #blockOf(path: string, timeoutMs: number): Buffer {
    const timeout = timeoutText(timeoutMs)
    const key = `${path} ${timeout ?? ''}`
    const known = this.#blocks.get(key)
    if (known !== undefined) return known
    // Callers whose every timeout is another one.
    if (this.#blocks.size >= 64) this.#blocks.clear()
    const made = encodeHeaders([
      [':method', 'POST'], [':scheme', 'http'], [':path', path], [':authority', this.#address], ['te', 'trailers'], ['content-type', 'application/grpc'], ['user-agent', 'millrace'],
      ...(timeout === undefined ? [] : [['grpc-timeout', timeout] as const]),
    ])
    this.#blocks.set(key, made)
    return made
  }
}
