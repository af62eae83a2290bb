import type { Resumption } from './batch-ledger.js'
import type { WorkerProgress } from './control.js'
import type { WorkerSetup } from './worker-setup.js'

/** How many batches may be under way, and what becomes of those of which nobody knows. */
interface UnderWay extends Pick<WorkerSetup, 'delivery' | 'inFlight'> {
  readonly stepsPerRun: number
}

/**
 * How many batches behind a position are not fed again.
 *
 * @param count - of the worker's steps, those that are done
 */
export const passedOver = ({ counted, driven, inDoubt = 0 }: WorkerProgress, count: number, { delivery, inFlight, stepsPerRun }: UnderWay): Pick<Resumption, 'skip' | 'inDoubt' | 'again'> => {
  const ahead = Math.max(0, count - counted)
  // One process or server was lost amid its steps. What it had sent begins with those that are done, and not more is under way than may be.
  if (driven && delivery === 'at-most-once') return { skip: ahead, inDoubt: inDoubt + inFlight, again: false }
  // Of several under way, later ones may be done before earlier ones.
  return { skip: Math.max(0, ahead - (inFlight - 1) * stepsPerRun), inDoubt: delivery === 'at-most-once' ? inDoubt : 0, again: true }
}
