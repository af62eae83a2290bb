import * as tf from '@tensorflow/tfjs'
import { describe, expect, test } from 'vitest'
import { describeModel, describeModelConfig, lower, modelVariables, readModel, withoutWeights, type ModelDescription } from './index.js'

const inputs = (...shapes: number[][]): tf.SymbolicTensor[] => shapes.map((shape) => tf.input({ shape }))

/** Models that have every kind of layer with variables between them. */
const models: Readonly<Record<string, () => tf.LayersModel>> = {
  sequential: () => tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2], activation: 'relu' }), tf.layers.dropout({ rate: 0.1 }), tf.layers.dense({ units: 1, useBias: false })] }),
  initializers: () => {
    const kernels = [
      'zeros', 'ones', 'randomNormal', 'randomUniform', 'truncatedNormal', 'glorotNormal', 'glorotUniform', 'heNormal', 'heUniform', 'leCunNormal', 'leCunUniform', 'orthogonal', 'identity',
    ] as const
    return tf.sequential({ layers: kernels.map((kernelInitializer, index) => tf.layers.dense({ units: 2, kernelInitializer, ...(index === 0 ? { inputShape: [2] } : {}) })) })
  },
  embedding: () => tf.sequential({ layers: [tf.layers.embedding({ inputDim: 7, outputDim: 3, inputLength: 4, embeddingsInitializer: tf.initializers.constant({ value: 2 }) }), tf.layers.flatten(), tf.layers.dense({ units: 1 })] }),
  images: () => tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 3, kernelSize: 3, inputShape: [8, 8, 2] }), tf.layers.batchNormalization(), tf.layers.depthwiseConv2d({ kernelSize: 2 }),
      tf.layers.separableConv2d({ filters: 2, kernelSize: 2 }), tf.layers.layerNormalization(), tf.layers.prelu(), tf.layers.globalAveragePooling2d({}), tf.layers.dense({ units: 1 }),
    ],
  }),
  recurrent: () => tf.sequential({
    layers: [
      tf.layers.lstm({ units: 3, inputShape: [4, 2], returnSequences: true }), tf.layers.bidirectional({ layer: tf.layers.gru({ units: 2, returnSequences: true }) as tf.RNN, mergeMode: 'concat' }),
      tf.layers.simpleRNN({ units: 2, returnSequences: true }), tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 2 }) }), tf.layers.flatten(),
    ],
  }),
  functional: () => {
    const [a, b] = inputs([3], [3]) as [tf.SymbolicTensor, tf.SymbolicTensor]
    const shared = tf.layers.dense({ units: 2, name: 'shared' })
    const inner = tf.sequential({ name: 'inner', layers: [tf.layers.dense({ units: 2, inputShape: [4], trainable: false })] })
    const joined = tf.layers.concatenate().apply([shared.apply(a), shared.apply(b)] as tf.SymbolicTensor[]) as tf.SymbolicTensor
    return tf.model({ inputs: [a, b], outputs: [inner.apply(joined) as tf.SymbolicTensor, joined] })
  },
}

/** JSON has no undefined, so that a configuration has null where a live layer has undefined. */
const sameNothing = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, one: unknown) => one ?? undefined))

/** A description without values and initializers. */
const comparable = ({ layers, ...description }: ModelDescription): unknown => sameNothing({
  ...description,
  // An embedding that is built again says of its dtype what it left out before.
  layers: layers.map(({ weights, config: { dtype = 'float32', ...config }, ...layer }) => ({ ...layer, config: { dtype, ...config }, weights: weights.map(({ value: _value, initializer: _initializer, ...weight }) => weight) })),
})

describe.each(Object.entries(models))('%s', (_, make) => {
  test('its configuration says all that the built model says', async () => {
    const model = make()
    const described = comparable(describeModel(model))
    for (const config of [model.toJSON(undefined, false) as object, model.toJSON() as string]) {
      expect(comparable(await describeModelConfig(tf, config))).toEqual(described)
    }
  })

  test('without weights it has no values yet, and every variable has an initializer or a value', async () => {
    const model = withoutWeights(tf, make)
    expect(model.countParams()).toBe(make().countParams())
    const pending = (await readModel(model)).layers.flatMap(({ weights }) => weights)
    expect(pending.map(({ initializer, value }) => [initializer, value].filter((one) => one !== undefined).length)).toEqual(pending.map(() => 1))
    expect(pending.some(({ initializer }) => initializer !== undefined)).toBe(true)
  })

  test('variables get their values when they are first read', () => {
    const model = withoutWeights(tf, make)
    const given = tf.tidy(() => model.inputs.map(({ shape }) => tf.ones(shape.map((dim) => dim ?? 2))))
    const outputs = [model.predict(given) as tf.Tensor | tf.Tensor[]].flat()
    expect(outputs.map(({ shape }) => shape.slice(1))).toEqual(model.outputs.map(({ shape }) => shape.slice(1)))
    expect([...modelVariables(model).values()].map(({ pending }) => pending).filter((one) => one !== undefined)).toEqual([])
  })
})

