import { failure, hasTag, throwIfAborted } from '@millrace/core'
import { tensorNumbers, type CallOptions, type Session } from '@millrace/export'
import { lossNotFinite } from '../training/not-finite.js'
import { BatchLedger, type Resumption } from './batch-ledger.js'
import { ChiefWatch, throwIfFailed } from './chief-life.js'
import { assign, isReady, publishProgress, readControl, readDone, readProgress, requireGeneration, type WorkerProgress } from './control.js'
import { noServedRows, type FedBatch } from './fed-input.js'
import { allWell, DEFAULT_TIMEOUT_MS, faced, faultOf, isEndOfData, recovered, wasNotSent } from './recovery.js'
import { describeTask } from './roles.js'
import { InputTelling } from './input-telling.js'
import { passedOver } from './passed-over.js'
import { incarnationOf, openSource, passOver } from './served-source.js'
import { sleep } from './sleep.js'
import { StepRuns, type StepResult } from './step-runs.js'
import { Staleness } from './staleness.js'
import { closeSoon, givenUp, noteOf } from './lost-session.js'
import { CHIEF_REPLACED, type BesideSteps } from './synchronous-updates.js'
import type { StopReason, WorkerResult, WorkerSetup } from './worker-setup.js'

/** How often a worker tells how far it is, and asks whether to stop. */
const CONTROL_MS = 500
/** How long, and how often, it looks whether its last gradients are in an update. If not, it tells where it is another time. */
const [APPLIED_MS, APPLIED_POLL_MS] = [1_000, 5]
/** How often it looks when it only waits. */
const POLL_MS = 100
/** A parameter server that is gone after a worker's own end has most likely ended because all are done. */
const FAREWELL_MS = 10_000
/** Weight of a step in the running mean of the loss. */
const LOSS_WEIGHT = 0.05

/**
 * Drives one worker to its end: makes sessions, feeds its batches, and makes a new session whenever it has lost one, within bounds.
 *
 * @throws what no new session would mend, and the last fault when the bounds are passed
 */
export const driveWorker = async (setup: WorkerSetup): Promise<WorkerResult> => {
  const { trainer, signal, bounds, stepTime, onRecovery } = setup
  const task = describeTask(trainer.task)
  const drive = new WorkerDrive(setup)
  let state = allWell
  let lost = false
  let cause: unknown
  try {
    for (;;) {
      throwIfAborted(signal)
      try {
        return await drive.session(() => {
          if (lost) onRecovery({ task, at: new Date().toISOString(), what: 'back', note: `it goes on after ${state.attempts} attempt${state.attempts === 1 ? '' : 's'}` })
          lost = false
          state = recovered(state)
          stepTime.until(undefined)
        }, () => state.restarts)
      } catch (thrown) {
        throwIfAborted(signal)
        const fault = faultOf(thrown)
        if (fault === undefined) throw thrown
        const [next, decision] = faced(state, performance.now(), bounds)
        state = next
        // An attempt that ends because the time for all of them is up says less than what they failed of before.
        if (!lost || fault !== 'hung' || !stepTime.isCutShort) cause = thrown
        lost = true
        stepTime.until((state.downSince ?? performance.now()) + (bounds.timeoutMs ?? DEFAULT_TIMEOUT_MS))
        if (drive.isLikelyOver(state.downSince)) return drive.result('over', state.restarts)
        const note = noteOf(decision.action === 'give-up' ? cause : thrown)
        onRecovery({ task, at: new Date().toISOString(), what: decision.action === 'give-up' ? 'gave up' : 'lost', fault, note: decision.action === 'give-up' ? `${decision.reason}: ${note}` : note })
        if (decision.action === 'give-up') throw givenUp(task, decision.reason, cause)
        await sleep(decision.afterMs, signal)
      }
    }
  } finally {
    await setup.input.close()
  }
}

/** One file, and long: every part of it moves the same few states of one worker (session, ledger, input, fault) from loss to loss. */
class WorkerDrive {
  readonly #setup: WorkerSetup
  readonly #ledger: BatchLedger
  readonly #telling: InputTelling
  readonly #staleness = new Staleness()
  readonly #watch: ChiefWatch
  #generation: number | undefined
  #globalStep = 0
  #lastStep = 0
  #steps = 0
  #dropped = 0
  #askSoon = false
  #hasAbandoned = false
  /** Of the worker's server, as it was when its source was opened. */
  #here: bigint | undefined
  #loss: number | undefined
  #reason: StopReason = 'data'
  /** As they are at the time of each call. */
  readonly #limits: CallOptions

