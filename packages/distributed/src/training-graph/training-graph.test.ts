import * as tf from '@tensorflow/tfjs'
import { describe, expect, test } from 'vitest'
import { describeModel, readModel, type WeightDescription } from '@millrace/export'
import { adam, adamW, ftrl, momentum, piecewiseConstant, rmsprop, sgd, type Optimizer } from '../optimizers/index.js'
import { replicaDeviceSetter } from '../placement/index.js'
import { compiledOptions, trainingGraph, type CompiledModelLike, type TrainingGraphOptions } from './index.js'

const dense = (units: number, name: string, activation: 'linear' | 'softmax' | 'sigmoid' = 'linear') => tf.layers.dense({ units, name, activation })
const tableModel = (): tf.LayersModel =>
  tf.sequential({ name: 'model', layers: [tf.layers.embedding({ inputDim: 100, outputDim: 3, inputLength: 1, name: 'table' }), tf.layers.flatten(), dense(1, 'y')] })
const twoOutputs = (): tf.LayersModel => {
  const x = tf.input({ shape: [2], name: 'x' })
  return tf.model({ inputs: x, outputs: [dense(1, 'chance', 'sigmoid').apply(x), dense(4, 'kind', 'softmax').apply(x)] as tf.SymbolicTensor[] })
}
const make = (model: tf.LayersModel, options: Partial<TrainingGraphOptions> = {}) =>
  trainingGraph(describeModel(model), { loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.1 }), ...options })
const opsOf = (optimizer: Optimizer): string[] => make(tableModel(), { optimizer }).graph.nodes.map(({ op }) => op)

describe('a training graph', () => {
  test('is a pure function: equal arguments give equal bytes', async () => {
    const model = await readModel(tableModel())
    const options = { loss: 'meanSquaredError', optimizer: adam({ learningRate: 0.01 }) } as const
    expect(Buffer.from(trainingGraph(model, options).graph.encode())).toEqual(Buffer.from(trainingGraph(model, options).graph.encode()))
  })

  test('names what is fed, run and kept', () => {
    const { inputs, labels, loss, train, initialize, initializeTables, variables, globalStep } = make(tableModel(), { optimizer: adam({ learningRate: 0.01 }) })
    expect(Object.values(inputs)).toHaveLength(1)
    expect(labels['y']).toMatchObject({ name: 'label:0', dtype: 'float32', shape: [null, 1] })
    expect([loss.name, train.name, initialize.name, initializeTables]).toEqual(['loss:0', 'train', 'initialize', undefined])
    expect(variables.map(({ weight: { name } }) => name)).toEqual([
      'table/embeddings', 'y/kernel', 'y/bias',
      ...['table/embeddings', 'y/kernel', 'y/bias'].flatMap((name) => [`${name}/Adam`, `${name}/Adam_1`]), 'global_step',
    ])
    expect(globalStep.weight).toMatchObject({ dtype: 'int64', shape: [] })
  })

  test('takes first values from the description, and those that it has none of when it is fed', async () => {
    expect(Object.keys(make(tableModel()).initialValues)).toEqual(['table/embeddings', 'y/kernel', 'y/bias'])
    const options = { loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.1 }) } as const
    expect(trainingGraph(await readModel(tableModel()), options).initialValues).toEqual({})
  })

  test('variables, their slots and updates are on their devices, the work on the worker', () => {
    const task = ({ name }: WeightDescription): number => (name.startsWith('table') ? 1 : 0)
    const variables = (weight: WeightDescription) => ({ device: `/job:ps/task:${task(weight)}` })
    for (const optimizer of [adam({ learningRate: 0.1 }), momentum({ learningRate: 0.1 }), rmsprop({ learningRate: 0.1, centered: true })]) {
      const { graph, variables: all } = make(tableModel(), { optimizer, variables, device: '/job:worker/task:2' })
      for (const { weight, handle, device } of all) {
        expect([weight.name, handle.node.device, device]).toEqual([weight.name, `/job:ps/task:${task(weight)}`, `/job:ps/task:${task(weight)}`])
        const users = graph.nodes.filter(({ op, inputs }) => inputs[0] === handle && op !== 'VarHandleOp')
        expect(users.length).toBeGreaterThan(1)
        for (const user of users) expect([user.name, user.device]).toEqual([user.name, device])
      }
      expect(graph.nodes.filter(({ name, device }) => name.startsWith('gradients') && device !== '/job:worker/task:2')).toEqual([])
      expect(graph.nodes.filter(({ device }) => device === '').map(({ name }) => name)).toEqual([])
    }
  })

  test('updates of looked up rows are sparse, the work that of the batch', () => {
    expect(opsOf(sgd({ learningRate: 0.1 }))).toContain('ResourceScatterSub')
    expect(opsOf(ftrl({ learningRate: 0.1 }))).toContain('ResourceSparseApplyFtrlV2')
    for (const optimizer of [adam({ learningRate: 0.1 }), adamW({ learningRate: 0.1 })]) {
      const { graph } = make(tableModel(), { optimizer })
      const whole = graph.nodes.filter(({ outputs, op }) => outputs.some(({ shape }) => shape?.[0] === 100) && op !== 'ReadVariableOp')
      expect(whole.map(({ name }) => name).filter((name) => !name.startsWith('initial/'))).toEqual([])
    }
    expect(opsOf(adam({ learningRate: 0.1, sparse: 'dense' }))).not.toContain('ResourceScatterUpdate')
  })

  test.each(['adam', 'rmsprop', 'adadelta', 'adamax'])('compiled with %s, a table moves all of its rows, one in parts those that were looked up', (optimizer) => {
    const model = tableModel()
    model.compile({ loss: 'meanSquaredError', optimizer })
    const whole = (partition: false | { minBytes: number }): string[] => {
      const { graph } = make(model, { ...compiledOptions(model), variables: replicaDeviceSetter({ ps: 2, partition }) })
      const updates = graph.nodes.filter(({ name, outputs }) => name.startsWith('optimizer') && outputs.some(({ shape }) => shape?.[0] === 100 || shape?.[0] === 50))
      const dense = graph.nodes.filter(({ op, inputs }) => op.startsWith('ResourceApply') && inputs[0]!.node.name.startsWith('table'))
      return [...updates, ...dense].map(({ name }) => name)
    }
    expect(whole(false)).not.toEqual([])
    expect(whole({ minBytes: 0 })).toEqual([])
  })

  test('several outputs have a loss, labels and metrics each', () => {
    const options = { loss: { chance: 'binaryCrossentropy', kind: 'sparseCategoricalCrossentropy' }, metrics: ['accuracy'], labelDType: 'int32' } as const
    const { labels, metrics } = make(twoOutputs(), options)
    expect(labels).toMatchObject({ chance: { name: 'label/chance:0', dtype: 'int32', shape: [null, 1] }, kind: { name: 'label/kind:0', shape: [null, 1] } })
    expect(Object.keys(metrics)).toEqual(['chance_accuracy', 'kind_accuracy'])
  })
})

