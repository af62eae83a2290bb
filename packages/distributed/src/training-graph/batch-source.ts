import type { Graph, GraphColumn, GraphNode, MissingValue, Tensor } from '@millrace/export'

/** A column that a batch has to hold, `[batch, …]`. */
export interface BatchColumn extends GraphColumn {
  /** What an absent value of a `tf.train.Example` stands for; `undefined` where one has to be there. */
  readonly missing?: MissingValue
}

/** What gives the steps of a training graph their batches, inside the graph. */
export interface BatchSource {
  /**
   * Adds what gives one more batch; called once for each step of a run, on the worker's device.
   *
   * @param after - nodes that have to run before the batch is taken
   * @returns a tensor for each column, by name. Integers may be int64 where the column is int32
   */
  next(graph: Graph, columns: readonly BatchColumn[], after: readonly GraphNode[]): Readonly<Record<string, Tensor>>
}
