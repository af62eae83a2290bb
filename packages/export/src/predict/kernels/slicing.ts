import { sizeOf, smallNumbers, type HostTensor } from '../../tensor/host-tensor.js'
import { intAttr, type Node } from '../graph/graph.js'
import { checkElements, inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { broadcastTo, elementRange, joinElements, resolveAxis, reshaped, stridedIndices, stridesOf, takeElements } from './movement.js'
import { countAttr } from './shapes.js'

/** Tensors of one shape but for `axis`, one after another along it. */
const concat = (node: Node, tensors: readonly HostTensor[], axis: number): HostTensor => {
  const first = tensors[0]
  if (first === undefined) throw opError(node, 'it has nothing to join')
  const misfit = tensors.find((tensor) => tensor.dtype !== first.dtype || tensor.shape.length !== first.shape.length || tensor.shape.some((dim, i) => i !== axis && dim !== first.shape[i]))
  if (misfit !== undefined) throw opError(node, `[${first.shape.join(',')}] and [${misfit.shape.join(',')}] do not join along axis ${axis}`)
  const total = tensors.reduce((sum, tensor) => sum + tensor.shape[axis]!, 0)
  const shape = first.shape.map((dim, i) => (i === axis ? total : dim))
  const joined = joinElements(tensors)
  const outer = sizeOf(shape.slice(0, axis))
  if (outer <= 1) return reshaped(joined, shape)
  const indices = new Int32Array(checkElements(node, shape))
  const rows = tensors.map((tensor) => sizeOf(tensor.shape.slice(axis)))
  let at = 0
  for (let o = 0; o < outer; o++) {
    let start = 0
    for (const row of rows) {
      for (let i = 0; i < row; i++) indices[at++] = start + o * row + i
      start += row * outer
    }
  }
  return takeElements(joined, indices, shape)
}

const concatV2: Kernel = (node) => (inputs) => {
  const tensors = inputs.slice(0, -1)
  const axis = smallNumbers(inputOf(node, inputs, inputs.length - 1), node.name)[0] ?? 0
  return [concat(node, tensors, resolveAxis(node, axis, tensors[0]?.shape.length ?? 0))]
}

const pack: Kernel = (node) => {
  const wanted = intAttr(node, 'axis', 0)
  return (inputs) => {
    const rank = (inputs[0]?.shape.length ?? 0) + 1
    const axis = resolveAxis(node, wanted, rank)
    return [concat(node, inputs.map((input) => reshaped(input, [...input.shape.slice(0, axis), 1, ...input.shape.slice(axis)])), axis)]
  }
}

/** The part of a tensor from `begin`, `steps` apart. */
const box = (input: HostTensor, begin: readonly number[], steps: readonly number[], shape: readonly number[], squeezed = shape): HostTensor => {
  const strides = stridesOf(input.shape)
  const offset = begin.reduce((sum, at, i) => sum + at * strides[i]!, 0)
  const inner = shape.slice(1).every((dim, i) => dim === input.shape[i + 1])
  if (inner && (steps[0] ?? 1) === 1 && sizeOf(shape) > 0) return elementRange(input, offset, offset + sizeOf(shape), squeezed)
  return reshaped(takeElements(input, stridedIndices(shape, strides.map((stride, i) => stride * steps[i]!), offset), shape), squeezed)
}

const slice: Kernel = (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  const begin = smallNumbers(inputOf(node, inputs, 1), node.name)
  const sizes = smallNumbers(inputOf(node, inputs, 2), node.name)
  const shape = input.shape.map((dim, i) => (sizes[i] === -1 ? dim - begin[i]! : sizes[i]!))
  if (begin.length !== shape.length || shape.some((dim, i) => !(begin[i]! >= 0 && dim >= 0 && begin[i]! + dim <= input.shape[i]!))) {
    throw opError(node, `it takes [${shape.join(',')}] from [${begin.join(',')}] of [${input.shape.join(',')}]`)
  }
  return [box(input, begin, shape.map(() => 1), shape)]
}

/** `core/util/strided_slice_op.cc`: masks say which begins and ends do not count, which dimensions vanish, appear or are elided. */
const stridedSlice: Kernel = (node) => {
  const mask = (name: string): number => intAttr(node, name, 0)
  const [beginMask, endMask, ellipsis, newAxis, shrink] = [mask('begin_mask'), mask('end_mask'), mask('ellipsis_mask'), mask('new_axis_mask'), mask('shrink_axis_mask')]
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    const [begins, ends, steps] = [1, 2, 3].map((i) => smallNumbers(inputOf(node, inputs, i), node.name)) as [number[], number[], number[]]
    const begin: number[] = []
    const step: number[] = []
    const shape: number[] = []
    const out: number[] = []
    const whole = (): void => {
      const dim = input.shape[begin.length]!
      begin.push(0)
      step.push(1)
      shape.push(dim)
      out.push(dim)
    }
    const isSet = (bits: number, i: number): boolean => ((bits >> i) & 1) === 1
    const counted = begins.filter((_, i) => !isSet(ellipsis, i) && !isSet(newAxis, i)).length
    if (counted > input.shape.length) throw opError(node, `it names ${counted} of ${input.shape.length} dimensions`)
    for (let i = 0; i < begins.length; i++) {
      if (isSet(ellipsis, i)) {
        for (let k = input.shape.length - counted; k > 0; k--) whole()
        continue
      }
      if (isSet(newAxis, i)) {
        out.push(1)
        continue
      }
      const dim = input.shape[begin.length]!
      const by = steps[i] ?? 1
      if (by === 0) throw opError(node, 'its step is 0')
      const [low, high] = by > 0 ? [0, dim] : [-1, dim - 1]
      const clamp = (at: number): number => Math.min(high, Math.max(low, at < 0 ? at + dim : at))
      if (isSet(shrink, i)) {
        const at = begins[i]! < 0 ? begins[i]! + dim : begins[i]!
        if (at < 0 || at >= dim) throw opError(node, `index ${begins[i]} lies outside a dimension of ${dim}`)
        begin.push(at)
        step.push(1)
        shape.push(1)
        continue
      }
      const from = isSet(beginMask, i) ? (by > 0 ? 0 : dim - 1) : clamp(begins[i]!)
      const to = isSet(endMask, i) ? (by > 0 ? dim : -1) : clamp(ends[i]!)
      const count = Math.max(0, Math.ceil((to - from) / by))
      begin.push(from)
      step.push(by)
      shape.push(count)
      out.push(count)
    }
    while (begin.length < input.shape.length) whole()
    return [box(input, begin, step, shape, out)]
  }
}

