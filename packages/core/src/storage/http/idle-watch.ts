/** Servers that accept a connection and then say nothing are given up after this long. */
const IDLE_TIMEOUT_MS = 60_000
/** Sending is not heard of until it is over: a line slower than this is given up. */
const SLOWEST_BYTES_PER_MS = 16

/** Fires when nothing was heard for a minute, or with the caller's signal. */
export class IdleWatch {
  private readonly controller = new AbortController()
  private timer: NodeJS.Timeout | undefined
  readonly signal: AbortSignal

  constructor(caller: AbortSignal | undefined) {
    this.signal = caller === undefined ? this.controller.signal : AbortSignal.any([caller, this.controller.signal])
  }

  /** Something was heard: the clock starts again. @param sending - bytes that have to be sent before an answer can come */
  touch(sending = 0): void {
    clearTimeout(this.timer)
    const patience = IDLE_TIMEOUT_MS + sending / SLOWEST_BYTES_PER_MS
    this.timer = setTimeout(() => this.controller.abort(new Error(`nothing was heard for ${Math.round(patience / 1000)} s`)), patience)
  }

  /** Stops the clock: the consumer, not the server, is at work. */
  rest(): void {
    clearTimeout(this.timer)
  }
}
