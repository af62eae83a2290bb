import { throwIfAborted } from '@millrace/core'
import { tensorNumbers, type CallOptions, type Session } from '@millrace/export'
import type { ChiefCheckpoints } from './chief-checkpoints.js'
import { showLife, tellFailure } from './chief-life.js'
import { assign, readControl, readProgress, requireGeneration, type Assignment } from './control.js'
import { evaluate, reaches } from './evaluate.js'
import { requireFinite } from './finite.js'
import type { ClusterModel, ClusterTrainingOptions } from './options.js'
import { DEFAULT_TIMEOUT_MS } from './recovery.js'
import type { ClusterEvaluation } from './report.js'
import { sleep } from './sleep.js'
import { synchronousUpdates } from './synchronous-updates.js'
import { fetchWeights, type FetchedWeights } from './weights.js'
import type { WorkerGraph } from './worker-graph.js'
import type { Duties } from './worker-setup.js'

/** What the chief's duties work with. */
export interface ChiefSetup {
  readonly model: ClusterModel
  readonly options: ClusterTrainingOptions
  readonly graph: WorkerGraph
  readonly limits: CallOptions
  readonly checkpoints: ChiefCheckpoints | undefined
  /** How many there are, the chief among them. */
  readonly workers: number
  /** True for a worker that this process drove and that will do nothing any more. */
  readonly isGone: (share: number) => boolean
  readonly onEvaluate: (evaluation: ClusterEvaluation) => Promise<void>
  readonly onWeights: (weights: FetchedWeights, globalStep: number) => void
}

/** How often the chief looks whether the others have come to their end. */
const POLL_MS = 50

/** Evaluation, stopping, and the end. */
export const chiefDuties = (chief: ChiefSetup): Duties => {
  const { model, options, graph, limits } = chief
  const { validation, stopAt, recovery } = options
  const { control, training } = graph
  let evaluatedAt = 0
  let isTold = false
  const measure = async (session: Session, globalStep: number): Promise<void> => {
    if (validation === undefined || graph.evaluation === undefined) return
    evaluatedAt = globalStep
    const evaluation = await evaluate(session, graph.evaluation, validation, globalStep, limits)
    await chief.onEvaluate(evaluation)
    if (stopAt !== undefined && reaches(evaluation, stopAt)) await assign(session, [[control.setLastStep, 0n]], limits)
  }
  const globalStepOf = async (session: Session): Promise<number> => tensorNumbers((await session.run({ fetches: [training.globalStep.value.name] }, limits))[0])[0] ?? 0

  /** Until all workers have come to their end, or nothing has moved for as long as a recovery may take. */
  const waitForOthers = async (session: Session, generation: number): Promise<void> => {
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = recovery ?? {}
    let [last, movedAt] = [-1, performance.now()]
    for (;;) {
      throwIfAborted(limits.signal)
      const progress = await readProgress(session, control, generation, limits)
      if (progress.every(({ ended }, share) => ended || chief.isGone(share))) return
      requireGeneration(await readControl(session, control, limits), generation)
      const step = await globalStepOf(session)
      if (step !== last) [last, movedAt] = [step, performance.now()]
      else if (performance.now() - movedAt > timeoutMs) return
      await sleep(POLL_MS, limits.signal)
    }
  }

  return {
    alive: (session) => showLife(session, control, limits, recovery ?? {}),
    abandon: async (session) => {
      if (!isTold) await tellFailure(session, control)
    },
    afterStep: async (session, globalStep) => {
      if (validation?.everySteps !== undefined && globalStep - evaluatedAt >= validation.everySteps) await measure(session, globalStep)
      await chief.checkpoints?.afterStep(session, globalStep)
    },
    beside: (session) => options.synchronous === undefined ? undefined : synchronousUpdates(session, graph, options.synchronous.aggregate ?? chief.workers, chief.isGone, limits),
    finish: async (session, beside, generation) => {
      await waitForOthers(session, generation)
      if (beside !== undefined) await Promise.race([beside.atRest, beside.failed])
      // What is measured, saved and fetched is of this training, and it is this one that is over.
      requireGeneration(await readControl(session, control, limits), generation)
      const globalStep = await globalStepOf(session)
      if (graph.finite !== undefined) await requireFinite(session, graph.finite, limits)
      if (evaluatedAt !== globalStep) await measure(session, globalStep)
      const notSaved = await chief.checkpoints?.atEnd(session, globalStep)
      chief.onWeights(await fetchWeights(session, model, training.variables, options.fetchLimitBytes, limits), globalStep)
      await assign(session, control.setOver.map((over): readonly [Assignment, bigint] => [over, 1n]), limits)
      isTold = true
      // The others end well, and the model has what it has learnt.
      if (notSaved !== undefined) throw notSaved
    },
  }
}
