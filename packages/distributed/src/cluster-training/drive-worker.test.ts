import * as tf from '@tensorflow/tfjs'
import { batchFromRows, failure, field, fromRows, throwIfAborted } from '@millrace/core'
import { statusFailure, tensorTexts, tensorValue, type CallOptions, type Feeds, type HostTensor, type Session } from '@millrace/export'
import { describe, expect, test } from 'vitest'
import { clusterSpec } from '../cluster/index.js'
import { replicaDeviceSetter } from '../placement/index.js'
import { showLife, tellFailure } from './chief-life.js'
import { driveWorker } from './drive-worker.js'
import { fedInput, type WorkerInput } from './fed-input.js'
import type { ClusterTrainingOptions } from './options.js'
import { prepareAsChief, prepareAsWorker } from './prepare.js'
import type { RecoveryEvent } from './report.js'
import { rolesOf } from './roles.js'
import { sleep } from './sleep.js'
import { StepTime } from './step-time.js'
import { workerGraph, type WorkerGraph } from './worker-graph.js'
import type { Duties, WorkerSetup } from './worker-setup.js'

const ROWS = 40
const BATCH = 4
const data = fromRows({ x: field.float32(), y: field.float32() }, Array.from({ length: ROWS }, (_, x) => ({ x, y: 0 })))

const texts = (values: readonly string[]): HostTensor =>
  ({ dtype: 'string', shape: [values.length], data: batchFromRows({ text: field.binary() }, values.map((text) => ({ text: Buffer.from(text) }))).columns.text }) as HostTensor

/** What a fault does to the step in which it comes. */
interface Injected {
  readonly code: number
  readonly message?: string
  /** Whether the step is done all the same. */
  readonly done?: boolean
  /** Whether variables lose their values. */
  readonly wipes?: boolean
}

/** Variables without TensorFlow: what a cluster of one parameter server does with the steps of one worker. */
class FakeCluster {
  readonly values = new Map<string, HostTensor>()
  hasValues = false
  globalStep = 0
  /** First column of each row of each step that was done, since the variables got their values. */
  rows: number[] = []
  sessions = 0
  readonly faults = new Map<number, Injected>()
  /** Of each step. */
  readonly timeouts: (number | undefined)[] = []
  readonly closed: boolean[] = []
  /** Looks at the control variables. */
  looks = 0
  /** In step: makes the update of the last rows. */
  lastUpdate: (update: () => void) => void = (update) => update()
  #calls = 0

  constructor(private readonly graph: WorkerGraph) {}

  connect = async (): Promise<Session> => {
    const own = this.sessions
    this.sessions += 1
    this.closed.push(false)
    const open = (): void => {
      if (this.closed[own] === true) throw failure({ tag: 'Usage', code: 'SESSION_CLOSED', problem: 'the session is closed' })
    }
    return {
      run: async ({ feeds = [], fetches = [], targets = [] }: { feeds?: Feeds; fetches?: readonly string[]; targets?: readonly string[] }, options?: CallOptions) => {
        open()
        throwIfAborted(options?.signal)
        return this.#run(new Map(feeds as Iterable<readonly [string, unknown]>), fetches, targets)
      },
      makeCallable: async () => ({
        run: async (values: readonly { values: Float32Array }[], { timeoutMs, signal }: CallOptions) => {
          open()
          throwIfAborted(signal)
          this.timeouts.push(timeoutMs)
          return this.#step([...values[0]!.values])
        },
        release: async () => undefined,
      }),
      close: async () => { this.closed[own] = true },
    } as unknown as Session
  }

