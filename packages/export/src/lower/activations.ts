import type { Graph, Tensor } from '../graph/index.js'

/** Adds the nodes of an activation function. */
export type LowerActivation = (graph: Graph, x: Tensor) => Tensor

const float = (graph: Graph, value: number): Tensor => graph.scalar('float32', value)

const clip = (graph: Graph, x: Tensor, least: number, most: number): Tensor =>
  graph.one('Minimum', [graph.one('Maximum', [x, float(graph, least)]), float(graph, most)])

/** Half of `x (1 + inner)`, as both forms of gelu have it. */
const halfTimes = (graph: Graph, x: Tensor, inner: Tensor): Tensor =>
  graph.one('Mul', [graph.one('Mul', [x, float(graph, 0.5)]), graph.one('AddV2', [inner, float(graph, 1)])])

/**
 * Activations by the names that TensorFlow.js gives them in a layer's configuration. The arithmetic is that of
 * `tfjs-layers/src/activations.ts`.
 */
export const activations: Readonly<Record<string, LowerActivation>> = {
  linear: (_graph, x) => x,
  relu: (graph, x) => graph.one('Relu', [x]),
  relu6: (graph, x) => graph.one('Relu6', [x]),
  elu: (graph, x) => graph.one('Elu', [x]),
  selu: (graph, x) => graph.one('Selu', [x]),
  sigmoid: (graph, x) => graph.one('Sigmoid', [x]),
  hardSigmoid: (graph, x) =>
    clip(graph, graph.one('AddV2', [graph.one('Mul', [x, float(graph, 0.2)]), float(graph, 0.5)]), 0, 1),
  softmax: (graph, x) => graph.one('Softmax', [x]),
  logSoftmax: (graph, x) => graph.one('LogSoftmax', [x]),
  softplus: (graph, x) => graph.one('Softplus', [x]),
  softsign: (graph, x) => graph.one('Softsign', [x]),
  tanh: (graph, x) => graph.one('Tanh', [x]),
  swish: (graph, x) => graph.one('Mul', [graph.one('Sigmoid', [x]), x]),
  mish: (graph, x) => graph.one('Mul', [x, graph.one('Tanh', [graph.one('Softplus', [x])])]),
  gelu: (graph, x) => halfTimes(graph, x, graph.one('Erf', [graph.one('RealDiv', [x, float(graph, Math.SQRT2)])])),
  gelu_new: (graph, x) => {
    const cube = graph.one('Mul', [graph.one('Mul', [x, x]), x])
    const sum = graph.one('AddV2', [x, graph.one('Mul', [cube, float(graph, 0.044715)])])
    return halfTimes(graph, x, graph.one('Tanh', [graph.one('Mul', [sum, float(graph, Math.sqrt(2 / Math.PI))])]))
  },
}

/** The activation of a configuration, which older models write with underscores (`hard_sigmoid`); `undefined` when unknown. */
export const findActivation = (name: unknown): LowerActivation | undefined => {
  if (name === undefined || name === null) return activations['linear']
  if (typeof name !== 'string') return undefined
  const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return [name, camel].flatMap((key) => (Object.hasOwn(activations, key) ? [activations[key]] : []))[0]
}
