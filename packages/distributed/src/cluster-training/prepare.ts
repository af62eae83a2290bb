import { randomInt } from 'node:crypto'
import { failure, throwIfAborted } from '@millrace/core'
import { readModel, type CallOptions, type FeedValue, type Session } from '@millrace/export'
import { throwIfFailed } from './chief-life.js'
import { clearInStep } from './clear-in-step.js'
import type { SynchronousGraph } from '../synchronous/index.js'
import { assign, encodeInput, isReady, notBegun, readControl, readFound, readProgress, type Assignment, type FoundTraining, type WorkerProgress } from './control.js'
import type { ClusterModel } from './options.js'
import { DEFAULT_TIMEOUT_MS, type RecoveryBounds } from './recovery.js'
import type { RecoveryEvent } from './report.js'
import { fingerprintOf, whyNotGoneOn } from './same-training.js'
import { sleep } from './sleep.js'
import { chiefReplaced } from './synchronous-updates.js'
import type { WorkerGraph } from './worker-graph.js'
import { readPositions } from './worker-positions.js'

/** What a checkpoint tells beside values. */
export interface RestoredTraining {
  readonly globalStep: number
  readonly progress: readonly WorkerProgress[]
  /** States of what the workers' servers read. */
  readonly inputs: readonly Uint8Array[]
  /** For people. */
  readonly note: string
}

/** Where values of variables come from when there are none any more. */
export interface Restore {
  /** Gives variables the values of the last checkpoint; `undefined` when there is none. */
  (session: Session): Promise<RestoredTraining | undefined>
}

/** What {@link prepareAsChief} works with. */
export interface ChiefPreparation {
  readonly task: string
  readonly model: ClusterModel
  readonly graph: WorkerGraph
  readonly workers: number
  /** The global step at which all stop. */
  readonly lastStep: number
  /** Whether a process that begins goes on with the training that it finds under way, as another chief left it. */
  readonly goOn: boolean
  /** Whether the user wants that. */
  readonly resume: boolean
  readonly bounds: RecoveryBounds
  readonly restore: Restore | undefined
  readonly limits: CallOptions
  readonly onRecovery: (event: RecoveryEvent) => void
}

/** Generations are random, so that one that was lost with its server does not come again. */
const MAX_GENERATION = 2 ** 47

type Assigned = readonly [Assignment, bigint | readonly (string | Uint8Array)[]]

/** What the chief sets, behind what the workers say. */
const behindOwn = <A>(set: readonly A[], nothing: A): A[] => [...set.map(() => nothing), ...set]

/** How a chief prepares a session. */
export interface PreparedByChief {
  /** Looks at what is there, before the chief shows that it lives. */
  look(session: Session): Promise<void>
  /**
   * Sees to it that all variables have values that belong together, from a checkpoint or from the model. Resolves with their generation.
   *
   * @throws `Engine` where another chief has given them values since
   */
  prepare(session: Session): Promise<number>
}

