import { toInt64, type tensorflow } from '../proto/index.js'

/** Size of one dimension; `null` where it is not known until the graph runs. */
export type Dim = number | null

/** Static shape of a tensor; `undefined` where not even the rank is known. */
export type Shape = readonly Dim[] | undefined

/** Number of elements, or `null` when a dimension or the rank is not known. */
export const elementCount = (shape: Shape): Dim => {
  if (shape === undefined) return null
  let count = 1
  for (const dim of shape) {
    if (dim === null) return null
    count *= dim
  }
  return count
}

/** For messages: `[?, 3]`, or `of unknown rank`. */
export const describeShape = (shape: Shape): string =>
  shape === undefined ? 'of unknown rank' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`

/** What both dimensions say together; `undefined` when they contradict. */
export const mergeDims = (a: Dim, b: Dim): Dim | undefined => (a === null ? b : b === null || a === b ? a : undefined)

/** What both shapes say together; `'conflict'` when they contradict. */
export const mergeShapes = (a: Shape, b: Shape): Shape | 'conflict' => {
  if (a === undefined) return b
  if (b === undefined) return a
  if (a.length !== b.length) return 'conflict'
  const merged: Dim[] = []
  for (let index = 0; index < a.length; index += 1) {
    const dim = mergeDims(a[index] as Dim, b[index] as Dim)
    if (dim === undefined) return 'conflict'
    merged.push(dim)
  }
  return merged
}

/**
 * NumPy's broadcasting rule on static shapes; `'conflict'` when two known dimensions differ and neither is 1.
 * An unknown dimension beside a known one other than 1 becomes the known one, as in TensorFlow's `BroadcastBinaryOpShapeFn`.
 */
export const broadcastShapes = (a: Shape, b: Shape): Shape | 'conflict' => {
  if (a === undefined || b === undefined) return undefined
  const rank = Math.max(a.length, b.length)
  const result: Dim[] = []
  for (let index = 0; index < rank; index += 1) {
    const left = index < rank - a.length ? 1 : (a[index - (rank - a.length)] as Dim)
    const right = index < rank - b.length ? 1 : (b[index - (rank - b.length)] as Dim)
    if (left === 1) result.push(right)
    else if (right === 1) result.push(left)
    else {
      const dim = mergeDims(left, right)
      if (dim === undefined) return 'conflict'
      result.push(dim)
    }
  }
  return result
}

/** A shape as TensorFlow's message, unknown dimensions as -1. */
export const encodeShape = (shape: Shape): tensorflow.TensorShapeProto.$Properties =>
  shape === undefined ? { unknownRank: true } : { dim: shape.map((dim) => ({ size: toInt64(dim ?? -1) })) }
