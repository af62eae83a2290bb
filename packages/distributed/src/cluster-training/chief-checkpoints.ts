import { checkpointManager, type CheckpointManager, type SavedCheckpoint } from '../checkpoints/index.js'
import type { CallOptions, Session } from '@millrace/export'
import { notBegun, readInputs, readProgress, type WorkerProgress } from './control.js'
import type { ClusterCheckpoints } from './options.js'
import type { RestoredTraining } from './prepare.js'
import type { WorkerGraph } from './worker-graph.js'

/** The chief's checkpoints. */
export interface ChiefCheckpoints {
  restore(session: Session): Promise<RestoredTraining | undefined>
  /** Saves when it is time. */
  afterStep(session: Session, globalStep: number): Promise<void>
  /** Saves unless this very step was saved. */
  atEnd(session: Session, globalStep: number): Promise<void>
}

const EVERY_SECONDS = 600

/** Saves and restores variables together with the positions of all workers. */
export const chiefCheckpoints = (options: ClusterCheckpoints, { control, checkpoint }: WorkerGraph, limits: CallOptions, onSaved: (saved: SavedCheckpoint) => void): ChiefCheckpoints => {
  const { everySteps, everySeconds = everySteps === undefined ? EVERY_SECONDS : Infinity } = options
  const managers = new WeakMap<Session, CheckpointManager>()
  const managerOf = (session: Session): CheckpointManager => {
    const manager = managers.get(session) ?? checkpointManager(session, checkpoint!, options)
    managers.set(session, manager)
    return manager
  }
  const signal = limits.signal
  let [savedStep, savedAt] = [0, performance.now()]
  const save = async (session: Session): Promise<void> => {
    // Positions first: what is read between them and the values is read again after a restore, and nothing is left out.
    const [progress, inputs] = [await readProgress(session, control, limits), await readInputs(session, control, limits)]
    const positions = progress.map((stream, share) => ({ name: `worker_${share}`, step: savedStep, stream, iterator: inputs[share] ?? new Uint8Array() }))
    const saved = await managerOf(session).save(positions, { signal })
    ;[savedStep, savedAt] = [saved.step, performance.now()]
    onSaved(saved)
  }
  return {
    restore: async (session) => {
      const restored = await managerOf(session).restoreLatest({ signal })
      if (restored === undefined) return undefined
      const { step = 0, positions, prefix, warnings } = restored
      ;[savedStep, savedAt] = [step, performance.now()]
      const note = [`from the checkpoint ${prefix} of step ${step}`, ...warnings].join('; ')
      return {
        globalStep: step,
        progress: positions.map(({ stream }) => (stream ?? notBegun) as WorkerProgress),
        inputs: positions.map(({ iterator }) => iterator ?? new Uint8Array()),
        note,
      }
    },
    afterStep: async (session, globalStep) => {
      const due = globalStep - savedStep >= (everySteps ?? Infinity) || performance.now() - savedAt >= everySeconds * 1000
      if (due) await save(session)
    },
    atEnd: async (session, globalStep) => {
      if (globalStep !== savedStep) await save(session)
    },
  }
}
