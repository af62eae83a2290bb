import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cache, chooseBackend, collect, pipe, run, shuffle, type FittedFeatures, type Stream } from '@millrace/core'
import {
  predictions, score, startLocalCluster, train, trainOnCluster,
  type BinaryScore, type ClusterTrainingOptions, type ClusterTrainingReport, type LocalCluster, type TrainingOptions,
} from '@millrace/distributed'
import { exportSavedModel } from '@millrace/export'
import { readJson, writeTfRecords } from '@millrace/formats'
import { partsOf, source, spec as flightSpec } from '../../examples/cluster/flights.js'
import { delayModel } from '../../examples/quickstart/model.js'
import { flight } from '../../examples/quickstart/schemas.js'
import { parts as mails, spec as mailSpec } from '../../examples/spam/mails.js'
import { spamModel } from '../../examples/spam/model.js'
import { describePeer, runPython } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const peer = fileURLToPath(new URL('./models.py', import.meta.url))

/** An example's model and rows. */
interface Example {
  readonly name: string
  readonly inputs: FittedFeatures
  readonly make: () => tf.LayersModel
  readonly label: string
  /** Raw rows, in the order in which one machine takes them. */
  readonly train: Stream<Stream['schema'], 'cold'>
  readonly test: Stream<Stream['schema'], 'cold'>
}

type Asked = Omit<ClusterTrainingOptions, 'data' | 'inputs' | 'label'>

/** Flights of the quickstart, mixed. */
const flights = async (): Promise<Example> => {
  const { train: training, test: tested } = partsOf(readJson(`${source}/flights-20k.json`, { schema: flight }))
  const inputs = await run(flightSpec.fit(training))
  return { name: 'flights', inputs, make: () => delayModel(inputs, { seed: 1, l2: 1e-3 }), label: 'late', train: pipe(training, shuffle({ seed: 1 }), cache()), test: tested }
}

const spam = async (): Promise<Example> => {
  const inputs = await run(mailSpec.fit(mails.train))
  return { name: 'mails', inputs, make: () => spamModel(inputs), label: 'spam', train: mails.train, test: mails.test }
}

