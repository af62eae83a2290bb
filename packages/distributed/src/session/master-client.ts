import { failure } from '@millrace/core'
import type { CallLimits } from '@millrace/export'
import { UnaryClient, type UnaryClientOptions } from './grpc/unary-client.js'

const MAX_PORT = 65_535

/** `host:port` of a target, which may be written with or without `grpc://`. @throws `Usage` */
export const addressOf = (target: string): string => {
  const [, address, port] = /^(?:grpc:\/\/)?((?:[\w.-]+|\[[\da-f:.%\w]+\]):(\d{1,5}))$/i.exec(target) ?? []
  if (address !== undefined && Number(port) <= MAX_PORT) return address
  throw failure({ tag: 'Usage', code: 'TARGET', problem: `"${target}" is no address of a TensorFlow server`, remedy: 'Write grpc://host:port.' })
}

/** Calls of `tensorflow.MasterService` on one server: bytes in, bytes out. */
export class MasterClient {
  /** `grpc://host:port` */
  readonly target: string
  readonly #client: UnaryClient

  constructor(target: string, options: UnaryClientOptions = {}) {
    const address = addressOf(target)
    this.target = `grpc://${address}`
    this.#client = new UnaryClient(address, options)
  }

  /** @throws `Engine` with the status's code, or `Aborted` when the signal fires, which cancels the call on the server */
  call(method: string, request: Uint8Array, limits: CallLimits): Promise<Uint8Array> {
    return this.#client.call(`/tensorflow.MasterService/${method}`, request, limits)
  }

  close(): void {
    this.#client.close()
  }
}
