import * as tf from '@tensorflow/tfjs'
import { layerCases } from '../layers/layer-list.js'
import { checkModel } from './cases.js'

const layer = (made: tf.layers.Layer) => (x: tf.SymbolicTensor | tf.SymbolicTensor[]) => made.apply(x) as tf.SymbolicTensor
/** Behind a layer with weights, so that there is something to differentiate by. Names are unique: variables are shared by name. */
let layerCount = 0
const dense = (units: number, activation: string) => {
  layerCount += 1
  return layer(tf.layers.dense({ units, activation: activation as 'relu', name: `dense${layerCount}` }))
}
for (const activation of [
  'linear', 'relu', 'relu6', 'elu', 'selu', 'sigmoid', 'hardSigmoid', 'softmax', 'logSoftmax', 'softplus', 'softsign', 'tanh', 'swish', 'mish', 'gelu', 'gelu_new',
]) {
  checkModel(`a dense layer with ${activation}`, [3], dense(4, activation))
}
checkModel('a dense layer over a sequence', [5, 3], dense(4, 'tanh'))
const single: readonly (readonly [string, () => tf.layers.Layer])[] = [
  ['BatchNormalization', () => tf.layers.batchNormalization({ name: 'normal' })],
  ['BatchNormalization without scale', () => tf.layers.batchNormalization({ name: 'bare', scale: false })],
  ['Dropout', () => tf.layers.dropout({ rate: 0.4 })],
  ['ELU', () => tf.layers.elu()],
  ['LeakyReLU', () => tf.layers.leakyReLU({ alpha: 0.2 })],
  ['PReLU', () => tf.layers.prelu({ name: 'prelu' })],
  ['ReLU with a limit', () => tf.layers.reLU({ maxValue: 0.3 })],
  ['Softmax', () => tf.layers.softmax()],
  ['ThresholdedReLU', () => tf.layers.thresholdedReLU({ theta: 0.2 })],
  ['Reshape', () => tf.layers.reshape({ targetShape: [2, 2] })],
]
for (const [name, make] of single) checkModel(`${name}, lowered`, [3], (x) => layer(make())(dense(4, 'linear')(x)))
checkModel('BatchNormalization along another axis, lowered', [5, 3], (x) => layer(tf.layers.batchNormalization({ name: 'sequences', axis: 1 }))(dense(4, 'linear')(x)))
checkModel('Flatten and Permute, lowered', [5, 3], (x) => layer(tf.layers.flatten())(layer(tf.layers.permute({ dims: [2, 1] }))(dense(4, 'tanh')(x))))
const merging = { add: tf.layers.add, average: tf.layers.average, concatenate: tf.layers.concatenate, maximum: tf.layers.maximum, minimum: tf.layers.minimum, multiply: tf.layers.multiply }
for (const [name, make] of Object.entries(merging)) {
  checkModel(`${name}, lowered`, [3], (x) => layer(make())([dense(4, 'tanh')(x), dense(4, 'sigmoid')(x), dense(4, 'linear')(x)]))
}
checkModel('Embedding, lowered', [4], (x) => dense(2, 'linear')(layer(tf.layers.flatten())(layer(tf.layers.embedding({ inputDim: 7, outputDim: 3, name: 'table' }))(x))), { from: 0, to: 6.9 })

for (const { name, shape, make, isNoisy } of layerCases) {
  if (isNoisy !== true) checkModel(`${name}, lowered`, shape, (x) => layer(make())(dense(shape.at(-1)!, 'linear')(x)))
}

checkModel('masked words, lowered', [4], (x) => layer(tf.layers.gru({ name: 'masked_gru', units: 2 }) as tf.layers.Layer)(dense(2, 'tanh')(layer(tf.layers.embedding({ inputDim: 4, outputDim: 3, name: 'masked_words', maskZero: true }))(x))), { from: 0, to: 2.9, dtype: 'int32' })
checkModel('Dot of two, lowered', [3], (x) => layer(tf.layers.dot({ axes: 1, normalize: true }))([dense(4, 'tanh')(x), dense(4, 'linear')(x)]))
