import { failure } from '@millrace/core'
import { elementCount, type Dim, type Graph, type GraphNode, type Shape, type Tensor } from '@millrace/export'

/** A constant like `x`. */
export const scalarLike = (graph: Graph, x: Tensor, value: number): Tensor => graph.scalar(x.dtype, value)

/** Whole numbers of a constant; `undefined` where it is none. */
export const constantInts = (tensor: Tensor): readonly number[] | undefined => {
  if (tensor.node.op !== 'Const') return undefined
  const { data } = tensor.node.attrs['value'] as { readonly data: ArrayLike<number | bigint> }
  return Array.from(data, Number)
}

/** The shape of `x`: a constant where one dimension at most is unknown and may be `-1`, as Reshape takes it. */
const shapeForReshape = (graph: Graph, shape: Shape, x: Tensor): Tensor => {
  if (shape !== undefined && shape.filter((dim) => dim === null).length <= 1 && !shape.includes(0)) {
    return graph.vector('int32', shape.map((dim) => dim ?? -1), 'shape')
  }
  return graph.one('Shape', [x])
}

/** The shape of `x` as a vector of int32: a constant where all of it is known. */
export const shapeOf = (graph: Graph, x: Tensor): Tensor =>
  elementCount(x.shape) === null ? graph.one('Shape', [x]) : graph.vector('int32', x.shape as readonly number[], 'shape')

/** `value` in the shape of `x`, which has as many elements. */
export const reshapeLike = (graph: Graph, value: Tensor, x: Tensor): Tensor => graph.one('Reshape', [value, shapeForReshape(graph, x.shape, x)])

/** The error of a node whose gradient is not known in this form. */
export const refuseGradient = (node: GraphNode, problem: string): never => {
  throw failure({ tag: 'Model', code: 'GRADIENT_FORM', problem: `the gradient of ${node.op} "${node.name}": ${problem}` })
}

/** The tensor's shape where its rank has to be known. */
export const requireRank = (node: GraphNode, tensor: Tensor): readonly Dim[] =>
  tensor.shape ?? refuseGradient(node, `the rank of ${tensor.name} has to be known`)

/** An axis counted from the front. */
export const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)
