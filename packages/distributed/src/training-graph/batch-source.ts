import type { Graph, GraphColumn, GraphNode, MissingValue, Tensor } from '@millrace/export'

/** A column that a batch has to hold, `[batch, …]`. */
export interface BatchColumn extends GraphColumn {
  /** What an absent value of a `tf.train.Example` stands for; `undefined` where one has to be there. */
  readonly missing?: MissingValue
}

/** What gives the steps of a training graph their batches, inside the graph. */
export interface BatchSource {
  /** Adds the source to a graph, on the current device, which is the worker's. Called once for a graph. */
  open(graph: Graph, columns: readonly BatchColumn[]): BatchInput
}

/** A source in a graph. */
export interface BatchInput {
  /** To be run in each session before the first step; a second run starts again from the first batch. */
  readonly initialize: GraphNode
  /**
   * Adds what takes one more batch; called once for each step of a run. Without one left, the step ends with `TF_OUT_OF_RANGE`.
   *
   * @param after - nodes that have to run before the batch is taken
   * @returns a tensor for each column, by name. Integers may be int64 where the column is int32
   */
  next(after: readonly GraphNode[]): Readonly<Record<string, Tensor>>
  /** Where it is, for checkpoints. */
  readonly position: BatchPosition
}

/** Saves and restores the position of a source, between the steps of its session. */
export interface BatchPosition {
  /** All that is needed to go on from here, one tensor that `SaveV2` takes. It is made anew in each run. */
  readonly saved: Tensor
  /** Adds what goes on from a saved position, in the place of `initialize` alone, which has to have run before. */
  restore(saved: Tensor): GraphNode
}
