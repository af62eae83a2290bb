import { failure, run, throwIfAborted } from '@millrace/core'
import { describeModel, latestCheckpoint, nativeSession, type Session } from '@millrace/export'
import { addCheckpointOps, restoreCheckpoint, type CheckpointOps } from '../checkpoints/index.js'
import { addEvaluation, type Evaluation } from '../training-graph/evaluation.js'
import { trainingGraph } from '../training-graph/index.js'
import { evaluate } from './evaluate.js'
import type { ClusterModel, ClusterTrainingOptions } from './options.js'
import { waitUntilOver } from './own-server.js'
import type { ClusterEvaluation } from './report.js'
import type { Roles } from './roles.js'
import { sleep } from './sleep.js'
import { optionsOfGraph } from './worker-graph.js'

/** How often the evaluator looks for a checkpoint. */
const POLL_MS = 1_000

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
  let isOver = false
  const stop = new AbortController()
  const over = waitUntilOver(roles, { type: 'ps', index: roles.ps[0]! }, options, signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])).then(() => { isOver = true })
  over.catch(() => undefined)
  const { session, evaluation, ops } = await openEvaluator(model, options)
  try {
    let last: string | undefined
    let globalStep = 0
    for (;;) {
      throwIfAborted(signal)
      const wasOver = isOver
      const latest = await latestCheckpoint(checkpoints.folder)
      if (latest !== undefined && latest !== last) {
        globalStep = (await restoreCheckpoint(session, ops, latest, { signal })).step ?? 0
        await onEvaluate(await evaluate(session, evaluation, validation, globalStep, { signal }))
        last = latest
      } else if (wasOver) return globalStep
      else await sleep(POLL_MS, signal)
    }
  } finally {
    stop.abort()
    await session.close()
  }
}
