import * as tf from '@tensorflow/tfjs'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../job/index.js'
import { chooseBackend, type BackendReport } from '../backend.js'

let report: BackendReport
beforeAll(async () => {
  report = await run(chooseBackend({ prefer: 'wasm' }))
})

/** Runs the same computation on the cpu and the WebAssembly backend and compares the results. */
const agrees = async (compute: () => tf.Tensor): Promise<void> => {
  const results: { shape: number[]; dtype: string; values: number[] }[] = []
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend)
    const before = tf.memory().numTensors
    const result = tf.tidy(compute)
    results.push({ shape: result.shape, dtype: result.dtype, values: [...result.dataSync()] })
    result.dispose()
    expect(tf.memory().numTensors).toBe(before)
  }
  const [cpu, wasm] = results as [(typeof results)[0], (typeof results)[0]]
  expect(wasm.shape).toEqual(cpu.shape)
  // The cpu backend gives float32 for int32 in some kernels; the values are compared all the same.
  if (cpu.dtype === 'int32') expect(wasm.dtype).toBe('int32')
  const scale = Math.max(1, ...cpu.values.map(Math.abs))
  wasm.values.forEach((value, i) => expect(Math.abs(value - cpu.values[i]!)).toBeLessThanOrEqual(1e-5 * scale))
}

const random = (shape: number[], seed: number): tf.Tensor => tf.randomUniform(shape, -1, 1, 'float32', seed)
/** The gradient for a random `dy`, so that the forward kernels, which differ in odd paddings, play no part. */
const gradient = (forward: (of: tf.Tensor4D) => tf.Tensor, shape: number[], seed: number): tf.Tensor => {
  const at = random(shape, seed) as tf.Tensor4D
  return tf.grad(forward as (of: tf.Tensor) => tf.Tensor)(at, random(forward(at).shape, seed + 1))
}
const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max })
const check = <T>(arbitrary: fc.Arbitrary<T>, compute: (value: T) => tf.Tensor, numRuns = 25): Promise<void> =>
  fc.assert(fc.asyncProperty(arbitrary, (value) => agrees(() => compute(value))), { numRuns, seed: 42 })

const convolution = fc.record({
  batch: size(3), height: fc.integer({ min: 3, max: 8 }), width: fc.integer({ min: 3, max: 8 }), channels: size(4), out: size(5),
  filterHeight: size(3), filterWidth: size(3), strides: fc.constantFrom<[number, number]>([1, 1], [2, 1], [2, 2]),
  // Not a number: the backend's own convolution writes outside its memory for a filter that is not square then.
  pad: fc.constantFrom('same' as const, 'valid' as const), seed: size(1000),
})

