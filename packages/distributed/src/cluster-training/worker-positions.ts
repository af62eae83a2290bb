import type { CallOptions, Session } from '@millrace/export'
import { readDone, readInputs, readProgress, readTaken, type WorkerProgress } from './control.js'
import type { WorkerGraph } from './worker-graph.js'

/** Where a worker goes on. */
export interface WorkerPosition {
  readonly progress: WorkerProgress
  /** Of what its server reads; empty where it is fed. */
  readonly state: Uint8Array
  /** Batches that an update has taken and not applied: it is under way, or was cut off. */
  readonly taken: number
}

/**
 * Where all workers are: their positions, and how many steps behind them are done, as the servers have counted. Who goes on from
 * there passes over so many. To be read before the values that they go with: steps that are done meanwhile are in the values, and done a
 * second time, and none is left out. What a chief has set that did not come to the end of beginning again is of another generation, and goes by
 * counts that are cleared: nothing was done since.
 *
 * @param unapplied - steps of a worker that may be counted before their update is made
 */
export const readPositions = async (session: Session, { control, inputState }: Pick<WorkerGraph, 'control' | 'inputState'>, generation: number, unapplied: number, limits: CallOptions): Promise<WorkerPosition[]> => {
  const [progress, inputs] = [await readProgress(session, control, generation, limits), await readInputs(session, control, generation, limits)]
  const done = await readDone(session, control, limits)
  const taken = await readTaken(session, control, limits) ?? done
  return progress.map((one, share) => {
    const { state = new Uint8Array(), ...input } = inputs[share] ?? { ...one, state: undefined }
    const { position, counted, inDoubt, of } = inputState === undefined ? one : input
    const at = { ...one, position, inDoubt }
    if (of !== generation) return { progress: { ...at, counted }, state, taken: 0 }
    return { progress: { ...at, counted: -Math.max(0, done[share]! - unapplied - counted) }, state, taken: Math.max(0, taken[share]! - done[share]!) }
  })
}
