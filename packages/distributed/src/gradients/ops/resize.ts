import type { Graph, GraphNode, Tensor } from '@millrace/export'
import { ofFirst } from '../gradient-function.js'
import { requireRank } from '../shapes.js'

const corners = ({ attrs }: GraphNode) => ({ align_corners: attrs['align_corners'] === true, half_pixel_centers: attrs['half_pixel_centers'] === true })

/** Height and width of images. */
const sizeOf = (graph: Graph, node: GraphNode, x: Tensor): Tensor => {
  const [, height, width] = requireRank(node, x)
  if (typeof height === 'number' && typeof width === 'number') return graph.vector('int32', [height, width], 'size')
  return graph.one('StridedSlice', [graph.one('Shape', [x]), ...[[1], [3], [1]].map((bound) => graph.vector('int32', bound, 'bound'))])
}

/** To each element the sum of what came of it. */
export const resizeNearestNeighborGradient = ofFirst(({ graph, node, g, x }) =>
  graph.one('ResizeNearestNeighborGrad', [g, sizeOf(graph, node, x)], corners(node)),
)

export const resizeBilinearGradient = ofFirst(({ graph, node, g, x }) => graph.one('ResizeBilinearGrad', [g, x], corners(node)))
