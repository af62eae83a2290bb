import type { Dim, Graph, GraphNode, Shape, Tensor } from '@millrace/export'
import type { GradientFunction } from '../gradient-function.js'
import type { IndexedSlices } from '../indexed-slices.js'
import { constantInts, fromFront, refuseGradient, requireRank } from '../shapes.js'

const slices = (graph: Graph, node: GraphNode, g: Tensor, indices: Tensor, shape: readonly Dim[], rows: () => Tensor): IndexedSlices => {
  const item = shape.slice(1)
  if (item.includes(null)) return refuseGradient(node, 'all dimensions of what is looked up but the first have to be known')
  return {
    values: graph.one('Reshape', [g, graph.vector('int32', [-1, ...(item as number[])], 'shape')]),
    indices: indices.shape?.length === 1 ? indices : graph.one('Reshape', [indices, graph.vector('int32', [-1], 'shape')]),
    shape,
    rows,
  }
}

const requireNoBatch = (node: GraphNode): void => {
  if (Number(node.attrs['batch_dims']) !== 0) refuseGradient(node, 'batch_dims is not known')
}

/** The gradients of the looked up rows, and which rows they are. */
export const resourceGatherGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  requireNoBatch(node)
  const [handle, indices] = inputs as readonly [Tensor, Tensor]
  const shape = handle.node.attrs['shape'] as Shape
  const count = shape?.[0]
  if (shape === undefined || typeof count !== 'number') return refuseGradient(node, "the variable's shape has to be known")
  return [slices(graph, node, gradients[0] as Tensor, indices, shape, () => graph.scalar(indices.dtype, count, 'rows'))]
}

/** As of a variable along the first axis; along others, a sum into zeros. */
export const gatherGradient: GradientFunction = ({ graph, node, inputs, gradients }) => {
  requireNoBatch(node)
  const [params, indices, axisInput] = inputs as readonly [Tensor, Tensor, Tensor]
  const shape = requireRank(node, params)
  const [given] = constantInts(axisInput) ?? refuseGradient(node, 'its axis has to be a constant')
  const axis = fromFront(given as number, shape.length)
  const rows = (): Tensor => {
    const all = graph.one('Shape', [params], { out_type: indices.dtype as 'int32' | 'int64' })
    const bounds = [[axis], [axis + 1], [1]].map((bound) => graph.vector('int32', bound, 'bound'))
    return graph.one('StridedSlice', [all, ...bounds], { shrink_axis_mask: 1 })
  }
  const g = gradients[0] as Tensor
  if (axis === 0) return [slices(graph, node, g, indices, shape, rows)]
  // The looked up dimensions go first, are summed into their places, and the rest goes back before them.
  const spread = requireRank(node, indices).length
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at)
  const rank = shape.length + spread - 1
  const toFront = [...range(axis, axis + spread), ...range(0, axis), ...range(axis + spread, rank)]
  const front = graph.one('Transpose', [g, graph.vector('int32', toFront, 'perm')])
  const sums = graph.one('UnsortedSegmentSum', [front, indices, rows()])
  const back = [...range(1, axis + 1), 0, ...range(axis + 1, shape.length)]
  return [graph.one('Transpose', [sums, graph.vector('int32', back, 'perm')])]
}
