import { GraphLowering, toNodeName, type GraphNode, type ModelDescription, type Tensor } from '@millrace/export'
import { addLabels, batchColumns, labelColumns } from './label-columns.js'
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

/**
 * Adds to a training graph, before it is encoded, what measures a batch and learns nothing from it. It is fed with the same columns, by
 * the same placeholders where the training is fed too.
 *
 * @param options - those of the training graph
 */
export const addEvaluation = (training: TrainingGraph, model: ModelDescription, options: TrainingGraphOptions): Evaluation => {
  const { graph, source } = training
  const { variables = 'variables', inputs, device } = options
  return graph.scope('evaluation', () => {
    const lowering = new GraphLowering(graph, model, { mode: 'serving', variables, inputs, device, vocabularies: 'constants' })
    const labels = labelColumns(lowering, outlineModel(model, inputs), options)
    const feeds: Record<string, Tensor> = source === undefined
      ? { ...training.inputs, ...Object.fromEntries(labels.map(({ output, column }) => [column.name, training.labels[output] as Tensor])) }
      : Object.fromEntries(batchColumns(lowering, labels).map(({ name, dtype, shape }) => [name, graph.placeholder(toNodeName(name), dtype, shape ?? undefined)]))
    const measures = addMeasures(graph, lowering.apply(feeds), addLabels(graph, lowering, labels, feeds), options)
    const { tables } = lowering
    const initializeTables = tables.length === 0 ? undefined : graph.add('NoOp', [], {}, { name: 'initialize_tables', control: tables.map(({ initializer }) => initializer) })
    return { ...measures, loss: total(graph, Object.values(measures.losses)), feeds, initializeTables }
  })
}
