import { failure } from '@millrace/core'
import type { AttrInput } from './attr.js'
import type { Tensor } from './node.js'
import { broadcastShapes, describeShape, elementCount, mergeDims, mergeShapes, type Dim, type Shape } from './shape.js'
import { isStringData } from './tensor-value.js'

/** What a shape function sees of the node in the making. */
export interface ShapeContext {
  readonly op: string
  /** All inputs in order, those of list arguments in a row. */
  readonly inputs: readonly Tensor[]
  readonly attrs: Readonly<Record<string, AttrInput>>
}

/** Static shapes of all outputs in order. @throws `Model` when the inputs' shapes do not fit */
export type ShapeFunction = (context: ShapeContext) => readonly Shape[]

/** The error of inputs whose shapes do not fit. */
export const shapeError = (context: ShapeContext, problem: string): never => {
  const shapes = context.inputs.map((input) => `${input.name} ${describeShape(input.shape)}`).join(', ')
  throw failure({ tag: 'Model', code: 'GRAPH_SHAPE', problem: `${context.op}: ${problem}; its inputs are ${shapes}` })
}

/** One of the inputs, through all arguments. */
export const input = (context: ShapeContext, index: number): Tensor => context.inputs[index] as Tensor

/** Elements of an integer input that is a constant; `undefined` for any other. */
export const constantInts = (tensor: Tensor): number[] | undefined => {
  if (tensor.node.op !== 'Const') return undefined
  const { data } = tensor.node.attrs['value'] as { data: ArrayLike<number | bigint> | readonly string[] }
  return isStringData(data as never) ? undefined : Array.from(data as ArrayLike<number | bigint>, Number)
}

const toAxis = (context: ShapeContext, axis: number, rank: number): number => {
  const normal = axis < 0 ? axis + rank : axis
  return normal >= 0 && normal < rank ? normal : shapeError(context, `axis ${axis} is not one of ${rank}`)
}

export const noOutputs: ShapeFunction = () => []
export const scalar: ShapeFunction = () => [[]]
/** One shape for each output, as the attribute `output_shapes` has them. */
export const fromShapesAttr: ShapeFunction = (context) => context.attrs['output_shapes'] as readonly Shape[]
/** A vector whose length is known when it runs. */
export const vector: ShapeFunction = () => [[null]]
export const sameAsInput: ShapeFunction = (context) => [input(context, 0).shape]
export const fromShapeAttr: ShapeFunction = (context) => [context.attrs['shape'] as Shape]
export const fromValueAttr: ShapeFunction = (context) => [(context.attrs['value'] as { shape: readonly number[] }).shape]

export const broadcast: ShapeFunction = (context) => {
  let shape: Shape | 'conflict' = []
  for (const tensor of context.inputs) {
    shape = broadcastShapes(shape, tensor.shape)
    if (shape === 'conflict') return shapeError(context, 'the shapes cannot be broadcast together')
  }
  return [shape]
}

/**
 * Shape that a vector names, as far as the graph says: constants (-1 is unknown), shapes of tensors, and slices and
 * concatenations of these. Of any other vector, the length still says the rank.
 */
export const shapeFromVector = (tensor: Tensor): Shape => {
  const known = constantInts(tensor)
  if (known !== undefined) return known.map((dim) => (dim < 0 ? null : dim))
  const [first, ...others] = tensor.node.inputs
  if (tensor.node.op === 'Shape') return (first as Tensor).shape
  if (tensor.node.op === 'ConcatV2') {
    const parts = tensor.node.inputs.slice(0, -1).map(shapeFromVector)
    if (parts.every((part) => part !== undefined)) return parts.flat()
  }
  if (tensor.node.op === 'StridedSlice') {
    const whole = shapeFromVector(first as Tensor)
    const range = whole === undefined ? undefined : sliceRange(tensor.node.attrs, others, whole.length)
    if (range !== undefined) return whole?.slice(...range)
  }
  const rank = tensor.shape?.[0]
  return rank === undefined || rank === null ? undefined : Array.from({ length: rank }, () => null)
}