describe('a table larger than memory', () => {
  const make = (): tf.LayersModel => tf.sequential({ layers: [tf.layers.embedding({ inputDim: 1e12, outputDim: 64, inputLength: 1, name: 'table' }), tf.layers.flatten(), tf.layers.dense({ units: 1 })] })

  test('costs nothing, by code and by configuration', async () => {
    const before = tf.memory()
    const model = withoutWeights(tf, make)
    expect(tf.memory().numBytes - before.numBytes).toBe(0)
    const [table] = describeModel(model).layers.flatMap(({ weights }) => weights)
    expect(table).toMatchObject({ name: 'table/embeddings', shape: [1e12, 64], initializer: { className: 'RandomUniform', config: { minval: -0.05, maxval: 0.05 } } })
    const described = await describeModelConfig(tf, model.toJSON(undefined, false) as object)
    expect(sameNothing(described.layers[0]?.weights[0])).toEqual(sameNothing(table))
    model.dispose()
    expect(tf.memory().numTensors).toBe(before.numTensors)
  })
})

describe('ids of a large table', () => {
  const lowered = (rows: number, dtype: 'float32' | 'int32'): unknown => {
    const ids = tf.input({ shape: [1], dtype })
    const make = (): tf.LayersModel => tf.model({ inputs: ids, outputs: tf.layers.embedding({ inputDim: rows, outputDim: 4 }).apply(ids) as tf.SymbolicTensor })
    return lower(describeModel(withoutWeights(tf, make)), { mode: 'training', variables: 'variables' })
  }

  test('have to tell its rows apart', () => {
    expect(() => lowered(2 ** 24 + 1, 'float32')).toThrow(/has 16777217 rows, but its ids are float32, which tells 16777216 apart/)
    expect(() => lowered(2 ** 31 + 1, 'int32')).toThrow(/hash ids to fewer rows/)
    for (const [rows, dtype] of [[2 ** 24, 'float32'], [2 ** 24 + 1, 'int32'], [2 ** 31, 'int32']] as const) expect(lowered(rows, dtype)).toHaveProperty('graph')
  })
})

test('a value that is set is the value, and has to fit', () => {
  const model = withoutWeights(tf, () => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelConstraint: tf.constraints.nonNeg() })] }))
  const [kernel, bias] = [tf.tensor2d([[-1], [3]]), tf.tensor1d([1])]
  expect(() => model.layers[0]!.weights[0]!.write(bias)).toThrow(/has shape \[2, 1\], the value given \[1\]/)
  model.layers[0]!.setWeights([kernel, bias])
  expect((model.predict(tf.tensor2d([[1, 1]])) as tf.Tensor).dataSync()[0]).toBe(4)
  expect(describeModel(model).layers.flatMap(({ weights }) => weights.map(({ initializer }) => initializer))).toEqual([undefined, undefined])
})

test('outside the body layers are as ever, also after an error', () => {
  expect(() => withoutWeights(tf, () => tf.layers.dense({ units: 2, inputShape: [2], activation: 'no such' as 'relu' }))).toThrow()
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] })
  expect(describeModel(model).layers[0]?.weights.map(({ initializer }) => initializer)).toEqual([undefined, undefined])
})

test.each<[string, string | object]>([['no JSON', '{'], ['a number', '1'], ['an empty object', {}], ['an unknown layer', { class_name: 'Sequential', config: { layers: [{ class_name: 'Nothing', config: {} }] } }], ['no topology', { modelTopology: 1 }]])(
  'a configuration that is %s is refused',
  async (_, config) => {
    await expect(describeModelConfig(tf, config)).rejects.toMatchObject({ _tag: 'Model', code: 'MODEL_CONFIG' })
  },
)
