import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { collect, features, field, fromRows, greaterThan, label, pipe, run, standardize, vocabulary } from '@millrace/core'
import { nativeSession, readModel, tensorNumbers, type FeatureSet, type ModelDescription, type Session, type WeightDescription } from '@millrace/export'
import { adam, evaluationGraph, remoteSession, startLocalCluster, tfRecordSource, trainingGraph, type LocalCluster, type TrainingGraph, type TrainingGraphOptions } from '@millrace/distributed'
import { writeTfRecords } from '@millrace/formats'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const BATCH = 8
const STEPS = 23
const KINDS = ['a', 'b', 'c', 'd']
/** Each kind is in each batch, so that lazy moments are those of TensorFlow.js. */
const flights = fromRows(
  { distance: field.float32(), kind: field.utf8(), delay: field.float32() },
  Array.from({ length: BATCH * STEPS }, (_, row) => ({ distance: 500 + 300 * Math.sin(row), kind: KINDS[row % KINDS.length]!, delay: 15 + 20 * Math.cos(row * 3) })),
)

const makeModel = (): tf.LayersModel => {
  const [distance, kind] = [tf.input({ shape: [1], name: 'distance' }), tf.input({ shape: [1], name: 'kind', dtype: 'int32' })]
  const rows = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: 5, outputDim: 2, name: 'table' }).apply(kind)) as tf.SymbolicTensor
  const wide = tf.layers.dense({ units: 3, activation: 'tanh', name: 'hidden', kernelRegularizer: tf.regularizers.l2({ l2: 0.01 }) })
  const hidden = wide.apply(tf.layers.concatenate().apply([distance, rows])) as tf.SymbolicTensor
  const normal = tf.layers.batchNormalization({ name: 'normal', momentum: 0.9 }).apply(hidden) as tf.SymbolicTensor
  const model = tf.model({ inputs: [distance, kind], outputs: tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'y' }).apply(normal) as tf.SymbolicTensor })
  model.setWeights(model.getWeights().map((weight) => tf.tensor(Array.from({ length: weight.size }, (_, index) => 1 + Math.sin(index + weight.size) / 2), weight.shape)))
  return model
}