/** First and one past the last element of a vector's slice in steps of one; `undefined` for any other slice. */
const sliceRange = (attrs: ShapeContext['attrs'], bounds: readonly Tensor[], length: number): [number, number] | undefined => {
  const [[begin], [end], [stride]] = bounds.map((bound) => constantInts(bound) ?? []) as [number[], number[], number[]]
  const plain = ['ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'].every((mask) => Number(attrs[mask]) === 0)
  if (!plain || begin === undefined || end === undefined || stride !== 1) return undefined
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + length : at, 0), length)
  return [Number(attrs['begin_mask']) === 1 ? 0 : clamp(begin), Number(attrs['end_mask']) === 1 ? length : clamp(end)]
}

/** Vectors only; other slices are left to run time. */
export const stridedSlice: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  if (shape?.length !== 1 || typeof shape[0] !== 'number') return [undefined]
  const range = sliceRange(context.attrs, context.inputs.slice(1), shape[0])
  return [range === undefined ? undefined : [Math.max(range[1] - range[0], 0)]]
}

export const filled: ShapeFunction = (context) => [shapeFromVector(input(context, 0))]

export const shapeVector: ShapeFunction = (context) => [[input(context, 0).shape?.length ?? null]]

export const reshape: ShapeFunction = (context) => {
  const from = input(context, 0).shape
  const to = shapeFromVector(input(context, 1))
  if (to === undefined) return [undefined]
  const count = elementCount(from)
  const known = to.reduce<number>((product, dim) => product * (dim ?? 1), 1)
  const unknown = to.filter((dim) => dim === null).length
  if (count !== null && unknown === 0 && known !== count) return shapeError(context, `cannot be reshaped to ${describeShape(to)}`)
  if (count === null || unknown !== 1) return [to]
  if (known === 0 || count % known !== 0) return shapeError(context, `cannot be reshaped to ${describeShape(to)}`)
  return [to.map((dim) => dim ?? count / known)]
}

export const expandDims: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  const [axis] = constantInts(input(context, 1)) ?? []
  if (shape === undefined || axis === undefined) return [undefined]
  const at = axis < 0 ? axis + shape.length + 1 : axis
  if (at < 0 || at > shape.length) return shapeError(context, `axis ${axis} is outside the rank`)
  return [[...shape.slice(0, at), 1, ...shape.slice(at)]]
}

export const concat: ShapeFunction = (context) => {
  const values = context.inputs.slice(0, -1)
  const [axis] = constantInts(context.inputs.at(-1) as Tensor) ?? []
  const ranked = values.find((value) => value.shape !== undefined)?.shape
  if (axis === undefined || ranked === undefined) return [undefined]
  const at = toAxis(context, axis, ranked.length)
  let result: Shape = ranked.map((_, index) => (index === at ? 0 : null))
  for (const { shape } of values) {
    if (shape === undefined) {
      result = result.map((dim, index) => (index === at ? null : dim))
      continue
    }
    if (shape.length !== result.length) return shapeError(context, 'the ranks differ')
    const merged: Dim[] = []
    for (let index = 0; index < result.length; index += 1) {
      const [soFar, next] = [result[index] as Dim, shape[index] as Dim]
      const dim = index === at ? (soFar === null || next === null ? null : soFar + next) : mergeDims(soFar, next)
      if (dim === undefined) return shapeError(context, `dimension ${index} differs`)
      merged.push(dim)
    }
    result = merged
  }
  return [result]
}

export const gather: ShapeFunction = (context) => {
  const [params, indices] = [input(context, 0).shape, input(context, 1).shape]
  const [axis] = context.inputs[2] === undefined ? [0] : (constantInts(input(context, 2)) ?? [])
  if (params === undefined || indices === undefined || axis === undefined || context.attrs['batch_dims'] !== 0) return [undefined]
  const at = toAxis(context, axis, params.length)
  return [[...params.slice(0, at), ...indices, ...params.slice(at + 1)]]
}

/** Shapes of a variable follow its handle. */
export const readVariable: ShapeFunction = (context) => [input(context, 0).node.attrs['shape'] as Shape]

export const resourceGather: ShapeFunction = (context) => {
  const params = input(context, 0).node.attrs['shape'] as Shape
  const indices = input(context, 1).shape
  if (params === undefined || indices === undefined || context.attrs['batch_dims'] !== 0) return [undefined]
  return [[...indices, ...params.slice(1)]]
}

export const assignVariable: ShapeFunction = (context) => {
  const variable = input(context, 0).node.attrs['shape'] as Shape
  const merged = mergeShapes(variable, input(context, 1).shape)
  return merged === 'conflict' ? shapeError(context, `the value does not fit the variable's shape ${describeShape(variable)}`) : []
}

