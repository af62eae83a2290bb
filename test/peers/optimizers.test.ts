import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, test } from 'vitest'
import { field, type FittedFeature } from '@millrace/core'
import { describeModel, readModel, type TensorData } from '@millrace/export'
import {
  adadelta, adagrad, adam, adamax, adamW, compiledOptions, cosineDecay, exponentialDecay, ftrl, huber, inverseTimeDecay, momentum, piecewiseConstant, polynomialDecay,
  rmsprop, sgd, trainingGraph, type Optimizer, type TrainingGraphOptions,
} from '@millrace/distributed'
import { describePeer, runPython } from '../support/peer.js'

const script = `
import base64, json, sys
import numpy as np
import tensorflow as tf
import keras
v1 = tf.compat.v1

config = v1.ConfigProto(device_count={'CPU': 2}, intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
config.graph_options.rewrite_options.disable_meta_optimizer = True

def plain(value): return np.asarray(value).reshape(-1).astype(float).tolist()
def array(value): return np.array(value['data'], dtype=object if value['dtype'] == 'string' else value['dtype']).reshape(value['shape'])

def train(case):
    graph_def = v1.GraphDef()
    graph_def.ParseFromString(base64.b64decode(case['graph']))
    with v1.Session(graph=tf.Graph(), config=config) as session:
        tf.import_graph_def(graph_def, name='')
        session.run(case['initialize'], {name: array(value) for name, value in case['initialValues'].items()})
        if case.get('initializeTables'): session.run(case['initializeTables'])
        steps = []
        for index, batch in enumerate(case['batches']):
            fetched = session.run({'step': case['fetches'], 'train': session.graph.get_operation_by_name(case['train'])}, {name: array(value) for name, value in batch.items()})
            wanted = case['weights'] if case['everyStep'] or index + 1 == len(case['batches']) else {}
            steps.append({'weights': {name: plain(value) for name, value in session.run(wanted).items()},
                          **{name: float(value) for name, value in fetched['step'].items()}})
    return steps

def schedules(step):
    train = v1.train
    return {
        'exponential': train.exponential_decay(0.1, step, 7, 0.5), 'exponential in stairs': train.exponential_decay(0.1, step, 7, 0.5, staircase=True),
        'inverse time': train.inverse_time_decay(0.1, step, 5, 0.7), 'polynomial': train.polynomial_decay(0.1, step, 15, 0.02, power=2.0),
        'piecewise': train.piecewise_constant(step, [3, 8], [0.1, 0.03, 0.01]), 'cosine': train.cosine_decay(0.1, step, 15, alpha=0.1)}

def optimizer(name, rates):
    train = v1.train
    if name == 'ftrl': return train.FtrlOptimizer(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.02, l2_shrinkage_regularization_strength=0.03)
    if name == 'momentum': return train.MomentumOptimizer(0.05, 0.8, use_nesterov=True)
    return train.GradientDescentOptimizer(rates.get(name, 0.5))

clips = {'clip by value': lambda grads: [tf.clip_by_value(g, -0.01, 0.01) for g in grads], 'clip by norm': lambda grads: [tf.clip_by_norm(g, 0.05) for g in grads],
         'clip by global norm': lambda grads: tf.clip_by_global_norm(grads, 0.05)[0]}

by_keras = {'AdamW': lambda: keras.optimizers.AdamW(0.02, weight_decay=0.1, epsilon=1e-10),
            'RMSProp centered': lambda: keras.optimizers.RMSprop(0.01, rho=0.9, momentum=0.5, epsilon=1e-3, centered=True)}

def reference(case):
    # The same model made in TensorFlow: rows of a table, a product, mean squared error.
    weights = {name: array(value) for name, value in case['start'].items()}
    names = list(weights)
    feed = lambda batch: [array(batch[key]) for key in case['feeds']]
    if case['name'] in by_keras:
        variables = [tf.Variable(weights[name]) for name in names]
        keras_optimizer = by_keras[case['name']]()
        steps = []
        for batch in case['batches']:
            ids, label = feed(batch)
            with tf.GradientTape() as tape:
                rows = tf.one_hot(tf.cast(ids[:, 0], tf.int32), weights[names[0]].shape[0]) @ variables[0]
                loss = tf.reduce_mean((rows @ variables[1] + variables[2] - label) ** 2)
            keras_optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
            steps.append({'weights': {name: plain(variable) for name, variable in zip(names, variables)}})
        return steps
    with v1.Session(graph=tf.Graph(), config=config) as session:
        variables = [v1.get_variable('v%d' % index, initializer=weights[name], use_resource=True) for index, name in enumerate(names)]
        ids, label = v1.placeholder(tf.float32, [None, 1]), v1.placeholder(tf.float32, [None, 1])
        step = v1.train.get_or_create_global_step()
        loss = tf.reduce_mean((tf.gather(variables[0], tf.cast(ids[:, 0], tf.int32)) @ variables[1] + variables[2] - label) ** 2)
        grads = tf.gradients(loss, variables)
        if case['name'] in clips: grads = clips[case['name']]([tf.convert_to_tensor(g) for g in grads])
        rates = schedules(step)
        train = optimizer(case['name'], rates).apply_gradients(zip(grads, variables), global_step=step)
        session.run(v1.global_variables_initializer())
        steps = []
        for batch in case['batches']:
            rate = session.run(rates[case['name']]) if case['name'] in rates else None
            session.run(train, dict(zip([ids, label], feed(batch))))
            steps.append({'weights': {name: plain(value) for name, value in zip(names, session.run(variables))}, 'learningRate': rate and float(rate)})
        return steps

print(json.dumps([{'name': case['name'], 'ours': train(case), 'theirs': reference(case) if case['reference'] else None} for case in json.load(sys.stdin)]))
`

