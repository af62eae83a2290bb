import type { CallOptions, Session } from '@millrace/export'
import type { IteratorState } from '../checkpoints/index.js'

/** How often a worker tells the state of what its server reads, where that costs little. */
const LEAST_MS = 5_000
/** At most so much of its time goes into telling. */
const SHARE_OF_TIME = 0.05
/** A state that is larger, as shuffles of millions of rows have, is not told: it would go through this process and to a parameter server again and again. */
const MAX_STATE_BYTES = 64 * 2 ** 20

/**
 * When and whether a worker tells the state of what its server reads. Who does not tell it any more is gone on with from where it was
 * told last, by passing over the batches that were taken since.
 */
export class InputTelling {
  #last = performance.now()
  #cost = 0
  #isTooLarge = false

  /** @param onTooLarge - hears once of a state that is not told, in bytes */
  constructor(private readonly state: Pick<IteratorState, 'read'> | undefined, private readonly onTooLarge: (bytes: number, limit: number) => void, private readonly limit = MAX_STATE_BYTES) {}

  get isDue(): boolean {
    return this.isTold && performance.now() - this.#last >= Math.max(LEAST_MS, this.#cost / SHARE_OF_TIME)
  }

  /** False where there is no state, or it is too large. */
  get isTold(): boolean {
    return this.state !== undefined && !this.#isTooLarge
  }

  /** Reads the state and hands it on, unless it is too large. To be called when no step is under way. */
  async tell(session: Session, limits: CallOptions, publish: (state: Uint8Array) => Promise<void>): Promise<void> {
    if (this.state === undefined || this.#isTooLarge) return
    const begun = performance.now()
    const state = await this.state.read(session, limits)
    if (state.length <= this.limit) await publish(state)
    else {
      this.#isTooLarge = true
      this.onTooLarge(state.length, this.limit)
    }
    this.#last = performance.now()
    this.#cost = this.#last - begun
  }
}
