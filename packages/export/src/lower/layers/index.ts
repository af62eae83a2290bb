import { lowerActivation } from './activation.js'
import { lowerELU, lowerLeakyReLU, lowerPReLU, lowerReLU, lowerSoftmax, lowerThresholdedReLU } from './advanced-activations.js'
import { lowerBatchNormalization } from './batch-normalization.js'
import { lowerBidirectional } from './bidirectional.js'
import { lowerConv2DTranspose } from './conv-2d-transpose.js'
import { lowerConv1D, lowerConv2D } from './convolution.js'
import { lowerDense } from './dense.js'
import { lowerDepthwiseConv2D, lowerSeparableConv2D } from './depthwise-convolution.js'
import { lowerDot } from './dot.js'
import { lowerDropout, lowerSpatialDropout1D } from './dropout.js'
import { lowerEmbedding } from './embedding.js'
import type { LowerLayer } from './layer-context.js'
import { lowerLayerNormalization } from './layer-normalization.js'
import { lowerMasking } from './masks.js'
import { lowerAdd, lowerAverage, lowerConcatenate, lowerMaximum, lowerMinimum, lowerMultiply } from './merging.js'
import { lowerAlphaDropout, lowerGaussianDropout, lowerGaussianNoise } from './noise.js'
import { poolingLayers } from './pooling.js'
import { lowerRecurrent } from './recurrent.js'
import { lowerFlatten, lowerPermute, lowerRepeatVector, lowerReshape } from './reshaping.js'
import { lowerCropping2D, lowerRescaling, lowerUpSampling2D, lowerZeroPadding2D } from './sizing.js'
import { lowerTimeDistributed } from './time-distributed.js'

/** Every layer that can be lowered, by its class name in TensorFlow.js and Keras. */
export const layers: Readonly<Record<string, LowerLayer>> = {
  Activation: lowerActivation,
  Add: lowerAdd,
  AlphaDropout: lowerAlphaDropout,
  Average: lowerAverage,
  BatchNormalization: lowerBatchNormalization,
  Bidirectional: lowerBidirectional,
  Concatenate: lowerConcatenate,
  Conv1D: lowerConv1D,
  Conv2D: lowerConv2D,
  Conv2DTranspose: lowerConv2DTranspose,
  Cropping2D: lowerCropping2D,
  Dense: lowerDense,
  DepthwiseConv2D: lowerDepthwiseConv2D,
  Dot: lowerDot,
  Dropout: lowerDropout,
  ELU: lowerELU,
  Embedding: lowerEmbedding,
  Flatten: lowerFlatten,
  GaussianDropout: lowerGaussianDropout,
  GaussianNoise: lowerGaussianNoise,
  GRU: lowerRecurrent,
  LayerNormalization: lowerLayerNormalization,
  LeakyReLU: lowerLeakyReLU,
  LSTM: lowerRecurrent,
  Masking: lowerMasking,
  Maximum: lowerMaximum,
  Minimum: lowerMinimum,
  Multiply: lowerMultiply,
  Permute: lowerPermute,
  PReLU: lowerPReLU,
  ReLU: lowerReLU,
  RepeatVector: lowerRepeatVector,
  Rescaling: lowerRescaling,
  Reshape: lowerReshape,
  SeparableConv2D: lowerSeparableConv2D,
  SimpleRNN: lowerRecurrent,
  Softmax: lowerSoftmax,
  SpatialDropout1D: lowerSpatialDropout1D,
  ThresholdedReLU: lowerThresholdedReLU,
  TimeDistributed: lowerTimeDistributed,
  UpSampling2D: lowerUpSampling2D,
  ZeroPadding2D: lowerZeroPadding2D,
  ...poolingLayers,
}
