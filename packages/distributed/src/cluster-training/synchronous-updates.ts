import { failure, hasTag, throwIfAborted } from '@millrace/core'
import { tensorNumbers, type CallOptions, type Session } from '@millrace/export'
import { isOvertaken } from '../synchronous/fences.js'
import { clearInStep } from './clear-in-step.js'
import { assign, readControl, readProgress } from './control.js'
import { sleep } from './sleep.js'
import type { WorkerGraph } from './worker-graph.js'

/** What the chief does all the while: work beside its steps. */
export interface BesideSteps {
  /** Rejects when it fails; never resolves. */
  readonly failed: Promise<never>
  /** Resolves when no further update will come. */
  readonly atRest: Promise<void>
  /** Ends it. */
  stop(): Promise<void>
}

/** Code of the error of a chief that is not the only one. */
export const CHIEF_REPLACED = 'CLUSTER_CHIEF_REPLACED'

/** How often the chief looks whether there are enough workers left for an update. */
const WATCH_MS = 250
/** What was sent last is still on its way into an update. */
const GRACE_MS = 500
/** How often workers that wait are woken at the end. */
const WAKE_MS = 50

/** Of a chief that another one has replaced. */
export const chiefReplaced = (cause?: unknown): Error =>
  failure({
    tag: 'Engine', code: CHIEF_REPLACED, problem: 'another process has taken the place of this chief, or has begun another training on these servers',
    remedy: 'Run one chief (or worker 0) only, and one training at a time. The other one goes on.', cause,
  })

/** @throws `Engine` for an update that another chief has made void, else the error itself */
const ifNotOvertaken = (thrown: unknown): never => {
  if (!hasTag(thrown, 'Engine') || !isOvertaken(thrown.problem)) throw thrown
  throw chiefReplaced(thrown)
}

/** Updates of workers in step: waits for their gradients, applies the mean, and hands out tokens, until the last step or the last worker. */
export const synchronousUpdates = (session: Session, { training, control }: WorkerGraph, aggregate: number, isGone: (share: number) => boolean, limits: CallOptions): BesideSteps => {
  const { synchronous } = training
  if (synchronous === undefined) throw failure({ tag: 'Internal', code: 'NOT_SYNCHRONOUS', problem: 'the graph has no updates of its own' })
  const stopped = new AbortController()
  const enough = new AbortController()
  const signal = limits.signal === undefined ? stopped.signal : AbortSignal.any([limits.signal, stopped.signal])
  // As it is at the time of each call.
  const within: CallOptions = { get timeoutMs() { return limits.timeoutMs }, signal }
  let rest: () => void = () => undefined
  const atRest = new Promise<void>((resolve) => { rest = resolve })
  let updatedAt = performance.now()
  let lastStep = Infinity

  const numberOf = async (name: string): Promise<number> => tensorNumbers((await session.run({ fetches: [name] }, within))[0])[0] ?? 0
  const globalStep = (): Promise<number> => numberOf(training.globalStep.value.name)

  const update = async (): Promise<void> => {
    lastStep = (await readControl(session, control, within)).lastStep
    let step = await globalStep()
    const feeds = [[synchronous.round.name, BigInt(await numberOf(synchronous.round.name))] as const]
    const until = AbortSignal.any([signal, enough.signal])
    while (step < lastStep && !until.aborted) {
      await session.run({ feeds, targets: [synchronous.update.name] }, { ...limits, signal: until }).catch(ifNotOvertaken)
      updatedAt = performance.now()
      step += 1
    }
  }
  /** Ends updates when workers come to the end of their data, or are told to stop. */
  const watch = async (): Promise<void> => {
    while (!enough.signal.aborted) {
      await sleep(WATCH_MS, AbortSignal.any([signal, enough.signal]))
      const word = await readControl(session, control, within)
      lastStep = word.lastStep
      const progress = await readProgress(session, control, word.generation, within)
      const left = progress.filter(({ ended }, share) => !ended && !isGone(share)).length
      if (lastStep <= 0 || (left < aggregate && performance.now() - updatedAt > GRACE_MS)) enough.abort()
    }
  }
  const unlessEnough = (thrown: unknown): void => {
    throwIfAborted(signal)
    if (!enough.signal.aborted) throw thrown
  }
  const work = async (): Promise<void> => {
    const watching = watch().catch(unlessEnough)
    try {
      await Promise.race([update().catch(unlessEnough), watching.then(() => new Promise<never>(() => undefined))])
    } finally {
      enough.abort()
      watching.catch(() => undefined)
    }
    // No update that was under way comes after.
    await clearInStep(session, synchronous, within)
    const step = await globalStep()
    if (lastStep > step) await assign(session, [[control.setLastStep, BigInt(step)]], within)
    rest()
    // Those who wait for a token find that it is for a step that will not be.
    for (;;) {
      await session.run({ targets: [synchronous.wake.name] }, within)
      await sleep(WAKE_MS, signal)
    }
  }
  const working = work()
  const failed = working.then(() => new Promise<never>(() => undefined), (thrown: unknown) => {
    if (stopped.signal.aborted) return new Promise<never>(() => undefined)
    throw thrown
  })
  failed.catch(() => undefined)
  return {
    failed,
    atRest,
    stop: async () => {
      stopped.abort()
      await working.catch(() => undefined)
    },
  }
}
