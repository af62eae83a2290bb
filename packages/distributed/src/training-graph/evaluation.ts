import { GraphLowering, type ModelDescription, type Tensor } from '@millrace/export'
import { addMeasures, total, type Measures } from './objective.js'
import type { TrainingGraph, TrainingGraphOptions } from './training-graph.js'

/** A batch as the model answers when it serves: nothing is dropped, batches are normalised by moving means. */
export interface Evaluation extends Measures {
  /** Sum of the outputs' losses, float32 scalar: penalties of regularisers are not in it. */
  readonly loss: Tensor
}

/**
 * Adds to a training graph, before it is encoded, what measures a batch and learns nothing from it. It takes the same inputs and
 * labels. For graphs that take the model's inputs, not raw columns.
 */
export const addEvaluation = ({ graph, inputs, labels }: TrainingGraph, model: ModelDescription, options: Pick<TrainingGraphOptions, 'loss' | 'metrics'>): Evaluation =>
  graph.scope('evaluation', () => {
    const outputs = new GraphLowering(graph, model, { mode: 'serving', variables: 'variables' }).apply(inputs)
    const measures = addMeasures(graph, outputs, labels, options)
    return { ...measures, loss: total(graph, Object.values(measures.losses)) }
  })