describePeer('several steps a run', 'tensorflow', () => {
  const library = peerLibrary()
  let cluster: LocalCluster
  let folder: string
  let inputs: FeatureSet
  let description: ModelDescription
  let losses: number[]
  let evaluated: number[]
  let after: ModelDescription

  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-steps-'))
    await run(pipe(flights, writeTfRecords(join(folder, 'flights'))))
    const fitted = await run(features({ distance: standardize(), kind: vocabulary({ oovBuckets: 1 }), late: label(greaterThan(15, { from: 'delay' })) }).fit(flights))
    inputs = fitted
    const rows = await run(collect()(pipe(flights, fitted.apply)))
    const model = makeModel()
    description = await readModel(model)
    model.compile({ loss: 'binaryCrossentropy', optimizer: tf.train.adam(0.05), metrics: ['accuracy'] })
    losses = []
    const columns = (some: typeof rows): [tf.Tensor[], tf.Tensor] => {
      const column = (name: 'distance' | 'kind' | 'late', dtype: 'float32' | 'int32') => tf.tensor2d(some.map((row) => [Number(row[name])]), undefined, dtype)
      return [[column('distance', 'float32'), column('kind', 'int32')], column('late', 'float32')]
    }
    for (let step = 0; step < STEPS; step += 1) {
      losses.push(((await model.trainOnBatch(...columns(rows.slice(step * BATCH, (step + 1) * BATCH)))) as number[])[0]!)
    }
    evaluated = (model.evaluate(...columns(rows)) as tf.Scalar[]).map((value) => value.dataSync()[0]!)
    after = await readModel(model)
    cluster = await run(startLocalCluster({ ps: 2, workers: 1, library, environment: { TF_CPP_MIN_LOG_LEVEL: '3' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const make = (options: Partial<TrainingGraphOptions> = {}): TrainingGraph =>
    trainingGraph(description, {
      loss: 'binaryCrossentropy', optimizer: adam({ learningRate: 0.05 }), inputs, stepsPerRun: 5,
      source: tfRecordSource({ files: join(folder, 'flights*'), batchSize: BATCH, epochs: 1 }), ...options,
    })
  const open = async (session: Session, { initialize, initializeTables, source }: TrainingGraph): Promise<void> => {
    await session.run({ targets: [initialize.name] })
    await session.run({ targets: [initializeTables!.name, source!.initialize.name] })
  }
  const closeTo = (ours: readonly number[], theirs: ArrayLike<number>, what: string): void => {
    expect(ours).toHaveLength(theirs.length)
    ours.forEach((value, index) => expect(Math.abs(value - theirs[index]!), `${what}[${index}]: ours ${value}, theirs ${theirs[index]}`).toBeLessThan(1e-5))
  }
  const numbers = async (session: Session, fetch: string): Promise<number[]> => tensorNumbers((await session.run({ fetches: [fetch] }))[0]) as number[]

  /** Two steps, then runs of five: the last finds one batch only. */
  const trainAll = async (session: Session, made: TrainingGraph): Promise<void> => {
    await open(session, made)
    const all: number[] = []
    for (const count of [2, 5, 5, 5, 5]) {
      const steps = made.steps.slice(0, count)
      const { globalStep, train } = steps.at(-1)!
      const fetched = await session.run({ fetches: [globalStep.name, ...steps.map(({ loss }) => loss.name)], targets: [train.name] })
      const [done, ...own] = fetched.map((tensor) => tensorNumbers(tensor)[0]!)
      all.push(...own)
      expect(done).toBe(all.length)
    }
    closeTo(all, losses.slice(0, 22), 'loss')
    await expect(session.run({ fetches: [made.loss.name], targets: [made.train.name] })).rejects.toMatchObject({ code: 'TF_OUT_OF_RANGE' })
    expect(await numbers(session, made.globalStep.value.name)).toEqual([STEPS])
    for (const weight of after.layers.flatMap((layer) => layer.weights)) {
      const variable = made.variables.find((one) => one.weight.name === weight.name)!
      closeTo(await numbers(session, variable.value.name), weight.value!.data as ArrayLike<number>, weight.name)
    }
  }

  /** In a graph and session of its own, on the variables as they are now. */
  const evaluateAll = async (placed: Pick<TrainingGraphOptions, 'device' | 'variables'>): Promise<void> => {
    const source = tfRecordSource({ files: join(folder, 'flights*'), batchSize: 50, epochs: 1, name: 'test' })
    const { graph, rows, loss, metrics, ...made } = evaluationGraph(description, { loss: 'binaryCrossentropy', metrics: ['accuracy'], inputs, source, ...placed })
    const session = await run(remoteSession({ graph: graph.encode(), target: cluster.target({ type: 'worker', index: 0 }) }))
    try {
      await session.run({ targets: [made.initializeTables!.name, made.source!.initialize.name] })
      const means = [0, 0]
      for (const size of [50, 50, 50, 34]) {
        const fetched = await session.run({ fetches: [rows.name, loss.name, metrics['accuracy']!.name] })
        const [count, ...values] = fetched.map((tensor) => tensorNumbers(tensor)[0]!)
        expect(count).toBe(size)
        values.forEach((value, index) => { means[index]! += (value * size) / (BATCH * STEPS) })
      }
      await expect(session.run({ fetches: [loss.name] })).rejects.toMatchObject({ code: 'TF_OUT_OF_RANGE' })
      closeTo(means, evaluated, 'evaluation')
    } finally {
      await session.close()
    }
  }

  test('on two parameter servers, from records that the worker reads, are those of TensorFlow.js; at the end of the data none is lost', async () => {
    const placed = { device: '/job:worker/task:0', variables: ({ name }: WeightDescription) => ({ device: `/job:ps/task:${name.startsWith('table') || name.startsWith('normal') ? 1 : 0}` }) }
    const made = make(placed)
    // Small variables of each parameter server travel in one tensor, and their gradients; the rows of the table by themselves.
    expect(made.graph.nodes.filter(({ op }) => op === 'SplitV')).toHaveLength(5 * 4)
    const session = await run(remoteSession({ graph: made.graph.encode(), target: cluster.target({ type: 'worker', index: 0 }) }))
    try {
      await trainAll(session, made)
      await evaluateAll(placed)
    } finally {
      await session.close()
    }
  })

  test('in this process', async () => {
    const made = make()
    const session = await run(nativeSession({ graph: made.graph.encode(), library }))
    try {
      await trainAll(session, made)
    } finally {
      await session.close()
    }
  })

  test('report the mean of their losses and metrics', async () => {
    const made = make({ metrics: ['accuracy'], stepsPerRun: 3 })
    const session = await run(nativeSession({ graph: made.graph.encode(), library }))
    try {
      await open(session, made)
      const fetches = [made.loss, made.metrics['accuracy']!, ...made.steps.map(({ metrics }) => metrics['accuracy']!)].map(({ name }) => name)
      const [loss, accuracy, ...each] = (await session.run({ fetches, targets: [made.train.name] })).map((tensor) => tensorNumbers(tensor)[0]!)
      closeTo([loss!], [(losses[0]! + losses[1]! + losses[2]!) / 3], 'loss')
      closeTo([accuracy!], [each.reduce((sum, one) => sum + one, 0) / 3], 'accuracy')
    } finally {
      await session.close()
    }
  })
})