const STEPS = 20
const BATCH = 8
const ROWS = 5
const LAZY = 'rows that only the first steps look up'

const generator = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Fed {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data: readonly (number | string)[]
}
type Batch = Record<string, Fed>
interface Step {
  readonly weights: Record<string, readonly number[]>
  readonly loss: number
  readonly learningRate: number | null
  readonly [metric: string]: unknown
}

const fed = (shape: readonly number[], value: (index: number) => number): Fed => ({
  dtype: 'float32', shape, data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, index) => Math.fround(value(index))),
})

const setRandomWeights = (model: tf.LayersModel, seed = 7): void => {
  const random = generator(seed)
  model.setWeights(model.getWeights().map((weight) => tf.tensor(Array.from({ length: weight.size }, () => random() - 0.5 + (weight.shape.length === 1 ? 0.7 : 0)), weight.shape)))
}

/** A table of embeddings beside numbers, through two layers with penalties. */
const mixedModel = ({ units = 1, activation = 'sigmoid' as 'sigmoid' | 'softmax' | 'linear' | 'softplus', normalised = false, frozen = false, penalised = false } = {}): tf.LayersModel => {
  const [x, id] = [tf.input({ shape: [3], name: 'x' }), tf.input({ shape: [1], name: 'id' })]
  const rows = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: ROWS, outputDim: 2, name: 'table', ...(penalised ? { embeddingsRegularizer: tf.regularizers.l1l2({ l1: 0.01, l2: 0.1 }) } : {}) }).apply(id)) as tf.SymbolicTensor
  let hidden = tf.layers.dense({ units: 4, activation: 'tanh', name: 'hidden', trainable: !frozen, kernelRegularizer: tf.regularizers.l1l2({ l1: 0.01, l2: 0.02 }) })
    .apply(tf.layers.concatenate().apply([x, rows])) as tf.SymbolicTensor
  if (normalised) hidden = tf.layers.batchNormalization({ name: 'normal', momentum: 0.9 }).apply(hidden) as tf.SymbolicTensor
  const y = tf.layers.dense({ units, activation, name: 'y', biasRegularizer: tf.regularizers.l2({ l2: 0.05 }) }).apply(hidden) as tf.SymbolicTensor
  const model = tf.model({ inputs: [x, id], outputs: y })
  setRandomWeights(model)
  return model
}

/** Rows of a table and a product: what the references in TensorFlow are. */
const tableModel = (): tf.LayersModel => {
  const model = tf.sequential({
    layers: [
      tf.layers.embedding({ inputDim: ROWS, outputDim: 3, inputLength: 1, name: 'table' }), tf.layers.flatten(), tf.layers.dense({ units: 1, name: 'y' }),
    ],
  })
  setRandomWeights(model)
  return model
}

type Label = (random: () => number, units: number) => number[]
const binary: Label = (random) => [random() < 0.5 ? 0 : 1]
const oneHot: Label = (random, units) => {
  const chosen = Math.floor(random() * units)
  return Array.from({ length: units }, (_, index) => (index === chosen ? 1 : 0))
}
const real: Label = (random, units) => Array.from({ length: units }, () => random() * 2 - 1)

/** Ids that name each row in each batch, some twice; or any, row 0 in the first steps only. */
const batchesOf = (label: Label, units: number, everyRow: boolean, steps = STEPS): { x: Fed; id: Fed; label: Fed }[] => {
  const random = generator(99)
  return Array.from({ length: steps }, (_, step) => {
    const labels = Array.from({ length: BATCH }, () => label(random, units))
    return {
      x: fed([BATCH, 3], () => random() * 2 - 1),
      id: fed([BATCH, 1], (row) => (everyRow && row < ROWS ? row : step < 3 ? Math.floor(random() * ROWS) : 1 + Math.floor(random() * (ROWS - 1)))),
      label: fed([BATCH, labels[0]!.length], (index) => labels.flat()[index]!),
    }
  })
}

