import { integerTensor, sizeOf, smallNumbers, type HostTensor } from '../../tensor/host-tensor.js'
import { dtypeAttr, intAttr, intListAttr, type Node } from '../graph/graph.js'
import { inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { reshaped, resolveAxis } from './movement.js'

const outType = (node: Node): 'int32' | 'int64' => (dtypeAttr(node, 'out_type', 'int32') === 'int64' ? 'int64' : 'int32')

const shape: Kernel = (node) => {
  const dtype = outType(node)
  return (inputs) => inputs.map((input) => integerTensor(dtype, [input.shape.length], input.shape))
}

const size: Kernel = (node) => {
  const dtype = outType(node)
  return (inputs) => [integerTensor(dtype, [], [sizeOf(inputOf(node, inputs, 0).shape)])]
}

const rank: Kernel = (node) => (inputs) => [integerTensor('int32', [], [inputOf(node, inputs, 0).shape.length])]

/** The shape that `wanted`, which may have one -1, means for so many elements. */
export const resolveShape = (node: Node, wanted: readonly number[], elements: number): number[] => {
  const known = sizeOf(wanted.filter((dim) => dim !== -1))
  const shape = wanted.map((dim) => (dim === -1 ? Math.floor(elements / Math.max(1, known)) : dim))
  if (wanted.filter((dim) => dim === -1).length > 1 || shape.some((dim) => dim < 0) || sizeOf(shape) !== elements) {
    throw opError(node, `${elements} elements do not fit the shape [${wanted.join(',')}]`)
  }
  return shape
}

const reshape: Kernel = (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  return [reshaped(input, resolveShape(node, smallNumbers(inputOf(node, inputs, 1), node.name), sizeOf(input.shape)))]
}

const expandDims: Kernel = (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  const axis = resolveAxis(node, smallNumbers(inputOf(node, inputs, 1), node.name)[0] ?? 0, input.shape.length + 1)
  return [reshaped(input, [...input.shape.slice(0, axis), 1, ...input.shape.slice(axis)])]
}

const squeeze: Kernel = (node) => {
  const wanted = intListAttr(node, 'squeeze_dims')
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    const axes = new Set(wanted.map((axis) => resolveAxis(node, axis, input.shape.length)))
    const bad = [...axes].find((axis) => input.shape[axis] !== 1)
    if (bad !== undefined) throw opError(node, `dimension ${bad} of [${input.shape.join(',')}] is not 1`)
    return [reshaped(input, input.shape.filter((dim, axis) => !(axes.size === 0 ? dim === 1 : axes.has(axis))))]
  }
}

const identity: Kernel = (node) => (inputs) => (node.op === 'IdentityN' ? inputs : [inputOf(node, inputs, 0)])

const ensureShape: Kernel = (node) => {
  const dims = (node.attrs['shape']?.shape?.unknownRank === true ? undefined : node.attrs['shape']?.shape?.dim)?.map((dim) => Number(dim.size ?? 0))
  return (inputs) => {
    const input: HostTensor = inputOf(node, inputs, 0)
    if (dims !== undefined && (dims.length !== input.shape.length || dims.some((dim, i) => dim >= 0 && dim !== input.shape[i]))) {
      throw opError(node, `[${input.shape.join(',')}] does not fit [${dims.join(',')}]`)
    }
    return [input]
  }
}

const range: Kernel = (node) => (inputs) => {
  const dtype = dtypeAttr(node, 'Tidx', 'int32')
  if (dtype !== 'int32' && dtype !== 'int64') throw opError(node, `it does not run on ${dtype} here`)
  const [start, limit, delta] = [0, 1, 2].map((i) => smallNumbers(inputOf(node, inputs, i), node.name)[0] ?? NaN) as [number, number, number]
  const count = Math.max(0, Math.ceil((limit - start) / delta))
  if (!Number.isFinite(count) || count > 2 ** 28) throw opError(node, `it counts from ${start} to ${limit} by ${delta}`)
  return [integerTensor(dtype, [count], Array.from({ length: count }, (_, i) => start + i * delta))]
}

/** How many outputs `Unpack` and the like have. */
export const countAttr = (node: Node, name: string): number => {
  const count = intAttr(node, name)
  if (count < 0 || count > 65536) throw opError(node, `it would have ${count} outputs`)
  return count
}

/** Ops on shapes: nothing is copied. */
export const shapeKernels: KernelTable = {
  Shape: shape,
  ShapeN: shape,
  Size: size,
  Rank: rank,
  Reshape: reshape,
  ExpandDims: expandDims,
  Squeeze: squeeze,
  Identity: identity,
  IdentityN: identity,
  EnsureShape: ensureShape,
  Range: range,
}
