import type { GradientFunction } from '../gradient-function.js'
import { ofFirst } from '../gradient-function.js'
import { softmaxGradient, logSoftmaxGradient } from './softmax.js'

/** Activation functions, by the kernels that TensorFlow has for their gradients. */
export const activationGradients = {
  Relu: ofFirst(({ graph, g, y }) => graph.one('ReluGrad', [g, y])),
  Relu6: ofFirst(({ graph, g, y }) => graph.one('Relu6Grad', [g, y])),
  LeakyRelu: ofFirst(({ graph, node, g, x }) => graph.one('LeakyReluGrad', [g, x], { alpha: Number(node.attrs['alpha']) })),
  Elu: ofFirst(({ graph, g, y }) => graph.one('EluGrad', [g, y])),
  Selu: ofFirst(({ graph, g, y }) => graph.one('SeluGrad', [g, y])),
  Softplus: ofFirst(({ graph, g, x }) => graph.one('SoftplusGrad', [g, x])),
  Softsign: ofFirst(({ graph, g, x }) => graph.one('SoftsignGrad', [g, x])),
  Sigmoid: ofFirst(({ graph, g, y }) => graph.one('SigmoidGrad', [y, g])),
  Tanh: ofFirst(({ graph, g, y }) => graph.one('TanhGrad', [y, g])),
  Softmax: softmaxGradient,
  LogSoftmax: logSoftmaxGradient,
} satisfies Record<string, GradientFunction>