describe('kernels added to the WebAssembly backend', () => {
  it('are named in the report', () => {
    expect(report.backend).toBe('wasm')
    expect(report.description).toMatch(/^WebAssembly \(@tensorflow\/tfjs-backend-wasm \d/)
    expect([...report.addedKernels].sort()).toEqual(['BatchMatMul', 'Conv2DBackpropFilter', 'DepthwiseConv2dNativeBackpropFilter', 'DepthwiseConv2dNativeBackpropInput', 'UnsortedSegmentSum'])
  })

  it('UnsortedSegmentSum agrees with the cpu backend', async () => {
    const shape = fc.record({ ids: fc.array(fc.integer({ min: -1, max: 6 }), { minLength: 1, maxLength: 20 }), inner: fc.array(size(4), { maxLength: 2 }), segments: size(6), dtype: fc.constantFrom('float32' as const, 'int32' as const), seed: size(1000) })
    await check(shape, ({ ids, inner, segments, dtype, seed }) =>
      tf.unsortedSegmentSum(tf.cast(tf.mul(random([ids.length, ...inner], seed), 10), dtype), tf.tensor1d(ids, 'int32'), segments))
  })

  it('BatchMatMul agrees with the cpu backend, transposed or not, broadcast or not', async () => {
    const shape = fc.record({ batch: fc.constantFrom<[number[], number[]]>([[], []], [[2], [2]], [[1], [3]], [[3], [1]], [[2, 3], [2, 3]]), m: size(7), k: size(7), n: size(7), transposeA: fc.boolean(), transposeB: fc.boolean(), seed: size(1000) })
    await check(shape, ({ batch: [a, b], m, k, n, transposeA, transposeB, seed }) =>
      tf.matMul(random([...a, ...(transposeA ? [k, m] : [m, k])], seed), random([...b, ...(transposeB ? [n, k] : [k, n])], seed + 1), transposeA, transposeB), 40)
  })

  it('Conv2DBackpropFilter agrees with the cpu backend', () =>
    check(convolution, ({ batch, height, width, channels, out, filterHeight, filterWidth, strides, pad, seed }) => {
      const x = random([batch, height, width, channels], seed) as tf.Tensor4D
      return gradient((filter) => tf.conv2d(x, filter, strides, pad), [filterHeight, filterWidth, channels, out], seed + 1)
    }))

  it('DepthwiseConv2dNativeBackpropInput agrees with the cpu backend', () =>
    check(convolution, ({ batch, height, width, channels, out, filterHeight, filterWidth, strides, pad, seed }) => {
      const filter = random([filterHeight, filterWidth, channels, Math.min(out, 2)], seed) as tf.Tensor4D
      return gradient((x) => tf.depthwiseConv2d(x, filter, strides, pad), [batch, height, width, channels], seed + 1)
    }))

  it('DepthwiseConv2dNativeBackpropFilter agrees with the cpu backend', () =>
    check(convolution, ({ batch, height, width, channels, out, filterHeight, filterWidth, strides, pad, seed }) => {
      const x = random([batch, height, width, channels], seed) as tf.Tensor4D
      return gradient((filter) => tf.depthwiseConv2d(x, filter, strides, pad), [filterHeight, filterWidth, channels, Math.min(out, 2)], seed + 1)
    }))
})

const { layers } = tf
const seeded = (seed: number) => tf.initializers.glorotUniform({ seed })

/** Small models that take each layer whose gradients training needs, with the input they take. */
const models: Record<string, { readonly build: () => tf.Sequential; readonly input: number[]; readonly vocabulary?: number }> = {
  'embedding, flatten, dense': { input: [4], vocabulary: 20, build: () => tf.sequential({ layers: [layers.embedding({ inputDim: 20, outputDim: 5, inputLength: 4, embeddingsInitializer: seeded(1) }), layers.flatten(), layers.dense({ units: 1, kernelInitializer: seeded(2) })] }) },
  'dense, batch normalisation, activations': { input: [6], build: () => tf.sequential({ layers: [layers.dense({ units: 8, inputShape: [6], activation: 'relu', kernelInitializer: seeded(1) }), layers.batchNormalization(), layers.dense({ units: 8, activation: 'tanh', kernelInitializer: seeded(2) }), layers.dense({ units: 8, activation: 'elu', kernelInitializer: seeded(4) }), layers.dense({ units: 8, activation: 'selu', kernelInitializer: seeded(5) }), layers.dense({ units: 8, activation: 'softplus', kernelInitializer: seeded(6) }), layers.dense({ units: 1, activation: 'sigmoid', kernelInitializer: seeded(3) })] }) },
  'dense softmax, swish, gelu and leaky relu': { input: [6], build: () => tf.sequential({ layers: [layers.dense({ units: 8, inputShape: [6], activation: 'swish', kernelInitializer: seeded(1) }), layers.dense({ units: 8, activation: 'gelu', kernelInitializer: seeded(5) }), layers.leakyReLU(), layers.layerNormalization(), layers.dense({ units: 4, activation: 'softmax', kernelInitializer: seeded(2) }), layers.dense({ units: 1, kernelInitializer: seeded(3) })] }) },
  'dropout that drops nothing': { input: [6], build: () => tf.sequential({ layers: [layers.dense({ units: 8, inputShape: [6], kernelInitializer: seeded(1) }), layers.dropout({ rate: 0 }), layers.dense({ units: 1, kernelInitializer: seeded(2) })] }) },
  'convolutions and pooling': { input: [8, 8, 2], build: () => tf.sequential({ layers: [layers.conv2d({ filters: 3, kernelSize: 3, inputShape: [8, 8, 2], activation: 'relu', kernelInitializer: seeded(1) }), layers.maxPooling2d({ poolSize: 2 }), layers.depthwiseConv2d({ kernelSize: 2, depthwiseInitializer: seeded(2) }), layers.separableConv2d({ filters: 3, kernelSize: 2, depthwiseInitializer: seeded(5), pointwiseInitializer: seeded(6), padding: 'same' }), layers.batchNormalization(), layers.averagePooling2d({ poolSize: 2 }), layers.flatten(), layers.dense({ units: 1, kernelInitializer: seeded(3) })] }) },
  'one-dimensional convolution': { input: [4], vocabulary: 20, build: () => tf.sequential({ layers: [layers.embedding({ inputDim: 20, outputDim: 5, inputLength: 4, embeddingsInitializer: seeded(1) }), layers.conv1d({ filters: 3, kernelSize: 2, kernelInitializer: seeded(2) }), layers.globalMaxPooling1d(), layers.dense({ units: 1, kernelInitializer: seeded(3) })] }) },
  LSTM: { input: [4], vocabulary: 20, build: () => tf.sequential({ layers: [layers.embedding({ inputDim: 20, outputDim: 5, inputLength: 4, embeddingsInitializer: seeded(1) }), layers.lstm({ units: 3, kernelInitializer: seeded(2), recurrentInitializer: seeded(3) }), layers.dense({ units: 1, kernelInitializer: seeded(4) })] }) },
  GRU: { input: [4], vocabulary: 20, build: () => tf.sequential({ layers: [layers.embedding({ inputDim: 20, outputDim: 5, inputLength: 4, embeddingsInitializer: seeded(1) }), layers.gru({ units: 3, kernelInitializer: seeded(2), recurrentInitializer: seeded(3) }), layers.dense({ units: 1, kernelInitializer: seeded(4) })] }) },
}

describe('training on the WebAssembly backend', () => {
  it.each(Object.entries(models))('of %s reaches the same weights as on the cpu backend', async (_name, { build, input, vocabulary }) => {
    const weights: number[][] = []
    for (const backend of ['cpu', 'wasm']) {
      await tf.setBackend(backend)
      const model = build()
      model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' })
      for (let step = 0; step < 3; step++) {
        const uniform = random([8, ...input], 100 + step)
        const x = vocabulary === undefined ? uniform : tf.cast(tf.floor(tf.mul(tf.add(uniform, 1), vocabulary / 2)), 'int32')
        await model.trainOnBatch(x, random([8, 1], 200 + step))
      }
      weights.push(model.getWeights().flatMap((weight) => [...weight.dataSync()]))
      model.dispose()
    }
    expect(weights[0]!.length).toBeGreaterThan(8)
    weights[1]!.forEach((value, i) => expect(Math.abs(value - weights[0]![i]!)).toBeLessThan(1e-4))
  })
})
