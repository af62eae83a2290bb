import type { Graph, Tensor } from '@millrace/export'
import { failure } from '@millrace/core'
import { clip, epsilon, meanOfItem, number, sumOfItem, type Loss } from './loss.js'

/** A probability held away from 0 and 1. */
const probability = (graph: Graph, x: Tensor): Tensor => clip(graph, x, epsilon, 1 - epsilon)

/**
 * `mean(-label log(p) - (1 - label) log(1 - p))` of probabilities, in the form that TensorFlow.js computes: back to logits, then
 * `max(x, 0) - x label + log(1 + exp(-|x|))`.
 */
export const binaryCrossentropy: Loss = (graph, label, output) => {
  const p = probability(graph, output)
  const logits = graph.one('Log', [graph.one('RealDiv', [p, graph.one('Sub', [number(graph, 1), p])])])
  const linear = graph.one('Sub', [graph.one('Relu', [logits]), graph.one('Mul', [logits, label])])
  const bend = graph.one('Log1p', [graph.one('Exp', [graph.one('Neg', [graph.one('Abs', [logits])])])])
  return meanOfItem(graph, graph.one('AddV2', [linear, bend]))
}

/** `-sum(label log(p))` of probabilities, scaled so that those of an item sum to 1; labels one-hot. */
export const categoricalCrossentropy: Loss = (graph, label, output) => {
  const p = probability(graph, graph.one('RealDiv', [output, sumOfItem(graph, output, true)]))
  return graph.one('Neg', [sumOfItem(graph, graph.one('Mul', [label, graph.one('Log', [p])]))])
}

/** The same with labels that are the numbers of classes, `[…, 1]`. */
export const sparseCategoricalCrossentropy: Loss = (graph, label, output) => {
  const classes = output.shape?.at(-1)
  if (typeof classes !== 'number') {
    throw failure({ tag: 'Model', code: 'LOSS_CLASSES', problem: 'the number of classes of a model with sparseCategoricalCrossentropy has to be known' })
  }
  const numbers = graph.one('Squeeze', [graph.one('Cast', [graph.one('Floor', [label])], { DstT: 'int32' })], { squeeze_dims: [-1] })
  const oneHot = graph.one('OneHot', [numbers, graph.scalar('int32', classes, 'depth'), number(graph, 1), number(graph, 0)])
  return categoricalCrossentropy(graph, oneHot, probability(graph, output))
}

/** `sum(label log(label / p))`, both held within `epsilon` and 1. */
export const kullbackLeiblerDivergence: Loss = (graph, label, output) => {
  const [theirs, ours] = [label, output].map((x) => clip(graph, x, epsilon, 1))
  const log = graph.one('Log', [graph.one('RealDiv', [theirs!, ours!])])
  return sumOfItem(graph, graph.one('Mul', [label, log]))
}