interface Case {
  readonly name: string
  readonly graph: string
  readonly initialize: string
  readonly initializeTables?: string | undefined
  readonly initialValues: Batch
  readonly train: string
  readonly fetches: Record<string, string>
  readonly weights: Record<string, string>
  readonly batches: readonly Batch[]
  readonly reference: boolean
  /** Whether the weights after each step are wanted, or only the last. */
  readonly everyStep: boolean
  readonly start: Record<string, Fed>
  readonly feeds: readonly string[]
}

const cases: Case[] = []
/** The weights that each case starts with. */
const start = new Map<string, Record<string, Fed>>()
/** What TensorFlow.js makes of the same steps, where it is what we compare with. */
const expected = new Map<string, { steps: readonly { loss: number; metrics: readonly number[] }[]; metricNames: readonly string[]; weights: Record<string, readonly number[]> }>()

interface Trained {
  readonly model: tf.LayersModel
  readonly batches: readonly { x: Fed; id: Fed; label: Fed }[]
  readonly options: TrainingGraphOptions
  /** Compares with TensorFlow.js, compiled so; without, with TensorFlow's own optimizer. */
  readonly compile?: tf.ModelCompileArgs
  /** Weights of the batches' items, fed; TensorFlow.js gets them by `options.classWeight`, or by those here. */
  readonly classWeight?: Record<number, number>
}

/** What items count for by their labels, as a column of the batch. */
const weightsOfItems = ({ shape, data }: Fed, classWeight: Record<number, number>): Fed => {
  const [rows, width] = shape as [number, number]
  const classOf = (row: number): number => (width === 1 ? Number(data[row]) : data.slice(row * width, (row + 1) * width).indexOf(1))
  return fed([rows], (row) => classWeight[classOf(row)]!)
}

const tensor = ({ shape, data }: Fed): tf.Tensor => tf.tensor(data as number[], [...shape])

const add = async (name: string, { model, batches, options, compile, classWeight }: Trained): Promise<void> => {
  const description = await readModel(model)
  const made = trainingGraph(description, options)
  const weightColumn = made.inputs['weight']
  const inputs = Object.entries(made.inputs).filter(([input]) => input !== 'weight')
  const label = Object.values(made.labels)[0]!
  const weights = Object.fromEntries(made.variables.filter(({ weight }) => weight.value !== undefined).map(({ weight, value }) => [weight.name, value.name]))
  const columns = inputs.map(([, placeholder], index) => [inputs.length === 1 || index === 1 ? 'id' : 'x', placeholder.name] as const)
  const weightsBefore = Object.fromEntries(description.layers.flatMap((layer) => layer.weights).map((weight) => [weight.name, fed(weight.shape, (index) => Number((weight.value!.data as Exclude<TensorData, readonly unknown[]>)[index]))] as const))
  start.set(name, weightsBefore)
  cases.push({
    name,
    graph: Buffer.from(made.graph.encode()).toString('base64'),
    initialize: made.initialize.name,
    initialValues: {},
    train: made.train.name,
    fetches: { loss: made.loss.name, learningRate: made.learningRate.name, globalStep: made.globalStep.value.name, ...Object.fromEntries(Object.entries(made.metrics).map(([metric, value]) => [metric, value.name])) },
    weights,
    batches: batches.map((batch) => Object.fromEntries([...columns.map(([column, placeholder]) => [placeholder, batch[column]]), [label.name, batch.label], ...(weightColumn === undefined ? [] : [[weightColumn.name, weightsOfItems(batch.label, classWeight!)]])]) as Batch),
    reference: compile === undefined,
    everyStep: compile === undefined || name === LAZY,
    start: weightsBefore,
    feeds: [columns[0]![1], label.name],
  })
  if (compile === undefined) return
  model.compile(compile)
  const steps = []
  for (const batch of batches) {
    const result = await trainHere(model, inputs.map((_, index) => tensor(batch[columns[index]![0]])), tensor(batch.label), classWeight)
    const [loss, ...metrics] = [result].flat() as [number, ...number[]]
    steps.push({ loss, metrics })
  }
  expected.set(name, { steps, metricNames: Object.keys(made.metrics), weights: await weightsNow(model) })
}

/** TensorFlow.js takes class weights in `fit` alone. */
const trainHere = async (model: tf.LayersModel, x: tf.Tensor[], y: tf.Tensor, classWeight?: Record<number, number>): Promise<number | number[]> => {
  if (classWeight === undefined) return model.trainOnBatch(x, y)
  const { history } = await model.fit(x, y, { batchSize: BATCH, epochs: 1, classWeight, verbose: 0 })
  return history['loss']![0] as number
}

/** What a description of a model with values says of its variables after training. */
const weightsNow = async (model: tf.LayersModel): Promise<Record<string, readonly number[]>> =>
  Object.fromEntries((await readModel(model)).layers.flatMap(({ weights }) => weights).map(({ name, value }) => [name, Array.from(value!.data as ArrayLike<number>, Number)]))