const split: Kernel = (node) => {
  const count = countAttr(node, 'num_split')
  return (inputs) => {
    const input = inputOf(node, inputs, 1)
    const axis = resolveAxis(node, smallNumbers(inputOf(node, inputs, 0), node.name)[0] ?? 0, input.shape.length)
    const dim = input.shape[axis] ?? 0
    if (count === 0 || dim % count !== 0) throw opError(node, `${dim} do not divide into ${count} parts`)
    const shape = input.shape.map((size, i) => (i === axis ? dim / count : size))
    return Array.from({ length: count }, (_, k) => box(input, shape.map((_, i) => (i === axis ? (k * dim) / count : 0)), shape.map(() => 1), shape))
  }
}

const unpack: Kernel = (node) => {
  const count = countAttr(node, 'num')
  const wanted = intAttr(node, 'axis', 0)
  return (inputs) => {
    const input = inputOf(node, inputs, 0)
    const axis = resolveAxis(node, wanted, input.shape.length)
    if (input.shape[axis] !== count) throw opError(node, `dimension ${axis} of [${input.shape.join(',')}] is not ${count}`)
    const shape = input.shape.map((size, i) => (i === axis ? 1 : size))
    const squeezed = input.shape.filter((_, i) => i !== axis)
    return Array.from({ length: count }, (_, k) => box(input, shape.map((_, i) => (i === axis ? k : 0)), shape.map(() => 1), shape, squeezed))
  }
}

const tile: Kernel = (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  const repeats = smallNumbers(inputOf(node, inputs, 1), node.name)
  if (repeats.length !== input.shape.length) throw opError(node, `it repeats ${repeats.length} of ${input.shape.length} dimensions`)
  const wide = input.shape.flatMap((dim, i) => [repeats[i]!, dim])
  checkElements(node, wide)
  const open = reshaped(input, input.shape.flatMap((dim) => [1, dim]))
  return [reshaped(broadcastTo(open, wide), input.shape.map((dim, i) => dim * repeats[i]!))]
}

const broadcast: Kernel = (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  const shape = smallNumbers(inputOf(node, inputs, 1), node.name)
  checkElements(node, shape)
  const fits = input.shape.length <= shape.length && input.shape.every((dim, i) => dim === 1 || dim === shape[i - input.shape.length + shape.length])
  if (!fits) throw opError(node, `[${input.shape.join(',')}] does not broadcast to [${shape.join(',')}]`)
  return [broadcastTo(input, shape)]
}

const fill: Kernel = (node) => (inputs) => {
  const shape = smallNumbers(inputOf(node, inputs, 0), node.name)
  checkElements(node, shape)
  return [broadcastTo(reshaped(inputOf(node, inputs, 1), []), shape)]
}

const transpose: Kernel = (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  const order = smallNumbers(inputOf(node, inputs, 1), node.name).map((axis) => resolveAxis(node, axis, input.shape.length))
  if (order.length !== input.shape.length || new Set(order).size !== order.length) throw opError(node, `[${order.join(',')}] does not order ${input.shape.length} dimensions`)
  const strides = stridesOf(input.shape)
  const shape = order.map((axis) => input.shape[axis]!)
  return [takeElements(input, stridedIndices(shape, order.map((axis) => strides[axis]!), 0), shape)]
}

/** Ops that cut, join and repeat tensors of any type. */
export const slicingKernels: KernelTable = {
  ConcatV2: concatV2,
  Pack: pack,
  Slice: slice,
  StridedSlice: stridedSlice,
  Split: split,
  Unpack: unpack,
  Tile: tile,
  BroadcastTo: broadcast,
  Fill: fill,
  Transpose: transpose,
}
