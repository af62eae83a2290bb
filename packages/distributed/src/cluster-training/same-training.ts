import { createHash } from 'node:crypto'
import type { LoweredVariable } from '@millrace/export'
import type { FoundTraining } from './control.js'
import { DEFAULT_TIMEOUT_MS, type RecoveryBounds } from './recovery.js'

/** Fits in the numbers of JavaScript. */
const FINGERPRINT_BYTES = 6

/** A number above 0 that trainings with the same variables have in common: their names, dtypes, shapes and places, and how many workers there are. */
export const fingerprintOf = (variables: readonly LoweredVariable[], workers: number): number => {
  const told = variables.map(({ weight: { name, dtype, shape }, device }) => [name, dtype, shape, device])
  const hash = createHash('sha256').update(JSON.stringify([workers, told])).digest()
  return 1 + hash.readUIntBE(0, FINGERPRINT_BYTES)
}

/** When a chief goes on with what it finds. */
export interface GoingOn {
  /** What the user wants. */
  readonly resume: boolean
  /** Of the chief's own training. */
  readonly fingerprint: number
  readonly bounds: RecoveryBounds
}

/**
 * Why a training that a chief finds under way is not gone on with; `undefined` where it is.
 *
 * @param now - by the clock of this machine, in milliseconds since 1970; those of two machines differ by less than a recovery may take
 */
export const whyNotGoneOn = ({ fingerprint, alive }: FoundTraining, own: GoingOn, now: number): string | undefined => {
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = own.bounds
  if (!own.resume) return 'resume is false'
  if (fingerprint !== own.fingerprint) return 'it has other variables'
  if (now - alive > timeoutMs) return `its chief has shown no life for ${Math.round((now - alive) / 1000)} s, and nobody waits for one longer than ${timeoutMs} ms`
  return undefined
}
