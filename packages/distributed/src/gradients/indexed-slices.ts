import type { DType, Graph, Shape, Tensor } from '@millrace/export'

/**
 * The gradient of rows that were looked up: what is to be added to row `indices[i]` is `values[i]`, all other rows have none
 * (`tf.IndexedSlices`). An index may stand there more than once; its rows are then summed.
 */
export interface IndexedSlices {
  /** `[n, …]` */
  readonly values: Tensor
  /** int32 or int64 `[n]` */
  readonly indices: Tensor
  /** Static shape of the whole, as far as it is known. */
  readonly shape: Shape
  /** The number of rows of the whole, a scalar of the indices' dtype, added when it is asked for. */
  readonly rows: () => Tensor
}

/** The gradient of a tensor or variable. */
export type Gradient = Tensor | IndexedSlices

/** True for the gradient of looked up rows. */
export const isIndexedSlices = (gradient: Gradient): gradient is IndexedSlices => 'indices' in gradient

/** The gradient as one tensor of the whole shape, zeros where nothing was looked up. */
export const toDense = (graph: Graph, gradient: Gradient): Tensor => {
  if (!isIndexedSlices(gradient)) return gradient
  return graph.one('UnsortedSegmentSum', [gradient.values, gradient.indices, gradient.rows()])
}

/** Each index once, its rows summed (`_deduplicate_indexed_slices` of `tensorflow/python/training/optimizer.py`). */
export const sumDuplicates = (graph: Graph, slices: IndexedSlices): IndexedSlices => {
  if (graph.isDistinct(slices.indices)) return slices
  const unique = graph.add('Unique', [slices.indices])
  const [indices, positions] = unique.outputs as [Tensor, Tensor]
  const values = graph.one('UnsortedSegmentSum', [slices.values, positions, graph.one('Size', [indices])])
  return { ...slices, indices, values }
}

const cast = (graph: Graph, tensor: Tensor, dtype: DType): Tensor =>
  tensor.dtype === dtype ? tensor : graph.one('Cast', [tensor], { DstT: dtype })

/** Sum of gradients of one thing: still sparse when all of them are. */
export const addGradients = (graph: Graph, gradients: readonly Gradient[]): Gradient => {
  const [first, ...others] = gradients as readonly [Gradient, ...Gradient[]]
  if (others.length === 0) return first
  const slices = gradients.filter(isIndexedSlices)
  if (slices.length < gradients.length || !isIndexedSlices(first)) {
    return graph.one('AddN', [gradients.map((gradient) => toDense(graph, gradient))])
  }
  const dtype = slices.some(({ indices }) => indices.dtype === 'int64') ? 'int64' : 'int32'
  const axis = graph.scalar('int32', 0, 'axis')
  return {
    values: graph.one('ConcatV2', [slices.map(({ values }) => values), axis]),
    indices: graph.one('ConcatV2', [slices.map(({ indices }) => cast(graph, indices, dtype)), axis]),
    shape: first.shape,
    rows: () => cast(graph, first.rows(), dtype),
  }
}