/** Raw columns in, two outputs, labels that are whole numbers, first values fed: against TensorFlow.js on what the features make of the columns. */
const addRawColumns = async (name: string): Promise<void> => {
  const feature = (of: string, more: Partial<FittedFeature>): FittedFeature => ({
    kind: 'standardize', name: of, from: of, role: 'input', params: {}, state: null, input: field.float32(), output: field.float32(), cardinality: undefined, inner: undefined, ...more,
  })
  const tokens = ['SEA', 'SFO', 'LAX']
  const features = {
    origin: feature('origin', { kind: 'vocabulary', params: { oovBuckets: 1, maskToken: null }, state: { tokens }, input: field.utf8(), output: field.int32() }),
    distance: feature('distance', { state: { mean: 100, variance: 400 } }),
  }
  const [origin, distance] = [tf.input({ shape: [1], name: 'origin' }), tf.input({ shape: [1], name: 'distance' })]
  const rows = layerOf(tf.layers.flatten(), layerOf(tf.layers.embedding({ inputDim: 4, outputDim: 2, name: 'places' }), origin))
  const hidden = layerOf(tf.layers.dense({ units: 3, activation: 'tanh', name: 'first' }), [rows, distance])
  const model = tf.model({
    inputs: [origin, distance],
    outputs: [tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'chance' }).apply(hidden), tf.layers.dense({ units: 3, activation: 'softmax', name: 'sort' }).apply(hidden)] as tf.SymbolicTensor[],
  })
  setRandomWeights(model)
  const loss = { chance: 'binaryCrossentropy', sort: 'sparseCategoricalCrossentropy' } as const
  const made = trainingGraph(describeModel(model), { loss, optimizer: momentum({ learningRate: 0.1, sparse: 'dense' }), inputs: { features }, labelDType: 'int64' })
  const before = await weightsNow(model)
  const random = generator(5)
  const some = <A>(from: readonly A[]): A => from[Math.floor(random() * from.length)]!
  const data = Array.from({ length: 6 }, () => Array.from({ length: BATCH }, () => ({ origin: some([...tokens, 'elsewhere']), distance: Math.fround(60 + 80 * random()), chance: some([0, 1]), sort: some([0, 1, 2]) })))
  const column = (dtype: string, shape: readonly number[], values: readonly (number | string)[]): Fed => ({ dtype, shape, data: values })
  cases.push({
    name,
    graph: Buffer.from(made.graph.encode()).toString('base64'),
    initialize: made.initialize.name,
    initializeTables: made.initializeTables?.name,
    initialValues: Object.fromEntries(Object.entries(made.initialValues).map(([weight, { name: placeholder, shape }]) => [placeholder, column('float32', shape as number[], before[weight]!)])),
    train: made.train.name,
    fetches: { loss: made.loss.name, globalStep: made.globalStep.value.name },
    weights: Object.fromEntries(made.variables.filter(({ weight }) => Object.hasOwn(before, weight.name)).map(({ weight, value }) => [weight.name, value.name])),
    batches: data.map((batch) => ({
      [made.inputs['origin']!.name]: column('string', [BATCH], batch.map((row) => row.origin)),
      [made.inputs['distance']!.name]: column('float32', [BATCH], batch.map((row) => row.distance)),
      [made.labels['chance']!.name]: column('int64', [BATCH, 1], batch.map((row) => row.chance)),
      [made.labels['sort']!.name]: column('int64', [BATCH, 1], batch.map((row) => row.sort)),
    })),
    reference: false,
    everyStep: false,
    start: {},
    feeds: [],
  })
  model.compile({ loss, optimizer: tf.train.momentum(0.1, 0.9) })
  const steps = []
  for (const batch of data) {
    const columns = [batch.map((row) => tokens.indexOf(row.origin) + 1), batch.map((row) => (row.distance - 100) / 20), batch.map((row) => row.chance), batch.map((row) => row.sort)]
    const [x, y, chance, sort] = columns.map((values) => tf.tensor2d(values, [BATCH, 1])) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D]
    steps.push({ loss: ([await model.trainOnBatch([x, y], [chance, sort])].flat() as number[])[0]!, metrics: [] })
  }
  expected.set(name, { steps, metricNames: [], weights: await weightsNow(model) })
}

const layerOf = (layer: tf.layers.Layer, x: tf.SymbolicTensor | tf.SymbolicTensor[]): tf.SymbolicTensor =>
  layer.apply(Array.isArray(x) ? tf.layers.concatenate().apply(x) : x) as tf.SymbolicTensor