  #run(feeds: Map<string, unknown>, fetches: readonly string[], targets: readonly string[]): HostTensor[] {
    const { control, training } = this.graph
    for (const { value, node } of [control.setGeneration, control.setTraining, control.setLastStep, control.setProgress, ...control.setDone, ...control.setOver, ...control.setAlive]) {
      if (!targets.includes(node.name)) continue
      const fed = feeds.get(value.name)
      this.values.set(value.name, typeof fed === 'bigint' ? tensorValue('int64', [], [fed]) as HostTensor : texts(fed as string[]))
    }
    if (targets.includes(control.setOwnProgress.node.name)) {
      const set = tensorTexts(this.values.get(control.setProgress.value.name)!)[1]!
      this.values.set(control.setProgress.value.name, texts([...feeds.get(control.setOwnProgress.value.name) as string[], set]))
    }
    if (targets.includes(training.synchronous?.start.name ?? '')) this.values.set(this.#done, tensorValue('int64', [], [0n]) as HostTensor)
    if (targets.includes(training.initialize.name)) [this.hasValues, this.globalStep, this.rows] = [true, 0, []]
    const sources = new Map([[control.generation.name, control.setGeneration], [control.training.name, control.setTraining], [control.lastStep.name, control.setLastStep], [control.progress.name, control.setProgress], ...control.setDone.map((one, at) => [control.done[at]!.name, one] as const), ...control.over.map(({ name }, at) => [name, control.setOver[at]!] as const), ...control.alive.map(({ name }, at) => [name, control.setAlive[at]!] as const)])
    if (fetches.includes(control.generation.name)) this.looks += 1
    return fetches.map((name) => {
      if (control.ready.some((ready) => ready.name === name)) return tensorValue('bool', [], [this.hasValues]) as HostTensor
      if (name === training.globalStep.value.name) return this.#step64()
      return this.values.get(sources.get(name)?.value.name ?? name)!
    })
  }

  /** What the chief says of the end, of the last step, or that it lives. */
  say(what: 'setOver' | 'setAlive' | 'setLastStep', value: bigint): void {
    for (const { value: { name } } of [this.graph.control[what]].flat()) this.values.set(name, tensorValue('int64', [], [value]) as HostTensor)
  }

  said(what: 'setOver' | 'setAlive'): number {
    return Number((this.values.get(this.graph.control[what][0]!.value.name)!.data as BigInt64Array)[0])
  }

