import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { biasAddGrad, broadcastGradientArgs, concatOffset, crossEntropy, sameAsInput, stridedSliceGrad } from '../shape-function.js'
import { floats, indices, realNumbers } from './dtype-sets.js'

const real = { T: attr.type({ allowed: realNumbers }) }
const float = { T: attr.type({ allowed: floats }) }
const ofFeatures = 'gradients:T features:T -> backprops:T'
const ofOutputs = 'gradients:T outputs:T -> backprops:T'
const ofY = 'y:T dy:T -> z:T'

/** Ops that only gradients are made of. */
export const gradientOps = {
  ReluGrad: op(ofFeatures, real, sameAsInput),
  Relu6Grad: op(ofFeatures, real, sameAsInput),
  LeakyReluGrad: op(
    ofFeatures,
    { alpha: attr.float({ default: Math.fround(0.2) }), T: attr.type({ allowed: floats, default: 'float32' }) },
    sameAsInput,
  ),
  EluGrad: op(ofOutputs, float, sameAsInput),
  SeluGrad: op(ofOutputs, float, sameAsInput),
  SoftplusGrad: op(ofFeatures, float, sameAsInput),
  SoftsignGrad: op(ofFeatures, float, sameAsInput),
  SigmoidGrad: op(ofY, float, sameAsInput),
  TanhGrad: op(ofY, float, sameAsInput),
  SqrtGrad: op(ofY, float, sameAsInput),
  RsqrtGrad: op(ofY, float, sameAsInput),
  BiasAddGrad: op('out_backprop:T -> output:T', { ...real, data_format: attr.string({ default: 'NHWC' }) }, biasAddGrad),
  BroadcastGradientArgs: op('s0:T s1:T -> r0:T r1:T', { T: attr.type({ allowed: indices, default: 'int32' }) }, broadcastGradientArgs),
  ConcatOffset: op(
    'concat_dim:int32 shape:N*shape_type -> offset:N*shape_type',
    { N: attr.int({ minimum: 2 }), shape_type: attr.type({ allowed: indices, default: 'int32' }) },
    concatOffset,
  ),
  StridedSliceGrad: op(
    'shape:Index begin:Index end:Index strides:Index dy:T -> output:T',
    {
      T: attr.type(),
      Index: attr.type({ allowed: indices }),
      begin_mask: attr.int({ default: 0 }),
      end_mask: attr.int({ default: 0 }),
      ellipsis_mask: attr.int({ default: 0 }),
      new_axis_mask: attr.int({ default: 0 }),
      shrink_axis_mask: attr.int({ default: 0 }),
    },
    stridedSliceGrad,
  ),
  SoftmaxCrossEntropyWithLogits: op('features:T labels:T -> loss:T backprop:T', float, crossEntropy),
  SparseSoftmaxCrossEntropyWithLogits: op(
    'features:T labels:Tlabels -> loss:T backprop:T',
    { ...float, Tlabels: attr.type({ allowed: indices, default: 'int64' }) },
    crossEntropy,
  ),
} as const
