import * as tf from '@tensorflow/tfjs'

/** One layer, and the shape of the items that it takes. */
export interface LayerCase {
  readonly name: string
  readonly shape: readonly number[]
  readonly make: () => tf.layers.Layer
  /** Its noise differs from run to run, so that only serving is compared. */
  readonly isNoisy?: boolean
}

const images = [6, 5, 3] as const
const sequences = [5, 4] as const
const named = (name: string): string => name.replace(/[^A-Za-z0-9]+/g, '_')

const layer = (name: string, shape: readonly number[], make: (name: string) => tf.layers.Layer, isNoisy = false): LayerCase => ({ name, shape, make: () => make(named(name)), isNoisy })

const windows: readonly LayerCase[] = (['valid', 'same'] as const).flatMap((padding) => [
  layer(`conv 2d ${padding}`, images, (name) => tf.layers.conv2d({ name, padding, filters: 4, kernelSize: [3, 2], activation: 'relu' })),
  layer(`conv 2d ${padding} in strides`, images, (name) => tf.layers.conv2d({ name, padding, filters: 2, kernelSize: 3, strides: [2, 1], useBias: false, activation: 'tanh' })),
  layer(`conv 2d ${padding} dilated`, images, (name) => tf.layers.conv2d({ name, padding, filters: 3, kernelSize: 2, dilationRate: [3, 2] })),
  layer(`conv 2d ${padding} channels first`, [3, 6, 5], (name) => tf.layers.conv2d({ name, padding, filters: 4, kernelSize: 3, dataFormat: 'channelsFirst', activation: 'softmax' })),
  layer(`conv 1d ${padding}`, sequences, (name) => tf.layers.conv1d({ name, padding, filters: 3, kernelSize: 3, strides: 2, activation: 'elu' })),
  layer(`conv 1d ${padding} dilated`, sequences, (name) => tf.layers.conv1d({ name, padding, filters: 3, kernelSize: 2, dilationRate: 2 })),
  layer(`conv 2d transpose ${padding}`, images, (name) => tf.layers.conv2dTranspose({ name, padding, filters: 2, kernelSize: 3, strides: 2, activation: 'sigmoid' })),
  layer(`conv 2d transpose ${padding} narrow`, images, (name) => tf.layers.conv2dTranspose({ name, padding, filters: 2, kernelSize: [2, 3], strides: [3, 1] })),
  layer(`depthwise ${padding}`, images, (name) => tf.layers.depthwiseConv2d({ name, padding, kernelSize: [2, 3], depthMultiplier: 2, strides: 2, activation: 'relu' })),
  layer(`separable ${padding}`, images, (name) => tf.layers.separableConv2d({ name, padding, filters: 4, kernelSize: 3, depthMultiplier: 2 })),
  layer(`separable ${padding} dilated`, images, (name) => tf.layers.separableConv2d({ name, padding, filters: 4, kernelSize: 2, dilationRate: [2, 3], activation: 'tanh' })),
  layer(`max pooling 2d ${padding}`, images, (name) => tf.layers.maxPooling2d({ name, padding, poolSize: [3, 2], strides: [2, 2] })),
  layer(`average pooling 2d ${padding}`, images, (name) => tf.layers.averagePooling2d({ name, padding, poolSize: 3, strides: 2 })),
  layer(`average pooling 2d ${padding} channels first`, [3, 6, 5], (name) => tf.layers.averagePooling2d({ name, padding, poolSize: 2, dataFormat: 'channelsFirst' })),
  layer(`max pooling 1d ${padding}`, sequences, (name) => tf.layers.maxPooling1d({ name, padding, poolSize: 3, strides: 1 })),
  layer(`average pooling 1d ${padding}`, sequences, (name) => tf.layers.averagePooling1d({ name, padding, poolSize: 2 })),
])

