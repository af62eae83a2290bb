import { throwIfAborted } from '../../errors/index.js'
import { giveTurn } from '../../job/give-turn.js'
import type { Compare } from './column-comparator.js'

/** Sorted at once: some ten milliseconds. Longer runs are merged, so that a signal is heard meanwhile. */
const RUN_ROWS = 1 << 14
/** Rows that are merged between two looks at the signal. */
const STEP_ROWS = 1 << 14

/** Two sorted runs that lie beside each other: `start` to `middle`, and from there to `end`. */
interface Runs {
  readonly start: number
  readonly middle: number
  readonly end: number
}

const merge = async (from: Int32Array, into: Int32Array, { start, middle, end }: Runs, compare: Compare, pause: () => Promise<void>): Promise<void> => {
  let left = start
  let right = middle
  for (let at = start; at < end; ) {
    for (const stop = Math.min(end, at + STEP_ROWS); at < stop; at++) {
      const isLeft = right >= end || (left < middle && compare(from[left]!, from[right]!) <= 0)
      into[at] = from[isLeft ? left++ : right++]!
    }
    await pause()
  }
}

/**
 * The numbers of rows, in order; equal rows keep theirs.
 *
 * @throws `Aborted`, also while it sorts
 */
export const sortedRows = async (rows: number, compares: readonly Compare[], signal: AbortSignal | undefined): Promise<Int32Array> => {
  const compare = compareAll(compares)
  const pause = async (): Promise<void> => {
    await giveTurn()
    throwIfAborted(signal)
  }
  let from = new Int32Array(rows)
  for (let row = 0; row < rows; row++) from[row] = row
  for (let start = 0; start < rows; start += RUN_ROWS) {
    from.subarray(start, start + RUN_ROWS).sort(compare)
    await pause()
  }
  let into = rows > RUN_ROWS ? new Int32Array(rows) : from
  for (let width = RUN_ROWS; width < rows; width *= 2) {
    for (let start = 0; start < rows; start += 2 * width) {
      await merge(from, into, { start, middle: Math.min(rows, start + width), end: Math.min(rows, start + 2 * width) }, compare, pause)
    }
    ;[from, into] = [into, from]
  }
  return from
}

const compareAll = (compares: readonly Compare[]): Compare => {
  const [first] = compares
  if (first === undefined) return (a, b) => a - b
  // Ties by the row's place: equal rows keep their order.
  if (compares.length === 1) return (a, b) => first(a, b) || a - b
  return (a, b) => {
    for (const compare of compares) {
      const result = compare(a, b)
      if (result !== 0) return result
    }
    return a - b
  }
}