  get #done(): string {
    const { setDone, done } = this.graph.control
    return (setDone[0]?.value ?? done[0]!).name
  }

  /** Steps that the servers have counted. */
  get done(): number {
    return Number((this.values.get(this.#done)!.data as BigInt64Array)[0])
  }

  #step64(): HostTensor {
    return tensorValue('int64', [], [BigInt(this.globalStep)]) as HostTensor
  }

  #step(rows: readonly number[]): HostTensor[] {
    this.#calls += 1
    const fault = this.faults.get(this.#calls)
    const before = this.#step64()
    if (fault === undefined || fault.done === true) {
      const update = (): void => {
        this.globalStep += 1
        this.values.set(this.#done, tensorValue('int64', [], [BigInt(this.done + 1)]) as HostTensor)
        this.rows.push(...rows)
      }
      if (rows.includes(ROWS - 1)) this.lastUpdate(update)
      else update()
    }
    if (fault?.wipes === true) this.hasValues = false
    if (fault !== undefined) throw statusFailure(fault.code, fault.message ?? 'a fault')
    return [this.graph.training.synchronous === undefined ? this.#step64() : before, tensorValue('float32', [], [0.5]) as HostTensor, tensorValue('float32', [], [0]) as HostTensor]
  }
}

interface StartOptions extends Partial<ClusterTrainingOptions & Pick<WorkerSetup, 'inFlight' | 'delivery' | 'bounds' | 'signal'>> {
  readonly beside?: Duties['beside']
  /** As a worker that is not the chief. */
  readonly asWorker?: boolean
  readonly watched?: (input: WorkerInput) => WorkerInput
}

/** @param servers - those of a training that another process has left */
const start = (options: StartOptions = {}, servers?: FakeCluster) => {
  const x = tf.input({ shape: [1], name: 'x' })
  const model = tf.model({ inputs: x, outputs: tf.layers.dense({ units: 1, name: 'dense' }).apply(x) as tf.SymbolicTensor })
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' })
  const roles = rolesOf(clusterSpec({ ps: ['h:1'], worker: ['h:2'] }))
  const [trainer] = roles.trainers
  const all = { data, label: 'y', ...options } satisfies ClusterTrainingOptions
  const graph = workerGraph(model, all, replicaDeviceSetter({ ps: roles.spec }), roles, trainer!)
  const cluster = servers ?? new FakeCluster(graph)
  const events: RecoveryEvent[] = []
  const onRecovery = (event: RecoveryEvent) => events.push(event)
  const bounds = options.bounds ?? { backoffMs: 1 }
  const finished = driveWorker({
    trainer: trainer!, graph, workers: 1, inFlight: options.inFlight ?? 1, targetStep: options.steps ?? Number.MAX_SAFE_INTEGER, delivery: options.delivery ?? 'at-most-once', signal: options.signal, onRecovery,
    input: (options.watched ?? ((input) => input))(fedInput({ data, share: { index: 0, count: 1 }, batchSize: BATCH, epochs: options.epochs ?? 1, feeds: graph.feeds })),
    connect: cluster.connect,
    ...(options.asWorker === true ? { prepare: prepareAsWorker(graph, 0, {}, bounds) } : prepareAsChief({
      task: 'worker 0', model, graph, workers: 1, lastStep: options.steps ?? Number.MAX_SAFE_INTEGER, goOn: servers !== undefined, resume: options.resume ?? true, bounds, restore: undefined, limits: {}, onRecovery,
    })),
    duties: options.asWorker === true ? undefined : {
      alive: (session) => showLife(session, graph.control, {}, bounds), abandon: (session) => tellFailure(session, graph.control),
      beside: options.beside ?? (() => undefined), afterStep: async () => undefined, finish: async () => undefined,
    },
    bounds,
    stepTime: new StepTime({}),
    isOver: () => false, onStep: options.onStep ?? (() => undefined),
  })
  return { cluster, events, finished, graph }
}

const all = Array.from({ length: ROWS }, (_, row) => row)

describe('a worker', () => {
  test('feeds each row once', async () => {
    const { cluster, finished } = start()
    expect(await finished).toMatchObject({ globalStep: 10, reason: 'data', report: { steps: 10, rows: ROWS, repeatedRows: 0, uncertainRows: 0, restarts: 0 } })
    expect(cluster.rows).toEqual(all)
  })

  test.each([1, 3])('stops at a step, with %i in flight', async (inFlight) => {
    const { finished, cluster } = start({ steps: 7, epochs: 9, inFlight })
    expect(await finished).toMatchObject({ globalStep: 7, reason: 'steps' })
    expect(cluster.globalStep).toBe(7)
  })

  test.each([[14, true], [14, false], [10, true], [10, false], [4, true], [1, false]])('after status %i, its step done: %s, goes on, and sends no batch twice', async (code, done) => {
    const { cluster, finished, events } = start()
    cluster.faults.set(4, { code, done })
    expect(await finished).toMatchObject({ report: { rows: ROWS - BATCH, uncertainRows: BATCH, repeatedRows: 0, restarts: 1 } })
    expect(cluster.rows).toEqual(done ? all : all.filter((row) => row < 12 || row >= 16))
    expect(cluster.sessions).toBe(2)
    expect(events.map(({ what }) => what)).toEqual(['lost', 'back'])
  })

  test('after the answer that a request was received twice, which servers give now and then, sends it no third time', async () => {
    const { cluster, finished, events } = start()
    cluster.faults.set(4, { code: 10, message: 'From /job:worker/replica:0/task:0:\nThe same RunGraph request was received twice. step_id: 8 graph_handle: 0000', done: true })
    expect(await finished).toMatchObject({ report: { rows: ROWS - BATCH, uncertainRows: BATCH, repeatedRows: 0, restarts: 1 } })
    expect(cluster.rows).toEqual(all)
    expect(events).toMatchObject([{ what: 'lost', fault: 'repeated', note: expect.stringContaining('received twice') as string }, { what: 'back' }])
  })

  test.each([
    ['resume: false', { resume: false }, 'resume is false'],
    ['one that nobody waits for any more', { bounds: { timeoutMs: 60_000, backoffMs: 1 } }, 'its chief has shown no life for'],
  ])('the chief does not go on with a training that it finds under way: %s', async (_, options, why) => {
    const first = start()
    first.cluster.faults.set(6, { code: 3 })
    await expect(first.finished).rejects.toMatchObject({ code: 'TF_INVALID_ARGUMENT' })
    first.cluster.say('setOver', 0n)
    first.cluster.say('setAlive', BigInt(Date.now() - 61_000))
    const { cluster, finished, events } = start(options, first.cluster)
    expect(await finished).toMatchObject({ globalStep: 10, report: { rows: ROWS, uncertainRows: 0, repeatedRows: 0 } })
    expect(cluster.rows).toEqual(all)
    expect(events).toMatchObject([{ what: 'initialized', note: expect.stringContaining(why) as string }])
  })

  test.each([[1, 'at-most-once'], [3, 'at-most-once'], [1, 'at-least-once'], [3, 'at-least-once']] as const)('in the place of a process that was lost, with %i in flight, %s: by what the servers have counted', async (inFlight, delivery) => {
    const first = start({ inFlight, delivery })
    // Its last words are lost with it, as when it is killed.
    first.cluster.faults.set(6, { code: 3 })
    await expect(first.finished).rejects.toMatchObject({ code: 'TF_INVALID_ARGUMENT' })
    first.cluster.say('setOver', 0n)
    const { done } = first.cluster
    expect(done).toBeGreaterThanOrEqual(5)
    const { cluster, finished, events } = start({ inFlight, delivery }, first.cluster)
    const { report } = await finished
    expect(events.map(({ what }) => what)).toEqual(['took over'])
    const times = all.map((row) => cluster.rows.filter((one) => one === row).length)
    if (delivery === 'at-least-once') {
      expect(times.filter((count) => count < 1)).toEqual([])
      expect(cluster.rows.length).toBeLessThanOrEqual(ROWS + (inFlight - 1) * BATCH)
    } else {
      expect(times.filter((count) => count > 1)).toEqual([])
      expect(cluster.rows.length).toBeGreaterThanOrEqual(ROWS - inFlight * BATCH)
      expect(report.rows + report.uncertainRows).toBe(ROWS)
    }
  })

  test('told so, it sends a batch again whose outcome nobody knows', async () => {
    const { cluster, finished } = start({ delivery: 'at-least-once' })
    cluster.faults.set(4, { code: 14, done: true })
    expect(await finished).toMatchObject({ report: { rows: ROWS, uncertainRows: 0, repeatedRows: BATCH } })
    expect([...cluster.rows].sort((a, b) => a - b)).toEqual([...all, 12, 13, 14, 15].sort((a, b) => a - b))
  })

  test('sends again what was not sent', async () => {
    const { cluster, finished } = start({ inFlight: 3 })
    cluster.faults.set(4, { code: 14, message: 'connect ECONNREFUSED' })
    expect(await finished).toMatchObject({ report: { rows: ROWS, uncertainRows: 0, repeatedRows: 0 } })
    expect([...cluster.rows].sort((a, b) => a - b)).toEqual(all)
  })

  test('without a checkpoint, begins from the beginning when the values are gone', async () => {
    const { cluster, finished, events } = start()
    cluster.faults.set(4, { code: 9, wipes: true })
    expect(await finished).toMatchObject({ globalStep: 10, report: { rows: ROWS + 3 * BATCH, repeatedRows: 4 * BATCH, restarts: 1 } })
    expect(cluster.rows).toEqual(all)
    expect(events.map(({ what }) => what)).toEqual(['lost', 'initialized', 'back'])
  })

  test('gives up within its bounds', async () => {
    const { cluster, finished, events } = start({ bounds: { maxRestarts: 2, backoffMs: 1 } })
    for (let call = 3; call < 9; call += 1) cluster.faults.set(call, { code: 14 })
    await expect(finished).rejects.toMatchObject({ code: 'TF_UNAVAILABLE' })
    expect(events.at(-1)).toMatchObject({ what: 'gave up', note: expect.stringContaining('more than 2 times') as string })
  })

  test('does not try again what would fail again', async () => {
    const { cluster, finished } = start()
    cluster.faults.set(2, { code: 3, message: 'Incompatible shapes' })
    await expect(finished).rejects.toMatchObject({ code: 'TF_INVALID_ARGUMENT' })
    expect(cluster.sessions).toBe(1)
    expect(() => start({ label: ['x', 'z'] })).toThrow(/has no label/)
  })

  test('after a recovery, steps may take as long as before', async () => {
    const { cluster, finished } = start({ bounds: { backoffMs: 1, timeoutMs: 5_000 } })
    cluster.faults.set(4, { code: 14 })
    await finished
    const [first, ...later] = cluster.timeouts.slice(4)
    expect(first).toBeLessThanOrEqual(5_000)
    expect(later).toEqual(later.map(() => 60_000))
    expect(later.length).toBeGreaterThan(3)
  })

  test('when what runs beside it fails amid a batch that is read, ends before it begins again, and loses no row', async () => {
    let [takes, most, taken] = [0, 0, 0]
    let fail: (thrown: unknown) => void = () => undefined
    let begun = 0
    const { cluster, finished } = start({
      beside: () => {
        begun += 1
        return { failed: new Promise<never>((_, reject) => { fail = reject }), atRest: Promise.resolve(), stop: async () => undefined }
      },
      watched: (input) => ({
        ...input,
        next: async (steps) => {
          takes += 1
          most = Math.max(most, takes)
          taken += 1
          if (taken === 4) {
            fail(statusFailure(14, 'the update is lost'))
            // Longer than it takes to begin again.
            await sleep(50, undefined)
          }
          const batch = await input.next(steps)
          takes -= 1
          return batch
        },
      }),
    })
    expect(await finished).toMatchObject({ report: { rows: ROWS, uncertainRows: 0, repeatedRows: 0, restarts: 1 } })
    expect([begun, most]).toEqual([2, 1])
    expect([...cluster.rows].sort((a, b) => a - b)).toEqual(all)
  })

  describe('in step, at its end', () => {
    /** Longer than it waits before it looks what has come of its last gradients. */
    const LATE_MS = 1_200

    test('waits for the update of its last gradients, as for one whose steps are slow', async () => {
      const { cluster, finished } = start({ synchronous: {} })
      cluster.lastUpdate = (update) => setTimeout(update, LATE_MS)
      expect(await finished).toMatchObject({ globalStep: 10, report: { rows: ROWS, uncertainRows: 0 } })
      expect(cluster.rows).toEqual(all)
    })

    test.each([['there will be none', 9n], ['all shall stop', 0n]])('does not wait for it when %s', async (_, lastStep) => {
      const { cluster, finished } = start({ synchronous: {} })
      cluster.lastUpdate = () => cluster.say('setLastStep', lastStep)
      expect(await finished).toMatchObject({ report: { rows: ROWS - BATCH, uncertainRows: BATCH } })
    })

    test('hears meanwhile that others have begun again', async () => {
      const { cluster, finished, graph } = start({ synchronous: {} })
      cluster.lastUpdate = () => cluster.values.set(graph.control.setGeneration.value.name, tensorValue('int64', [], [7n]) as HostTensor)
      await expect(finished).rejects.toMatchObject({ code: 'CLUSTER_CHIEF_REPLACED' })
    })
  })

  describe('and a chief that is gone', () => {
    /** A worker that has done its steps, with the variables that a chief has left. */
    const waiting = async (bounds: WorkerSetup['bounds'] = {}) => {
      const chief = start()
      await chief.finished
      chief.cluster.values.set(chief.graph.control.setProgress.value.name, texts(['', '']))
      chief.cluster.looks = 0
      return start({ asWorker: true, bounds: { backoffMs: 1, ...bounds } }, chief.cluster)
    }

    test('ends when the chief says that it has failed', async () => {
      const { cluster, finished } = await waiting()
      finished.catch(() => undefined)
      await expect.poll(() => cluster.looks, { timeout: 10_000 }).toBeGreaterThan(2)
      cluster.say('setOver', 2n)
      await expect(finished).rejects.toMatchObject({ _tag: 'Engine', code: 'CLUSTER_CHIEF_GONE', message: expect.stringContaining('failed for good') as string })
    })

    test('ends when the chief is silent for too long', async () => {
      const { finished } = await waiting({ timeoutMs: 400 })
      await expect(finished).rejects.toMatchObject({ code: 'CLUSTER_CHIEF_GONE', message: expect.stringContaining('no sign of life for 400 ms') as string })
    })

    test.each([['a loss that is no number', undefined], ['an abort', new AbortController()]])('the chief says so after %s, and showed that it lived', async (_, stop) => {
      const { cluster, finished } = start({
        signal: stop?.signal,
        onStep: () => {
          if (stop === undefined) throw failure({ tag: 'Model', code: 'LOSS_NOT_FINITE', problem: 'the loss is NaN' })
          stop.abort()
        },
      })
      await expect(finished).rejects.toMatchObject({ _tag: stop === undefined ? 'Model' : 'Aborted' })
      expect(cluster.said('setOver')).toBe(2)
      expect(cluster.said('setAlive')).toBeGreaterThan(0)
      expect(cluster.closed).toEqual([true])
    })

    test('the chief of a training ends where another one has begun, and leaves that one alone', async () => {
      const { cluster, finished, graph } = start({ onStep: ({ globalStep }) => {
        if (globalStep === 3) cluster.values.set(graph.control.setGeneration.value.name, tensorValue('int64', [], [7n]) as HostTensor)
      } })
      cluster.faults.set(4, { code: 14 })
      await expect(finished).rejects.toMatchObject({ _tag: 'Engine', code: 'CLUSTER_CHIEF_REPLACED' })
      expect(cluster.said('setOver')).toBe(0)
    })

    test('ends well when it is started again after its end', async () => {
      const chief = start()
      await chief.finished
      chief.cluster.say('setOver', 1n)
      const { finished } = start({ asWorker: true, bounds: { timeoutMs: 400 } }, chief.cluster)
      expect(await finished).toMatchObject({ reason: 'over', report: { steps: 0, rows: ROWS } })
    })
  })
})
