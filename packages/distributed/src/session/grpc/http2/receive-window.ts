/**
 * What the peer may still send, on a stream or on the connection. What comes is used at once and given back soon, so that there is no need to hold
 * anybody to it: the memory of an answer is bounded by its length.
 */
export class ReceiveWindow {
  readonly #bytes: number
  #used = 0

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /** Counts bytes that come. @returns bytes that the peer is to be given now, often 0: each half of the window at once */
  take(bytes: number): number {
    this.#used += bytes
    if (this.#used * 2 < this.#bytes) return 0
    const back = this.#used
    this.#used = 0
    return back
  }
}
