import { failure } from '@millrace/core'
import type { Graph, ModelDescription, Tensor } from '@millrace/export'
import type { Loss, LossName } from '../losses/index.js'
import { findLoss } from '../losses/losses.js'
import { findMetric } from '../losses/metrics.js'
import { regularization, type PenaltyReads } from '../losses/regularization.js'
import { weigh, type ItemWeights } from './item-weights.js'
import type { TrainingGraphOptions } from './training-graph.js'

/** What there is to know of a batch. */
export interface Measures {
  /** Mean loss of each output, without penalties, by its name. */
  readonly losses: Readonly<Record<string, Tensor>>
  readonly metrics: Readonly<Record<string, Tensor>>
}

/** What training makes small, and what it reports. */
export interface Objective extends Measures {
  readonly loss: Tensor
}

const lossOf = (loss: TrainingGraphOptions['loss'], output: string): LossName | Loss => {
  const own = typeof loss === 'object' ? loss[output] : loss
  if (own !== undefined) return own
  throw failure({ tag: 'Usage', code: 'LOSS_MISSING', problem: `the output "${output}" has no loss`, remedy: `Give one: loss: { '${output}': 'meanSquaredError', … }.` })
}

/** Mean over all that is left. */
const mean = (graph: Graph, x: Tensor): Tensor => {
  const rank = x.shape?.length ?? 1
  return rank === 0 ? x : graph.one('Mean', [x, graph.vector('int32', Array.from({ length: rank }, (_, axis) => axis), 'axes')])
}

/**
 * Adds the losses and metrics of a batch: of the model's outputs and their labels, both by the outputs' names.
 *
 * @param weights - what items count for in the losses, not in the metrics. Default: all the same
 */
export const addMeasures = (
  graph: Graph,
  outputs: Readonly<Record<string, Tensor>>,
  labels: Readonly<Record<string, Tensor>>,
  { loss, metrics = [], outputMetrics = {} }: Pick<TrainingGraphOptions, 'loss' | 'metrics' | 'outputMetrics'>,
  weights?: ItemWeights,
): Measures => {
  const names = Object.keys(outputs)
  const reported: Record<string, Tensor> = {}
  const losses = Object.fromEntries(
    names.map((name) => {
      const [fed, output] = [labels[name] as Tensor, outputs[name] as Tensor]
      const label = fed.dtype === 'float32' ? fed : graph.one('Cast', [fed], { DstT: 'float32' })
      const own = lossOf(loss, name)
      for (const metric of [...metrics, ...(outputMetrics[name] ?? [])]) {
        const value = mean(graph, findMetric(metric, own, output)(graph, label, output))
        reported[names.length === 1 ? metric : `${name}_${metric}`] = value
      }
      const items = findLoss(own)(graph, label, output)
      return [name, mean(graph, weights === undefined ? items : weigh(graph, items, label, name, weights))]
    }),
  )
  return { losses, metrics: reported }
}

/** The sum of scalars. */
export const total = (graph: Graph, parts: readonly Tensor[]): Tensor => (parts.length === 1 ? (parts[0] as Tensor) : graph.one('AddN', [parts], {}, { name: 'total' }))

/**
 * Adds the loss of a batch: the mean of each output's, summed, with the penalties of the regularisers; and its metrics.
 * TensorFlow.js takes the mean of the outputs' sum, which is the same where each loss has one number for each item.
 *
 * @param sampleWeight - what each item of the batch counts for, float32 `[batch]`. Default: all the same
 */
export const addObjective = (
  graph: Graph,
  model: ModelDescription,
  lowering: PenaltyReads,
  outputs: Readonly<Record<string, Tensor>>,
  labels: Readonly<Record<string, Tensor>>,
  options: TrainingGraphOptions,
  sampleWeight?: Tensor,
): Objective => {
  const { classWeight } = options
  const weights = classWeight === undefined && sampleWeight === undefined ? undefined : { classWeight, sampleWeight }
  const { loss, ...measures } = graph.scope('losses', () => {
    const own = addMeasures(graph, outputs, labels, options, weights)
    return { ...own, loss: total(graph, [...Object.values(own.losses), ...regularization(graph, model, lowering)]) }
  })
  return { ...measures, loss: graph.one('Identity', [loss], {}, { name: 'loss' }) }
}

/** The means of what several steps report. */
export const meanObjective = (graph: Graph, steps: readonly Objective[]): Objective => {
  const [first, ...others] = steps as readonly [Objective, ...Objective[]]
  if (others.length === 0) return { loss: first.loss, losses: first.losses, metrics: first.metrics }
  const meanOf = (values: readonly Tensor[], name: string): Tensor =>
    graph.one('RealDiv', [graph.one('AddN', [values]), graph.scalar('float32', values.length)], {}, { name })
  const each = (of: (step: Objective) => Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
    Object.fromEntries(Object.keys(of(first)).map((name) => [name, meanOf(steps.map((step) => of(step)[name] as Tensor), 'mean')]))
  return { loss: meanOf(steps.map(({ loss }) => loss), 'loss'), losses: each(({ losses }) => losses), metrics: each(({ metrics }) => metrics) }
}