type Pair = readonly [string, () => tf.Optimizer, (sparse: 'lazy' | 'dense') => Optimizer]
const optimizers: readonly Pair[] = [
  ['SGD', () => tf.train.sgd(0.1), (sparse) => sgd({ learningRate: 0.1, sparse })],
  ['Momentum', () => tf.train.momentum(0.05, 0.8), (sparse) => momentum({ learningRate: 0.05, momentum: 0.8, sparse })],
  ['Nesterov', () => tf.train.momentum(0.05, 0.8, true), (sparse) => momentum({ learningRate: 0.05, momentum: 0.8, nesterov: true, sparse })],
  ['Adagrad', () => tf.train.adagrad(0.1), (sparse) => adagrad({ learningRate: 0.1, sparse })],
  ['Adagrad from a small sum', () => tf.train.adagrad(0.01, 1e-6), (sparse) => adagrad({ learningRate: 0.01, initialAccumulator: 1e-6, sparse })],
  ['RMSProp', () => tf.train.rmsprop(0.01), (sparse) => rmsprop({ learningRate: 0.01, sparse })],
  ['RMSProp with momentum', () => tf.train.rmsprop(0.005, 0.8, 0.7, 1e-4), (sparse) => rmsprop({ learningRate: 0.005, decay: 0.8, momentum: 0.7, epsilon: 1e-4, sparse })],
  ['Adadelta', () => tf.train.adadelta(0.05, 0.9), (sparse) => adadelta({ learningRate: 0.05, rho: 0.9, sparse })],
  ['Adadelta with a large epsilon', () => tf.train.adadelta(1, 0.8, 0.1), (sparse) => adadelta({ learningRate: 1, rho: 0.8, epsilon: 0.1, sparse })],
  ['Adamax', () => tf.train.adamax(0.02), (sparse) => adamax({ learningRate: 0.02, sparse })],
  ['Adamax with decay', () => tf.train.adamax(0.05, 0.8, 0.9, 0.1, 0.2), (sparse) => adamax({ learningRate: 0.05, beta1: 0.8, beta2: 0.9, epsilon: 0.1, decay: 0.2, sparse })],
  ['Adam', () => tf.train.adam(0.02), (sparse) => adam({ learningRate: 0.02, sparse })],
  ['Adam with a large epsilon', () => tf.train.adam(0.05, 0.8, 0.9, 0.1), (sparse) => adam({ learningRate: 0.05, beta1: 0.8, beta2: 0.9, epsilon: 0.1, sparse })],
]

type LossCase = readonly [TrainingGraphOptions['loss'], Label, number, 'sigmoid' | 'softmax' | 'linear' | 'softplus']
const losses: readonly LossCase[] = [
  ['meanSquaredError', real, 2, 'linear'],
  ['meanAbsoluteError', real, 2, 'linear'],
  ['meanAbsolutePercentageError', (random, units) => real(random, units).map((value) => 20 * Math.sign(value)), 2, 'linear'],
  ['meanSquaredLogarithmicError', (random, units) => real(random, units).map(Math.abs), 2, 'softplus'],
  ['squaredHinge', (random, units) => real(random, units).map(Math.sign), 2, 'linear'],
  ['hinge', (random, units) => real(random, units).map(Math.sign), 2, 'linear'],
  ['categoricalHinge', oneHot, 3, 'linear'],
  ['logcosh', real, 2, 'linear'],
  ['categoricalCrossentropy', oneHot, 3, 'softmax'],
  ['sparseCategoricalCrossentropy', (random, units) => [Math.floor(random() * units)], 3, 'softmax'],
  ['binaryCrossentropy', (random, units) => real(random, units).map((value) => (value < 0 ? 0 : 1)), 2, 'sigmoid'],
  ['kullbackLeiblerDivergence', oneHot, 3, 'softmax'],
  ['poisson', (random, units) => real(random, units).map((value) => Math.round(Math.abs(value) * 3)), 2, 'softplus'],
  ['cosineProximity', real, 3, 'linear'],
]

const schedules = {
  exponential: exponentialDecay({ initial: 0.1, steps: 7, rate: 0.5 }),
  'exponential in stairs': exponentialDecay({ initial: 0.1, steps: 7, rate: 0.5, staircase: true }),
  'inverse time': inverseTimeDecay({ initial: 0.1, steps: 5, rate: 0.7 }),
  polynomial: polynomialDecay({ initial: 0.1, final: 0.02, steps: 15, power: 2 }),
  piecewise: piecewiseConstant({ boundaries: [3, 8], values: [0.1, 0.03, 0.01] }),
  cosine: cosineDecay({ initial: 0.1, steps: 15, alpha: 0.1 }),
}

const references: Record<string, Optimizer> = {
  ftrl: ftrl({ learningRate: 0.1, l1: 0.01, l2: 0.02, l2Shrinkage: 0.03 }),
  momentum: momentum({ learningRate: 0.05, momentum: 0.8, nesterov: true }),
  AdamW: adamW({ learningRate: 0.02, weightDecay: 0.1, epsilon: 1e-10, sparse: 'dense' }),
  'RMSProp centered': rmsprop({ learningRate: 0.01, momentum: 0.5, epsilon: 1e-3, centered: true, sparse: 'dense' }),
  'clip by value': sgd({ learningRate: 0.5, clip: { value: 0.01 } }),
  'clip by norm': sgd({ learningRate: 0.5, clip: { norm: 0.05 } }),
  'clip by global norm': sgd({ learningRate: 0.5, clip: { globalNorm: 0.05 } }),
  ...Object.fromEntries(Object.entries(schedules).map(([name, learningRate]) => [name, sgd({ learningRate })])),
}