export const oneHot: ShapeFunction = (context) => {
  const indices = input(context, 0).shape
  if (indices === undefined) return [undefined]
  const axis = Number(context.attrs['axis'])
  const at = axis === -1 ? indices.length : axis
  const [depth = null] = constantInts(input(context, 1)) ?? []
  return [[...indices.slice(0, at), depth, ...indices.slice(at)]]
}

export const pack: ShapeFunction = (context) => {
  let shape: Shape = undefined
  for (const tensor of context.inputs) {
    const merged = mergeShapes(shape, tensor.shape)
    if (merged === 'conflict') return shapeError(context, 'the shapes differ')
    shape = merged
  }
  if (shape === undefined) return [undefined]
  const axis = Number(context.attrs['axis'])
  const at = axis < 0 ? axis + shape.length + 1 : axis
  return [[...shape.slice(0, at), context.inputs.length, ...shape.slice(at)]]
}

export const transpose: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  const perm = constantInts(input(context, 1))
  if (shape === undefined || perm === undefined) return [shape?.map(() => null)]
  if (perm.length !== shape.length) return shapeError(context, `${perm.length} axes are given`)
  return [perm.map((axis) => shape[toAxis(context, axis, shape.length)] as Dim)]
}

export const reduce: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  const axes = constantInts(input(context, 1))
  const keep = context.attrs['keep_dims'] === true
  if (shape === undefined) return [undefined]
  if (axes === undefined) return [keep ? shape.map(() => null) : undefined]
  const reduced = new Set(axes.map((axis) => toAxis(context, axis, shape.length)))
  return [keep ? shape.map((dim, index) => (reduced.has(index) ? 1 : dim)) : shape.filter((_, index) => !reduced.has(index))]
}

export const matMul: ShapeFunction = (context) => {
  const [a, b] = [input(context, 0).shape, input(context, 1).shape]
  if (a === undefined || b === undefined) return [[null, null]]
  if (a.length !== 2 || b.length !== 2) return shapeError(context, 'both inputs have to be matrices')
  const [rows, inner] = (context.attrs['transpose_a'] === true ? [a[1], a[0]] : a) as [Dim, Dim]
  const [innerToo, columns] = (context.attrs['transpose_b'] === true ? [b[1], b[0]] : b) as [Dim, Dim]
  if (mergeDims(inner, innerToo) === undefined) return shapeError(context, 'the inner dimensions differ')
  return [[rows, columns]]
}

export const biasAdd: ShapeFunction = (context) => {
  const [value, bias] = [input(context, 0).shape, input(context, 1).shape]
  if (value === undefined) return [undefined]
  if (bias !== undefined && (bias.length !== 1 || mergeDims(value.at(-1) as Dim, bias[0] as Dim) === undefined)) {
    return shapeError(context, "the bias has to be a vector of the value's last dimension")
  }
  return [value]
}

export const restored: ShapeFunction = (context) => (context.attrs['dtypes'] as readonly unknown[]).map(() => undefined)

/** Sparse, then dense, then ragged outputs; only dense ones have static shapes beside their rank. */
export const parseExample: ShapeFunction = (context) => {
  const batch: Shape = input(context, 0).shape
  const sparse = Number(context.attrs['num_sparse'])
  const ragged = (context.attrs['ragged_value_types'] as readonly unknown[]).length
  const dense = context.attrs['dense_shapes'] as readonly Shape[]
  const times = (count: number, shape: Shape): Shape[] => Array.from({ length: count }, () => shape)
  const rank = batch === undefined ? null : batch.length + 1
  return [
    ...times(sparse, [null, rank]),
    ...times(sparse, [null]),
    ...times(sparse, [rank]),
    ...dense.map((shape) => (batch === undefined || shape === undefined ? undefined : [...batch, ...shape])),
    ...times(ragged, [null]),
    ...times(ragged, [null]),
  ]
}

export const addAll: ShapeFunction = (context) => {
  let shape: Shape | 'conflict' = undefined
  for (const tensor of context.inputs) {
    shape = mergeShapes(shape, tensor.shape)
    if (shape === 'conflict') return shapeError(context, 'the shapes differ')
  }
  return [shape]
}

