import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js'
import { failure } from '@millrace/core'
import { deadlineFailure, statusFailure, type CallLimits } from '@millrace/export'

/**
 * - Messages up to what TensorFlow's servers take, whose lengths are int32; grpc-js stops at 4 MB otherwise.
 * - No retries: a step that was sent may have run, and who runs it decides whether to run it again.
 * - No proxy: TensorFlow's own processes are peers in one network, and an environment's proxy is for the way out of it.
 * - A server that was restarted is found again within a second.
 * - A window of 8 MiB, so that a large tensor is not sent in pieces of 64 KiB that each wait for an answer.
 */
const channelOptions = {
  'grpc.max_receive_message_length': 2 ** 31 - 1,
  'grpc.max_send_message_length': 2 ** 31 - 1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc-node.flow_control_window': 8 * 2 ** 20,
}

const bytesOf = (message: Uint8Array): Buffer => Buffer.from(message.buffer, message.byteOffset, message.byteLength)
/** Without Buffer's own `slice`, which shares memory where others copy. */
const plain = (bytes: Buffer): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** `host:port` of a target, which may be written with or without `grpc://`. @throws `Usage` */
export const addressOf = (target: string): string => {
  const [, address] = /^(?:grpc:\/\/)?([^\s/]+:\d{1,5})$/.exec(target) ?? []
  if (address !== undefined) return address
  throw failure({ tag: 'Usage', code: 'TARGET', problem: `"${target}" is no address of a TensorFlow server`, remedy: 'Write grpc://host:port.' })
}

/** Calls of `tensorflow.MasterService` on one server: bytes in, bytes out. */
export class MasterClient {
  /** `grpc://host:port` */
  readonly target: string
  readonly #client: Client

  constructor(target: string) {
    const address = addressOf(target)
    this.target = `grpc://${address}`
    this.#client = new Client(address, credentials.createInsecure(), channelOptions)
  }

  /** @throws `Engine` with the status's code, or `Aborted` when the signal fires, which cancels the call on the server */
  call(method: string, request: Uint8Array, { timeoutMs, signal }: CallLimits): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const deadline = timeoutMs === Infinity ? {} : { deadline: Date.now() + Math.ceil(timeoutMs) }
      const onAbort = (): void => call.cancel()
      const call = this.#client.makeUnaryRequest(`/tensorflow.MasterService/${method}`, bytesOf, plain, request, new Metadata(), deadline, (error, response) => {
        signal?.removeEventListener('abort', onAbort)
        if (error === null && response !== undefined) resolve(response)
        else reject(this.#failure(error, timeoutMs, signal))
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  close(): void {
    this.#client.close()
  }

  #failure(error: ServiceError | null, timeoutMs: number, signal: AbortSignal | undefined): Error {
    if (signal?.aborted === true) return failure({ tag: 'Aborted', code: 'ABORTED', problem: 'the step was aborted', cause: signal.reason })
    if (error?.code === status.DEADLINE_EXCEEDED) return deadlineFailure(timeoutMs, this.target)
    return statusFailure(error?.code ?? status.UNKNOWN, error?.details ?? '', this.target)
  }
}
