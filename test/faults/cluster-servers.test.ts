import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { pipe, run } from '@millrace/core'
import { startLocalCluster, trainOnCluster, type ClusterTrainingOptions, type LocalCluster, type RecoveryEvent, type Task } from '@millrace/distributed'
import { writeTfRecords } from '@millrace/formats'
import { describePeer, skipOrFail } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'
import { expectAtMostOnce, toldOf } from './support/at-most-once.js'
import { BATCH, countedRows, countingModel, countsOf, sumOf } from './support/counting-model.js'
import { serverProcess } from './support/server-process.js'

const ROWS = 4_096
const recovery = { stepTimeoutMs: 20_000, timeoutMs: 90_000, backoffMs: 50 }
const whatOf = (events: readonly RecoveryEvent[], task?: string) => events.filter((one) => task === undefined || one.task === task).map(({ what }) => what)

describePeer('servers of a training that fail', 'tensorflow', () => {
  const ps: Task = { type: 'ps', index: 0 }
  const worker: Task = { type: 'worker', index: 1 }
  const data = countedRows(ROWS)
  const options = { data, label: 'y', batchSize: BATCH, recovery } satisfies ClusterTrainingOptions
  let cluster: LocalCluster
  let folder: string
  beforeAll(async () => {
    await tf.setBackend('cpu')
    cluster = await run(startLocalCluster({ ps: 1, workers: 2, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-faults-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  /** Does something once, when the training has come so far. */
  const at = (step: number, act: () => Promise<unknown>) => {
    let acted: Promise<unknown> | undefined
    return {
      onStep: ({ globalStep }: { readonly globalStep: number }) => {
        if (globalStep >= step) acted ??= act()
      },
      done: async () => {
        expect(acted).toBeDefined()
        await acted
      },
    }
  }
  const killAndRestart = (task: Task) => async () => {
    await cluster.kill(task)
    await cluster.restart(task)
  }
  const records = async (): Promise<string> => {
    await run(pipe(data, writeTfRecords(join(folder, 'rows'), { shards: 2 })))
    return join(folder, 'rows-*')
  }

  test.each([['a stream', {}], ['a stream, several steps in flight', { inFlight: 3 }], ['a stream, in step', { synchronous: {} }]] as const)('a worker\'s server is killed and started again, fed from %s: no update is made twice', async (_, more) => {
    const fault = at(100, killAndRestart(worker))
    const model = countingModel(ROWS, 'synchronous' in more ? 2 : 1)
    const report = await run(trainOnCluster(model, cluster, { ...options, ...more, onStep: fault.onStep }))
    await fault.done()
    expect(whatOf(report.recoveries, 'worker 1')).toEqual(expect.arrayContaining(['lost', 'back']))
    expect(report).toMatchObject({ stoppedBy: 'data' })
    const { rows, uncertain } = toldOf(report)
    expect(rows + uncertain).toBe(ROWS)
    if ('synchronous' in more) expect(countsOf(model).filter((count) => count > 1)).toEqual([])
    else expectAtMostOnce(countsOf(model), report)
  })

  test('a worker\'s server is killed and started again, and reads files itself: no update is made twice', async () => {
    const files = await records()
    const fault = at(100, killAndRestart(worker))
    const model = countingModel(ROWS)
    const report = await run(trainOnCluster(model, cluster, { ...options, data: { files }, stepsPerRun: 2, onStep: fault.onStep }))
    await fault.done()
    expect(whatOf(report.recoveries, 'worker 1')).toEqual(expect.arrayContaining(['lost', 'back']))
    const counts = countsOf(model)
    expect(counts.filter((count) => count > 1)).toEqual([])
    // At most the run that was under way, and one step in its place.
    expect(sumOf(counts)).toBeGreaterThanOrEqual(ROWS - 3 * BATCH)
    expect(toldOf(report).repeated).toBe(0)
  })

  test.each([['each for itself', {}], ['in step', { synchronous: { aggregate: 1 } }]])('a worker\'s server is killed for good, of workers %s: the other one trains to the last step, within the bound', async (_, more) => {
    const fault = at(100, () => cluster.kill(worker))
    const model = countingModel(ROWS)
    try {
      const report = await run(trainOnCluster(model, cluster, { ...options, ...more, steps: 700, recovery: { ...recovery, timeoutMs: 1_500 }, onStep: fault.onStep }))
      await fault.done()
      expect(report.stoppedBy).toBe('steps')
      expect(report.globalStep).toBeGreaterThanOrEqual(700)
      expect(report.globalStep).toBeLessThanOrEqual(701)
      expect(report.workers).toMatchObject([{ restarts: 0 }, { failed: expect.any(String) as string }])
      expect(whatOf(report.recoveries, 'worker 1').at(-1)).toBe('gave up')
      expect(report.recoveries.every(({ task }) => task === 'worker 1')).toBe(true)
      // In step, the update amid which it died may be made of what it had sent of its gradients, or of none; and what is under way
      // when all begin again is let fall.
      expect(sumOf(countsOf(model))).toBeGreaterThanOrEqual((report.globalStep - 3) * BATCH)
    } finally {
      await cluster.restart(worker)
    }
  })

  test('a parameter server is killed and started again: values come from the checkpoint, no row is left out, repeats are told', async () => {
    const files = await records()
    for (const input of [{}, { data: { files } }, { synchronous: {} }]) {
      let saved = false
      const restart = killAndRestart(ps)
      const fault = at(0, restart)
      const inStep = 'synchronous' in input
      const model = countingModel(ROWS, inStep ? 2 : 1)
      const report = await run(trainOnCluster(model, cluster, {
        ...options, ...input, checkpoints: { folder: join(folder, Object.keys(input).join() || 'fed'), everySteps: 100 },
        onCheckpoint: () => { saved = true },
        onStep: (step) => { if (saved) fault.onStep(step) },
      }))
      await fault.done()
      expect(whatOf(report.recoveries)).toEqual(expect.arrayContaining(['lost', 'restored', 'back']))
      const counts = countsOf(model)
      // Workers in step end together, when one of them has no more; restored, the other may have a batch left.
      const leftOver = inStep ? 2 * BATCH * 2 : 0
      expect(counts.flatMap((count, row) => (count < 1 && row < ROWS - leftOver ? [row] : []))).toEqual([])
      // Twice are rows of steps that were done while the checkpoint was written.
      expect(sumOf(counts) - ROWS).toBeLessThanOrEqual(toldOf(report).repeated)
      expect(report.globalStep).toBeGreaterThanOrEqual(inStep ? (ROWS - leftOver) / BATCH / 2 : ROWS / BATCH)
    }
  })

  test('a parameter server is killed, and there are no checkpoints: training begins from the beginning, and says so', async () => {
    const fault = at(100, killAndRestart(ps))
    const model = countingModel(ROWS)
    const report = await run(trainOnCluster(model, cluster, { ...options, onStep: fault.onStep }))
    await fault.done()
    expect(report.recoveries).toContainEqual(expect.objectContaining({ what: 'initialized', note: 'from the beginning: there is no checkpoint' }))
    expect(countsOf(model)).toEqual(Array.from({ length: ROWS }, () => 1))
    expect(report.globalStep).toBe(ROWS / BATCH)
    expect(toldOf(report).repeated).toBeGreaterThanOrEqual(50 * BATCH)
  })

  test('a parameter server is killed for good: the bound ends it, with a clear error', async () => {
    const fault = at(100, () => cluster.kill(ps))
    try {
      const events: RecoveryEvent[] = []
      const training = run(trainOnCluster(countingModel(ROWS), cluster, { ...options, recovery: { ...recovery, timeoutMs: 1_500 }, onStep: fault.onStep, onRecovery: (event) => events.push(event) }))
      await expect(training).rejects.toMatchObject({ _tag: 'Engine', code: expect.stringMatching(/^TF_(UNAVAILABLE|DEADLINE_EXCEEDED)$/) as string, message: expect.stringContaining('worker 0 was given up, since it has done no step for 1500 ms') as string })
      expect(events.filter(({ what }) => what === 'gave up')).toContainEqual(expect.objectContaining({ note: expect.stringContaining('1500 ms') as string }))
    } finally {
      await cluster.restart(ps)
    }
  })

  const addressOf = ({ type, index }: Task): string => cluster.target({ type, index }).slice('grpc://'.length)
  const pidOf = (task: Task): number => serverProcess(task, addressOf(task))

  test.each([['worker', worker], ['parameter server', ps]])('the server of a %s hangs: the time of a step ends, and when it answers again training goes on', async (_, task) => {
    const pid = pidOf(task)
    const fault = at(100, async () => process.kill(pid, 'SIGSTOP'))
    const model = countingModel(ROWS)
    try {
      const report = await run(trainOnCluster(model, cluster, {
        ...options, recovery: { ...recovery, stepTimeoutMs: 700 }, onStep: fault.onStep,
        onRecovery: ({ what }) => { if (what === 'lost') process.kill(pid, 'SIGCONT') },
      }))
      await fault.done()
      expect(report.recoveries).toContainEqual(expect.objectContaining({ what: 'lost', fault: 'hung' }))
      expectAtMostOnce(countsOf(model), report)
      expect(report.stoppedBy).toBe('data')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  })

  test('the parameter server of workers in step hangs, and all begin again: gradients that waited for an update are sent again, and what is told is true', async () => {
    const pid = pidOf(ps)
    const fault = at(100, async () => process.kill(pid, 'SIGSTOP'))
    const model = countingModel(ROWS, 2)
    try {
      const report = await run(trainOnCluster(model, cluster, {
        ...options, synchronous: {}, recovery: { ...recovery, stepTimeoutMs: 1_500 }, onStep: fault.onStep,
        onRecovery: ({ what }) => { if (what === 'lost') process.kill(pid, 'SIGCONT') },
      }))
      await fault.done()
      expect(report.recoveries).toContainEqual(expect.objectContaining({ what: 'lost', fault: 'hung' }))
      const counts = countsOf(model)
      expect(counts.filter((count) => count !== 0 && count !== 1)).toEqual([])
      const { rows, repeated, uncertain } = toldOf(report)
      expect(repeated).toBe(0)
      expect(sumOf(counts)).toBeGreaterThanOrEqual(rows)
      expect(sumOf(counts)).toBeLessThanOrEqual(rows + uncertain)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  })

  test('a server that hangs for good: the bound ends it, with a clear error', async () => {
    const pid = pidOf(ps)
    const fault = at(100, async () => process.kill(pid, 'SIGSTOP'))
    try {
      const events: RecoveryEvent[] = []
      const training = run(trainOnCluster(countingModel(ROWS), cluster, { ...options, recovery: { ...recovery, stepTimeoutMs: 300, timeoutMs: 1_000 }, onStep: fault.onStep, onRecovery: (event) => events.push(event) }))
      await expect(training).rejects.toMatchObject({ _tag: 'Engine', code: 'TF_DEADLINE_EXCEEDED', message: expect.stringContaining('was given up') as string })
      expect(events.at(-1)).toMatchObject({ what: 'gave up', fault: 'hung', note: expect.stringContaining('1000 ms') as string })
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  })

  test.each([['each for itself', 1, {}], ['in step', 2, { synchronous: {} }]] as const)('a training of workers %s is stopped amid its steps: nothing of it goes on in the servers', async (_, workers, more) => {
    const stop = new AbortController()
    const first = run(trainOnCluster(countingModel(ROWS, workers), cluster, { ...options, ...more, onStep: ({ globalStep }) => { if (globalStep >= 100) stop.abort() } }), { signal: stop.signal })
    await expect(first).rejects.toMatchObject({ _tag: 'Aborted' })
    // A step that went on would count rows twice, or take gradients away.
    const model = countingModel(ROWS, workers)
    const report = await run(trainOnCluster(model, cluster, { ...options, ...more }))
    expect(countsOf(model)).toEqual(Array.from({ length: ROWS }, () => 1))
    expect(report).toMatchObject({ globalStep: ROWS / BATCH / workers, recoveries: [] })
  })

  test('checkpoints that cannot be read: says so at once', async () => {
    await mkdir(join(folder, 'checkpoint'))
    const training = run(trainOnCluster(countingModel(ROWS), cluster, { ...options, checkpoints: { folder } }))
    await expect(training).rejects.toMatchObject({ _tag: 'Storage', message: expect.stringContaining(folder) as string })
  })

  test('checkpoints that cannot be written, since a file stands in their place: ends with an error that names the folder, and a model that has learnt', async () => {
    const place = join(folder, 'file', 'checkpoints')
    await writeFile(join(folder, 'file'), 'no folder')
    const model = countingModel(ROWS)
    const training = run(trainOnCluster(model, cluster, { ...options, checkpoints: { folder: place } }))
    await expect(training).rejects.toMatchObject({ _tag: 'Storage', code: 'CHECKPOINT_NOT_SAVED', message: expect.stringContaining(place) as string })
    expect(countsOf(model)).toEqual(Array.from({ length: ROWS }, () => 1))
  })

  // The disk of the servers of this machine: a file system of our own takes a privilege.
  const small = () => spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', folder]).status === 0

  test('the disk of the checkpoints is full: training goes on and says so, and ends with an error that names the folder', async ({ skip }) => {
    if (!small()) skipOrFail(skip, 'no file system can be mounted here: that takes root, or CAP_SYS_ADMIN')
    try {
      const events: RecoveryEvent[] = []
      const model = countingModel(ROWS)
      const training = run(trainOnCluster(model, cluster, { ...options, checkpoints: { folder, everySteps: 200 }, onRecovery: (event) => events.push(event) }))
      await expect(training).rejects.toMatchObject({ _tag: 'Storage', code: 'CHECKPOINT_NOT_SAVED', message: expect.stringContaining(folder) as string })
      expect(whatOf(events)).toEqual(expect.arrayContaining(['not saved', 'not saved']))
      expect(new Set(whatOf(events))).toEqual(new Set(['not saved']))
      expect(events[0]!.note).toContain(folder)
      // What was learnt is not lost with it.
      expect(countsOf(model)).toEqual(Array.from({ length: ROWS }, () => 1))
    } finally {
      spawnSync('umount', ['-l', folder])
    }
  })
})
