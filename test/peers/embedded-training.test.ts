import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, run, type ProgressEvent, type Stream } from '@millrace/core'
import { train, type EpochReport, type TrainingOptions, type TrainingReport } from '@millrace/distributed'
import { nativeObjects } from '@millrace/export'
import * as tf from '@tensorflow/tfjs'
import { beforeAll, expect, test } from 'vitest'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const CITIES = 5
const schema = { city: field.int32(), x: field.list(field.float32(), { size: 2 }), late: field.int32(), far: field.bool(), kind: field.uint8() }

/** The labels follow the columns; every row has its own place in a fixed sequence. */
const rows = (from: number, to: number): Stream<typeof schema, 'cold'> =>
  fromRows(schema, Array.from({ length: to - from }, (_, i) => {
    const n = (Math.imul(from + i + 1, 0x9e3779b1) >>> 0) / 2 ** 32
    const city = (from + i) % CITIES
    return { city, x: [n * 2 - 1, Math.sin(from + i)], late: (city < 2) === (n > 0.3) ? 1 : 0, far: n > 0.5, kind: (city + (n > 0.6 ? 1 : 0)) % 3 }
  }), { batchRows: 100 })

const glorot = (seed: number) => tf.initializers.glorotUniform({ seed })

interface Shape {
  readonly optimizer?: string | tf.Optimizer
  readonly metrics?: string[]
  readonly penalty?: boolean
  readonly normalize?: boolean
}

const build = ({ optimizer = tf.train.adam(0.02), metrics = ['accuracy', 'mse'], penalty = false, normalize = false }: Shape = {}): tf.LayersModel => {
  const [city, x] = [tf.input({ shape: [1], name: 'city' }), tf.input({ shape: [2], name: 'x' })]
  const penalized = <K extends string>(key: K) => (penalty ? { [key]: tf.regularizers.l1l2({ l1: 1e-3, l2: 1e-2 }) } : {})
  const embedding = tf.layers.embedding({ inputDim: CITIES, outputDim: 4, embeddingsInitializer: tf.initializers.randomUniform({ minval: -0.1, maxval: 0.1, seed: 1 }), ...penalized('embeddingsRegularizer') })
  const joined = tf.layers.concatenate().apply([tf.layers.flatten().apply(embedding.apply(city)) as tf.SymbolicTensor, x])
  const hidden = tf.layers.dense({ units: 8, activation: 'relu', kernelInitializer: glorot(2), ...penalized('kernelRegularizer') }).apply(joined) as tf.SymbolicTensor
  const last = normalize ? tf.layers.batchNormalization().apply(hidden) : hidden
  const model = tf.model({ inputs: [city, x], outputs: tf.layers.dense({ units: 1, activation: 'sigmoid', kernelInitializer: glorot(3) }).apply(last) as tf.SymbolicTensor })
  model.compile({ optimizer, loss: 'binaryCrossentropy', metrics })
  return model
}

const twoOutputs = (): tf.LayersModel => {
  const x = tf.input({ shape: [2], name: 'x' })
  const outputs = [['far', 1, 'sigmoid'], ['kind', 3, 'softmax']].map(([name, units, activation]) =>
    tf.layers.dense({ name: name as string, units: units as number, activation: activation as 'sigmoid', kernelInitializer: glorot(4) }).apply(x) as tf.SymbolicTensor)
  const model = tf.model({ inputs: x, outputs })
  model.compile({ optimizer: 'sgd', loss: ['binaryCrossentropy', 'sparseCategoricalCrossentropy'], metrics: ['acc'] })
  return model
}

const weightsOf = (model: tf.LayersModel): number[] => model.getWeights().flatMap((weight) => [...weight.dataSync()])

const closeTo = (ours: readonly number[], theirs: readonly number[], tolerance: number): void => {
  expect(ours).toHaveLength(theirs.length)
  ours.forEach((value, i) => expect(Math.abs(value - theirs[i]!), `[${i}]: ours ${value}, theirs ${theirs[i]}`).toBeLessThan(tolerance))
}