  constructor(setup: WorkerSetup) {
    this.#setup = setup
    this.#ledger = new BatchLedger(setup.input)
    this.#watch = new ChiefWatch(setup.bounds)
    this.#telling = new InputTelling(setup.graph.inputState, (bytes, limit) => {
      const note = `the state of what the server reads has ${bytes} bytes, more than ${limit}: it is not told, and after a loss all that was read since it last was is read again and passed over; a smaller data.shuffle.records makes it smaller`
      setup.onRecovery({ task: describeTask(setup.trainer.task), at: new Date().toISOString(), what: 'not saved', note })
    })
    this.#limits = { get timeoutMs() { return setup.stepTime.timeoutMs }, signal: setup.signal }
  }

  /** One session, until the end or a fault. */
  async session(onWell: () => void, restarts: () => number): Promise<WorkerResult> {
    const { graph: { tables }, connect, look, prepare, duties } = this.#setup
    const session = await connect()
    let life: { stop(): Promise<void> } | undefined
    try {
      await look?.(session)
      life = duties?.alive(session)
      if (tables.length > 0) await session.run({ targets: tables }, this.#limits)
      for (;;) {
        await this.#takeUp(session, await prepare(session))
        const beside = duties?.beside(session)
        const played = this.#play(session, beside, onWell)
        try {
          if (await (beside === undefined ? played : Promise.race([played, beside.failed]))) return this.result(this.#reason, restarts())
        } catch (thrown) {
          await this.#abandon(session, thrown)
          await closeSoon(session)
          // What it has under way ends with the session, before another one takes its batches.
          await played.catch(() => undefined)
          throw thrown
        } finally {
          await beside?.stop()
        }
      }
    } catch (thrown) {
      await this.#abandon(session, thrown)
      throw thrown
    } finally {
      await life?.stop()
      await closeSoon(session)
    }
  }

  /** The others have to know when the chief will not be back. */
  async #abandon(session: Session, thrown: unknown): Promise<void> {
    const { duties, signal } = this.#setup
    // Another one goes on in its place.
    if (hasTag(thrown, 'Engine') && thrown.code === CHIEF_REPLACED) return
    if (this.#hasAbandoned || (signal?.aborted !== true && faultOf(thrown) !== undefined)) return
    this.#hasAbandoned = true
    await duties?.abandon(session)
  }

  /** Trains, and waits until all are done. False when it has to begin again. */
  async #play(session: Session, beside: BesideSteps | undefined, onWell: () => void): Promise<boolean> {
    const { duties } = this.#setup
    if (!this.#ledger.ended) {
      this.#reason = await this.#train(session, onWell)
      await this.#settleLast(session)
    }
    this.#ledger.end()
    await this.#publishInput(session)
    await this.#publish(session)
    if (duties !== undefined) await duties.finish(session, beside, this.#generation!)
    else if (!(await this.#waitForTheEnd(session))) return false
    onWell()
    return true
  }

  result(reason: StopReason, restarts: number): WorkerResult {
    const { seen, repeated, uncertain } = this.#ledger.progress
    const report = {
      task: describeTask(this.#setup.trainer.task), steps: this.#steps, rows: seen, repeatedRows: repeated, uncertainRows: uncertain, restarts, droppedSteps: this.#dropped,
      staleness: this.#staleness.summary,
    }
    return { report, globalStep: this.#globalStep, reason, loss: this.#loss }
  }

  /** After its own end, a worker need not know why the servers are gone. */
  isLikelyOver(downSince: number | undefined): boolean {
    const { duties, isOver } = this.#setup
    return duties === undefined && this.#ledger.ended && (isOver() || performance.now() - (downSince ?? performance.now()) > FAREWELL_MS)
  }

  /** Takes the position that belongs to the values that the variables have. */
  async #takeUp(session: Session, generation: number): Promise<void> {
    const { graph, trainer } = this.#setup
    const { control, training } = graph
    // Before all that is read: no step of an earlier session is done after it.
    await assign(session, control.letIn.map((one) => [one, BigInt64Array.of(graph.session)] as const), this.#limits)
    const [[step], word, counts] = await Promise.all([
      session.run({ fetches: [training.globalStep.value.name] }, this.#limits), readControl(session, control, this.#limits), readDone(session, control, this.#limits),
    ])
    // Whoever sets values lets nobody in first, so this session may be let in where it ought not to be.
    requireGeneration(word, generation)
    const { lastStep } = word
    const count = counts[trainer.share] ?? 0
    this.#globalStep = tensorNumbers(step)[0] ?? 0
    this.#lastStep = lastStep
    // A server that was restarted has lost what it was reading.
    const here = training.source === undefined ? 0n : await incarnationOf(session, trainer.task, this.#limits)
    if (generation !== this.#generation || here !== this.#here) await this.#goBackTo(session, generation, count)
    else this.#ledger.recount(count)
    ;[this.#generation, this.#here] = [generation, here]
    const { synchronous } = training
    // The token of a step that was lost may be lost with it, also one of another process in this place, or go to one that is shut out.
    if (synchronous !== undefined) await session.run({ targets: [synchronous.join.name] }, this.#limits)
  }

  /** @param count - of the worker's steps, those that are done */
  async #goBackTo(session: Session, generation: number, count: number): Promise<void> {
    const { graph, trainer: { share }, duties, delivery, inFlight } = this.#setup
    const { control, training } = graph
    const [isFirst, isSame] = [this.#generation === undefined, generation === this.#generation]
    const own = (await readProgress(session, control, generation, this.#limits))[share]
    if (own === undefined) throw failure({ tag: 'Usage', code: 'CLUSTER_DIFFERS', problem: `this worker would be number ${share} of a training that has fewer`, remedy: 'Give all processes the same cluster.' })
    if (isFirst && own.ended && duties === undefined) this.#reason = 'over'
    const from: WorkerProgress = { ...own, ...await openSource(session, graph, share, generation, this.#limits) }
    const passed = passedOver(from, count, { delivery, inFlight, stepsPerRun: training.steps.length })
    await passOver(session, graph, passed.skip + passed.inDoubt, this.#limits)
    await this.#ledger.resume(from, { first: isFirst, kept: from.kept === true && !isSame, count, ...passed })
    if (isFirst && own.driven) this.#tellOfTakingOver(passed)
    // From here on batches may be under way of which nobody else knows.
    await publishProgress(session, control, { ...from, kept: false, driven: true, of: generation }, this.#limits)
  }

  #tellOfTakingOver({ skip, inDoubt }: Pick<Resumption, 'skip' | 'inDoubt'>): void {
    const { trainer, onRecovery, duties } = this.#setup
    const note = `in the place of a process that was lost, at step ${this.#globalStep}: ${skip} of its batches are done that it had not told of, and ${inDoubt} are left out of which nobody knows`
    const wayOut = duties === undefined ? '' : '; resume: false would have begun anew'
    onRecovery({ task: describeTask(trainer.task), at: new Date().toISOString(), what: 'took over', note: `${note}${wayOut}` })
  }

  /** Feeds batches until the data, the steps or the chief say that it is enough. */
  async #train(session: Session, onWell: () => void): Promise<StopReason> {
    const { graph: { training, control, feeds }, inFlight, targetStep } = this.#setup
    const runs = new StepRuns(session, training, control, feeds.map(([, tensor]) => tensor), this.#limits)
    const flights: { readonly batch: FedBatch; readonly run: Promise<void> }[] = []
    let published = performance.now()
    const settle = async (): Promise<void> => {
      const first = flights[0]
      if (first === undefined) return
      await first.run
      flights.shift()
      onWell()
      await this.#setup.duties?.afterStep(session, this.#globalStep)
      if (performance.now() - published < CONTROL_MS && !this.#askSoon) return
      this.#askSoon = false
      published = performance.now()
      await this.#exchange(session)
    }
    const underWay = (): number => flights.reduce((sum, { batch }) => sum + batch.steps, 0)
    const drain = async (): Promise<void> => {
      while (flights.length > 0) await settle()
    }
    let waiting: FedBatch | undefined
    try {
      for (;;) {
        if (this.#globalStep >= this.#lastStep) break
        waiting = await this.#ledger.take(Math.ceil((this.#lastStep - this.#globalStep - underWay()) / this.#setup.workers))
        if (waiting === undefined) {
          await drain()
          await this.#countLast(session)
          return 'data'
        }
        while (flights.length >= inFlight || (flights.length > 0 && this.#globalStep + underWay() >= this.#lastStep)) await settle()
        if (this.#globalStep >= this.#lastStep) break
        const run = this.#step(runs, waiting)
        // Those behind the first are looked at later.
        run.catch(() => undefined)
        flights.push({ batch: waiting, run })
        waiting = undefined
        if (!this.#telling.isDue) continue
        await drain()
        await this.#publishInput(session)
      }
      await drain()
    } catch (thrown) {
      await Promise.allSettled(flights.map(({ run }) => run))
      throw thrown
    } finally {
      if (waiting !== undefined) this.#ledger.putBack(waiting)
    }
    return this.#lastStep <= 0 ? 'metric' : this.#lastStep < targetStep ? 'data' : 'steps'
  }

  /** Steps that were done in a run which met the end of the data are known to the servers alone. */
  async #countLast(session: Session): Promise<void> {
    const { graph: { control, training }, trainer: { share }, workers } = this.#setup
    if (training.source === undefined) return
    const { steps, isEmpty } = this.#ledger.countLast((await readDone(session, control, this.#limits))[share] ?? 0)
    this.#steps += steps
    if (isEmpty) throw noServedRows({ index: share, count: workers })
  }

  async #step(runs: StepRuns, batch: FedBatch): Promise<void> {
    const known = this.#globalStep
    const result = await this.#send(runs, batch)
    if (result === undefined) return
    const { loss, globalStep, metrics, dropped } = result
    this.#steps += batch.steps
    this.#dropped += dropped
    // A second token for the same step: perhaps there will be no other.
    if (this.#setup.graph.training.synchronous !== undefined && globalStep <= this.#globalStep) this.#askSoon = true
    this.#globalStep = Math.max(this.#globalStep, globalStep)
    this.#staleness.add(globalStep - known - batch.steps)
    this.#loss = this.#loss === undefined ? loss : this.#loss + LOSS_WEIGHT * (loss - this.#loss)
    if (!Number.isFinite(loss)) throw lossNotFinite(loss, `at step ${globalStep}`)
    this.#setup.onStep({ globalStep, loss, metrics, worker: this.#setup.trainer.share })
  }

  /** Runs a batch, and settles it whatever comes. `undefined` at the end of the data. */
  async #send(runs: StepRuns, batch: FedBatch): Promise<StepResult | undefined> {
    const { delivery } = this.#setup
    this.#ledger.sent(batch)
    try {
      const result = await runs.run(batch)
      this.#ledger.done(batch)
      return result
    } catch (thrown) {
      if (isEndOfData(thrown)) {
        this.#ledger.metEnd(batch)
        return undefined
      }
      // What a session does not take, as when it is closed, was not sent.
      this.#ledger.lost(batch, wasNotSent(thrown) || hasTag(thrown, 'Usage') ? 'not sent' : delivery === 'at-least-once' && delivery)
      throw thrown
    }
  }

  /** In step with others, a batch is behind the position only when the update is made that it goes into. False when that takes long. */
  async #isApplied(session: Session): Promise<boolean> {
    const { control, training: { synchronous, globalStep } } = this.#setup.graph
    const end = performance.now() + APPLIED_MS
    while (synchronous !== undefined && !this.#ledger.ended) {
      const [step] = await session.run({ fetches: [globalStep.value.name] }, this.#limits)
      if ((tensorNumbers(step)[0] ?? 0) >= this.#globalStep) {
        // None is under way, so these are those behind the position, also where nobody knew of some.
        if (synchronous.parts !== undefined) this.#ledger.recount((await readDone(session, control, this.#limits))[this.#setup.trainer.share] ?? 0)
        return true
      }
      if (performance.now() > end) return false
      await sleep(APPLIED_POLL_MS, this.#setup.signal)
    }
    return true
  }

  /** Waits, as long as a step may take, for the update of its last gradients. It is not made where too few are left for it: then the last step is one before. */
  async #settleLast(session: Session): Promise<void> {
    const end = performance.now() + (this.#limits.timeoutMs ?? Infinity)
    while (!(await this.#isApplied(session))) {
      const word = await readControl(session, this.#setup.graph.control, this.#limits)
      throwIfFailed(word)
      requireGeneration(word, this.#generation)
      if (word.lastStep >= this.#globalStep && performance.now() < end) continue
      this.#ledger.doubtLast()
      return
    }
  }

  async #publish(session: Session): Promise<void> {
    if (await this.#isApplied(session)) await this.#tell(session)
  }

  #tell(session: Session, state?: Uint8Array): Promise<void> {
    return publishProgress(session, this.#setup.graph.control, { ...this.#ledger.progress, of: this.#generation! }, this.#limits, state)
  }

  /** Tells the state of what the server reads. To be called when no step is under way. */
  async #publishInput(session: Session): Promise<void> {
    if (!this.#telling.isTold || !(await this.#isApplied(session))) return
    await this.#telling.tell(session, this.#limits, (state) => this.#tell(session, state))
  }

  /** Tells how far it is, and hears when to stop. */
  async #exchange(session: Session): Promise<void> {
    const [, word] = await Promise.all([this.#publish(session), readControl(session, this.#setup.graph.control, this.#limits)])
    const { lastStep } = word
    throwIfFailed(word)
    this.#watch.note(word.alive)
    this.#lastStep = lastStep
    requireGeneration(word, this.#generation)
  }

  /** Waits until the chief says that the training is over. False when it begins again from other values. */
  async #waitForTheEnd(session: Session): Promise<boolean> {
    const { graph: { control }, signal, isOver } = this.#setup
    for (;;) {
      throwIfAborted(signal)
      if (isOver()) return true
      if (!(await isReady(session, control, this.#limits))) return false
      const word = await readControl(session, control, this.#limits)
      if (word.generation !== this.#generation) return false
      throwIfFailed(word)
      if (word.isOver) return true
      this.#watch.saw(word.alive)
      await sleep(POLL_MS, signal)
    }
  }
}
