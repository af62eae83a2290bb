import { errorCode, ProtocolError } from './error-code.js'

/** What the peer may still send, on a stream or on the connection. What has come is used at once, so that it is given back soon. */
export class ReceiveWindow {
  readonly #bytes: number
  #used = 0

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /**
   * Counts bytes that come.
   *
   * @returns bytes that the peer is to be given now, often 0: each half of the window at once
   * @throws ProtocolError when it sends more than it may
   */
  take(bytes: number): number {
    this.#used += bytes
    if (this.#used > this.#bytes) throw new ProtocolError(errorCode.flowControlError, 'more data than its window')
    if (this.#used * 2 < this.#bytes) return 0
    const back = this.#used
    this.#used = 0
    return back
  }
}
