import { GraphLowering, type GraphNode, type ModelDescription, type Tensor } from '@millrace/export'
import { addMeasures, total, type Measures } from './objective.js'
import type { TrainingGraph, TrainingGraphOptions } from './training-graph.js'

/** A batch as the model answers when it serves: nothing is dropped, batches are normalised by moving means. */
export interface Evaluation extends Measures {
  /** Sum of the outputs' losses, float32 scalar: penalties of regularisers are not in it. */
  readonly loss: Tensor
  /** Fills lookup tables of its own, in every session; `undefined` where there are none. */
  readonly initializeTables: GraphNode | undefined
}

/**
 * Adds to a training graph, before it is encoded, what measures a batch and learns nothing from it. It takes the same inputs and
 * labels.
 *
 * @param options - those of the training graph
 */
export const addEvaluation = ({ graph, inputs, labels }: TrainingGraph, model: ModelDescription, options: Pick<TrainingGraphOptions, 'loss' | 'metrics' | 'inputs' | 'variables' | 'device'>): Evaluation =>
  graph.scope('evaluation', () => {
    const { variables = 'variables', inputs: features, device } = options
    const lowering = new GraphLowering(graph, model, { mode: 'serving', variables, inputs: features, device, vocabularies: 'constants' })
    const measures = addMeasures(graph, lowering.apply(inputs), labels, options)
    const { tables } = lowering
    const initializeTables = tables.length === 0 ? undefined : graph.add('NoOp', [], {}, { name: 'initialize_tables', control: tables.map(({ initializer }) => initializer) })
    return { ...measures, loss: total(graph, Object.values(measures.losses)), initializeTables }
  })
