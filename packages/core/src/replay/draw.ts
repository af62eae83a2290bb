import { failure } from '../errors/index.js'
import type { Random } from '../random/random.js'
import type { SumTree } from './sum-tree.js'

const TWO_32 = 4294967296

/** A number from 0 to (exclusive) 1, of 53 random bits. */
const fraction = (random: Random): number => (random.below(2 ** 21) * TWO_32 + random.below(TWO_32)) / 2 ** 53

/** `count` of the numbers below `size`, any as often as it comes. */
export const drawWithReplacement = (count: number, size: number, random: Random): Int32Array => Int32Array.from({ length: count }, () => random.below(size))

/** `count` different numbers below `size`, in random order: the first steps of a Fisher-Yates shuffle, of which only what moved is kept. */
export const drawWithoutReplacement = (count: number, size: number, random: Random): Int32Array => {
  const moved = new Map<number, number>()
  return Int32Array.from({ length: count }, (_, at) => {
    const chosen = at + random.below(size - at)
    const value = moved.get(chosen) ?? chosen
    moved.set(chosen, moved.get(at) ?? at)
    return value
  })
}

const noWeight = (drawn: number, count: number): Error =>
  failure({ tag: 'Usage', code: 'NO_WEIGHT', problem: `only ${drawn} of ${count} rows can be drawn: the priorities of the others are 0, and so is epsilon`, remedy: 'Give an epsilon above 0, so that every row has its chance, or draw fewer.' })

/**
 * `count` slots, each as likely as its weight; without replacement, weights of slots that were drawn count as 0 for the rest.
 *
 * @throws `Usage` NO_WEIGHT where no weight is left to draw by
 */
export const drawByWeight = (count: number, tree: SumTree, replacement: boolean, random: Random): Int32Array => {
  const out = new Int32Array(count)
  const taken: (readonly [slot: number, weight: number])[] = []
  try {
    for (let i = 0; i < count; i++) {
      if (tree.total === 0) throw noWeight(i, count)
      const slot = tree.find(fraction(random) * tree.total)
      out[i] = slot
      if (replacement) continue
      taken.push([slot, tree.get(slot)])
      tree.set(slot, 0)
    }
  } finally {
    for (const [slot, weight] of taken) tree.set(slot, weight)
  }
  return out
}
