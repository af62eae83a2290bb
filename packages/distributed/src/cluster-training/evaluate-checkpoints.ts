import { failure, isMillraceError, run, throwIfAborted } from '@millrace/core'
import { describeModel, latestCheckpoint, nativeSession, type Session } from '@millrace/export'
import { addCheckpointOps, restoreCheckpoint, type CheckpointOps, type RestoreReport } from '../checkpoints/index.js'
import { addEvaluation, type Evaluation } from '../training-graph/evaluation.js'
import { trainingGraph } from '../training-graph/index.js'
import { checkValidation, evaluate } from './evaluate.js'
import type { ClusterModel, ClusterTrainingOptions } from './options.js'
import { waitUntilOver } from './own-server.js'
import type { ClusterEvaluation } from './report.js'
import type { Roles } from './roles.js'
import { sleep } from './sleep.js'
import { optionsOfGraph } from './worker-graph.js'

/** How often the evaluator looks for a checkpoint. */
const POLL_MS = 1_000
/** How often one that cannot be read is tried again. */
const MAX_TRIES = 5

/** As of a checkpoint that is removed, because newer ones are kept, while it is read. */
const unread: ReadonlySet<string> = new Set(['TF_NOT_FOUND', 'TF_DATA_LOSS', 'TF_OUT_OF_RANGE'])

/** Whether a checkpoint could not be read, and another look may find one that can. */
export const mayBeRemoved = (thrown: unknown): boolean =>
  isMillraceError(thrown) && (thrown._tag === 'NotFound' || thrown._tag === 'Corrupt' || (thrown._tag === 'Engine' && unread.has(thrown.code)))

interface Evaluator {
  readonly session: Session
  readonly evaluation: Evaluation
  readonly ops: CheckpointOps
}

/** The model in this process, without a cluster: its variables come from checkpoints. */
const openEvaluator = async (model: ClusterModel, options: ClusterTrainingOptions): Promise<Evaluator> => {
  const description = describeModel(model)
  const made = optionsOfGraph(model, options)
  const training = trainingGraph(description, made)
  const evaluation = addEvaluation(training, description, made)
  checkValidation(evaluation, options)
  const ops = addCheckpointOps(training.graph, training.variables)
  const session = await run(nativeSession({ graph: training.graph.encode(), library: options.library }))
  if (evaluation.initializeTables !== undefined) await session.run({ targets: [evaluation.initializeTables.name] })
  return { session, evaluation, ops }
}

/** As the evaluator: measures each checkpoint that it finds, in its own process, until the training is over and the last one is measured. */
export const evaluateCheckpoints = async (
  model: ClusterModel, roles: Roles, options: ClusterTrainingOptions, signal: AbortSignal | undefined, onEvaluate: (evaluation: ClusterEvaluation) => Promise<void>,
): Promise<number> => {
  const { checkpoints, validation } = options
  if (checkpoints === undefined || validation === undefined) {
    throw failure({ tag: 'Usage', code: 'EVALUATOR', problem: 'an evaluator measures rows of validation with checkpoints, and one of them is not given', remedy: 'Give checkpoints and validation to all processes.' })
  }
  const training: { isOver: boolean; failed: { readonly why: unknown } | undefined } = { isOver: false, failed: undefined }
  const stop = new AbortController()
  const over = waitUntilOver(roles, { type: 'ps', index: roles.ps[0]! }, options, signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]))
  over.then(() => { training.isOver = true }, (why: unknown) => { training.failed = { why } })
  let session: Session | undefined
  try {
    const evaluator = await openEvaluator(model, options)
    session = evaluator.session
    let last: string | undefined
    let [globalStep, tries] = [0, 0]
    for (;;) {
      throwIfAborted(signal)
      // Not of a server that is gone for a while.
      if (training.failed !== undefined) throw training.failed.why
      const wasOver = training.isOver
      const restored = await restoreNext(evaluator, checkpoints.folder, last, signal).catch((thrown: unknown) => {
        tries += 1
        if (tries >= MAX_TRIES || !mayBeRemoved(thrown)) throw thrown
        return 'unread' as const
      })
      if (restored === 'unread') await sleep(POLL_MS, signal)
      else if (restored !== undefined) {
        ;[last, globalStep, tries] = [restored.prefix, restored.step ?? 0, 0]
        await onEvaluate(await evaluate(evaluator.session, evaluator.evaluation, validation, globalStep, { signal }))
      } else if (wasOver) return globalStep
      else await sleep(POLL_MS, signal)
    }
  } finally {
    stop.abort()
    await session?.close()
  }
}

/** Restores the latest checkpoint; `undefined` where that is the last one, or there is none. */
const restoreNext = async ({ session, ops }: Evaluator, folder: string, last: string | undefined, signal: AbortSignal | undefined): Promise<RestoreReport | undefined> => {
  const latest = await latestCheckpoint(folder, signal)
  return latest === undefined || latest === last ? undefined : restoreCheckpoint(session, ops, latest, { signal })
}
