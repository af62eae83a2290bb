import type { RecoveryBounds } from './recovery.js'

const DEFAULT_STEP_TIMEOUT_MS = 60_000

/** How long a step may take: as long as steps may, and while a session is lost no longer than the bound of its recovery. */
export class StepTime {
  readonly #stepTimeoutMs: number
  #end = Infinity

  constructor({ stepTimeoutMs = DEFAULT_STEP_TIMEOUT_MS }: RecoveryBounds) {
    this.#stepTimeoutMs = stepTimeoutMs
  }

  /** @param end - on the clock of `performance.now()`; `undefined` when all is well */
  until(end: number | undefined): void {
    this.#end = end ?? Infinity
  }

  /** Whether a step has less time than steps have. */
  get isCutShort(): boolean {
    return this.#end - performance.now() < this.#stepTimeoutMs
  }

  get timeoutMs(): number {
    return Math.max(1, Math.min(this.#stepTimeoutMs, Math.ceil(this.#end - performance.now())))
  }
}
