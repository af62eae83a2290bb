import { setImmediate } from 'node:timers/promises'

/** Longest that work without I/O keeps timers, signal handlers and the rest of the program waiting. */
const LONGEST_RUN_MS = 10

let lastTurn = performance.now()

/**
 * Gives the event loop a turn when it has had none for a while. Awaiting promises that are settled already, as a loop over batches
 * in memory does, never does so by itself: an `AbortSignal` could not fire, nor a server answer.
 *
 * @returns `undefined`, which needs no waiting, when no turn is due
 */
export const giveTurn = (): Promise<void> | undefined => {
  if (performance.now() - lastTurn < LONGEST_RUN_MS) return undefined
  return setImmediate().then(() => {
    lastTurn = performance.now()
  })
}
