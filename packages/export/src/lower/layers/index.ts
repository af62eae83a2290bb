import { lowerActivation } from './activation.js'
import { lowerELU, lowerLeakyReLU, lowerPReLU, lowerReLU, lowerSoftmax, lowerThresholdedReLU } from './advanced-activations.js'
import { lowerBatchNormalization } from './batch-normalization.js'
import { lowerDense } from './dense.js'
import { lowerDropout } from './dropout.js'
import { lowerEmbedding } from './embedding.js'
import type { LowerLayer } from './layer-context.js'
import { lowerAdd, lowerAverage, lowerConcatenate, lowerMaximum, lowerMinimum, lowerMultiply } from './merging.js'
import { lowerFlatten, lowerPermute, lowerReshape } from './reshaping.js'

/** Every layer that can be lowered, by its class name in TensorFlow.js and Keras. */
export const layers: Readonly<Record<string, LowerLayer>> = {
  Activation: lowerActivation,
  Add: lowerAdd,
  Average: lowerAverage,
  BatchNormalization: lowerBatchNormalization,
  Concatenate: lowerConcatenate,
  Dense: lowerDense,
  Dropout: lowerDropout,
  ELU: lowerELU,
  Embedding: lowerEmbedding,
  Flatten: lowerFlatten,
  LeakyReLU: lowerLeakyReLU,
  Maximum: lowerMaximum,
  Minimum: lowerMinimum,
  Multiply: lowerMultiply,
  Permute: lowerPermute,
  PReLU: lowerPReLU,
  ReLU: lowerReLU,
  Reshape: lowerReshape,
  Softmax: lowerSoftmax,
  ThresholdedReLU: lowerThresholdedReLU,
}
