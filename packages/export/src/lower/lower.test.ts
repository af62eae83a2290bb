import { field, type FittedFeature } from '@millrace/core'
import { describe, expect, test } from 'vitest'
import { tensorValue } from '../graph/index.js'
import { lower, type LayerDescription, type LowerOptions, type ModelDescription, type WeightDescription } from './index.js'

const weight = (name: string, shape: number[], trainable = true): WeightDescription => ({
  key: name.split('/')[1]!, name, dtype: 'float32', shape, trainable,
  value: tensorValue('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5)),
})

/** One input, then one layer after the other. */
const chain = (layers: LayerDescription[], input: { name?: string; shape?: (number | null)[]; dtype?: 'float32' | 'int32' } = {}): ModelDescription => ({
  name: 'model',
  inputs: [{ name: input.name ?? 'x', dtype: input.dtype ?? 'float32', shape: input.shape ?? [null, 3], value: 0 }],
  outputs: [{ name: 'y', dtype: 'float32', shape: undefined, value: layers.length }],
  layers,
  calls: layers.map((_, index) => ({ layer: index, inputs: [index], outputs: [index + 1] })),
})

const dense = (config: object = {}): LayerDescription => ({
  name: 'dense', className: 'Dense', config: { activation: 'linear', ...config }, weights: [weight('dense/kernel', [3, 2]), weight('dense/bias', [2])],
})
const dropout: LayerDescription = { name: 'drop', className: 'Dropout', config: { rate: 0.25, seed: 9 }, weights: [] }
const batchNormalization: LayerDescription = {
  name: 'norm', className: 'BatchNormalization', config: { axis: -1, momentum: 0.9, epsilon: 0.001 },
  weights: [weight('norm/gamma', [3]), weight('norm/beta', [3]), weight('norm/moving_mean', [3], false), weight('norm/moving_variance', [3], false)],
}
const serving: LowerOptions = { mode: 'serving', variables: 'variables' }

const feature = (name: string, kind: string, more: Partial<FittedFeature> = {}): FittedFeature => ({
  kind, name, from: name, role: 'input', params: {}, state: null, input: field.float32(), output: field.float32(), cardinality: undefined, inner: undefined, ...more,
})
const vocabulary = (name: string, tokens: string[], from = name) =>
  feature(name, 'vocabulary', { from, input: field.utf8(), output: field.int32(), params: { oovBuckets: 1, maskToken: null }, state: { tokens } })
const features = (...list: FittedFeature[]) => ({ features: Object.fromEntries(list.map((one) => [one.name, one])) })
const ops = (options: LowerOptions, model: ModelDescription): string[] => lower(model, options).graph.nodes.map(({ op }) => op)

describe('one lowering for every destination', () => {
  test('equal arguments give equal bytes', () => {
    const options: LowerOptions = { ...serving, inputs: features(feature('x', 'standardize', { state: { mean: 1, variance: 4 } })) }
    const model = chain([dense()], { shape: [null, 1] })
    const model1 = { ...model, layers: [{ ...dense(), weights: [weight('dense/kernel', [1, 2]), weight('dense/bias', [2])] }] }
    expect(Buffer.from(lower(model1, options).graph.encode())).toEqual(Buffer.from(lower(model1, options).graph.encode()))
  })

  test('targets differ in their variables only', () => {
    const variables = ops(serving, chain([dense()]))
    const constants = ops({ mode: 'serving', variables: 'constants' }, chain([dense()]))
    const rest = (list: string[]) => list.filter((op) => !['Const', 'VarHandleOp', 'ReadVariableOp'].includes(op))
    expect(rest(variables)).toEqual(rest(constants))
    expect(constants).not.toContain('VarHandleOp')
    expect(variables).not.toContain('Const')
  })

  test('placed variables and their reads are on their devices, the rest on its own', () => {
    const place = ({ key }: WeightDescription) => ({ device: `/job:ps/task:${key === 'kernel' ? 0 : 1}` })
    const { graph, variables } = lower(chain([dense({ activation: 'relu' })]), { mode: 'training', variables: place, device: '/job:worker/task:3' })
    expect(variables.map(({ weight: { name }, device }) => [name, device])).toEqual([['dense/kernel', '/job:ps/task:0'], ['dense/bias', '/job:ps/task:1']])
    const devices = Object.fromEntries(graph.nodes.map(({ name, device }) => [name, device]))
    expect(devices).toMatchObject({
      'dense/kernel': '/job:ps/task:0', 'dense/kernel/Read/ReadVariableOp': '/job:ps/task:0', 'dense/bias/Read/ReadVariableOp': '/job:ps/task:1',
      'dense/MatMul': '/job:worker/task:3', 'dense/Relu': '/job:worker/task:3',
    })
    const inputs = features(feature('x', 'oneHot', { input: field.utf8(), state: { depth: 3 }, inner: vocabulary('x', ['a', 'b']) }))
    const featured = lower(chain([dense()]), { ...serving, inputs, examples: true, device: '/job:worker/task:3' })
    expect(featured.graph.nodes.length).toBeGreaterThan(20)
    expect(featured.graph.nodes.filter(({ device }) => device !== '/job:worker/task:3')).toEqual([])
  })

  test('a graph of variables needs no values; one of constants does', () => {
    const bare = chain([{ ...dense(), weights: dense().weights.map(({ value: _, ...rest }) => rest) }])
    expect(lower(bare, serving).variables).toHaveLength(2)
    expect(() => lower(bare, { mode: 'serving', variables: 'constants' })).toThrow(/"dense\/kernel" is to be a constant, but its value is not known/)
  })
})

describe('training', () => {
  test('dropout drops in training only, and the seeds of two calls differ', () => {
    expect(ops(serving, chain([dropout]))).not.toContain('RandomUniform')
    const { graph } = lower(chain([dropout, { ...dropout, name: 'again' }]), { ...serving, mode: 'training' })
    const seeds = graph.nodes.filter(({ op }) => op === 'RandomUniform').map(({ attrs }) => [attrs['seed'], attrs['seed2']])
    expect(seeds).toEqual([[9, 2], [9, 3]])
  })

  test('batch normalization tracks its batches in training only', () => {
    expect(lower(chain([batchNormalization]), serving).updates).toEqual([])
    const { updates } = lower(chain([batchNormalization]), { ...serving, mode: 'training' })
    expect(updates.map(({ op, inputs }) => [op, inputs[0]?.node.name])).toEqual([
      ['AssignSubVariableOp', 'norm/moving_mean'], ['AssignSubVariableOp', 'norm/moving_variance'],
    ])
    expect(() => lower(chain([batchNormalization]), { mode: 'training', variables: 'constants' })).toThrow(/"norm\/moving_mean" is a constant and cannot be changed/)
  })
})

describe('what cannot be lowered', () => {
  const conv: LayerDescription = { name: 'conv_1', className: 'Conv3D', config: {}, weights: [] }
  const embedding: LayerDescription = { name: 'words', className: 'Embedding', config: { maskZero: true }, weights: [weight('words/embeddings', [4, 2])] }

  test.each<[string, ModelDescription, LowerOptions, RegExp]>([
    ['a layer that is not known', chain([conv]), serving, /layer "conv_1" is a Conv3D, which cannot be exported yet\. Layers that can be: Activation, Add, /],
    ['an activation that is not known', chain([dense({ activation: 'snake' })]), serving, /layer "dense" \(Dense\): the activation "snake" cannot be exported\. Known are linear, relu, /],
    ['softmax over the batch', chain([{ name: 's', className: 'Softmax', config: { axis: 0 }, weights: [] }]), serving, /layer "s" \(Softmax\): softmax over axis 0/],
    ['softmax under a mask', chain([embedding, { name: 's', className: 'Softmax', config: { axis: -1 }, weights: [] }]), serving, /would take the mask of "words"/],
    ['flatten of an unknown length', chain([{ name: 'f', className: 'Flatten', config: {}, weights: [] }], { shape: [null, null, 2] }), serving, /layer "f" \(Flatten\): all dimensions of its input but the batch/],
    ['a kernel of the wrong size', chain([dense()], { shape: [null, 4] }), serving, /MatMul "dense\/MatMul": the inner dimensions differ/],
    ['an input without a feature', chain([dense()]), { ...serving, inputs: features(feature('z', 'identity')) }, /input "x" is not the name of a feature\. Name it after one: tf\.input\(\{ name: … \}\) with z\./],
    ['an input that is a label', chain([dense()]), { ...serving, inputs: features(feature('x', 'identity', { role: 'label' })) }, /input "x" is a label/],
    ['a feature of another shape', chain([dense()]), { ...serving, inputs: features(feature('x', 'identity')) }, /has the shape \[\?, 3\], but its feature gives \[\?\]\. Make it tf\.input\(\{ name: 'x', shape: \[1\] \}\)/],
    ['a kind of feature that is not known', chain([dense()]), { ...serving, inputs: features(feature('x', 'magic')) }, /feature "x" is of kind magic, which cannot be exported\. Kinds that can be: bucketize, /],
    ['a list as raw column', chain([dense()]), { ...serving, inputs: features(feature('x', 'identity', { input: field.list(field.float32()) })) }, /the column "x" is of kind list/],
  ])('%s', (_, model, options, message) => {
    expect(() => lower(model, options)).toThrow(message)
  })
})

describe('features', () => {
  const one = chain([{ ...dense(), weights: [weight('dense/kernel', [1, 2])] }], { name: 'city', shape: [null, 1] })
  test('raw columns come in once, in the form of tf.train.Example', () => {
    const model: ModelDescription = {
      ...one,
      inputs: ['hour', 'day', 'flag'].map((name, value) => ({ name, dtype: 'float32' as const, shape: [null, 1], value })),
      outputs: [{ name: 'y', dtype: 'float32', shape: undefined, value: 3 }],
      layers: [{ name: 'all', className: 'Concatenate', config: { axis: -1 }, weights: [] }],
      calls: [{ layer: 0, inputs: [0, 1, 2], outputs: [3] }],
    }
    const inputs = features(
      feature('hour', 'hourOfDay', { from: 'date', input: field.timestamp() }), feature('day', 'dayOfWeek', { from: 'date', input: field.timestamp() }),
      feature('flag', 'identity', { input: field.bool(), output: field.int32() }),
    )
    const { values, examples } = lower(model, { ...serving, inputs, examples: true })
    expect(Object.entries(values.inputs).map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([['date', 'int64', [null]], ['flag', 'int64', [null]]])
    expect(values.outputs['y']).toMatchObject({ dtype: 'float32', shape: [null, 3], name: 'outputs/y:0' })
    expect(examples?.inputs['examples']).toMatchObject({ dtype: 'string', shape: [null] })
    expect(examples?.outputs['y']).toMatchObject({ name: 'from_examples/outputs/y:0', shape: [null, 3] })
  })

  test('an input gets the numbers of its feature, or there is no graph', () => {
    const into = (dtype: string, one: FittedFeature) => () => lower({ ...chain([], { dtype: dtype as 'int32', shape: [null, 1] }), outputs: [{ name: 'y', dtype: 'float32', shape: undefined, value: 0 }] }, { ...serving, inputs: features(one) })
    const scaled = feature('x', 'standardize', { state: { mean: 1, variance: 4 } })
    expect(into('float32', scaled)().values.outputs['y']!.dtype).toBe('float32')
    expect(into('int32', vocabulary('x', ['a']))().values.outputs['y']!.dtype).toBe('int32')
    expect(into('float32', vocabulary('x', ['a']))().values.outputs['y']!.dtype).toBe('float32')
    // TensorFlow.js trains on the fractions that a cast would cut off.
    expect(into('int32', scaled)).toThrow(/the model's input "x" is int32, but its feature gives float32.*dtype: 'float32'/)
    expect(into('bool', vocabulary('x', ['a']))).toThrow(/is bool, but its feature gives int32/)
    expect(into('string', vocabulary('x', ['a']))).toThrow(/is string, but its feature gives int32/)
  })

  test('vocabularies are assets beside variables, and constants beside constants', () => {
    const inputs = features(vocabulary('city', ['Paris', 'Rome']))
    const [asset] = lower(one, { ...serving, inputs }).tables
    expect(asset).toMatchObject({ feature: 'city', asset: { fileName: 'city.txt' }, initializer: { op: 'InitializeTableFromTextFileV2' } })
    const [constant] = lower(one, { mode: 'serving', variables: 'constants', inputs }).tables
    expect(constant).toMatchObject({ feature: 'city', asset: undefined, initializer: { op: 'InitializeTableV2' } })
  })

  test('tables are shared by their tokens, not by their names', () => {
    const shared = (tokens: string[]) => lower(one, { ...serving, inputs: features(vocabulary('city', tokens)) }).tables[0]?.handle.node.attrs['shared_name']
    expect(shared(['Paris', 'Rome'])).toBe(shared(['Paris', 'Rome']))
    expect(shared(['Paris', 'Rome'])).not.toBe(shared(['Rome', 'Paris']))
  })

  test('a column may be absent from an example where its features agree on what a null means', () => {
    const defaults = (...list: FittedFeature[]) => {
      const model: ModelDescription = {
        ...one,
        inputs: list.map(({ name }, value) => ({ name, dtype: 'float32', shape: [null, 1], value })),
        outputs: [{ name: 'y', dtype: 'float32', shape: undefined, value: list.length }],
        layers: [{ name: 'all', className: 'Add', config: {}, weights: [] }],
        calls: [{ layer: 0, inputs: list.map((_, value) => value), outputs: [list.length] }],
      }
      const { graph } = lower(model, { ...serving, inputs: features(...list), examples: true })
      const parse = graph.nodes.find(({ op }) => op === 'ParseExampleV2')
      return parse?.inputs.slice(5).map(({ node }) => (node.attrs['value'] as { data: ArrayLike<unknown> }).data[0])
    }
    const nullable = field.nullable(field.float32())
    const scaled = feature('a', 'standardize', { from: 'x', input: nullable, state: { mean: 2.5, variance: 1 } })
    const ranged = feature('b', 'minMax', { from: 'x', input: nullable, state: { min: 1, max: 2 } })
    expect(defaults(scaled)).toEqual([2.5])
    expect(defaults(scaled, ranged)).toEqual([undefined])
    expect(defaults(scaled, { ...ranged, params: { fill: 2.5 } })).toEqual([2.5])
    expect(defaults({ ...scaled, input: field.float32() })).toEqual([undefined])
    const hour = feature('h', 'hourOfDay', { from: 't', input: field.nullable(field.timestamp({ unit: 's' })), params: { fill: 5 } })
    expect(defaults(hour)).toEqual([18_000n])
  })
})
