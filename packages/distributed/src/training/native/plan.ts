import { failure } from '@millrace/core'
import { describeModel, type DType, type Graph, type ModelDescription, type Tensor } from '@millrace/export'
import { addEvaluation, type Evaluation } from '../../training-graph/evaluation.js'
import { compiledOptions, trainingGraph, type TrainingGraph, type TrainingGraphOptions } from '../../training-graph/index.js'
import type { TrainingJob } from '../training-job.js'
import type { FedColumn } from './feed-maker.js'

/** A training in terms of a graph. */
export interface NativePlan {
  readonly made: TrainingGraph
  /** Columns and the tensors that they are fed to, in the same order. */
  readonly fed: readonly (FedColumn & { readonly tensor: Tensor })[]
  /** To be fed to each step, since people change it between the epochs: float32 scalar. */
  readonly learningRate: Tensor
  /** What a step and an evaluation measure, in the order of the model's `metricsNames`. */
  readonly trained: readonly Tensor[]
  readonly evaluated: readonly Tensor[]
}

/**
 * Plans what TensorFlow is to run.
 *
 * @param seed - of dropout
 * @throws `Model` or `Usage` for a model that has no graph
 */
export const planTraining = (job: TrainingJob, seed: number): NativePlan => {
  const { layers, labels, data, validation } = job
  const model = withWholeIndices(describeModel(layers), (column) => kindsOfInt32.has(data.schema[column]!.kind))
  const options = compiledOptions(layers)
  const rate = fedRate()
  const made = trainingGraph(model, { ...options, optimizer: { ...options.optimizer, learningRate: rate.schedule }, seed })
  const trained = measuresOf(layers, options, made)
  const evaluated = validation === undefined ? [] : measuresOf(layers, options, addEvaluation(made, model, options))
  const outputs = Object.values(made.labels)
  const fed = [
    ...layers.inputNames.map((column, at) => fedColumn(column, made.inputs[model.inputs[at]!.name]!)),
    ...layers.outputNames.map((name, at) => fedColumn(labels.length === 1 ? labels[0]! : name, outputs[at]!)),
  ]
  return { made, fed, learningRate: rate.tensor(), trained, evaluated }
}

/** A learning rate that is one placeholder, however often it is asked for. */
const fedRate = (): { readonly schedule: (graph: Graph) => Tensor; readonly tensor: () => Tensor } => {
  let made: Tensor | undefined
  const schedule = (graph: Graph): Tensor => (made ??= graph.atRoot(() => graph.placeholder('learning_rate', 'float32', [])))
  return { schedule, tensor: () => made! }
}

const fedColumn = (column: string, tensor: Tensor): NativePlan['fed'][number] => ({ column, dtype: tensor.dtype, tensor })

/** Kinds of columns whose numbers TensorFlow.js gets as int32. */
const kindsOfInt32: ReadonlySet<string> = new Set(['bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64', 'date', 'timestamp'])

/** Inputs that embeddings alone take stay whole numbers, whatever the model says, as in TensorFlow.js: float32 counts to 2²⁴ only. */
const withWholeIndices = (model: ModelDescription, isWhole: (column: string) => boolean): ModelDescription => {
  const isIndex = (value: number): boolean => model.calls.every(({ layer, inputs }) => !inputs.includes(value) || model.layers[layer]!.className === 'Embedding')
  return { ...model, inputs: model.inputs.map((input) => (isIndex(input.value) && isWhole(input.name) ? { ...input, dtype: 'int32' satisfies DType } : input)) }
}

/** The order of TensorFlow.js: the loss, of several outputs that of each, then each output's metrics. */
const measuresOf = ({ metricsNames }: TrainingJob['layers'], { metrics = [] }: Pick<TrainingGraphOptions, 'metrics'>, measured: Pick<Evaluation, 'loss' | 'losses' | 'metrics'>): readonly Tensor[] => {
  const outputs = Object.keys(measured.losses)
  const several = outputs.length > 1
  const all = [
    measured.loss,
    ...(several ? Object.values(measured.losses) : []),
    ...outputs.flatMap((output) => metrics.map((metric) => measured.metrics[several ? `${output}_${metric}` : metric]!)),
  ]
  if (all.length === metricsNames.length) return all
  throw failure({ tag: 'Model', code: 'METRICS_UNKNOWN', problem: `TensorFlow.js measures ${metricsNames.join(', ')}, of which not all have a graph`, remedy: 'Name metrics for all outputs alike.' })
}
