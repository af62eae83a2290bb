import type { Graph, Tensor } from '@millrace/export'

/**
 * Adds the loss of each item: from the label and the model's output, both float32 `[batch, …]`, to `[batch]` (more dimensions where
 * the output has more than two).
 */
export type Loss = (graph: Graph, label: Tensor, output: Tensor) => Tensor

/** What TensorFlow.js adds where a logarithm or a division could fail: 1e-7, as its backends for float32 have it. */
export const epsilon = 1e-7

export const number = (graph: Graph, value: number): Tensor => graph.scalar('float32', value)

const lastAxis = (graph: Graph): Tensor => graph.vector('int32', [-1], 'axis')

export const meanOfItem = (graph: Graph, x: Tensor): Tensor => graph.one('Mean', [x, lastAxis(graph)])

export const sumOfItem = (graph: Graph, x: Tensor, keep_dims = false): Tensor => graph.one('Sum', [x, lastAxis(graph)], { keep_dims })

export const atLeast = (graph: Graph, x: Tensor, least: number): Tensor => graph.one('Maximum', [x, number(graph, least)])

/** `x` between two limits; its gradient passes within and at the limits. */
export const clip = (graph: Graph, x: Tensor, least: number, most: number): Tensor =>
  graph.one('Minimum', [atLeast(graph, x, least), number(graph, most)])