/** As the chief. */
export const prepareAsChief = (chief: ChiefPreparation): PreparedByChief => {
  const { graph: { control, training }, lastStep, limits, workers, resume, bounds } = chief
  const fingerprint = fingerprintOf(training.variables, workers)
  let own: number | undefined
  /** All that it has given: the word of one that was given up may come late. */
  const given = new Set<number>()
  let found: FoundTraining | undefined
  const newGeneration = (): number => {
    own = randomInt(1, MAX_GENERATION)
    given.add(own)
    return own
  }
  /** Where workers are, by a generation; what they say of another one counts for nothing from here on. */
  const placed = (progress: readonly WorkerProgress[], inputs: readonly Uint8Array[], of: number): Assigned[] => [
    [control.setProgress, behindOwn(progress.map((one) => JSON.stringify({ ...one, of, driven: false })), '')],
    [control.setInputs, behindOwn(progress.map(({ position, counted, inDoubt }, share) => encodeInput({ of, position, counted, inDoubt, state: inputs[share] ?? new Uint8Array() })), new Uint8Array())],
  ]
  /** Steps of all sessions change nothing from here on, but for those that are amid it. */
  const shutOut = (session: Session): Promise<unknown> => session.run({ targets: control.shutOut.map(({ name }) => name) }, limits)
  const begin = async (session: Session, leftBehind: string | undefined): Promise<number> => {
    const first = own === undefined
    // Whoever looks from here on waits.
    await assign(session, [[control.setGeneration, 0n], [control.setLastStep, BigInt(lastStep)], ...control.setOver.map((over): Assigned => [over, 0n])], limits)
    // What is still under way on the values of before must not come to those that are given now.
    await shutOut(session)
    if (training.synchronous !== undefined) await clearInStep(session, training.synchronous, limits)
    const restored = await chief.restore?.(session)
    if (restored === undefined) await initialize(session, chief)
    const fits = restored?.progress.length === workers
    const progress = (fits ? restored.progress : startOver(restored?.progress ?? [], workers)).map((one) => ({ ...one, ended: false, kept: false }))
    const generation = newGeneration()
    await assign(session, [
      [control.setTraining, BigInt(fingerprint)], ...placed(progress, fits ? restored.inputs : [], generation), ...control.setDone.map((done): Assigned => [done, 0n]),
    ], limits)
    if (training.synchronous !== undefined) await session.run({ targets: [training.synchronous.start.name] }, limits)
    await assign(session, [[control.setGeneration, BigInt(generation)]], limits)
    if (restored !== undefined || !first || leftBehind !== undefined) {
      const note = restored === undefined ? 'from the beginning: there is no checkpoint' : restored.note
      const left = leftBehind === undefined ? [] : [`a training that was under way on the servers is not gone on with, since ${leftBehind}`]
      const again = restored === undefined || fits ? [] : [noteOfStartingOver(restored.progress, progress)]
      chief.onRecovery({ task: chief.task, at: new Date().toISOString(), what: restored === undefined ? 'initialized' : 'restored', note: [note, ...again, ...left].join('; ') })
    }
    return generation
  }
  /**
   * In step, amid training: gradients that wait for an update are thrown away, since an update that ended midway has taken some and not
   * others. All go back to what is in the values. While that is under way the generation is below 0, and no update is made. A chief that comes
   * after one that was lost amid it does the same again: what was set by then is of another generation, and goes by counts that are cleared.
   */
  const beginAgain = async (session: Session, synchronous: SynchronousGraph, before: number, isFirst: boolean): Promise<number> => {
    await assign(session, [[control.setGeneration, BigInt(-before)]], limits)
    await shutOut(session)
    await clearInStep(session, synchronous, limits)
    const at = await readPositions(session, chief.graph, before, 0, limits)
    const generation = newGeneration()
    const progress = at.map((one) => ({ ...one.progress, kept: true, inDoubt: (one.progress.inDoubt ?? 0) + one.taken }))
    // One after the other: counts that are cleared before this is set would be lost.
    await assign(session, placed(progress, at.map(({ state }) => state), generation), limits)
    await session.run({ targets: [synchronous.start.name] }, limits)
    await assign(session, [[control.setGeneration, BigInt(generation)]], limits)
    if (isFirst) {
      const note = 'in the place of a process that was lost: all workers go on from what the updates hold; resume: false would have begun anew'
      chief.onRecovery({ task: chief.task, at: new Date().toISOString(), what: 'took over', note })
    }
    return generation
  }
  const look = async (session: Session): Promise<void> => {
    if (own !== undefined || !chief.goOn) return
    found = (await isReady(session, control, limits)) ? await readFound(session, control, limits) : undefined
  }
  const prepare = async (session: Session): Promise<number> => {
    let leftBehind: string | undefined
    if ((own !== undefined || chief.goOn) && (await isReady(session, control, limits))) {
      const word = await readControl(session, control, limits)
      const [generation, { isOver }] = [Math.abs(word.generation), word]
      // Values that another one has given are not ours to go on with, nor to take away.
      if (own !== undefined && generation !== 0 && !given.has(generation)) throw chiefReplaced()
      // Servers may outlive a training: the values of one that is over are not gone on with.
      const isUnderWay = generation !== 0 && !(isOver && own === undefined)
      if (isUnderWay && own === undefined && found !== undefined) leftBehind = whyNotGoneOn(found, { resume, fingerprint, bounds }, Date.now())
      if (isUnderWay && leftBehind === undefined) {
        if (own === undefined) await assign(session, [[control.setLastStep, BigInt(lastStep)]], limits)
        const isFirst = own === undefined
        own = generation
        given.add(own)
        const { synchronous } = training
        if (synchronous === undefined || isOver) return generation
        if (synchronous.parts !== undefined) return beginAgain(session, synchronous, generation, isFirst)
        // Nobody knows whose gradients went into which updates: those that wait are let fall, as late ones are.
        await clearInStep(session, synchronous, limits)
        await session.run({ targets: [synchronous.start.name] }, limits)
        return generation
      }
    }
    return begin(session, leftBehind)
  }
  return { look, prepare }

  async function initialize(session: Session, { model }: ChiefPreparation): Promise<void> {
    const wanted = Object.entries(training.initialValues)
    const values = wanted.length === 0 ? new Map<string, FeedValue>() : await valuesOf(model)
    await session.run({ feeds: wanted.map(([name, { name: tensor }]) => [tensor, values.get(name) ?? noValue(name)] as const), targets: [training.initialize.name] }, limits)
  }
}

