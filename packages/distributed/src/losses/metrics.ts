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

/** How many elements of a batch two values are in, label and output. */
const countOf = (graph: Graph, label: Tensor, output: Tensor, [truth, said]: readonly [number, number]): Tensor => {
  const both = graph.one('LogicalAnd', [graph.one('Equal', [label, number(graph, truth)]), graph.one('Equal', [output, number(graph, said)])])
  return total(graph, asNumber(graph, both))
}

/** The sum over everything, a scalar. */
const total = (graph: Graph, x: Tensor): Tensor => graph.one('Sum', [graph.one('Reshape', [x, graph.vector('int32', [-1], 'shape')]), graph.vector('int32', [0], 'axes')])

/** The part of those that counts; 0 where there are none. */
const share = (graph: Graph, counted: Tensor, others: Tensor): Tensor => {
  const all = graph.one('AddV2', [counted, others])
  return graph.one('RealDiv', [counted, graph.one('Maximum', [all, number(graph, 1)])])
}

/** Of what the output says is 1, the part that is. Outputs are 0 and 1, as TensorFlow.js takes them: others count for neither. */
const precision: Loss = (graph, label, output) => share(graph, countOf(graph, label, output, [1, 1]), countOf(graph, label, output, [0, 1]))

/** Of what is 1, the part that the output says is. Outputs as for `precision`. */
const recall: Loss = (graph, label, output) => share(graph, countOf(graph, label, output, [1, 1]), countOf(graph, label, output, [1, 0]))

/** 1 less the part of the labels' variance that the output leaves. */
const r2Score: Loss = (graph, label, output) => {
  const flat = graph.one('Reshape', [label, graph.vector('int32', [-1], 'shape')])
  const mean = graph.one('Mean', [flat, graph.vector('int32', [0], 'axes')])
  const [left, all] = [graph.one('SquaredDifference', [label, output]), graph.one('SquaredDifference', [flat, mean])].map((x) => total(graph, x))
  return graph.one('Sub', [number(graph, 1), graph.one('RealDiv', [left!, all!])])
}

const measures = { binaryAccuracy, categoricalAccuracy, sparseCategoricalAccuracy, precision, recall, r2Score } as const

/** `accuracy` and `crossentropy` are those that fit the loss and the output; a loss as a metric is its mean. */
export type MetricName = 'accuracy' | 'crossentropy' | keyof typeof measures | LossName

const fitting = {
  accuracy: { binary: binaryAccuracy, sparse: sparseCategoricalAccuracy, categorical: categoricalAccuracy },
  crossentropy: { binary: losses.binaryCrossentropy, sparse: losses.sparseCategoricalCrossentropy, categorical: losses.categoricalCrossentropy },
} as const

/**
 * The metric of a name for an output that is trained with a loss. `accuracy` and `crossentropy` are chosen as TensorFlow.js does
 * (`tfjs-layers/src/engine/training.ts`).
 *
 * @throws `Usage` for a name that is none
 */
export const findMetric = (name: MetricName, loss: LossName | Loss, output: Tensor): Loss => {
  if (name === 'accuracy' || name === 'crossentropy') {
    if (output.shape?.at(-1) === 1 || loss === 'binaryCrossentropy') return fitting[name].binary
    return loss === 'sparseCategoricalCrossentropy' ? fitting[name].sparse : fitting[name].categorical
  }
  const known: Readonly<Record<string, Loss>> = { ...measures, ...losses }
  const metric = Object.hasOwn(known, name) ? known[name] : undefined
  if (metric !== undefined) return metric
  throw failure({ tag: 'Usage', code: 'METRIC_UNKNOWN', problem: `there is no metric "${name}"`, remedy: `Metrics are accuracy, crossentropy, ${Object.keys(known).join(', ')}.` })
}
