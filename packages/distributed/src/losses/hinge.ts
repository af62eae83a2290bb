import type { Graph, Tensor } from '@millrace/export'
import { atLeast, meanOfItem, number, sumOfItem, type Loss } from './loss.js'

/** `max(0, 1 - label output)` */
const margin = (graph: Graph, label: Tensor, output: Tensor): Tensor => {
  const missing = graph.one('Sub', [number(graph, 1), graph.one('Mul', [label, output])])
  return graph.one('Maximum', [number(graph, 0), missing])
}

/** `mean(max(0, 1 - label output))`, labels -1 and 1. */
export const hinge: Loss = (graph, label, output) => meanOfItem(graph, margin(graph, label, output))

/** `mean(max(0, 1 - label output)²)`, labels -1 and 1. */
export const squaredHinge: Loss = (graph, label, output) => meanOfItem(graph, graph.one('Square', [margin(graph, label, output)]))

/** How much the best wrong class beats the right one, and 1 more; labels one-hot. */
export const categoricalHinge: Loss = (graph, label, output) => {
  const right = sumOfItem(graph, graph.one('Mul', [label, output]))
  const others = graph.one('Mul', [graph.one('Sub', [number(graph, 1), label]), output])
  const wrong = graph.one('Max', [others, graph.vector('int32', [-1], 'axis')])
  return atLeast(graph, graph.one('AddV2', [graph.one('Sub', [wrong, right]), number(graph, 1)]), 0)
}