type Activation = 'sigmoid' | 'softmax' | 'linear'
const rare = { 0: 0.5, 1: 3 }
const three = { 0: 0.5, 1: 3, 2: 1.5 }
/** Items that count more than others, by their class or by a column. */
const weighed: Readonly<Record<string, { label: Label; units: number; activation: Activation; classWeight: Record<number, number>; options: Partial<TrainingGraphOptions> }>> = {
  'class weights': { label: binary, units: 1, activation: 'sigmoid', classWeight: rare, options: { classWeight: rare } },
  'class weights of an output, one-hot': { label: oneHot, units: 3, activation: 'softmax', classWeight: three, options: { classWeight: { y: three } } },
  'a column of weights': { label: oneHot, units: 3, activation: 'softmax', classWeight: three, options: { sampleWeight: 'weight' } },
}

const truth: Label = (random, units) => Array.from({ length: units }, () => Math.round(random()))
/** Losses that are functions of TensorFlow.js. */
const ownLosses: Readonly<Record<string, { loss: unknown; label: Label; units?: number; activation?: Activation }>> = {
  'loss tf.losses.meanSquaredError': { loss: tf.losses.meanSquaredError, label: real },
  'loss tf.losses.absoluteDifference': { loss: tf.losses.absoluteDifference, label: real },
  'loss tf.losses.huberLoss': { loss: [tf.losses.huberLoss], label: real },
  'loss tf.losses.hingeLoss': { loss: tf.losses.hingeLoss, label: truth },
  'loss tf.losses.logLoss': { loss: { y: tf.losses.logLoss }, label: truth, activation: 'sigmoid' },
  'loss tf.losses.sigmoidCrossEntropy': { loss: tf.losses.sigmoidCrossEntropy, label: truth },
  'loss tf.losses.softmaxCrossEntropy': { loss: tf.losses.softmaxCrossEntropy, label: oneHot, units: 3 },
}

/** Its output is 0 or 1, mostly. */
const truthModel = (): tf.LayersModel => {
  const model = mixedModel({ activation: 'linear' })
  const y = layerOf(tf.layers.activation({ activation: 'hardSigmoid', name: 'sure' }), layerOf(tf.layers.rescaling({ name: 'large', scale: 25, offset: -10 }), model.outputs[0]!))
  return tf.model({ inputs: model.inputs, outputs: y })
}

/** Models of images and of sequences, whose input takes the place of the ids. */
const shaped: Readonly<Record<string, { make: () => tf.LayersModel; shape: readonly number[]; value: (drawn: number) => number }>> = {
  'a model of images': {
    shape: [6, 6, 2],
    value: (drawn) => drawn * 2 - 1,
    make: () => tf.sequential({
      layers: [
        // A bias before a normalisation has no gradient but rounding, which Adam makes large.
        tf.layers.conv2d({ name: 'conv', filters: 4, kernelSize: 3, padding: 'same', useBias: false, inputShape: [6, 6, 2], kernelRegularizer: tf.regularizers.l2({ l2: 0.01 }) }),
        tf.layers.batchNormalization({ name: 'normal', momentum: 0.9 }), tf.layers.reLU(), tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.separableConv2d({ name: 'separable', filters: 3, kernelSize: 2, activation: 'tanh' }), tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }), tf.layers.dense({ name: 'y', units: 1, activation: 'sigmoid' }),
      ],
    }),
  },
  'a model of words': {
    shape: [5],
    value: (drawn) => Math.floor(drawn * 5),
    make: () => tf.sequential({
      layers: [
        tf.layers.embedding({ name: 'words', inputDim: 5, outputDim: 3, inputLength: 5, maskZero: true }),
        tf.layers.bidirectional({ name: 'both', layer: tf.layers.lstm({ units: 3, returnSequences: true }) as never, mergeMode: 'concat' }),
        tf.layers.gru({ name: 'last', units: 2 }) as tf.layers.Layer, tf.layers.dense({ name: 'y', units: 1, activation: 'sigmoid' }),
      ],
    }),
  },
}
const trainedAlike = [
  'an embedding with penalties, dense', 'an embedding with penalties, lazy', ...Object.keys(weighed), ...Object.keys(ownLosses),
  ...['sgd', 'adagrad', 'adadelta', 'adam', 'adamax', 'rmsprop'].map((optimizer) => `compiled with ${optimizer}`), 'metrics of all kinds', ...Object.keys(shaped),
]

