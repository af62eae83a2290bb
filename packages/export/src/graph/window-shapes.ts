import type { ShapeContext, ShapeFunction } from './shape-function.js'
import { constantInts, input, shapeError, shapeFromVector } from './shape-function.js'
import { mergeDims, type Dim, type Shape } from './shape.js'

/** Shapes of what moves a window over images, `[batch, height, width, channels]`. */

const numbers = (context: ShapeContext, name: string): number[] => (context.attrs[name] as readonly (number | bigint)[]).map(Number)

const isChannelsLast = ({ attrs }: ShapeContext): boolean => attrs['data_format'] === 'NHWC'

const requireImages = (context: ShapeContext, index: number, what: string): readonly Dim[] | undefined => {
  const { shape } = input(context, index)
  return shape !== undefined && shape.length !== 4 ? shapeError(context, `${what} has to have four dimensions`) : shape
}

/** How many places a window of `size` has along `dim`. */
const places = (context: ShapeContext, dim: Dim, size: Dim, stride: number): Dim => {
  if (dim === null) return null
  if (context.attrs['padding'] === 'SAME') return Math.ceil(dim / stride)
  if (size === null) return null
  return dim < size ? shapeError(context, `its window of ${size} is larger than ${dim}`) : Math.ceil((dim - size + 1) / stride)
}

/** The filters are `[height, width, in, out]`, or for each channel `[height, width, in, multiplier]`. */
const convolve = (channels: (filter: readonly Dim[]) => Dim): ShapeFunction => (context) => {
  const [x, filter] = [requireImages(context, 0, 'its input'), requireImages(context, 1, 'its filter')]
  if (x === undefined || filter === undefined || !isChannelsLast(context) || context.attrs['padding'] === 'EXPLICIT') return [undefined]
  if (mergeDims(x[3] as Dim, filter[2] as Dim) === undefined) return shapeError(context, 'the channels differ')
  const [strides, dilations] = [numbers(context, 'strides'), numbers(context, 'dilations')]
  const along = (axis: 1 | 2): Dim => {
    const size = filter[axis - 1] as Dim
    return places(context, x[axis] as Dim, size === null ? null : (size - 1) * (dilations[axis] as number) + 1, strides[axis] as number)
  }
  return [[x[0] as Dim, along(1), along(2), channels(filter)]]
}

export const convolution = convolve((filter) => filter[3] as Dim)

export const depthwiseConvolution = convolve(([, , channels, multiplier]) =>
  typeof channels === 'number' && typeof multiplier === 'number' ? channels * multiplier : null,
)

export const pooling: ShapeFunction = (context) => {
  const x = requireImages(context, 0, 'its input')
  if (x === undefined || !isChannelsLast(context) || context.attrs['padding'] === 'EXPLICIT') return [undefined]
  const [sizes, strides] = [numbers(context, 'ksize'), numbers(context, 'strides')]
  return [x.map((dim, axis) => places(context, dim, sizes[axis] as number, strides[axis] as number))]
}

/** The shape that the input names. */
export const shapeInput = (index: number): ShapeFunction => (context) => [shapeFromVector(input(context, index))]

/** The shape of another input. */
export const sameAsOther = (index: number): ShapeFunction => (context) => [input(context, index).shape]

/** Height and width from a vector. */
export const resized: ShapeFunction = (context) => {
  const x = requireImages(context, 0, 'its input')
  const size: Shape = shapeFromVector(input(context, 1))
  return [x === undefined ? undefined : [x[0] as Dim, size?.[0] ?? null, size?.[1] ?? null, x[3] as Dim]]
}

/** Blocks of the dimensions after the batch go into the batch, or come back from it; what is added or cut off is in pairs. */
const blocks = (between: (dim: number, block: number, pair: number) => number, batch: (dim: number, all: number) => number): ShapeFunction => (context) => {
  const { shape } = input(context, 0)
  const [sizes, pairs] = [constantInts(input(context, 1)), constantInts(input(context, 2))]
  if (shape === undefined || sizes === undefined || pairs === undefined) return [shape?.map(() => null)]
  const moved = shape.slice(1, 1 + sizes.length).map((dim, at): Dim => {
    if (dim === null) return null
    const size = between(dim, sizes[at] as number, (pairs[at * 2] as number) + (pairs[at * 2 + 1] as number))
    return Number.isInteger(size) && size >= 0 ? size : shapeError(context, `dimension ${at + 1} is no whole number of blocks`)
  })
  const [items] = shape as readonly [Dim]
  return [[items === null ? null : batch(items, sizes.reduce((product, size) => product * size, 1)), ...moved, ...shape.slice(1 + sizes.length)]]
}

export const spaceToBatch = blocks((dim, block, added) => (dim + added) / block, (dim, all) => dim * all)
export const batchToSpace = blocks((dim, block, cut) => dim * block - cut, (dim, all) => dim / all)
