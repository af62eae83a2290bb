import { constantInts, input, shapeError, type ShapeFunction } from './shape-function.js'
import type { Dim, Shape } from './shape.js'

/** The first input is the axis. */
export const split: ShapeFunction = (context) => {
  const count = Number(context.attrs['num_split'])
  const { shape } = input(context, 1)
  const [axis] = constantInts(input(context, 0)) ?? []
  const part = (): Shape => {
    if (shape === undefined || axis === undefined) return shape?.map(() => null)
    const at = axis < 0 ? axis + shape.length : axis
    const dim = shape[at] ?? null
    if (dim !== null && dim % count !== 0) return shapeError(context, `dimension ${axis} is not a multiple of ${count}`)
    return shape.map((size, index) => (index !== at || size === null ? size : size / count))
  }
  const each = part()
  return Array.from({ length: count }, () => each)
}

/** The second input is the sizes, the third the axis. */
export const splitSizes: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  const [sizes, [axis] = []] = [constantInts(input(context, 1)), constantInts(input(context, 2))]
  return Array.from({ length: Number(context.attrs['num_split']) }, (_, part) => {
    if (shape === undefined || axis === undefined) return shape?.map(() => null)
    const at = axis < 0 ? axis + shape.length : axis
    const size = sizes?.[part]
    return shape.map((dim, index): Dim => (index !== at ? dim : size === undefined || size < 0 ? null : size))
  })
}

export const tile: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  const multiples = constantInts(input(context, 1))
  if (shape === undefined || multiples === undefined) return [shape?.map(() => null)]
  if (multiples.length !== shape.length) return shapeError(context, `${multiples.length} multiples are given`)
  return [shape.map((dim, axis) => (dim === null ? null : dim * (multiples[axis] as number)))]
}
