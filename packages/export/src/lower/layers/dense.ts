import type { Tensor } from '../../graph/index.js'
import { activate } from './activation.js'
import { findWeight, onlyInput, refuseLayer, requireRank, requireWeight, type LayerContext, type LowerLayer } from './layer-context.js'

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
  if (shape.length !== 2) y = graph.one('Reshape', [y, graph.vector('int32', unfolded(context, shape, units), 'shape')])
  return activate(context, y)
}

const unfolded = (context: LayerContext, shape: Tensor['shape'] & object, units: number): number[] => {
  const outer = shape.slice(0, -1)
  if (outer.filter((dim) => dim === null).length > 1) return refuseLayer(context, 'only one dimension of its input may be unknown')
  return [...outer.map((dim) => dim ?? -1), units]
}
