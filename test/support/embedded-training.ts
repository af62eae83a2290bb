import { field, fromRows, run, type Stream } from '@millrace/core'
import { train, type TrainingOptions, type TrainingReport } from '@millrace/distributed'
import * as tf from '@tensorflow/tfjs'
import { expect, test } from 'vitest'

export const CITIES = 5
export const schema = { city: field.int32(), x: field.list(field.float32(), { size: 2 }), late: field.int32(), far: field.bool(), kind: field.uint8() }

/** The labels follow the columns; every row has its own place in a fixed sequence. */
export const rows = (from: number, to: number): Stream<typeof schema, 'cold'> =>
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

export const build = ({ optimizer = tf.train.adam(0.02), metrics = ['accuracy', 'mse'], penalty = false, normalize = false }: Shape = {}): tf.LayersModel => {
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

export const weightsOf = (model: tf.LayersModel): number[] => model.getWeights().flatMap((weight) => [...weight.dataSync()])

export const closeTo = (ours: readonly number[], theirs: readonly number[], tolerance: number): void => {
  expect(ours).toHaveLength(theirs.length)
  ours.forEach((value, i) => expect(Math.abs(value - theirs[i]!), `[${i}]: ours ${value}, theirs ${theirs[i]}`).toBeLessThan(tolerance))
}

/** What most tests train with. */
export const options = { data: rows(0, 300), validation: rows(300, 400), label: 'late', epochs: 3, batchSize: 64, shuffle: { seed: 4, windowRows: 128 } }
/** Trains a model in TensorFlow and the same in TensorFlow.js, and compares what they report, and their weights. */
const both = async (library: string, make: () => tf.LayersModel, asked: Partial<TrainingOptions> = {}, trainings = 1): Promise<void> => {
  const outcomes: { report: TrainingReport; weights: number[] }[] = []
  for (const choice of [{ runtime: 'tensorflow', library }, { runtime: 'tfjs' }] as const) {
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

/** Tests that training in a libtensorflow gives the numbers of TensorFlow.js. */
export const testNumbers = (library: string): void => {
  test.each<[string, () => tf.LayersModel, Partial<TrainingOptions>?, number?]>([
    ['adam, and metrics', () => build()],
    ['sgd, by name', () => build({ optimizer: 'sgd' })],
    ['rmsprop', () => build({ optimizer: tf.train.rmsprop(0.01) })],
    ['momentum', () => build({ optimizer: tf.train.momentum(0.05, 0.9) })],
    ['adagrad', () => build({ optimizer: tf.train.adagrad(0.05) })],
    ['several steps a call, and some left', () => build(), { batchSize: 8 }],
    ['penalties, which validation leaves out', () => build({ penalty: true })],
    ['batch normalisation, which validates by moving means', () => build({ normalize: true })],
    ['two outputs, with losses of their own', twoOutputs, { label: ['kind', 'far'] }],
    ['no validation, the stream in its order', () => build(), { validation: undefined, shuffle: undefined }],
    ['early stopping', () => build({ optimizer: tf.train.adam(0.3) }), { epochs: 12, earlyStopping: { patience: 1 } }],
    ['a second training, that goes on where the first one ended', () => build(), { epochs: 1 }, 3],
  ])('the numbers of TensorFlow.js: %s', (_, make, asked, trainings) => both(library, make, asked, trainings))
}
