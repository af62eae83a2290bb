import { failure } from '@millrace/core'
import type { Graph, Tensor } from '@millrace/export'
import { number, type Loss } from './loss.js'
import { losses, type LossName } from './losses.js'

const asNumber = (graph: Graph, truth: Tensor): Tensor => graph.one('Cast', [truth], { DstT: 'float32' })

const largest = (graph: Graph, x: Tensor): Tensor => graph.one('ArgMax', [x, graph.scalar('int32', -1, 'axis')], { output_type: 'int32' })

/** Whether output and label are on the same side of one half. */
const binaryAccuracy: Loss = (graph, label, output) =>
  asNumber(graph, graph.one('Equal', [label, asNumber(graph, graph.one('Greater', [output, number(graph, 0.5)]))]))

/** Whether the largest output is that of the label, which is one-hot. */
const categoricalAccuracy: Loss = (graph, label, output) =>
  asNumber(graph, graph.one('Equal', [largest(graph, label), largest(graph, output)]))

/** Whether the largest output is the one that the label counts. */
const sparseCategoricalAccuracy: Loss = (graph, label, output) => {
  const wanted = graph.one('Squeeze', [graph.one('Cast', [label], { DstT: 'int32' })], { squeeze_dims: [-1] })
  return asNumber(graph, graph.one('Equal', [wanted, largest(graph, output)]))
}

const accuracies = { binaryAccuracy, categoricalAccuracy, sparseCategoricalAccuracy } as const

/** `accuracy` is the one that fits the loss and the output; a loss as a metric is its mean. */
export type MetricName = 'accuracy' | keyof typeof accuracies | LossName

/**
 * The metric of a name for an output that is trained with a loss. `accuracy` is chosen as TensorFlow.js does
 * (`tfjs-layers/src/engine/training.ts`).
 *
 * @throws `Usage` for a name that is none
 */
export const findMetric = (name: MetricName, loss: LossName | Loss, output: Tensor): Loss => {
  if (name === 'accuracy') {
    if (output.shape?.at(-1) === 1 || loss === 'binaryCrossentropy') return binaryAccuracy
    return loss === 'sparseCategoricalCrossentropy' ? sparseCategoricalAccuracy : categoricalAccuracy
  }
  const known: Readonly<Record<string, Loss>> = { ...accuracies, ...losses }
  const metric = Object.hasOwn(known, name) ? known[name] : undefined
  if (metric !== undefined) return metric
  throw failure({ tag: 'Usage', code: 'METRIC_UNKNOWN', problem: `there is no metric "${name}"`, remedy: `Metrics are accuracy, ${Object.keys(known).join(', ')}.` })
}
