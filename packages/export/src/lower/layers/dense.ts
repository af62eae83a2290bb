import type { Dim, Graph, Tensor } from '../../graph/index.js'
import { activate } from './activation.js'
import { findWeight, onlyInput, requireRank, requireWeight, type LowerLayer } from './layer-context.js'

/** `activation(x · kernel + bias)` along the last dimension; more than two dimensions are folded into rows and back. */
export const lowerDense: LowerLayer = (context, inputs) => {
  const { graph, variables } = context
  const x = onlyInput(context, inputs)
  const shape = requireRank(context, x)
  const kernel = requireWeight(context, 'kernel')
  const bias = findWeight(context, 'bias')
  const width = kernel.shape[0] as number
  const units = kernel.shape[1] as number
  const rows = shape.length === 2 ? x : graph.one('Reshape', [x, graph.vector('int32', [-1, width], 'rows')])
  let y = graph.one('MatMul', [rows, variables.read(kernel)])
  if (bias !== undefined) y = graph.one('BiasAdd', [y, variables.read(bias)])
  if (shape.length !== 2) y = graph.one('Reshape', [y, outerShape(graph, x, shape, units)])
  return activate(context, y)
}

/** All dimensions of `x` but the last, then `units`: a constant where one dimension at most has to be found when the graph runs. */
const outerShape = (graph: Graph, x: Tensor, shape: readonly Dim[], units: number): Tensor => {
  const outer = shape.slice(0, -1)
  if (outer.filter((dim) => dim === null).length <= 1) return graph.vector('int32', [...outer.map((dim) => dim ?? -1), units], 'shape')
  const bounds = [[0], [outer.length], [1]].map((bound) => graph.vector('int32', bound, 'bound'))
  return graph.one('ConcatV2', [[graph.one('StridedSlice', [graph.one('Shape', [x]), ...bounds]), graph.vector('int32', [units], 'units')], graph.scalar('int32', 0, 'axis')])
}