describePeer('training graphs in TensorFlow', 'tensorflow', () => {
  const results = new Map<string, { ours: readonly Step[]; theirs: readonly Step[] | null }>()

  beforeAll(async () => {
    await tf.setBackend('cpu')
    for (const [name, theirs, ours] of optimizers) {
      for (const sparse of ['dense', 'lazy'] as const) {
        const batches = batchesOf(binary, 1, sparse === 'lazy')
        const options = { loss: 'binaryCrossentropy', optimizer: ours(sparse) } as const
        await add(`${name}, ${sparse}`, { model: mixedModel(), batches, options, compile: { loss: 'binaryCrossentropy', optimizer: theirs() } })
      }
    }
    for (const [loss, label, units, activation] of losses) {
      const compile = { loss: loss as string, optimizer: tf.train.sgd(0.05), metrics: ['accuracy'] }
      const model = mixedModel({ units, activation })
      await add(`loss ${String(loss)}`, { model, batches: batchesOf(label, units, false, 4), options: { loss, optimizer: sgd({ learningRate: 0.05 }), metrics: ['accuracy'] }, compile })
    }
    await add('loss huber', {
      model: mixedModel({ units: 2, activation: 'linear' }), batches: batchesOf(real, 2, false, 4), options: { loss: huber({ delta: 0.4 }), optimizer: sgd({ learningRate: 0.05 }) },
      // Its mean over all elements is the mean of the items' means.
      compile: { loss: (label: tf.Tensor, output: tf.Tensor) => tf.losses.huberLoss(label, output, undefined, 0.4), optimizer: tf.train.sgd(0.05) },
    })
    await add('batch normalisation', {
      model: mixedModel({ normalised: true }), batches: batchesOf(binary, 1, false), options: { loss: 'binaryCrossentropy', optimizer: momentum({ learningRate: 0.05, sparse: 'dense' }), metrics: ['accuracy'] },
      compile: { loss: 'binaryCrossentropy', optimizer: tf.train.momentum(0.05, 0.9), metrics: ['accuracy'] },
    })
    await add('variables and work on two devices', {
      model: mixedModel({ normalised: true }), batches: batchesOf(binary, 1, true),
      options: { loss: 'binaryCrossentropy', optimizer: adam({ learningRate: 0.02 }), variables: ({ name }) => ({ device: `/device:CPU:${name.startsWith('y') ? 0 : 1}` }), device: '/device:CPU:0' },
      compile: { loss: 'binaryCrossentropy', optimizer: tf.train.adam(0.02) },
    })
    for (const sparse of ['dense', 'lazy'] as const) {
      await add(`an embedding with penalties, ${sparse}`, {
        model: mixedModel({ penalised: true }), batches: batchesOf(binary, 1, false), options: { loss: 'binaryCrossentropy', optimizer: adam({ learningRate: 0.02, sparse }) },
        compile: { loss: 'binaryCrossentropy', optimizer: tf.train.adam(0.02) },
      })
    }
    for (const [name, { label, units, activation, ...more }] of Object.entries(weighed)) {
      const loss = units === 1 ? 'binaryCrossentropy' : 'categoricalCrossentropy'
      await add(name, { model: mixedModel({ units, activation }), batches: batchesOf(label, units, false, 5), classWeight: more.classWeight, options: { loss, optimizer: sgd({ learningRate: 0.1 }), ...more.options }, compile: { loss, optimizer: tf.train.sgd(0.1) } })
    }
    for (const [name, { loss, label, units = 2, activation = 'linear' }] of Object.entries(ownLosses)) {
      const model = mixedModel({ units, activation })
      const compile = { loss: loss as tf.ModelCompileArgs['loss'], optimizer: tf.train.sgd(0.05) }
      model.compile(compile)
      await add(name, { model, batches: batchesOf(label, units, false, 4), options: compiledOptions(model), compile })
    }
    for (const optimizer of ['sgd', 'adagrad', 'adadelta', 'adam', 'adamax', 'rmsprop']) {
      const [model, compile] = [mixedModel(), { loss: ['binaryCrossentropy'], optimizer, metrics: 'acc' }]
      model.compile(compile)
      await add(`compiled with ${optimizer}`, { model, batches: batchesOf(binary, 1, true, 6), options: compiledOptions(model), compile })
    }
    const truths = truthModel()
    const measured = { loss: 'meanSquaredError', optimizer: tf.train.sgd(0.05), metrics: ['acc', 'ce', 'mse', tf.metrics.precision, tf.metrics.recall, tf.metrics.r2Score, 'cosine', tf.metrics.meanAbsoluteError] } as tf.ModelCompileArgs
    truths.compile(measured)
    await add('metrics of all kinds', { model: truths, batches: batchesOf(binary, 1, false, 4), options: compiledOptions(truths), compile: measured })
    for (const [name, { make, shape, value }] of Object.entries(shaped)) {
      const [model, random] = [make(), generator(17)]
      setRandomWeights(model)
      const batches = batchesOf(binary, 1, false, 6).map((batch) => ({ ...batch, id: fed([BATCH, ...shape], () => value(random())) }))
      await add(name, { model, batches, options: { loss: 'binaryCrossentropy', optimizer: adam({ learningRate: 0.01, sparse: 'dense' }) }, compile: { loss: 'binaryCrossentropy', optimizer: tf.train.adam(0.01) } })
    }
    await add('a frozen layer', {
      model: mixedModel({ frozen: true }), batches: batchesOf(binary, 1, false, 5), options: { loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.1 }) },
      compile: { loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) },
    })
    const compiled = { model: mixedModel(), args: { loss: 'binaryCrossentropy', optimizer: 'adam', metrics: ['accuracy'] } }
    compiled.model.compile(compiled.args)
    await add('options of a compiled model', { model: compiled.model, batches: batchesOf(binary, 1, false, 5), options: compiledOptions(compiled.model), compile: compiled.args })
    for (const [name, optimizer] of Object.entries(references)) {
      await add(name, { model: tableModel(), batches: batchesOf(real, 1, false), options: { loss: 'meanSquaredError', optimizer } })
    }
    await add(LAZY, { model: tableModel(), batches: batchesOf(real, 1, false), options: { loss: 'meanSquaredError', optimizer: adam({ learningRate: 0.02 }) }, compile: { loss: 'meanSquaredError', optimizer: tf.train.sgd(0) } })
    await addRawColumns('raw columns, two outputs, first values that are fed')
    const list = JSON.parse(await runPython(script, { input: JSON.stringify(cases) })) as { name: string; ours: readonly Step[]; theirs: readonly Step[] | null }[]
    for (const { name, ours, theirs } of list) results.set(name, { ours, theirs })
  })

  const closeWeights = (ours: Step['weights'], theirs: Record<string, readonly number[]>): void => {
    expect(Object.keys(ours).sort()).toEqual(Object.keys(theirs).sort())
    for (const [name, values] of Object.entries(theirs)) {
      values.forEach((value, index) => {
        expect(Math.abs(ours[name]![index]! - value), `${name}[${index}]: ours ${ours[name]![index]}, theirs ${value}`).toBeLessThan(1e-5 * Math.max(1, Math.abs(value)))
      })
    }
  }

  const sameAsTensorFlowJs = (name: string): void => {
    const [{ ours }, theirs] = [results.get(name)!, expected.get(name)!]
    theirs.steps.forEach(({ loss, metrics }, index) => {
      const step = ours[index]!
      expect(Math.abs(step.loss - loss), `loss of step ${index}: ours ${step.loss}, theirs ${loss}`).toBeLessThan(1e-5 * Math.max(1, Math.abs(loss)))
      expect(step['globalStep']).toBe(index)
      expect(metrics).toHaveLength(theirs.metricNames.length)
      theirs.metricNames.forEach((metric, at) => expect(step[metric], metric).toBeCloseTo(metrics[at]!, 4))
    })
    closeWeights(ours.at(-1)!.weights, theirs.weights)
  }

  describe('optimizers are those of TensorFlow.js', () => {
    test.each(optimizers.flatMap(([name]) => [`${name}, dense`, `${name}, lazy`]))('%s', sameAsTensorFlowJs)
    test('they move the weights', () => {
      for (const [name] of optimizers) {
        const last = results.get(`${name}, dense`)!.ours.at(-1)!
        for (const [weight, values] of Object.entries(last.weights)) expect(values, `${name} ${weight}`).not.toEqual(start.get(`${name}, dense`)![weight]!.data)
      }
    })
  })

  describe('losses and accuracies are those of TensorFlow.js', () => {
    test.each([...losses.map(([loss]) => `loss ${String(loss)}`), 'loss huber', 'batch normalisation', 'variables and work on two devices', 'a frozen layer', 'options of a compiled model', ...trainedAlike, 'raw columns, two outputs, first values that are fed'])('%s', sameAsTensorFlowJs)
  })

  test.each(Object.keys(references))('%s is that of TensorFlow', (name) => {
    const { ours, theirs } = results.get(name)!
    expect(ours).toHaveLength(STEPS)
    ours.forEach((step, index) => {
      closeWeights(step.weights, theirs![index]!.weights)
      if (Object.hasOwn(schedules, name)) expect(step.learningRate! / theirs![index]!.learningRate!).toBeCloseTo(1, 6)
    })
  })

  test('rows that a step does not look up stay where they are when Adam is lazy', () => {
    const { ours } = results.get(LAZY)!
    const rowOf = (step: Step): readonly number[] => Object.entries(step.weights).find(([name]) => name.startsWith('table'))![1].slice(0, 3)
    expect(rowOf(ours[2]!)).not.toEqual(rowOf(ours[0]!))
    for (const step of ours.slice(3)) expect(rowOf(step)).toEqual(rowOf(ours[2]!))
  })
})
