import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { sameAsInput } from '../shape-function.js'
import { convolution, depthwiseConvolution, pooling, shapeInput } from '../window-shapes.js'
import { floats, realNumbers } from './dtype-sets.js'

const padding = { padding: attr.string(), data_format: attr.string({ default: 'NHWC' }) }
const explicit = { ...padding, explicit_paddings: attr.ints({ default: [] }) }
const moving = { strides: attr.ints(), ...explicit, dilations: attr.ints({ default: [1, 1, 1, 1] }) }
const convolving = { T: attr.type({ allowed: floats }), ...moving }
const convolving2D = { ...convolving, use_cudnn_on_gpu: attr.bool({ default: true }) }
const withWholeNumbers = { ...convolving2D, T: attr.type({ allowed: [...floats, 'int32'] }) }
const window = { ksize: attr.ints({ minimum: 4 }), strides: attr.ints({ minimum: 4 }) }
const maximum = { ...window, ...explicit, T: attr.type({ allowed: ['float16', 'bfloat16', 'float32', 'float64', 'int32', 'int64', 'uint8', 'int16', 'int8', 'uint16'], default: 'float32' }) }
const average = { ...window, ...padding, T: attr.type({ allowed: floats }) }

/** Windows that move over images: convolutions and pools, and what their gradients are made of. */
export const windowOps = {
  Conv2D: op('input:T filter:T -> output:T', withWholeNumbers, convolution),
  Conv2DBackpropInput: op('input_sizes:int32 filter:T out_backprop:T -> output:T', withWholeNumbers, shapeInput(0)),
  Conv2DBackpropFilter: op('input:T filter_sizes:int32 out_backprop:T -> output:T', convolving2D, shapeInput(1)),
  DepthwiseConv2dNative: op('input:T filter:T -> output:T', convolving, depthwiseConvolution),
  DepthwiseConv2dNativeBackpropInput: op('input_sizes:int32 filter:T out_backprop:T -> output:T', convolving, shapeInput(0)),
  DepthwiseConv2dNativeBackpropFilter: op('input:T filter_sizes:int32 out_backprop:T -> output:T', convolving, shapeInput(1)),
  MaxPool: op('input:T -> output:T', maximum, pooling),
  MaxPoolGrad: op(
    'orig_input:T orig_output:T grad:T -> output:T',
    { ...maximum, T: attr.type({ allowed: realNumbers, default: 'float32' }) },
    sameAsInput,
  ),
  AvgPool: op('value:T -> output:T', average, pooling),
  AvgPoolGrad: op('orig_input_shape:int32 grad:T -> output:T', average, shapeInput(0)),
} as const
