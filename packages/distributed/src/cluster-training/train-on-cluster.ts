import { setMaxListeners } from 'node:events'
import { failure, fromUnknown, hasTag, job, type Job, type ProgressEvent, type RunContext } from '@millrace/core'
import type { CallOptions } from '@millrace/export'
import { replicaDeviceSetter } from '../placement/index.js'
import type { SavedCheckpoint } from '../checkpoints/index.js'
import { checkOptions } from './check-options.js'
import { chiefCheckpoints } from './chief-checkpoints.js'
import { chiefDuties } from './chief-duties.js'
import { driveWorker } from './drive-worker.js'
import { describeServed } from './served-files.js'
import { evaluateCheckpoints } from './evaluate-checkpoints.js'
import { fedInput, servedInput } from './fed-input.js'
import { openClusterLog, type ClusterLog } from './cluster-log.js'
import type { ClusterModel, ClusterTrainingOptions } from './options.js'
import { hostServer, serveVariables } from './own-server.js'
import { prepareAsChief, prepareAsWorker, type Restore } from './prepare.js'
import type { ClusterEvaluation, ClusterTrainingReport, RecoveryEvent } from './report.js'
import { describeTask, rolesOf, type Roles, type Trainer, type TrainingCluster } from './roles.js'
import { writeWeights, type FetchedWeights } from './weights.js'
import { inOneLine } from './server-error.js'
import { StepTime } from './step-time.js'
import { unlessAborted } from './unless-aborted.js'
import { workerGraph, type WorkerGraph } from './worker-graph.js'
import { workerSessions, type SessionWay } from './worker-session.js'
import type { WorkerResult, WorkerSetup } from './worker-setup.js'

/**
 * Trains a TensorFlow.js layers model on a cluster of TensorFlow servers: variables on its parameter servers, each worker with a share
 * of the data and a replica of the graph. It reads like `fit`, and ends with the trained weights in the model.
 *
 * Given the cluster of `clusterFromEnv()`, this process plays the task that it says: a parameter server serves until the training is
 * over; chief and workers run their own server, where none runs yet, and feed and drive it; an evaluator measures checkpoints. Given a
 * cluster without a task, or that of `startLocalCluster`, this process feeds and drives all workers: in a task of a cluster give all that
 * `clusterFromEnv()` gives, not its `spec` alone, or else each process drives all workers, in a training of its own.
 *
 * Workers are asynchronous: none waits for another. Who loses its session, because a server or the network failed, makes a new one; a
 * parameter server that was restarted gets its values from the chief. What happened is in the report.
 *
 * @throws `Usage` for options and clusters that make no sense, `Model` for what cannot be trained and for a loss that is no number,
 *   `Schema` for columns that are missing or do not fit, `Engine` for what TensorFlow refuses or when the bounds of recovery are passed
 * @example
 * const report = await run(trainOnCluster(model, clusterFromEnv(), { data, label: 'late', batchSize: 512, steps: 10_000 }))
 */
export const trainOnCluster = (model: ClusterModel, cluster: TrainingCluster, options: ClusterTrainingOptions): Job<ClusterTrainingReport> =>
  job(async (context) => {
    const started = performance.now()
    checkOptions(options)
    const roles = rolesOf(cluster)
    const outcome = await play(model, roles, options, context).catch((thrown: unknown) => { throw inOneLine(thrown, options) })
    return { ...outcome, seconds: (performance.now() - started) / 1000 }
  })

type Outcome = Omit<ClusterTrainingReport, 'seconds'>

/** Plays this process's part. */
const play = async (model: ClusterModel, roles: Roles, options: ClusterTrainingOptions, context: RunContext): Promise<Outcome> => {
  const { task } = roles
  if (task?.type !== 'ps') await findColumns(options, context)
  if (task === undefined) return drive(model, roles, roles.trainers, options, context, undefined)
  const spectator: Outcome = { role: describeTask(task), globalStep: 0, stoppedBy: 'over', workers: [], loss: undefined, evaluations: [], checkpoints: [], recoveries: [], notFetched: [] }
  if (task.type === 'evaluator') return { ...spectator, ...(await measure(model, roles, options, context)) }
  const trainer = roles.trainers.find((one) => one.task.type === task.type && one.task.index === task.index)
  if (trainer === undefined && task.type !== 'ps') throw failure({ tag: 'Usage', code: 'CLUSTER_TASK', problem: `a task ${describeTask(task)} has no part in the training`, remedy: 'Tasks of a training are ps, chief, worker and evaluator.' })
  const hosted = await hostServer(roles, task, options, context.signal)
  if (trainer === undefined) {
    await serveVariables(roles, task, options, context.signal)
    return spectator
  }
  return drive(model, roles, [trainer], options, context, hosted)
}

/** Streams whose columns are not known yet look them up, before anything is made on the servers. */
const findColumns = async ({ data, validation }: ClusterTrainingOptions, context: RunContext): Promise<void> => {
  if ('open' in data) await data.findSchema(context)
  await validation?.data.findSchema(context)
}