const others: readonly LayerCase[] = [
  layer('global max 1d', sequences, (name) => tf.layers.globalMaxPooling1d({ name })),
  layer('global average 1d', sequences, (name) => tf.layers.globalAveragePooling1d({ name })),
  layer('global max 2d', images, (name) => tf.layers.globalMaxPooling2d({ name, dataFormat: 'channelsLast' })),
  layer('global average 2d channels first', [3, 6, 5], (name) => tf.layers.globalAveragePooling2d({ name, dataFormat: 'channelsFirst' })),
  layer('layer normalization', sequences, (name) => tf.layers.layerNormalization({ name, epsilon: 0.01 })),
  layer('layer normalization of all', sequences, (name) => tf.layers.layerNormalization({ name, axis: [2, 1], center: false })),
  layer('layer normalization across', sequences, (name) => tf.layers.layerNormalization({ name, axis: 1 })),
  layer('repeat vector', [4], (name) => tf.layers.repeatVector({ name, n: 3 })),
  layer('zero padding', images, (name) => tf.layers.zeroPadding2d({ name, padding: [[1, 0], [2, 3]] })),
  layer('zero padding channels first', [3, 6, 5], (name) => tf.layers.zeroPadding2d({ name, padding: 1, dataFormat: 'channelsFirst' })),
  layer('cropping', images, (name) => tf.layers.cropping2D({ name, cropping: [[1, 2], [0, 3]] })),
  layer('up sampling', images, (name) => tf.layers.upSampling2d({ name, size: [2, 3] })),
  layer('up sampling bilinear channels first', [3, 6, 5], (name) => tf.layers.upSampling2d({ name, size: [2, 2], interpolation: 'bilinear', dataFormat: 'channelsFirst' })),
  layer('rescaling', sequences, (name) => tf.layers.rescaling({ name, scale: 0.5, offset: -1 })),
  layer('time distributed', [3, 4, 2], (name) => tf.layers.timeDistributed({ name, layer: tf.layers.dense({ units: 3, activation: 'tanh' }) })),
  layer('time distributed conv', [2, 6, 5, 3], (name) => tf.layers.timeDistributed({ name, layer: tf.layers.conv2d({ filters: 2, kernelSize: 3 }) })),
  layer('time distributed lstm', [3, 4, 2], (name) => tf.layers.timeDistributed({ name, layer: tf.layers.lstm({ units: 2 }) as tf.layers.Layer })),
  layer('gaussian noise', sequences, (name) => tf.layers.gaussianNoise({ name, stddev: 0.3 }), true),
  layer('gaussian dropout', sequences, (name) => tf.layers.gaussianDropout({ name, rate: 0.3 }), true),
  layer('alpha dropout', sequences, (name) => tf.layers.alphaDropout({ name, rate: 0.3 }), true),
  layer('spatial dropout', sequences, (name) => tf.layers.spatialDropout1d({ name, rate: 0.3 }), true),
]

const recurrent: readonly LayerCase[] = [
  layer('simple rnn', sequences, (name) => tf.layers.simpleRNN({ name, units: 3 }) as tf.layers.Layer),
  layer('simple rnn of all steps', sequences, (name) => tf.layers.simpleRNN({ name, units: 3, returnSequences: true, useBias: false, activation: 'relu' }) as tf.layers.Layer),
  layer('gru', sequences, (name) => tf.layers.gru({ name, units: 3 }) as tf.layers.Layer),
  layer('gru backwards', sequences, (name) => tf.layers.gru({ name, units: 3, goBackwards: true, returnSequences: true, recurrentActivation: 'sigmoid' }) as tf.layers.Layer),
  layer('lstm', sequences, (name) => tf.layers.lstm({ name, units: 3 }) as tf.layers.Layer),
  layer('lstm of all steps', sequences, (name) => tf.layers.lstm({ name, units: 3, returnSequences: true, recurrentActivation: 'sigmoid', dropout: 0.4, recurrentDropout: 0.2 }) as tf.layers.Layer, true),
  layer('lstm backwards', sequences, (name) => tf.layers.lstm({ name, units: 2, goBackwards: true }) as tf.layers.Layer),
  layer('bidirectional', sequences, (name) => tf.layers.bidirectional({ name, layer: tf.layers.lstm({ units: 3, returnSequences: true }) as never, mergeMode: 'concat' })),
  layer('bidirectional last', sequences, (name) => tf.layers.bidirectional({ name, layer: tf.layers.gru({ units: 2 }) as never, mergeMode: 'sum' })),
  layer('bidirectional product', sequences, (name) => tf.layers.bidirectional({ name, layer: tf.layers.simpleRNN({ units: 2, goBackwards: true, returnSequences: true }) as never, mergeMode: 'mul' })),
  layer('bidirectional mean', sequences, (name) => tf.layers.bidirectional({ name, layer: tf.layers.gru({ units: 2, returnSequences: true }) as never, mergeMode: 'ave' })),
]

