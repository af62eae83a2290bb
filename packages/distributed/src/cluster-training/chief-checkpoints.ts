import { failure, isMillraceError, type MillraceError } from '@millrace/core'
import { checkpointManager, type CheckpointManager, type SavedCheckpoint } from '../checkpoints/index.js'
import type { CallOptions, Session } from '@millrace/export'
import { isReady, notBegun, readControl, type WorkerProgress } from './control.js'
import { requireFinite } from './finite.js'
import { noteOf } from './lost-session.js'
import type { ClusterCheckpoints } from './options.js'
import type { RestoredTraining } from './prepare.js'
import type { WorkerGraph } from './worker-graph.js'
import { readPositions } from './worker-positions.js'

/** The chief's checkpoints. */
export interface ChiefCheckpoints {
  restore(session: Session): Promise<RestoredTraining | undefined>
  /** Saves when it is time. Where that cannot be, training goes on, and it is tried again when it is time again. */
  afterStep(session: Session, globalStep: number): Promise<void>
  /** Saves unless this very step was saved. @returns why it could not be */
  atEnd(session: Session, globalStep: number): Promise<MillraceError | undefined>
}

/** Who hears of them. */
export interface CheckpointEvents {
  readonly saved: (saved: SavedCheckpoint) => void
  readonly notSaved: (why: MillraceError) => void
}

const EVERY_SECONDS = 600

/** What of the cluster fails, not of the place where checkpoints are. */
const ofCluster: ReadonlySet<string> = new Set(['TF_UNAVAILABLE', 'TF_CANCELLED', 'TF_ABORTED', 'TF_DEADLINE_EXCEEDED'])

const mayBeStorage = (thrown: unknown): thrown is MillraceError =>
  isMillraceError(thrown) && (thrown._tag === 'Storage' || thrown._tag === 'NotFound' || (thrown._tag === 'Engine' && !ofCluster.has(thrown.code)))

const storageFailure = (code: string, problem: string, cause: MillraceError, source: string): MillraceError =>
  failure({ tag: 'Storage', code, problem: `${problem}: ${noteOf(cause).replace(/\.$/, '')}`, remedy: 'See that all parameter servers and the chief reach the folder, may write there, and have room.', position: { source }, cause })

/**
 * Saves and restores variables together with the positions of all workers.
 *
 * @param unapplied - steps of a worker that may be counted before their update is made: in step with backups, those under way
 */
export const chiefCheckpoints = (options: ClusterCheckpoints, graph: WorkerGraph, limits: CallOptions, on: CheckpointEvents, unapplied: number): ChiefCheckpoints => {
  const { control, checkpoint, finite } = graph
  const { everySteps, everySeconds = everySteps === undefined ? EVERY_SECONDS : Infinity } = options
  const managers = new WeakMap<Session, CheckpointManager>()
  const managerOf = (session: Session): CheckpointManager => {
    const manager = managers.get(session) ?? checkpointManager(session, checkpoint!, options)
    managers.set(session, manager)
    return manager
  }
  const signal = limits.signal
  let [savedStep, savedAt] = [0, performance.now()]
  let keptStep: number | undefined
  const save = async (session: Session): Promise<void> => {
    // A good checkpoint is not to give way to one that nobody can go on from.
    if (finite !== undefined) await requireFinite(session, finite, limits)
    const { generation } = await readControl(session, control, limits)
    // What an update has taken that is under way is made, or its values are not saved.
    const told = await readPositions(session, graph, Math.abs(generation), unapplied, limits)
    const positions = told.map(({ progress, state }, share) => ({ name: `worker_${share}`, step: savedStep, stream: progress, iterator: state }))
    const saved = await managerOf(session).save(positions, { signal })
    ;[savedStep, savedAt, keptStep] = [saved.step, performance.now(), saved.step]
    on.saved(saved)
  }
  /** Why the place of the checkpoints did not take one. @throws what else went wrong */
  const saveOrSay = async (session: Session): Promise<MillraceError | undefined> => {
    try {
      await save(session)
      return undefined
    } catch (thrown) {
      // TensorFlow says FAILED_PRECONDITION of a file that is no folder, too.
      if (!mayBeStorage(thrown) || !(await isReady(session, control, limits))) throw thrown
      return storageFailure('CHECKPOINT_NOT_SAVED', `no checkpoint could be saved in ${options.folder}`, thrown, options.folder)
    }
  }
  return {
    restore: async (session) => {
      const restored = await managerOf(session).restoreLatest({ signal }).catch((thrown: unknown) => {
        throw mayBeStorage(thrown) ? storageFailure('CHECKPOINT_NOT_READ', `${options.folder} cannot be read`, thrown, options.folder) : thrown
      })
      if (restored === undefined) return undefined
      const { step = 0, positions, prefix, warnings } = restored
      ;[savedStep, savedAt, keptStep] = [step, performance.now(), step]
      const note = [`from the checkpoint ${prefix} of step ${step}`, ...warnings].join('; ')
      return {
        globalStep: step,
        progress: positions.map(({ stream }) => ({ ...notBegun, ...(stream as WorkerProgress | undefined) })),
        inputs: positions.map(({ iterator }) => iterator ?? new Uint8Array()),
        note,
      }
    },
    afterStep: async (session, globalStep) => {
      const due = globalStep - savedStep >= (everySteps ?? Infinity) || performance.now() - savedAt >= everySeconds * 1000
      if (!due) return
      const failed = await saveOrSay(session)
      if (failed === undefined) return
      ;[savedStep, savedAt] = [globalStep, performance.now()]
      on.notSaved(failed)
    },
    atEnd: async (session, globalStep) => {
      return globalStep === keptStep ? undefined : saveOrSay(session)
    },
  }
}
