import { deadlineFailure, statusFailure, type CallLimits } from '@millrace/export'
import { failure } from '@millrace/core'
import type { Connection } from './connection.js'
import type { ClientStream, StreamEvents } from './http2/client-stream.js'
import { errorCode } from './http2/error-code.js'
import type { Headers } from './http2/hpack-decoder.js'
import { MessageAssembler, messagePrefix, type FrameError } from './message-frame.js'
import { code, grpcStatus, httpStatus, resetStatus, type ResponseStatus } from './response-status.js'

/** Longer timers fire at once in Node. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** What a call is to do, and whom it tells. */
export interface UnaryRequest {
  /** For messages of errors: `grpc://host:port`. */
  readonly source: string
  /** For messages of errors: `the step`. */
  readonly what: string
  /** Of headers, as they are sent. */
  readonly block: Buffer
  readonly message: Uint8Array
  readonly limits: CallLimits
  resolve(message: Uint8Array): void
  reject(error: Error): void
  /** It has ended, one way or the other. */
  onEnd(call: UnaryCall): void
}

/** One call: a message there, a message or a status back. It ends once, whatever the server does, and then holds nothing. */
export class UnaryCall implements StreamEvents {
  readonly #request: UnaryRequest
  readonly #timer: NodeJS.Timeout | undefined
  readonly #answer = new MessageAssembler()
  #connection: Connection | undefined
  #stream: ClientStream | undefined
  #hasHeaders = false
  #status: ResponseStatus | undefined
  #hasEnded = false

  constructor(request: UnaryRequest) {
    this.#request = request
    const { timeoutMs, signal } = request.limits
    if (timeoutMs <= MAX_TIMER_MS) this.#timer = setTimeout(this.#onTimeout, timeoutMs)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Sends it. */
  start(connection: Connection): void {
    if (this.#hasEnded) return
    const { block, message } = this.#request
    this.#connection = connection
    this.#stream = connection.open({ block, body: [messagePrefix(message.length), message] }, this)
  }

  /** Ends it with a status of our own. */
  fail(status: number, message: string): void {
    this.#reject(statusFailure(status, message, this.#request.source))
  }

  readonly #onTimeout = (): void => this.#reject(deadlineFailure(this.#request.limits.timeoutMs, this.#request.source, this.#request.what))

  readonly #onAbort = (): void =>
    this.#reject(failure({ tag: 'Aborted', code: 'ABORTED', problem: `${this.#request.what} was aborted`, cause: this.#request.limits.signal?.reason }))

  onHeaders(headers: Headers): void {
    const isFirst = !this.#hasHeaders
    this.#hasHeaders = true
    // A status may come without a message, in the headers, whatever else they say.
    this.#status = grpcStatus(headers) ?? this.#status
    const refused = isFirst && this.#status === undefined ? httpStatus(headers) : undefined
    if (refused !== undefined) this.fail(refused.code, refused.message)
    else if (this.#status !== undefined && this.#status.code !== code.ok) this.fail(this.#status.code, this.#status.message)
  }

  onData(piece: Buffer): void {
    if (this.#hasEnded) return
    try {
      this.#answer.add(piece)
    } catch (thrown) {
      this.#misread((thrown as FrameError).message)
    }
  }

  onEnd(): void {
    if (this.#hasEnded) return
    if (this.#status === undefined) this.#misread('it has no status')
    else if (!this.#answer.isComplete) this.#misread('its message is not whole')
    else {
      this.#end()
      this.#request.resolve(this.#answer.message())
    }
  }

  onReset(reset: number): void {
    if (reset === errorCode.noError) return this.#misread('it is not whole')
    const status = resetStatus(reset)
    this.fail(status.code, status.message)
  }

  onGone(reason: string): void {
    this.fail(code.unavailable, reason)
  }

  #misread(what: string): void {
    this.#reject(failure({
      tag: 'Engine', code: 'BAD_RESPONSE', problem: `the server's answer cannot be read: ${what}`, remedy: 'Check that a TensorFlow server listens at this address.',
      position: { source: this.#request.source },
    }))
  }

  #reject(error: Error): void {
    if (this.#hasEnded) return
    this.#end()
    // Tells the server to stop, where it has not.
    if (this.#stream !== undefined) this.#connection?.cancel(this.#stream)
    this.#request.reject(error)
  }

  #end(): void {
    this.#hasEnded = true
    clearTimeout(this.#timer)
    this.#request.limits.signal?.removeEventListener('abort', this.#onAbort)
    this.#request.onEnd(this)
  }
}