const noValue = (name: string): never => {
  throw failure({ tag: 'Model', code: 'MODEL_VARIABLE', problem: `the model has no value for the variable "${name}"` })
}

const valuesOf = async (model: ClusterModel): Promise<ReadonlyMap<string, FeedValue>> => {
  const { layers } = await readModel(model)
  return new Map(layers.flatMap(({ weights }) => weights.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]))))
}

/** Shares of another number of workers are others: all begin the earliest epoch again, so that no row is left out. */
const startOver = (before: readonly WorkerProgress[], workers: number): WorkerProgress[] => {
  const epoch = before.reduce((least, { position }) => Math.min(least, position.epoch), before[0]?.position.epoch ?? 0)
  return Array.from({ length: workers }, () => ({ ...notBegun, position: { ...notBegun.position, epoch } }))
}

/** What is known of the rows that are read again then; how many stand before the epoch is not. */
export const noteOfStartingOver = (before: readonly WorkerProgress[], now: readonly WorkerProgress[]): string => {
  const rows = before.reduce((sum, { position }) => sum + position.rows, 0)
  return `it is of ${before.length} workers, and now there are ${now.length}: all begin epoch ${(now[0]?.position.epoch ?? 0) + 1} again, so that at most ${rows} rows are read a second time`
}

/** How often a worker looks whether variables have values. */
const POLL_MS = 100
/** How long a worker that finds itself at the end of a training waits for another one to begin on the same servers. */
const ANOTHER_MS = 30_000

/** As any other worker: waits until all variables have values. */
export const prepareAsWorker = ({ control }: WorkerGraph, share: number, limits: CallOptions, bounds: RecoveryBounds): (session: Session) => Promise<number> => {
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = bounds
  let known: number | undefined
  return async (session) => {
    const start = performance.now()
    const end = start + timeoutMs
    for (;;) {
      throwIfAborted(limits.signal)
      if (await isReady(session, control, limits)) {
        const word = await readControl(session, control, limits)
        const { generation, isOver } = word
        // It may have failed while it gave values, or began again.
        if (Math.abs(generation) === known || (generation === 0 && known !== undefined)) throwIfFailed(word)
        // What is over may be an earlier training on the same servers, unless this worker took part in it.
        if (generation > 0 && (!isOver || generation === known)) {
          known = generation
          return generation
        }
        // Or this worker was started again after its end.
        const hasEnded = generation > 0 && !word.hasFailed && performance.now() - start >= Math.min(ANOTHER_MS, timeoutMs / 2) && (await readProgress(session, control, generation, limits))[share]?.ended === true
        if (hasEnded) return generation
      }
      if (performance.now() > end) {
        throw failure({
          tag: 'Engine', code: 'CLUSTER_NOT_INITIALIZED', problem: `the chief has not initialised the variables within ${timeoutMs} ms`,
          remedy: 'See that the chief (or worker 0) runs, and that all processes have the same cluster and model.',
        })
      }
      await sleep(POLL_MS, limits.signal)
    }
  }
}