describe('what cannot be trained says why', () => {
  const frozen = (): tf.LayersModel => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], trainable: false })] })
  const named = (): CompiledModelLike => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] })
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1) })
    return { outputNames: model.outputNames, loss: model.loss, metrics: model.metrics, optimizer: { getClassName: () => 'Lion', getConfig: () => ({}) } }
  }
  test.each<[string, () => unknown, RegExp]>([
    ['an unknown loss', () => make(tableModel(), { loss: 'meanCubedError' as 'hinge' }), /no loss "meanCubedError"/],
    ['an optimizer by its name', () => make(tableModel(), { optimizer: 'adam' as never }), /the optimizer is .*adam.*none of Millrace's/],
    ['an optimizer of TensorFlow.js', () => make(tableModel(), { optimizer: tf.train.adam(0.1) as never }), /none of Millrace's/],
    ['a learning rate that is none', () => make(tableModel(), { optimizer: adam({ learningRate: undefined as never }) }), /the learning rate is/],
    ['an unknown strategy of placement', () => replicaDeviceSetter({ ps: 1, strategy: 'random' as never }), /strategy of replicaDeviceSetter/],
    ['an unknown metric', () => make(tableModel(), { metrics: ['rocAuc' as 'accuracy'] }), /no metric "rocAuc"/],
    ['an output without a loss', () => make(twoOutputs(), { loss: { chance: 'binaryCrossentropy' } }), /"kind" has no loss/],
    ['a model that is frozen', () => make(frozen()), /no variable that can be trained/],
    ['pieces that do not fit', () => piecewiseConstant({ boundaries: [3, 2], values: [1, 2, 3] }), /make no pieces/],
    ['a model that is not compiled', () => compiledOptions(tableModel()), /no loss and no optimizer/],
    ['an optimizer without a graph', () => compiledOptions(named()), /Lion has no graph/],
  ])('%s', (_, body, message) => {
    expect(body).toThrow(message)
  })
})

test('options of a compiled model', () => {
  const model = twoOutputs()
  model.compile({ loss: ['binaryCrossentropy', 'categoricalCrossentropy'], optimizer: tf.train.momentum(0.1, 0.7, true), metrics: ['acc'] })
  expect(compiledOptions(model)).toMatchObject({
    loss: { chance: 'binaryCrossentropy', kind: 'categoricalCrossentropy' },
    metrics: ['accuracy'],
    optimizer: { name: 'Momentum', momentum: 0.7, nesterov: true, sparse: 'lazy-parts' },
  })
})
