import { Graph, GraphLowering, toNodeName, type GraphNode, type LoweredVariable, type ModelDescription, type Tensor } from '@millrace/export'
import type { BatchColumn, BatchInput } from './batch-source.js'
import { addLabels, batchColumns, labelColumns, type LabelColumn } from './label-columns.js'
import { outlineModel } from './model-outline.js'
import { addMeasures, total, type Measures } from './objective.js'
import type { TrainingGraph, TrainingGraphOptions } from './training-graph.js'

/** A batch as the model answers when it serves: nothing is dropped, batches are normalised by moving means. */
export interface Evaluation extends Measures {
  /** Sum of the outputs' losses, float32 scalar: penalties of regularisers are not in it. */
  readonly loss: Tensor
  /** To be fed, by the names of the columns: labels too. */
  readonly feeds: Readonly<Record<string, Tensor>>
  /** Fills lookup tables of its own, in every session; `undefined` where there are none. */
  readonly initializeTables: GraphNode | undefined
}

/** What evaluations need of the options of a training graph. */
export type EvaluationOptions = Pick<
  TrainingGraphOptions, 'loss' | 'metrics' | 'outputMetrics' | 'inputs' | 'source' | 'label' | 'labelDType' | 'variables' | 'device'
>

/** A model in a graph as it serves, and the labels of its outputs. */
interface Served {
  readonly lowering: GraphLowering
  readonly labels: readonly LabelColumn[]
  readonly columns: readonly BatchColumn[]
}

const serve = (graph: Graph, model: ModelDescription, options: EvaluationOptions): Served => {
  const { variables = 'variables', inputs, device } = options
  const lowering = new GraphLowering(graph, model, { mode: 'serving', variables, inputs, device, vocabularies: 'constants' })
  const labels = labelColumns(lowering, outlineModel(model, inputs), options)
  return { lowering, labels, columns: batchColumns(lowering, labels) }
}

const placeholders = (graph: Graph, { columns }: Served): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(columns.map(({ name, dtype, shape }) => [name, graph.placeholder(toNodeName(name), dtype, shape ?? undefined)]))

const measure = (
  graph: Graph,
  { lowering, labels }: Served,
  batch: Readonly<Record<string, Tensor>>,
  options: EvaluationOptions,
): Omit<Evaluation, 'feeds'> & Pick<EvaluationGraph, 'outputs'> => {
  const outputs = lowering.apply(batch)
  const measures = addMeasures(graph, outputs, addLabels(graph, lowering, labels, batch), options)
  const { tables } = lowering
  const initializeTables = tables.length === 0 ? undefined : graph.add('NoOp', [], {}, { name: 'initialize_tables', control: tables.map(({ initializer }) => initializer) })
  return { ...measures, outputs, loss: total(graph, Object.values(measures.losses)), initializeTables }
}

/**
 * Adds to a training graph, before it is encoded, what measures a batch and learns nothing from it. It is fed with the same columns, by
 * the same placeholders where the training is fed too.
 *
 * @param options - those of the training graph
 */
export const addEvaluation = (training: TrainingGraph, model: ModelDescription, options: EvaluationOptions): Evaluation => {
  const { graph, source } = training
  return graph.scope('evaluation', () => {
    const served = serve(graph, model, options)
    const fedLabels = Object.fromEntries(served.labels.map(({ output, column }) => [column.name, training.labels[output] as Tensor]))
    // Not the column of weights, which measures do not take.
    const fed = (): Record<string, Tensor> => Object.fromEntries(served.columns.map(({ name }) => [name, (fedLabels[name] ?? training.inputs[name]) as Tensor]))
    const feeds = source === undefined ? fed() : placeholders(graph, served)
    return { ...measure(graph, served, feeds, options), feeds }
  })
}

/** A graph that measures a model whose variables another graph trains: they have the same names and places. */
export interface EvaluationGraph extends Evaluation {
  readonly graph: Graph
  /** The source in the graph; `undefined` where batches are fed. */
  readonly source: BatchInput | undefined
  readonly outputs: Readonly<Record<string, Tensor>>
  /** How many rows the batch has, int32 scalar: what its means count for in the mean over batches. */
  readonly rows: Tensor
  readonly variables: readonly LoweredVariable[]
}

/**
 * The graph of an evaluator: loss and metrics of one batch a run, from a source or fed, on the variables that workers train meanwhile.
 * A pure function of its arguments.
 *
 * @param options - those of the training graph, with a source and a device of its own
 * @example
 * const { graph, loss, metrics, rows } = evaluationGraph(model, { ...options, source: tfRecordSource({ files: '/data/test-*', epochs: 1 }), device: '/job:evaluator/task:0' })
 * @throws `Model` for what cannot be lowered; `Usage` for a loss or metric that does not exist
 */
export const evaluationGraph = (model: ModelDescription, options: EvaluationOptions): EvaluationGraph => {
  const graph = new Graph()
  return graph.withDevice(options.device ?? '', () => {
    const served = serve(graph, model, options)
    const source = options.source?.open(graph, served.columns)
    const feeds = source === undefined ? placeholders(graph, served) : {}
    const batch = source?.next([]) ?? feeds
    const measured = measure(graph, served, batch, options)
    const [first] = Object.values(measured.outputs) as [Tensor]
    return { ...measured, graph, source, feeds, rows: countRows(graph, first), variables: served.lowering.variables }
  })
}

const countRows = (graph: Graph, batch: Tensor): Tensor => {
  const bounds = [[0], [1], [1]].map((bound) => graph.vector('int32', bound, 'bound'))
  return graph.one('StridedSlice', [graph.one('Shape', [batch]), ...bounds], { shrink_axis_mask: 1 }, { name: 'rows' })
}