/** As the evaluator. */
const measure = async (model: ClusterModel, roles: Roles, options: ClusterTrainingOptions, { signal }: RunContext): Promise<Pick<Outcome, 'globalStep' | 'evaluations'>> => {
  const evaluations: ClusterEvaluation[] = []
  const log = options.tensorBoard === undefined ? undefined : await openClusterLog(options.tensorBoard, options)
  try {
    const globalStep = await evaluateCheckpoints(model, roles, options, signal, async (evaluation) => {
      evaluations.push(evaluation)
      await log?.evaluation(evaluation)
      options.onEvaluate?.(evaluation)
    })
    return { globalStep, evaluations }
  } finally {
    await log?.close()
  }
}

/** What the workers of this process share. */
class Shared {
  readonly evaluations: ClusterEvaluation[] = []
  readonly checkpoints: SavedCheckpoint[] = []
  readonly recoveries: RecoveryEvent[] = []
  readonly gone = new Set<number>()
  over = false
  weights: FetchedWeights | undefined
  /** As the chief found it at the end. */
  globalStep: number | undefined
}

/**
 * Drives workers to their end, the chief among them or not.
 *
 * @param hosted - target of the server that this process runs for the only one of them
 */
const drive = async (model: ClusterModel, roles: Roles, trainers: readonly Trainer[], options: ClusterTrainingOptions, context: RunContext, hosted: string | undefined): Promise<Outcome> => {
  const shared = new Shared()
  // One that fails for good ends them all.
  const stop = new AbortController()
  const signal = context.signal === undefined ? stop.signal : AbortSignal.any([context.signal, stop.signal])
  // Each step under way listens to it.
  setMaxListeners(0, signal)
  const log = options.tensorBoard === undefined || !trainers.some(({ isChief }) => isChief) ? undefined : await openClusterLog(options.tensorBoard, options)
  const chiefIsReady = latch()
  if (roles.task !== undefined) chiefIsReady.open()
  try {
    const seen = await describeServed(model, options, trainers[0]!, signal)
    // All of them have closed their sessions when this is over.
    const settled = await Promise.allSettled(trainers.map(async (trainer): Promise<WorkerResult | undefined> => {
      try {
        return await driveWorker(setUp({ model, roles, trainer, options: seen, context, signal, shared, log, chiefIsReady, hosted }))
      } catch (thrown) {
        shared.gone.add(trainer.share)
        // The others go on without a worker that was lost, not without the chief, and not with a graph that is wrong.
        if (!trainer.isChief && trainers.length > 1 && hasTag(thrown, 'Engine') && !stop.signal.aborted) return undefined
        stop.abort(thrown)
        throw thrown
      } finally {
        if (trainer.isChief) shared.over = true
      }
    }))
    const results = settled.map((one) => {
      if (one.status === 'rejected') throw fromUnknown(one.reason)
      return one.value
    })
    const outcome = report(roles, trainers, results, shared)
    context.progress?.({ stage: 'training', done: outcome.globalStep, total: options.steps, unit: 'steps', finished: true })
    return outcome
  } catch (thrown) {
    throw fromUnknown(stop.signal.aborted && context.signal?.aborted !== true ? stop.signal.reason : thrown)
  } finally {
    // Also where the last checkpoint could not be saved.
    if (shared.weights !== undefined) await writeWeights(model, shared.weights)
    await log?.close()
  }
}

const report = ({ task }: Roles, trainers: readonly Trainer[], results: readonly (WorkerResult | undefined)[], shared: Shared): Outcome => {
  const known = results.filter((one) => one !== undefined)
  const nothing = { steps: 0, rows: 0, repeatedRows: 0, uncertainRows: 0, restarts: 0, droppedSteps: 0, staleness: { mean: 0, max: 0 } }
  const losses = known.flatMap(({ loss }) => (loss === undefined ? [] : [loss]))
  return {
    role: task === undefined ? 'driver' : describeTask(task),
    globalStep: shared.globalStep ?? Math.max(0, ...known.map(({ globalStep }) => globalStep)),
    stoppedBy: known[0]?.reason ?? 'over',
    workers: trainers.map(({ task: one }, index) => results[index]?.report ?? { task: describeTask(one), ...nothing, failed: 'it was given up' }),
    loss: losses.length === 0 ? undefined : losses.reduce((sum, one) => sum + one, 0) / losses.length,
    evaluations: shared.evaluations,
    checkpoints: shared.checkpoints,
    recoveries: shared.recoveries,
    notFetched: shared.weights?.left ?? [],
  }
}

interface Latch {
  readonly opened: Promise<void>
  open(): void
}

const latch = (): Latch => {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { opened, open }
}

interface SetUp {
  readonly model: ClusterModel
  readonly roles: Roles
  readonly trainer: Trainer
  readonly options: ClusterTrainingOptions
  readonly context: RunContext
  readonly signal: AbortSignal
  readonly shared: Shared
  readonly log: ClusterLog | undefined
  /** Opened when the chief of this process has seen to the variables: before that, others may find those of an earlier training. */
  readonly chiefIsReady: Latch
  readonly hosted: string | undefined
}