describePeer('training in TensorFlow, in this process', 'tensorflow', () => {
  const native = { runtime: 'tensorflow', library: peerLibrary() } as const
  const tfjs = { runtime: 'tfjs' } as const
  const options = { data: rows(0, 500), validation: rows(500, 700), label: 'late', epochs: 3, batchSize: 64, shuffle: { seed: 4, windowRows: 256 } }
  beforeAll(async () => {
    process.env['TF_CPP_MIN_LOG_LEVEL'] = '3'
    await tf.setBackend('cpu')
  })

  const both = async (make: () => tf.LayersModel, asked: Partial<TrainingOptions> = {}, trainings = 1): Promise<void> => {
    const outcomes: { report: TrainingReport; weights: number[] }[] = []
    for (const choice of [native, tfjs]) {
      const model = make()
      let report: TrainingReport | undefined
      for (let i = 0; i < trainings; i++) report = await run(train(model, { ...options, ...asked, ...choice }))
      outcomes.push({ report: report!, weights: weightsOf(model) })
    }
    const [ours, theirs] = outcomes as [(typeof outcomes)[0], (typeof outcomes)[0]]
    const measured = ({ report }: typeof ours) => report.epochs.flatMap(({ metrics }) => Object.values(metrics))
    expect(ours.report).toMatchObject({ rows: theirs.report.rows, steps: theirs.report.steps, validationRows: theirs.report.validationRows, bestEpoch: theirs.report.bestEpoch, stoppedEarly: theirs.report.stoppedEarly })
    expect(ours.report.epochs.map(({ metrics }) => Object.keys(metrics))).toEqual(theirs.report.epochs.map(({ metrics }) => Object.keys(metrics)))
    closeTo(measured(ours), measured(theirs), 1e-4)
    closeTo(ours.weights, theirs.weights, 1e-3)
  }

  test.each<[string, () => tf.LayersModel, Partial<TrainingOptions>?, number?]>([
    ['adam, and metrics', () => build()],
    ['sgd, by name', () => build({ optimizer: 'sgd' })],
    ['rmsprop', () => build({ optimizer: tf.train.rmsprop(0.01) })],
    ['momentum', () => build({ optimizer: tf.train.momentum(0.05, 0.9) })],
    ['penalties, which validation leaves out', () => build({ penalty: true })],
    ['batch normalisation, which validates by moving means', () => build({ normalize: true })],
    ['two outputs, with losses of their own', twoOutputs, { label: ['kind', 'far'] }],
    ['no validation, the stream in its order', () => build(), { validation: undefined, shuffle: undefined }],
    ['early stopping', () => build({ optimizer: tf.train.adam(0.3) }), { epochs: 12, earlyStopping: { patience: 1 } }],
    ['a second training, that goes on where the first one ended', () => build(), { epochs: 1 }, 3],
  ])('the numbers of TensorFlow.js: %s', (_, make, asked, trainings) => both(make, asked, trainings))

  test('a learning rate that changes between the epochs', async () => {
    const losses = []
    for (const choice of [native, tfjs]) {
      const optimizer = tf.train.adam(0.01)
      const onEpoch = ({ epoch }: EpochReport): void => {
        (optimizer as unknown as { learningRate: number }).learningRate = 0.01 / (epoch + 1)
      }
      losses.push((await run(train(build({ optimizer }), { ...options, ...choice, onEpoch }))).epochs.map(({ loss }) => loss))
    }
    closeTo(losses[0]!, losses[1]!, 1e-4)
  })

  test('says what it ran on; each epoch is reported with the weights of its end; nothing is left behind', async () => {
    const model = build()
    const folder = await mkdtemp(join(tmpdir(), 'millrace-embedded-'))
    const events: ProgressEvent[] = []
    const weights: number[][] = []
    const before = { native: nativeObjects(), tensors: 0 }
    try {
      await run(train(model, { ...options, ...native, epochs: 1 }))
      before.tensors = tf.memory().numTensors
      const report = await run(train(model, { ...options, ...native, tensorBoard: folder, onEpoch: () => weights.push(weightsOf(model)) }), { progress: (event) => events.push(event) })
      expect(report.runtime).toMatchObject({ runtime: 'tensorflow', description: expect.stringMatching(/^TensorFlow 2\.\d+\.\d+ in this process$/) as string, reason: undefined })
      expect(report.runtime.library).toMatch(/tensorflow/)
      expect(events[0]).toMatchObject({ stage: `training on ${report.runtime.description}`, finished: true })
      expect(events[1]).toMatchObject({ stage: 'epoch 1 of 3', done: 64 })
      expect(weights).toHaveLength(3)
      expect(weights[0]).not.toEqual(weights[2])
      expect(weightsOf(model)).toEqual(weights[2])
      expect((await readdir(folder)).sort()).toEqual(['train', 'validation'])
    } finally {
      await rm(folder, { recursive: true })
    }
    expect(nativeObjects()).toEqual(before.native)
    expect(tf.memory().numTensors).toBe(before.tensors)
  })

  test('stops at the next step when aborted, and keeps the weights of the last one', async () => {
    const aborting = new AbortController()
    const model = build()
    const first = weightsOf(model)
    let steps = 0
    await expect(run(train(model, { ...options, ...native }), {
      signal: aborting.signal,
      progress: ({ stage }) => {
        if (stage.startsWith('epoch') && ++steps === 3) aborting.abort()
      },
    })).rejects.toMatchObject({ _tag: 'Aborted' })
    expect(steps).toBe(3)
    expect(weightsOf(model)).not.toEqual(first)
    expect(nativeObjects()).toMatchObject({ sessions: 0, graphs: 0, tensors: 0 })
  })

  test('dropout learns', async () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 16, activation: 'relu', inputShape: [2], name: 'x' }), tf.layers.dropout({ rate: 0.3 }), tf.layers.dense({ units: 1, activation: 'sigmoid' })] })
    model.compile({ optimizer: tf.train.adam(0.05), loss: 'binaryCrossentropy' })
    const data = fromRows({ [model.inputNames[0]!]: schema.x, far: schema.far }, Array.from({ length: 300 }, (_, i) => ({ [model.inputNames[0]!]: [Math.sin(i), Math.cos(i)], far: Math.sin(i) > 0 })))
    const { epochs } = await run(train(model, { data, label: 'far', epochs: 8, ...native }))
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss / 2)
  })

  test('what has no graph is trained by TensorFlow.js, which says why, or refused', async () => {
    const model = build()
    model.compile({ optimizer: tf.train.adamax(0.01), loss: 'binaryCrossentropy' })
    const asked = { ...options, epochs: 1, library: native.library }
    expect((await run(train(build(), asked))).runtime.runtime).toBe('tensorflow')
    expect((await run(train(model, asked))).runtime).toMatchObject({ runtime: 'tfjs', reason: 'the optimizer Adamax has no graph' })
    await expect(run(train(model, { ...asked, runtime: 'tensorflow' }))).rejects.toMatchObject({ _tag: 'Model', code: 'OPTIMIZER_UNSUPPORTED' })
    const precise = build({ metrics: ['precision'] })
    expect((await run(train(precise, asked))).runtime.reason).toMatch(/no metric "precision"/)
  })

  test('what is wrong with the data is said as ever', async () => {
    const beyond = fromRows(schema, [{ city: CITIES, x: [0, 0], late: 1, far: true, kind: 0 }])
    await expect(run(train(build(), { ...options, ...native, data: beyond }))).rejects.toMatchObject({ _tag: 'Model', code: 'STEP_FAILED', message: expect.stringMatching(/TensorFlow could not run a step: .*5/) as string })
    const wide = fromRows({ ...schema, x: field.list(field.float32()) }, [{ city: 1, x: [0, 0, 0], late: 1, far: true, kind: 0 }])
    await expect(run(train(build(), { ...options, ...native, data: wide }))).rejects.toMatchObject({ _tag: 'Model', code: 'STEP_FAILED', message: expect.stringContaining('float32[1,3] was given') as string })
    await expect(run(train(build(), { ...options, ...native, data: rows(0, 0) }))).rejects.toMatchObject({ code: 'NO_ROWS' })
    const squares = build()
    squares.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    const huge = fromRows({ ...schema, late: field.float32() }, [{ city: 1, x: [0, 0], late: 1e30, far: true, kind: 0 }])
    await expect(run(train(squares, { ...options, ...native, data: huge, validation: undefined }))).rejects.toMatchObject({ code: 'LOSS_NOT_FINITE' })
    expect(nativeObjects()).toMatchObject({ sessions: 0, graphs: 0, tensors: 0 })
  })
})
