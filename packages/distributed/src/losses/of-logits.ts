import type { Graph, Tensor } from '@millrace/export'
import { epsilon, meanOfItem, number, type Loss } from './loss.js'

/** `max(0, 1 - label output)`, labels 0 and 1 (`tf.losses.hingeLoss`). */
export const hingeOfTruths: Loss = (graph, label, output) => {
  const sign = graph.one('Sub', [graph.one('Mul', [label, number(graph, 2)]), number(graph, 1)])
  return meanOfItem(graph, graph.one('Relu', [graph.one('Sub', [number(graph, 1), graph.one('Mul', [sign, output])])]))
}

/** `-label log(output) - (1 - label) log(1 - output)` of probabilities (`tf.losses.logLoss`). */
export const logLoss: Loss = (graph, label, output) => {
  const log = (x: Tensor): Tensor => graph.one('Log', [graph.one('AddV2', [x, number(graph, epsilon)])])
  const other = (x: Tensor): Tensor => graph.one('Sub', [number(graph, 1), x])
  const sum = graph.one('AddV2', [graph.one('Mul', [label, log(output)]), graph.one('Mul', [other(label), log(other(output))])])
  return meanOfItem(graph, graph.one('Neg', [sum]))
}

/** Cross-entropy of logits with labels from 0 to 1 (`tf.losses.sigmoidCrossEntropy`). */
export const sigmoidCrossEntropy: Loss = (graph, label, output) => {
  const linear = graph.one('Sub', [graph.one('Relu', [output]), graph.one('Mul', [output, label])])
  return meanOfItem(graph, graph.one('AddV2', [linear, bend(graph, output)]))
}

/** `log(1 + exp(-|x|))` */
const bend = (graph: Graph, x: Tensor): Tensor => graph.one('Log1p', [graph.one('Exp', [graph.one('Neg', [graph.one('Abs', [x])])])])

/** Cross-entropy of logits with labels whose sum is 1 (`tf.losses.softmaxCrossEntropy`). */
export const softmaxCrossEntropy: Loss = (graph, label, output) => {
  const { shape } = output
  if (shape?.length === 2) return graph.one('SoftmaxCrossEntropyWithLogits', [output, label])
  return graph.one('Neg', [graph.one('Sum', [graph.one('Mul', [label, graph.one('LogSoftmax', [output])]), graph.vector('int32', [-1], 'axes')])])
}
