import { deadlineFailure, statusFailure, type CallLimits } from '@millrace/export'
import { failure } from '@millrace/core'
import { constants, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import type { Connection } from './connection.js'
import { MessageAssembler, messagePrefix, type FrameError } from './message-frame.js'
import { code, grpcStatus, httpStatus, resetStatus, type ResponseStatus } from './response-status.js'

/** Longer timers fire at once in Node. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** A smaller message is copied behind its prefix, which is cheaper than a second piece to write. */
const COPY_BYTES = 64 * 2 ** 10

/** What a call is to do, and whom it tells. */
export interface UnaryRequest {
  /** For messages of errors: `grpc://host:port`. */
  readonly source: string
  readonly headers: OutgoingHttpHeaders
  readonly message: Uint8Array
  readonly limits: CallLimits
  resolve(message: Uint8Array): void
  reject(error: Error): void
  /** It has ended, one way or the other. */
  onEnd(call: UnaryCall): void
}

/** One call: a message there, a message or a status back. It ends once, whatever the server does, and then holds nothing. */
export class UnaryCall {
  readonly #request: UnaryRequest
  readonly #timer: NodeJS.Timeout | undefined
  readonly #answer = new MessageAssembler()
  #connection: Connection | undefined
  #stream: ClientHttp2Stream | undefined
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
    const { headers, message } = this.#request
    this.#connection = connection
    let stream: ClientHttp2Stream
    try {
      stream = connection.open(headers)
    } catch (thrown) {
      return this.fail(code.unavailable, (thrown as Error).message)
    }
    this.#stream = stream
    stream.on('response', this.#onHeaders)
    stream.on('trailers', this.#onTrailers)
    stream.on('data', this.#onData)
    stream.on('error', this.#onError)
    stream.on('close', this.#onClose)
    send(stream, message)
  }

  /** Ends it with a status of our own. */
  fail(status: number, message: string): void {
    this.#reject(statusFailure(status, message, this.#request.source))
  }

  readonly #onTimeout = (): void => this.#reject(deadlineFailure(this.#request.limits.timeoutMs, this.#request.source))

  readonly #onAbort = (): void =>
    this.#reject(failure({ tag: 'Aborted', code: 'ABORTED', problem: 'the step was aborted', cause: this.#request.limits.signal?.reason }))

  readonly #onHeaders = (headers: IncomingHttpHeaders): void => {
    const refused = httpStatus(headers)
    // A status may come without a message, in the headers, whatever else they say.
    this.#status = grpcStatus(headers)
    if (this.#status !== undefined || refused === undefined) return this.#settleIfWhole()
    this.fail(refused.code, refused.message)
  }

  readonly #onTrailers = (trailers: IncomingHttpHeaders): void => {
    this.#status = grpcStatus(trailers) ?? this.#status
    this.#settleIfWhole()
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#hasEnded) return
    try {
      this.#answer.add(chunk)
    } catch (thrown) {
      this.#misread((thrown as FrameError).message)
    }
  }

  readonly #onError = (error: Error): void => {
    this.#settleIfWhole()
    if (this.#connection?.isGone === true) return this.fail(code.unavailable, this.#connection.reason)
    // A stream that is refused before it was sent says why in its cause.
    const { message } = error.cause instanceof Error ? error.cause : error
    if (this.#stream?.id === undefined) this.fail(code.unavailable, message)
  }

  readonly #onClose = (): void => {
    // What has come whole is an answer, whatever became of the connection.
    this.#settleIfWhole()
    if (this.#hasEnded) return
    const reset = this.#stream?.rstCode ?? 0
    if (this.#connection?.isGone === true) this.fail(code.unavailable, this.#connection.reason)
    else if (reset !== constants.NGHTTP2_NO_ERROR) this.fail(resetStatus(reset).code, resetStatus(reset).message)
    else this.#misread(this.#status === undefined ? 'it has no status' : 'its message is not whole')
  }

  /** Trailers may come to us before the last of the message does. */
  #settleIfWhole(): void {
    const status = this.#status
    if (status === undefined || this.#hasEnded) return
    if (status.code !== code.ok) this.fail(status.code, status.message)
    else if (this.#answer.isComplete) {
      this.#end()
      this.#request.resolve(this.#answer.message())
    }
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
    if (this.#stream !== undefined && !this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_CANCEL)
    this.#request.reject(error)
  }

  #end(): void {
    this.#hasEnded = true
    clearTimeout(this.#timer)
    this.#request.limits.signal?.removeEventListener('abort', this.#onAbort)
    this.#request.onEnd(this)
  }
}

const send = (stream: ClientHttp2Stream, message: Uint8Array): void => {
  const prefix = messagePrefix(message.length)
  if (message.length <= COPY_BYTES) return void stream.end(Buffer.concat([prefix, message]))
  stream.cork()
  stream.write(prefix)
  stream.end(message)
}
