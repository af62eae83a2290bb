import { failure } from '@millrace/core'
import { describeModel, type DType, type Graph, type ModelDescription, type Tensor } from '@millrace/export'
import { addEvaluation, type Evaluation } from '../../training-graph/evaluation.js'
import { compiledOptions, trainingGraph, type TrainingGraph, type TrainingGraphOptions } from '../../training-graph/index.js'
import type { TrainingJob } from '../training-job.js'
import type { FedColumn } from './feed-maker.js'
import { FedSource } from './fed-source.js'

/** A training in terms of a graph. */
export interface NativePlan {
  readonly made: TrainingGraph
  readonly source: FedSource
  /** The columns of a batch, as the stream and as the graph name them. */
  readonly columns: readonly PlannedColumn[]
  /** To be fed to each step, since people change it between the epochs: float32 scalar. */
  readonly learningRate: Tensor
  /** What a single step measures, and all steps of a run in the mean, in the order of the model's `metricsNames`. */
  readonly step: readonly Tensor[]
  readonly run: readonly Tensor[]
  /** What an evaluation measures, and is fed by the names of the columns; `undefined` without validation. */
  readonly evaluation: { readonly feeds: Readonly<Record<string, Tensor>>; readonly measures: readonly Tensor[] } | undefined
}

/** A column of the stream and its name in the graph. */
export interface PlannedColumn extends FedColumn {
  readonly name: string
}

/**
 * Plans what TensorFlow is to run.
 *
 * @param seed - of dropout
 * @throws `Model` or `Usage` for a model that has no graph
 */
export const planTraining = (job: TrainingJob, seed: number): NativePlan => {
  const { layers, labels, data, validation, batchSize } = job
  const model = withWholeIndices(describeModel(layers), (column) => kindsOfInt32.has(data.schema[column]!.kind))
  const compiled = compiledOptions(layers)
  const rate = fedRate()
  const source = new FedSource(stepsOfRun(model, batchSize))
  const label = Object.fromEntries(layers.outputNames.map((name, at) => [model.outputs[at]!.name, labels.length === 1 ? labels[0]! : name]))
  const optimizer = { ...compiled.optimizer, learningRate: rate.schedule }
  const options: TrainingGraphOptions = { ...compiled, optimizer, seed, source, label, labelDType: 'float32', stepsPerRun: source.steps }
  const made = trainingGraph(model, options)
  const evaluation = validation === undefined ? undefined : addEvaluation(made, model, options)
  const streamName = new Map(model.inputs.map(({ name }, at) => [name, layers.inputNames[at]!]))
  return {
    made,
    source,
    columns: made.columns.map(({ name, dtype }) => ({ name, column: streamName.get(name) ?? name, dtype })),
    learningRate: rate.tensor(),
    step: measuresOf(layers, made.steps[0]!),
    run: measuresOf(layers, made),
    evaluation: evaluation === undefined ? undefined : { feeds: evaluation.feeds, measures: measuresOf(layers, evaluation) },
  }
}

/**
 * Enough that the call of a run costs little beside its steps, few enough that the larger graph is ready soon. Processor's time of a step
 * by 1, 2, 4, 8, 16 steps a run: of the flights in batches of 128, 1.19, 0.90, 0.70, 0.70, 0.56 ms, and 0.19, 0.28, 0.47, 0.98, 1.91 s
 * before the first; of an embedding of 100,000 × 16, 1.06, 0.69, 0.50, 0.47, 0.51 ms, and 0.04 to 0.94 s (medians of three in turn, two
 * cores under load). Against 2 it pays after some hundred to a thousand steps; 8 would against it after six thousand and more.
 */
const STEPS_OF_RUN = 4
/** Multiplications up to which a step is so short that its call counts: a millisecond or so. */
const SMALL_STEP = 8e6

/** Layers whose work is not that of one multiplication by their weights. */
const heavy = /Conv|LSTM|GRU|RNN|Cell|Bidirectional|TimeDistributed/

/** Steps that one native call makes. */
const stepsOfRun = ({ layers }: ModelDescription, batchSize: number): number => {
  if (layers.some(({ className }) => heavy.test(className))) return 1
  const multiplied = layers.filter(({ className }) => className !== 'Embedding').flatMap(({ weights }) => weights.map(({ shape }) => shape.reduce((a, b) => a * b, 1)))
  return multiplied.reduce((a, b) => a + b, 0) * batchSize <= SMALL_STEP ? STEPS_OF_RUN : 1
}

/** A learning rate that is one placeholder, however often it is asked for. */
const fedRate = (): { readonly schedule: (graph: Graph) => Tensor; readonly tensor: () => Tensor } => {
  let made: Tensor | undefined
  const schedule = (graph: Graph): Tensor => (made ??= graph.atRoot(() => graph.placeholder('learning_rate', 'float32', [])))
  return { schedule, tensor: () => made! }
}

/** Kinds of columns whose numbers TensorFlow.js gets as int32. */
const kindsOfInt32: ReadonlySet<string> = new Set(['bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64', 'date', 'timestamp'])

/** Inputs that embeddings alone take stay whole numbers, whatever the model says, as in TensorFlow.js: float32 counts to 2²⁴ only. */
const withWholeIndices = (model: ModelDescription, isWhole: (column: string) => boolean): ModelDescription => {
  const isIndex = (value: number): boolean => model.calls.every(({ layer, inputs }) => !inputs.includes(value) || model.layers[layer]!.className === 'Embedding')
  return { ...model, inputs: model.inputs.map((input) => (isIndex(input.value) && isWhole(input.name) ? { ...input, dtype: 'int32' satisfies DType } : input)) }
}

type Measured = Pick<Evaluation, 'loss' | 'losses' | 'metrics'>

/** The order of TensorFlow.js: the loss, of several outputs that of each, then each output's metrics. */
const measuresOf = ({ metricsNames }: TrainingJob['layers'], { loss, losses, metrics }: Measured): readonly Tensor[] => {
  const each = Object.values(losses)
  const all = [loss, ...(each.length > 1 ? each : []), ...Object.values(metrics)]
  if (all.length === metricsNames.length) return all
  throw failure({ tag: 'Model', code: 'METRICS_UNKNOWN', problem: `TensorFlow.js measures ${metricsNames.join(', ')}, of which not all have a graph` })
}