const targetOf = ({ steps = Number.MAX_SAFE_INTEGER }: ClusterTrainingOptions): number => steps

const setUp = (all: SetUp): WorkerSetup => {
  const { model, roles, trainer, options, context, signal, shared, log } = all
  const { recovery = {}, delivery = 'at-most-once', batchSize = 32, shuffle } = options
  const graph = workerGraph(model, options, replicaDeviceSetter({ ...options.placement, ps: roles.spec }), roles, trainer)
  // In step, each waits for the update of the one before.
  const inFlight = options.synchronous === undefined ? options.inFlight ?? 1 : 1
  const stepTime = new StepTime(recovery)
  // As it is at the time of each call.
  const limits: CallOptions = { get timeoutMs() { return stepTime.timeoutMs }, signal }
  const epochs = options.epochs ?? (options.steps === undefined ? 1 : undefined)
  const onRecovery = (event: RecoveryEvent): void => {
    shared.recoveries.push(event)
    context.progress?.(recoveryEvent(event))
    options.onRecovery?.(event)
  }
  const checkpoints = !trainer.isChief || options.checkpoints === undefined ? undefined : chiefCheckpoints(options.checkpoints, graph, limits, {
    saved: (saved) => {
      shared.checkpoints.push(saved)
      options.onCheckpoint?.(saved)
    },
    notSaved: ({ message }) => onRecovery({ task: describeTask(trainer.task), at: new Date().toISOString(), what: 'not saved', note: message }),
  }, options.synchronous === undefined || graph.training.synchronous?.parts !== undefined ? 0 : inFlight)
  const duties = !trainer.isChief ? undefined : chiefDuties({
    model, options, graph, limits, workers: roles.trainers.length, checkpoints,
    isGone: (share) => shared.gone.has(share),
    onEvaluate: async (evaluation) => {
      shared.evaluations.push(evaluation)
      await log?.evaluation(evaluation)
      options.onEvaluate?.(evaluation)
    },
    onWeights: (weights, globalStep) => {
      shared.weights = weights
      shared.globalStep = globalStep
    },
  })
  return {
    trainer, graph, workers: roles.trainers.length, inFlight, delivery, signal, onRecovery, duties,
    input: 'open' in options.data ? fedInput({ data: options.data, share: { index: trainer.share, count: roles.trainers.length }, batchSize, shuffle, epochs, feeds: graph.feeds, signal }) : servedInput(batchSize, options.stepsPerRun ?? 1),
    connect: workerSessions({
      roles, trainer, graph: graph.newSession, limits, hosted: all.hosted, library: options.library,
      inFlight, inStep: options.synchronous !== undefined,
      onWay: (way) => { if (all.hosted !== undefined) context.progress?.(wayEvent(trainer, way)) },
    }),
    ...preparationOf(all, graph, limits, onRecovery, checkpoints?.restore),
    bounds: recovery,
    stepTime,
    targetStep: targetOf(options),
    isOver: () => shared.over,
    onStep: (step) => {
      context.progress?.({ stage: 'training', done: step.globalStep, total: options.steps, unit: 'steps', note: `loss ${step.loss.toFixed(4)}` })
      if (trainer.isChief) log?.step(step)
      options.onStep?.(step)
    },
  }
}

const preparationOf = ({ model, roles, trainer, options, signal, chiefIsReady }: SetUp, graph: WorkerGraph, limits: CallOptions, onRecovery: (event: RecoveryEvent) => void, restore: Restore | undefined): Pick<WorkerSetup, 'look' | 'prepare'> => {
  if (!trainer.isChief) {
    const wait = prepareAsWorker(graph, trainer.share, limits, options.recovery ?? {})
    return {
      prepare: async (session) => {
        await unlessAborted(chiefIsReady.opened, signal)
        return wait(session)
      },
    }
  }
  const { look, prepare } = prepareAsChief({
    task: describeTask(trainer.task), model, graph, limits, onRecovery, workers: roles.trainers.length, lastStep: targetOf(options),
    // A process that drives all by itself begins a training of its own; a chief that was started again goes on with that of the others.
    goOn: roles.task !== undefined, resume: options.resume ?? true, bounds: options.recovery ?? {},
    restore,
  })
  return {
    look,
    prepare: async (session) => {
      const generation = await prepare(session)
      chiefIsReady.open()
      return generation
    },
  }
}

const recoveryEvent = ({ task, what, note }: RecoveryEvent): ProgressEvent => ({ stage: `${task}: ${what}`, done: 0, unit: 'steps', note, finished: true })

const wayEvent = ({ task }: Trainer, { kind, reason }: SessionWay): ProgressEvent => ({
  stage: `${describeTask(task)} calls its server ${kind === 'native' ? 'in this process' : 'by gRPC'}`,
  done: 0,
  unit: 'steps',
  note: reason === undefined ? undefined : `not in this process: ${reason}`,
  finished: true,
})