describePeer('the models of the examples, on two parameter servers and two workers', 'tensorflow', () => {
  const library = peerLibrary()
  const trained: { readonly example: Example; readonly model: tf.LayersModel }[] = []
  let cluster: LocalCluster
  let folder: string
  beforeAll(async () => {
    await run(chooseBackend())
    folder = await mkdtemp(join(tmpdir(), 'millrace-models-'))
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library, environment: { TF_CPP_MIN_LOG_LEVEL: '3' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const measure = (model: tf.LayersModel, { inputs, label, test: rows }: Example): Promise<BinaryScore> =>
    run(pipe(rows, inputs.apply, predictions(model, ['probability']), score({ label, probability: 'probability' })))

  const onOneMachine = async (example: Example, asked: Pick<TrainingOptions, 'batchSize' | 'epochs'>): Promise<BinaryScore> => {
    const model = example.make()
    const { runtime } = await run(train(model, { data: pipe(example.train, example.inputs.apply), label: example.label, runtime: 'tensorflow', library, ...asked }))
    expect(runtime.runtime).toBe('tensorflow')
    return measure(model, example)
  }

  /** `fed`: rows pass through this process, features applied. `served`: the workers' servers read raw rows; features are in the graph. */
  const onCluster = async (example: Example, way: 'fed' | { readonly served: number }, asked: Asked): Promise<ClusterTrainingReport & { readonly score: BinaryScore }> => {
    const { name, inputs, label, train: rows } = example
    const model = example.make()
    const files = join(folder, `${name}-train`)
    if (way !== 'fed') await run(pipe(rows, writeTfRecords(files, { shards: way.served })))
    const given = way === 'fed' ? { data: pipe(rows, inputs.apply) } : { data: { files: `${files}-*` }, inputs }
    const report = await run(trainOnCluster(model, cluster, { ...given, label, ...asked }))
    expect(report).toMatchObject({ recoveries: [], notFetched: [] })
    expect(report.workers.map(({ steps, uncertainRows }) => [steps > 0, uncertainRows])).toEqual([[true, 0], [true, 0]])
    trained.push({ example, model })
    return { ...report, score: await measure(model, example) }
  }

  const within = (share: number, { auc, logLoss }: BinaryScore, alone: BinaryScore): void => {
    expect(Math.abs(auc / alone.auc - 1)).toBeLessThan(share)
    expect(Math.abs(logLoss / alone.logLoss - 1)).toBeLessThan(share)
  }

  test('flights: asynchronous and in step, the metrics of one machine', async () => {
    const example = await flights()
    // A large batch, so that what a worker's batch and dropout happen to hold hardly matters.
    const alone = await onOneMachine(example, { batchSize: 512, epochs: 12 })
    expect(alone.auc).toBeGreaterThan(0.63)
    const asynchronous = await onCluster(example, 'fed', { batchSize: 512, epochs: 12 })
    expect(asynchronous).toMatchObject({ stoppedBy: 'data', globalStep: 12 * 2 * Math.ceil(8_000 / 512) })
    within(0.01, asynchronous.score, alone)
    const inStep = await onCluster(example, { served: 2 }, { batchSize: 256, epochs: 12, synchronous: {} })
    within(0.01, inStep.score, alone)
  })

  test('mails: asynchronous and in step, the metrics of one machine', async () => {
    const example = await spam()
    const alone = await onOneMachine(example, { batchSize: 64, epochs: 4 })
    expect(alone.auc).toBeGreaterThan(0.99)
    // Every second row belongs to a worker, so that both together have the batches of one machine, and their mean gradients are its.
    const inStep = await onCluster(example, 'fed', { batchSize: 32, epochs: 4, synchronous: {} })
    within(1e-3, inStep.score, alone)
    // Log loss of a model that is nearly always right hangs on a few mails: it is trained until it has that of one machine.
    const asynchronous = await onCluster(example, { served: 4 }, {
      batchSize: 64, epochs: 8, validation: { data: example.test, everySteps: 20 }, stopAt: { metric: 'loss', atMost: 0.99 * alone.logLoss },
    })
    expect(asynchronous.stoppedBy).toBe('metric')
    // Steps that were under way when it had come to that move it once more.
    expect(asynchronous.score.logLoss).toBeLessThan(1.2 * alone.logLoss)
    expect(asynchronous.score.auc).toBeGreaterThan(0.99 * alone.auc)
  })

  test('exported, they answer raw rows in TensorFlow with our numbers', async () => {
    expect(trained).toHaveLength(4)
    const args: string[] = []
    const expected: number[][] = []
    for (const [index, { example, model }] of trained.entries()) {
      const { url } = await run(exportSavedModel(model, join(folder, `${index}/model`), { inputs: example.inputs }))
      const { files } = await run(pipe(example.test, writeTfRecords(join(folder, `${index}/test`), { shards: 1 })))
      args.push(url, ...files)
      const inMemory = pipe(example.test, example.inputs.apply, predictions(model, ['probability']))
      const ours = (await run(collect()(inMemory))).map(({ probability }) => probability)
      expect(new Set(ours).size).toBeGreaterThan(500)
      expected.push(ours)
    }
    const theirs = JSON.parse(await runPython(peer, { args })) as { readonly values: readonly number[]; readonly examples: readonly number[] }[]
    theirs.forEach(({ values, examples }, index) => {
      const ours = expected[index]!
      for (const answers of [values, examples]) {
        expect(answers).toHaveLength(ours.length)
        expect(Math.max(...answers.map((value, row) => Math.abs(value - ours[row]!)))).toBeLessThan(1e-5)
      }
    })
  })
})
