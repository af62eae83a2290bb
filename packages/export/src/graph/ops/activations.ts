import { attr } from '../attr.js'
import { op } from '../op-def.js'
import { sameAsInput } from '../shape-function.js'
import { floats, realNumbers } from './dtype-sets.js'

const real = { T: attr.type({ allowed: realNumbers }) }
const float = { T: attr.type({ allowed: floats }) }
const features = 'features:T -> activations:T'

/** Activation functions. */
export const activationOps = {
  Relu: op(features, real, sameAsInput),
  Relu6: op(features, real, sameAsInput),
  LeakyRelu: op(
    features,
    { alpha: attr.float({ default: Math.fround(0.2) }), T: attr.type({ allowed: floats, default: 'float32' }) },
    sameAsInput,
  ),
  Elu: op(features, float, sameAsInput),
  Selu: op(features, float, sameAsInput),
  Softplus: op(features, float, sameAsInput),
  Softsign: op(features, float, sameAsInput),
  Sigmoid: op('x:T -> y:T', float, sameAsInput),
  Tanh: op('x:T -> y:T', float, sameAsInput),
  Softmax: op('logits:T -> softmax:T', float, sameAsInput),
  LogSoftmax: op('logits:T -> logsoftmax:T', float, sameAsInput),
} as const
