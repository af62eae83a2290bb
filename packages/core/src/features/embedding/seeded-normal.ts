/** A uniform number from 0 (included) to 1 for each call: mulberry32, whose sequence depends on the seed alone. */
const uniform = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Fills `out` with numbers of the normal distribution of mean 0, by Box and Muller; the same seed gives the same. */
export const fillNormal = (out: Float32Array, seed: number, deviation: number): void => {
  const next = uniform(seed)
  for (let i = 0; i < out.length; i += 2) {
    // 1 - u is never 0, whose logarithm is infinite.
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - next()))
    const angle = 2 * Math.PI * next()
    out[i] = radius * Math.cos(angle)
    if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle)
  }
}