export const unpack: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  const count = Number(context.attrs['num'])
  if (shape === undefined) return Array.from({ length: count }, () => undefined)
  const at = toAxis(context, Number(context.attrs['axis']), shape.length)
  if (mergeDims(shape[at] as Dim, count) === undefined) return shapeError(context, `dimension ${at} is not ${count}`)
  return Array.from({ length: count }, () => shape.filter((_, index) => index !== at))
}

export const squeeze: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  if (shape === undefined) return [undefined]
  const axes = (context.attrs['squeeze_dims'] as readonly number[]).map((axis) => toAxis(context, Number(axis), shape.length))
  if (axes.length === 0) return [shape.includes(null) ? undefined : shape.filter((dim) => dim !== 1)]
  const wide = axes.find((axis) => mergeDims(shape[axis] as Dim, 1) === undefined)
  if (wide !== undefined) return shapeError(context, `dimension ${wide} is not 1`)
  return [shape.filter((_, index) => !axes.includes(index))]
}

export const slice: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  const [begin, size] = [constantInts(input(context, 1)), constantInts(input(context, 2))]
  if (shape === undefined || size === undefined) return [shape?.map(() => null) ?? shapeFromVector(input(context, 2))]
  if (size.length !== shape.length) return shapeError(context, `${size.length} sizes are given`)
  const rest = (dim: Dim, at: number): Dim => (dim === null || begin?.[at] === undefined ? null : dim - begin[at])
  return [size.map((count, index) => (count === -1 ? rest(shape[index] as Dim, index) : count))]
}

export const padded: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  const paddings = constantInts(input(context, 1))
  if (shape === undefined || paddings?.length !== shape.length * 2) return [shape?.map(() => null)]
  return [shape.map((dim, index) => (dim === null ? null : dim + (paddings[index * 2] as number) + (paddings[index * 2 + 1] as number)))]
}

export const broadcastTo: ShapeFunction = (context) => [shapeFromVector(input(context, 1))]

export const unique: ShapeFunction = (context) => [[null], input(context, 0).shape]

export const argMax: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  const [axis] = constantInts(input(context, 1)) ?? []
  if (shape === undefined || axis === undefined) return [shape?.slice(1).map(() => null)]
  const at = toAxis(context, axis, shape.length)
  return [shape.filter((_, index) => index !== at)]
}

export const segmentSum: ShapeFunction = (context) => {
  const [data, ids] = [input(context, 0).shape, input(context, 1).shape]
  if (data === undefined || ids === undefined) return [undefined]
  const [count = null] = constantInts(input(context, 2)) ?? []
  return [[count, ...data.slice(ids.length)]]
}

export const batchMatMul: ShapeFunction = (context) => {
  const [x, y] = [input(context, 0).shape, input(context, 1).shape]
  if (x === undefined || y === undefined) return [undefined]
  if (x.length < 2 || y.length < 2) return shapeError(context, 'both inputs have to be matrices, or batches of them')
  const batch = broadcastShapes(x.slice(0, -2), y.slice(0, -2))
  if (batch === 'conflict' || batch === undefined) return shapeError(context, 'the batches cannot be broadcast together')
  const [rows, inner] = (context.attrs['adj_x'] === true ? [x.at(-1), x.at(-2)] : x.slice(-2)) as [Dim, Dim]
  const [innerToo, columns] = (context.attrs['adj_y'] === true ? [y.at(-1), y.at(-2)] : y.slice(-2)) as [Dim, Dim]
  if (mergeDims(inner, innerToo) === undefined) return shapeError(context, 'the inner dimensions differ')
  return [[...batch, rows, columns]]
}

export const biasAddGrad: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  return [[shape?.at(context.attrs['data_format'] === 'NCHW' ? 1 : -1) ?? null]]
}

/** Two lists of axes. */
export const broadcastGradientArgs: ShapeFunction = () => [[null], [null]]

/** A vector for each of the shapes. */
export const concatOffset: ShapeFunction = (context) => context.inputs.slice(1).map(({ shape }) => shape)

export const stridedSliceGrad: ShapeFunction = (context) => [shapeFromVector(input(context, 0))]

/** The loss of each row, and the gradient of its logits. */
export const crossEntropy: ShapeFunction = (context) => {
  const { shape } = input(context, 0)
  return [[shape?.[0] ?? null], shape]
}