/** Layers of images and sequences, each in the ways in which its configuration changes what it computes. */
export const layerCases: readonly LayerCase[] = [...windows, ...others, ...recurrent]

const apply = (made: tf.layers.Layer, x: tf.SymbolicTensor | tf.SymbolicTensor[]): tf.SymbolicTensor => made.apply(x) as tf.SymbolicTensor
const all = (made: tf.layers.Layer, x: tf.SymbolicTensor | tf.SymbolicTensor[]): tf.SymbolicTensor[] => made.apply(x) as tf.SymbolicTensor[]

/** Masks through everything that hands them on, to recurrent layers of each kind. */
export const maskedModel = (): tf.LayersModel => {
  const [ids, steps] = [tf.input({ shape: [5], name: 'ids' }), tf.input({ shape: [5, 3], name: 'steps' })]
  const words = apply(tf.layers.embedding({ name: 'words', inputDim: 7, outputDim: 3, maskZero: true }), ids)
  const more = apply(tf.layers.embedding({ name: 'more_words', inputDim: 7, outputDim: 2, maskZero: true }), ids)
  const kept = apply(tf.layers.masking({ name: 'masking', maskValue: 0.5 }), steps)
  const through = apply(tf.layers.timeDistributed({ name: 'each', layer: tf.layers.dense({ units: 3 }) }), apply(tf.layers.layerNormalization({ name: 'norm' }), apply(tf.layers.dense({ units: 4, activation: 'tanh', name: 'mixed' }), words)))
  const outputs = [
    apply(tf.layers.lstm({ name: 'masked_lstm', units: 3 }) as tf.layers.Layer, words),
    apply(tf.layers.gru({ name: 'masked_gru', units: 2, goBackwards: true }) as tf.layers.Layer, apply(tf.layers.simpleRNN({ name: 'masked_simple', units: 2, returnSequences: true }) as tf.layers.Layer, through)),
    apply(tf.layers.bidirectional({ name: 'masked_both', layer: tf.layers.lstm({ units: 2, returnSequences: true }) as never, mergeMode: 'concat' }), words),
    apply(tf.layers.gru({ name: 'masked_features', units: 2 }) as tf.layers.Layer, apply(tf.layers.concatenate({ name: 'features' }), [words, more])),
    apply(tf.layers.lstm({ name: 'masked_steps', units: 2, returnSequences: true }) as tf.layers.Layer, kept),
    apply(tf.layers.globalAveragePooling1d({ name: 'without_mask' }), words),
  ]
  return tf.model({ inputs: [ids, steps], outputs })
}

/** States handed from one layer to another, and layers that take two inputs. */
export const stateModel = (): tf.LayersModel => {
  const [encoded, decoded] = [tf.input({ shape: [4, 3], name: 'encoded' }), tf.input({ shape: [2, 3], name: 'decoded' })]
  const [last, h, c] = all(tf.layers.lstm({ name: 'encoder', units: 3, returnState: true }) as tf.layers.Layer, encoded) as [tf.SymbolicTensor, tf.SymbolicTensor, tf.SymbolicTensor]
  const both = all(tf.layers.bidirectional({ name: 'both_ways', layer: tf.layers.gru({ units: 2, returnSequences: true }) as never, mergeMode: null as never }), encoded)
  const outputs = [
    apply(tf.layers.lstm({ name: 'decoder', units: 3, returnSequences: true }) as tf.layers.Layer, [decoded, h, c]),
    last,
    c,
    ...both,
    apply(tf.layers.dot({ name: 'dot_vectors', axes: 1 }), [last, h]),
    apply(tf.layers.dot({ name: 'cosines', axes: -1, normalize: true }), [encoded, decoded]),
    apply(tf.layers.dot({ name: 'dot_matrix_and_vector', axes: [2, 1] }), [decoded, h]),
    apply(tf.layers.dot({ name: 'dot_vector_and_matrix', axes: [1, 2] }), [h, encoded]),
  ]
  return tf.model({ inputs: [encoded, decoded], outputs })
}
