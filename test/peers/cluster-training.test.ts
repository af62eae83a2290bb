import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pipe, run } from '@millrace/core'
import { clusterSpec, startLocalCluster, toTfConfig, trainOnCluster, type ClusterStep, type ClusterTrainingReport, type LocalCluster, type Task } from '@millrace/distributed'
import { readParquet, writeParquet, writeTfRecords } from '@millrace/formats'
import { data, lossHere, makeModel, ROWS } from '../support/cluster-model.js'
import { describePeer, runPython } from '../support/peer.js'
import { buildProgram } from '../support/program.js'
import { peerPython } from '../support/python.js'
import { freePort } from '../support/free-port.js'
import { peerLibrary } from '../support/session-servers.js'

const quiet = { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' }

/** Plays one task of `TF_CONFIG`, and prints its report. */
const program = (library: string): string => `
  import * as tf from '@tensorflow/tfjs'
  import { pipe, run } from '@millrace/core'
  import { clusterFromEnv, trainOnCluster } from '@millrace/distributed'
  import { writeTfRecords } from '@millrace/formats'
import { data, lossHere, makeModel } from './test/support/cluster-model.ts'
  await tf.setBackend('cpu')
  const model = makeModel()
  const report = await run(trainOnCluster(model, clusterFromEnv(), { data, label: 'y', batchSize: 50, epochs: 6, library: ${JSON.stringify(library)},
    validation: { data }, checkpoints: { folder: process.env.CHECKPOINTS, everySteps: 60 } }))
  console.log(JSON.stringify({ report, loss: lossHere(model) }))
  process.kill(process.pid, 'SIGKILL')
`

const pythonServer = `
import sys, json, os
import tensorflow as tf
config = json.loads(os.environ['TF_CONFIG'])
server = tf.distribute.Server(config['cluster'], job_name=config['task']['type'], task_index=config['task']['index'], protocol='grpc', start=True)
sys.stdin.read()
`

/** Scalars of the event files of a training, as TensorFlow reads them. */
const readEvents = `
import glob, json, sys
import tensorflow as tf
def scalars(folder):
    [file] = glob.glob(folder + '/*')
    first, *events = tf.compat.v1.train.summary_iterator(file)
    assert first.file_version == 'brain.Event:2', first
    return [{'step': event.step, 'tag': value.tag, 'value': float(tf.make_ndarray(value.tensor)) if value.HasField('tensor') else value.simple_value}
            for event in events for value in event.summary.value]
print(json.dumps({part: scalars(sys.argv[1] + '/' + part) for part in ('train', 'validation')}))
`

interface LoggedScalar {
  readonly step: number
  readonly tag: string
  readonly value: number
}

interface Played {
  readonly report: ClusterTrainingReport
  readonly loss: number
}

describePeer('training on a cluster', 'tensorflow', () => {
  const library = peerLibrary()
  let cluster: LocalCluster
  beforeAll(async () => {
    await tf.setBackend('cpu')
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library, environment: quiet }))
  })
  afterAll(async () => {
    await cluster?.stop()
  })

  test('two workers train on all rows, each once an epoch, and the model has the weights', async () => {
    const model = makeModel()
    const before = lossHere(model)
    const folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
    try {
      const report = await run(trainOnCluster(model, cluster, { data, label: 'y', batchSize: 50, epochs: 6, validation: { data, everySteps: 100 }, tensorBoard: folder }))
      expect(report).toMatchObject({ role: 'driver', globalStep: (6 * ROWS) / 50, stoppedBy: 'data', recoveries: [], notFetched: [] })
      expect(report.workers).toMatchObject([0, 1].map((index) => ({ task: `worker ${index}`, rows: 3 * ROWS, steps: (3 * ROWS) / 50, repeatedRows: 0, uncertainRows: 0, restarts: 0 })))
      const after = lossHere(model)
      expect(after).toBeLessThan(before / 2)
      const last = report.evaluations.at(-1)!
      expect(last).toMatchObject({ globalStep: report.globalStep, rows: ROWS })
      expect(last.metrics['loss']).toBeCloseTo(after, 5)
      expect(last.metrics['accuracy']).toBeGreaterThan(0.85)
      expect(report.evaluations.length).toBeGreaterThan(1)
      expect((await readdir(folder)).sort()).toEqual(['train', 'validation'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('columns that only the files tell are looked up first', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
    try {
      const file = join(folder, 'rows.parquet')
      await run(pipe(data, writeParquet(file)))
      const read = readParquet(file)
      const report = await run(trainOnCluster(makeModel(), cluster, { data: read, label: 'y', batchSize: 50, validation: { data: read } }))
      expect(report).toMatchObject({ globalStep: ROWS / 50, stoppedBy: 'data' })
      expect(report.evaluations.at(-1)).toMatchObject({ rows: ROWS })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('TensorFlow reads its event files: steps and losses of the chief, and what was measured', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
    const steps: ClusterStep[] = []
    try {
      const { evaluations } = await run(trainOnCluster(makeModel(), cluster, {
        data, label: 'y', batchSize: 50, epochs: 3, validation: { data, everySteps: 40 }, tensorBoard: folder, logEverySteps: 7,
        onStep: (step) => { if (step.worker === 0) steps.push(step) },
      }))
      const logged = steps.filter((_, index) => index % 7 === 0)
      expect([steps.length, logged.length, evaluations.length > 1]).toEqual([60, 9, true])
      const { train, validation } = JSON.parse(await runPython(readEvents, { args: [folder] })) as Record<'train' | 'validation', readonly LoggedScalar[]>
      const of = (tag: string, scalars: readonly LoggedScalar[]) => scalars.filter((one) => one.tag === tag).map(({ step, value }) => [step, value])
      expect(of('loss', train)).toEqual(logged.map(({ globalStep, loss }) => [globalStep, Math.fround(loss)]))
      expect(of('accuracy', train)).toEqual(logged.map(({ globalStep, metrics }) => [globalStep, Math.fround(metrics['accuracy']!)]))
      const rates = train.filter(({ tag }) => tag === 'global_step/sec')
      expect(rates.map(({ step }) => step)).toEqual(logged.slice(1).map(({ globalStep }) => globalStep))
      expect(rates.filter(({ value }) => !(value > 0 && value < Infinity))).toEqual([])
      for (const tag of ['loss', 'accuracy']) expect(of(tag, validation)).toEqual(evaluations.map(({ globalStep, metrics }) => [globalStep, Math.fround(metrics[tag]!)]))
      expect(new Set(validation.map(({ tag }) => tag))).toEqual(new Set(['loss', 'accuracy']))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('stops at a step, with more than one in flight, and at a metric', async () => {
    const steps: number[] = []
    const atStep = await run(trainOnCluster(makeModel(), cluster, { data, label: 'y', batchSize: 20, steps: 60, inFlight: 3, onStep: ({ globalStep }) => steps.push(globalStep) }))
    expect(atStep.stoppedBy).toBe('steps')
    expect(atStep.globalStep).toBeGreaterThanOrEqual(60)
    expect(atStep.globalStep).toBeLessThan(60 + 2 * 3)
    expect(steps).toHaveLength(atStep.globalStep)
    expect(atStep.workers.some(({ staleness }) => staleness.max > 0)).toBe(true)
    const atMetric = await run(trainOnCluster(makeModel(), cluster, {
      data, label: 'y', batchSize: 20, steps: 100_000, validation: { data, everySteps: 50 }, stopAt: { metric: 'accuracy', atLeast: 0.8 },
    }))
    expect(atMetric.stoppedBy).toBe('metric')
    expect(atMetric.evaluations.find(({ metrics }) => metrics['accuracy']! >= 0.8)).toBeDefined()
  })

  test('workers in step: an update is the mean of their gradients, until the data or the steps end', async () => {
    const model = makeModel()
    const before = lossHere(model)
    const byData = await run(trainOnCluster(model, cluster, { data, label: 'y', batchSize: 50, epochs: 6, synchronous: {} }))
    expect(byData).toMatchObject({ globalStep: (3 * ROWS) / 50, stoppedBy: 'data', recoveries: [] })
    expect(byData.workers).toMatchObject([0, 1].map(() => ({ rows: 3 * ROWS, uncertainRows: 0, restarts: 0 })))
    expect(lossHere(model)).toBeLessThan(before / 2)
    const bySteps = await run(trainOnCluster(makeModel(), cluster, { data, label: 'y', batchSize: 50, steps: 30, synchronous: { aggregate: 1 } }))
    expect(bySteps).toMatchObject({ globalStep: 30, stoppedBy: 'steps', recoveries: [] })
  })

  test('files that the servers read, some steps a run', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
    try {
      await run(pipe(data, writeTfRecords(join(folder, 'train'), { shards: 4 })))
      const model = makeModel()
      const before = lossHere(model)
      // Their manifest says what labels are.
      const options = { data: { files: join(folder, 'train-*') }, label: 'y', batchSize: 50 } as const
      const packed = { files: join(folder, 'train-*'), compression: 'gzip' } as const
      await expect(run(trainOnCluster(model, cluster, { ...options, data: packed }))).rejects.toMatchObject({ _tag: 'Schema', code: 'SHARDS_PACKED' })
      const bySteps = await run(trainOnCluster(model, cluster, { ...options, steps: 215, stepsPerRun: 4 }))
      expect(bySteps).toMatchObject({ stoppedBy: 'steps', recoveries: [] })
      expect(bySteps.globalStep).toBeGreaterThanOrEqual(215)
      expect(bySteps.globalStep).toBeLessThan(215 + 2 * 4)
      expect(lossHere(model)).toBeLessThan(before / 2)
      const byData = await run(trainOnCluster(makeModel(), cluster, { ...options, epochs: 2, stepsPerRun: 3 }))
      expect(byData).toMatchObject({ globalStep: (2 * ROWS) / 50, stoppedBy: 'data', recoveries: [] })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  /** Rows of both workers: all of them are accounted for. */
  const counted = ({ workers }: ClusterTrainingReport) => ({
    rows: workers.reduce((sum, { rows }) => sum + rows, 0),
    repeated: workers.reduce((sum, { repeatedRows }) => sum + repeatedRows, 0),
    uncertain: workers.reduce((sum, { uncertainRows }) => sum + uncertainRows, 0),
  })

  test('a training that was stopped goes on from its checkpoint, with every row of the rest', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
    try {
      const options = { data, label: 'y', batchSize: 20, checkpoints: { folder, everySteps: 15, keep: 2 } } as const
      const stop = new AbortController()
      const saved: number[] = []
      const first = run(trainOnCluster(makeModel(), cluster, {
        // Not at a step: the other worker may make many while the chief saves.
        ...options, onCheckpoint: ({ step }) => { if (saved.push(step) === 2) stop.abort() },
      }), { signal: stop.signal })
      await expect(first).rejects.toMatchObject({ _tag: 'Aborted' })
      expect(saved.length).toBeGreaterThanOrEqual(2)
      const model = makeModel()
      const second = await run(trainOnCluster(model, cluster, options))
      const { rows, uncertain } = counted(second)
      expect(second.recoveries).toMatchObject([{ what: 'restored', note: expect.stringContaining(`model.ckpt-${saved.at(-1)}`) as string }])
      // Steps that were done while it was saved may be in it.
      const from = Number(/of step (\d+)/.exec(second.recoveries[0]!.note)![1])
      expect(from).toBeGreaterThanOrEqual(saved.at(-1)!)
      expect(second.globalStep).toBe(from + second.workers.reduce((sum, { steps }) => sum + steps, 0))
      expect(second.globalStep).toBeGreaterThanOrEqual(ROWS / 20)
      expect(second.globalStep).toBeLessThan(ROWS / 20 + 50)
      expect([rows, uncertain]).toEqual([ROWS, 0])
      expect(second.checkpoints.at(-1)!.step).toBe(second.globalStep)
      expect((await readdir(folder)).filter((name) => name.endsWith('.index'))).toHaveLength(2)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('a parameter server that is killed and started again gets its values from the checkpoint, whoever reads the data', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
    try {
      await run(pipe(data, writeTfRecords(join(folder, 'train'), { shards: 2 })))
      for (const options of [{ data }, { data: { files: join(folder, 'train-*') }, labelDType: 'int64' }] as const) {
        let [killed, isSaved]: [Promise<void> | undefined, boolean] = [undefined, false]
        const model = makeModel()
        const report = await run(trainOnCluster(model, cluster, {
          ...options, label: 'y', batchSize: 20, epochs: 3, checkpoints: { folder: join(folder, 'labelDType' in options ? 'served' : 'fed'), everySteps: 30 },
          recovery: { stepTimeoutMs: 20_000 },
          onCheckpoint: () => { isSaved = true },
          onStep: () => { if (isSaved) killed ??= cluster.kill({ type: 'ps', index: 1 }).then(() => cluster.restart({ type: 'ps', index: 1 })) },
        }))
        await killed
        expect(report.recoveries.map(({ what }) => what)).toEqual(expect.arrayContaining(['lost', 'restored', 'back']))
        const { rows, repeated, uncertain } = counted(report)
        expect(rows - repeated).toBeLessThanOrEqual(3 * ROWS)
        expect(report.stoppedBy).toBe('data')
        // Rows of a step of which nobody knows whether it was done are not fed again.
        expect(report.globalStep * 20 + uncertain).toBeGreaterThanOrEqual(3 * ROWS)
        expect(lossHere(model)).toBeLessThan(0.35)
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test.each([['a worker', 1, {}], ['the chief', 0, {}], ['one of workers in step', 1, { synchronous: {} }]])('the server of %s is killed and started again', async (_, index, more) => {
    let killed: Promise<void> | undefined
    const report = await run(trainOnCluster(makeModel(), cluster, {
      ...more, data, label: 'y', batchSize: 20, epochs: 3,
      onStep: ({ globalStep }) => { if (globalStep > 50) killed ??= cluster.kill({ type: 'worker', index }).then(() => cluster.restart({ type: 'worker', index })) },
    }))
    await killed
    // Variables are as they were: nothing is fed twice, and the one update of which nobody knows is accounted for.
    const { rows, repeated, uncertain } = counted(report)
    expect([rows + uncertain, repeated]).toEqual([3 * ROWS, 0])
    // In step, the update that was lost amid it is of both workers' batches.
    expect(uncertain).toBeLessThanOrEqual('synchronous' in more ? 40 : 20)
    expect(report.recoveries.map(({ what }) => what)).toEqual(expect.arrayContaining(['lost', 'back']))
    expect(report.recoveries.every(({ task }) => task === `worker ${index}`)).toBe(true)
  })

  test('large variables stay where they are', async () => {
    const model = makeModel()
    const before = model.getWeights().map((weight) => [...weight.dataSync()])
    const report = await run(trainOnCluster(model, cluster, { data, label: 'y', batchSize: 500, fetchLimitBytes: 60 }))
    expect(report.notFetched).toEqual(['hidden/kernel'])
    const after = model.getWeights().map((weight) => [...weight.dataSync()])
    expect(after.map((values, index) => String(values) === String(before[index]))).toEqual(model.getWeights().map(({ shape }) => String(shape) === '4,8'))
  })

  test('what cannot be trained says so before the first step', async () => {
    const start = (options: object, on: LocalCluster | ReturnType<typeof clusterSpec> = cluster) => run(trainOnCluster(makeModel(), on, { data, label: 'y', ...options }))
    await expect(start({ batchSize: 0 })).rejects.toMatchObject({ _tag: 'Usage' })
    await expect(start({ label: 'z' })).rejects.toMatchObject({ _tag: 'Schema' })
    await expect(start({ stopAt: { metric: 'loss', atMost: 1 } })).rejects.toMatchObject({ code: 'NO_VALIDATION' })
    await expect(start({ validation: { data }, stopAt: { metric: 'auc', atMost: 1 } })).rejects.toMatchObject({ code: 'NO_SUCH_METRIC' })
    await expect(start({}, clusterSpec({ worker: ['127.0.0.1:1'] }))).rejects.toMatchObject({ code: 'CLUSTER_NO_PS' })
    await expect(run(trainOnCluster(makeModel(), cluster, { data, label: 'y' }), { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ _tag: 'Aborted' })
  })

  test('one process for each task, each with its own server, of Node or of Python', async () => {
    const addresses = await Promise.all([0, 1, 2, 3].map(async () => `127.0.0.1:${await freePort()}`))
    const spec = clusterSpec({ ps: addresses.slice(0, 2), worker: addresses.slice(2) })
    const file = await buildProgram(program(library), 'cluster-task')
    const folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
    const environment = (task: Task) => ({ ...process.env, ...quiet, CHECKPOINTS: folder, TF_CONFIG: toTfConfig({ spec, task }) })
    const children: ReturnType<typeof spawn>[] = []
    const python = (task: Task): void => {
      children.push(spawn(peerPython(), ['-c', pythonServer], { env: environment(task), stdio: ['pipe', 'ignore', 'ignore'] }))
    }
    const play = (task: Task): Promise<Played> => {
      const child = spawn(process.execPath, [file], { env: environment(task), stdio: ['ignore', 'pipe', 'pipe'] })
      children.push(child)
      let [said, cried] = ['', '']
      child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
      child.stderr.on('data', (chunk: Buffer) => (cried += chunk.toString()))
      return new Promise((resolve, reject) => {
        child.once('close', () => {
          const line = said.split('\n').find((one) => one.startsWith('{'))
          if (line === undefined) reject(new Error(`${task.type} ${task.index} has no report: ${cried.slice(-2_000)}`))
          else resolve(JSON.parse(line) as Played)
        })
      })
    }
    try {
      // Beside Python's ps 1 and worker 1: Node's ps 0 and worker 0, and a Node process that feeds and drives Python's worker.
      python({ type: 'ps', index: 1 })
      python({ type: 'worker', index: 1 })
      const [ps, chief, worker, evaluator] = await Promise.all([{ type: 'ps', index: 0 }, { type: 'worker', index: 0 }, { type: 'worker', index: 1 }, { type: 'evaluator', index: 0 }].map(play))
      expect(ps!.report).toMatchObject({ role: 'ps 0', stoppedBy: 'over', recoveries: [] })
      expect(chief!.report).toMatchObject({ role: 'worker 0', globalStep: (6 * ROWS) / 50, workers: [{ rows: 3 * ROWS, uncertainRows: 0, repeatedRows: 0 }] })
      expect(worker!.report).toMatchObject({ role: 'worker 1', workers: [{ rows: 3 * ROWS, uncertainRows: 0, repeatedRows: 0 }] })
      expect(chief!.loss).toBeLessThan(0.35)
      // The evaluator measures the last checkpoint as the chief measured the variables themselves.
      expect(evaluator!.report.role).toBe('evaluator 0')
      const [theirs, own] = [evaluator!, chief!].map(({ report }) => report.evaluations.at(-1)!)
      expect(theirs).toMatchObject({ globalStep: own!.globalStep, rows: ROWS })
      expect(theirs!.metrics['loss']).toBeCloseTo(own!.metrics['loss']!, 5)
    } finally {
      for (const child of children) child.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    }
  })
})
