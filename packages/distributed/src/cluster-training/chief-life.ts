import { failure } from '@millrace/core'
import type { CallOptions, Session } from '@millrace/export'
import { assign, type ChiefWord, type Control } from './control.js'
import { DEFAULT_TIMEOUT_MS, type RecoveryBounds } from './recovery.js'
import { sleep } from './sleep.js'

/** How often the chief shows that it lives, and how often at least within the time that others wait for it. */
const [BEAT_MS, BEATS] = [2_000, 5]
/** How long the last word of a chief may take. */
const LAST_WORD_MS = 2_000

/** As the chief: shows the others that it lives, until it is stopped. What keeps it from that is noticed elsewhere. */
export const showLife = (session: Session, { setAlive }: Control, limits: CallOptions, { timeoutMs = DEFAULT_TIMEOUT_MS }: RecoveryBounds): { stop(): Promise<void> } => {
  const stopped = new AbortController()
  const signal = limits.signal === undefined ? stopped.signal : AbortSignal.any([limits.signal, stopped.signal])
  const beat = async (): Promise<void> => {
    while (!signal.aborted) {
      const now = BigInt(Date.now())
      await assign(session, setAlive.map((one) => [one, now] as const), { timeoutMs: limits.timeoutMs, signal }).catch(() => undefined)
      await sleep(Math.min(BEAT_MS, timeoutMs / BEATS), signal)
    }
  }
  const beating = beat().catch(() => undefined)
  return {
    stop: async () => {
      stopped.abort()
      await beating
    },
  }
}

/** As the chief: tells the others, as well as it can, that the training came to no good end. */
export const tellFailure = (session: Session, { setOver }: Control): Promise<void> =>
  assign(session, setOver.map((over) => [over, 2n] as const), { timeoutMs: LAST_WORD_MS }).catch(() => undefined)

/** @throws `Engine` when the chief says that the training came to no good end */
export const throwIfFailed = ({ hasFailed }: Pick<ChiefWord, 'hasFailed'>): void => {
  if (!hasFailed) return
  throw failure({
    tag: 'Engine', code: 'CLUSTER_CHIEF_GONE', problem: 'the chief has ended the training, since it was aborted or failed for good',
    remedy: 'See what the chief says. Started again, all processes go on from the last checkpoint, where there is one.',
  })
}

/** Watches whether the chief lives, by a value that it keeps changing. */
export class ChiefWatch {
  readonly #timeoutMs: number
  #alive: number | undefined
  #seenAt = performance.now()

  constructor({ timeoutMs = DEFAULT_TIMEOUT_MS }: RecoveryBounds) {
    this.#timeoutMs = timeoutMs
  }

  /** While there is something else to do, silence does no harm. */
  note(alive: number | undefined): void {
    if (alive !== undefined && alive !== this.#alive) [this.#alive, this.#seenAt] = [alive, performance.now()]
  }

  /**
   * @param alive - what it last said; `undefined` where it was not heard
   * @throws `Engine` when it has been silent for longer than the bound of a recovery
   */
  saw(alive: number | undefined): void {
    this.note(alive)
    if (performance.now() - this.#seenAt <= this.#timeoutMs) return
    throw failure({
      tag: 'Engine', code: 'CLUSTER_CHIEF_GONE', problem: `the chief has given no sign of life for ${this.#timeoutMs} ms`,
      remedy: 'See that the chief (or worker 0) runs, and start the training again; `recovery.timeoutMs` is the bound.',
    })
  }
}
