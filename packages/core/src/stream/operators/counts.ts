import { describeValue, failure } from '../../errors/index.js'

/** Checks an argument that counts something. @throws `Usage` */
export const requireCount = (value: number, least: number, use: string): number => {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw failure({ tag: 'Usage', code: 'BAD_COUNT', problem: `${use} must be a whole number from ${least} on, and is ${describeValue(value)}` })
}

/** Checks a seed. @throws `Usage` */
export const requireSeed = (seed: number, use: string): number => {
  if (Number.isSafeInteger(seed)) return seed
  throw failure({ tag: 'Usage', code: 'BAD_COUNT', problem: `${use} must be a safe integer, and is ${describeValue(seed)}` })
}
