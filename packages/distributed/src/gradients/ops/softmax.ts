import type { Graph, Tensor } from '@millrace/export'
import { ofFirst } from '../gradient-function.js'

const sumOfRows = (graph: Graph, x: Tensor): Tensor => graph.one('Sum', [x, graph.vector('int32', [-1], 'axes')], { keep_dims: true })

/** `(g - sum(g y)) y` */
export const softmaxGradient = ofFirst(({ graph, g, y }) => {
  const mean = sumOfRows(graph, graph.one('Mul', [g, y]))
  return graph.one('Mul', [graph.one('Sub', [g, mean]), y])
})

/** `g - sum(g) exp(y)` */
export const logSoftmaxGradient = ofFirst(({ graph, g, y }) =>
  graph.one('Sub', [g, graph.one('Mul', [sumOfRows(graph, g), graph.one('Exp', [y])])]),
)
