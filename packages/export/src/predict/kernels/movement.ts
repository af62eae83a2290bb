import { BytesColumn } from '@millrace/core'
import { allocate } from '../../tensor/dtypes.js'
import { sizeOf, stringColumn, type HostTensor } from '../../tensor/host-tensor.js'
import type { Node } from '../graph/graph.js'
import { opError } from './kernel.js'

/** The elements at `indices`, as a tensor of `shape`: what all ops that only move elements come down to. */
export const takeElements = (tensor: HostTensor, indices: Int32Array, shape: readonly number[]): HostTensor => {
  const { dtype, data } = tensor
  if (data instanceof BytesColumn) return { dtype, shape, data: data.take(indices) }
  const out = allocate(dtype, indices.length) as Float32Array
  const from = data as Float32Array
  for (let i = 0; i < out.length; i++) out[i] = from[indices[i]!]!
  return { dtype, shape, data: out }
}

/** The same elements under another shape. */
export const reshaped = (tensor: HostTensor, shape: readonly number[]): HostTensor => ({ ...tensor, shape })

/** Elements `start` to `end` in row-major order, as a tensor of `shape`. */
export const elementRange = (tensor: HostTensor, start: number, end: number, shape: readonly number[]): HostTensor =>
  tensor.data instanceof BytesColumn
    ? { ...tensor, shape, data: tensor.data.slice(start, end) }
    : { ...tensor, shape, data: (tensor.data as Float32Array).subarray(start, end) }

/** All elements of several tensors of one type, one after another. */
export const joinElements = (tensors: readonly HostTensor[]): HostTensor => {
  const first = tensors[0]!
  if (tensors.length === 1) return first
  const size = tensors.reduce((sum, tensor) => sum + sizeOf(tensor.shape), 0)
  if (first.data instanceof BytesColumn) {
    const columns = tensors.map((tensor) => tensor.data as BytesColumn<Uint8Array>)
    const bytes = new Uint8Array(columns.reduce((sum, column) => sum + column.offsets[column.length]! - column.offsets[0]!, 0))
    const offsets = new Int32Array(size + 1)
    let row = 0
    let at = 0
    for (const column of columns) {
      const start = column.offsets[0]!
      bytes.set(column.bytes.subarray(start, column.offsets[column.length]!), at)
      for (let i = 0; i < column.length; i++) offsets[++row] = column.offsets[i + 1]! - start + at
      at += column.offsets[column.length]! - start
    }
    return { ...first, shape: [size], data: stringColumn(offsets, bytes) }
  }
  const data = allocate(first.dtype, size) as Float32Array
  let at = 0
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, at)
    at += (tensor.data as Float32Array).length
  }
  return { ...first, shape: [size], data }
}

/** Steps between neighbours along each dimension, in elements. */
export const stridesOf = (shape: readonly number[]): number[] => {
  const strides = new Array<number>(shape.length)
  for (let i = shape.length - 1, step = 1; i >= 0; i--) {
    strides[i] = step
    step *= shape[i]!
  }
  return strides
}

/** For each element of a tensor of `shape`, in order: `offset + Σ index · stride`. */
export const stridedIndices = (shape: readonly number[], strides: readonly number[], offset: number): Int32Array => {
  const out = new Int32Array(sizeOf(shape))
  const index = shape.map(() => 0)
  let at = offset
  for (let i = 0; i < out.length; i++) {
    out[i] = at
    for (let d = shape.length - 1; d >= 0; d--) {
      at += strides[d]!
      if (++index[d]! < shape[d]!) break
      at -= strides[d]! * shape[d]!
      index[d] = 0
    }
  }
  return out
}

/** The shape that two shapes broadcast to, by NumPy's rule. */
export const broadcastShapes = (node: Node, a: readonly number[], b: readonly number[]): number[] => {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1
    const y = b[i - rank + b.length] ?? 1
    if (x !== y && x !== 1 && y !== 1) throw opError(node, `the shapes [${a.join(',')}] and [${b.join(',')}] do not broadcast`)
    return x === 1 ? y : x
  })
}

/** The tensor repeated along its dimensions of size 1, to `shape`. */
export const broadcastTo = (tensor: HostTensor, shape: readonly number[]): HostTensor => {
  if (tensor.shape.length === shape.length && tensor.shape.every((size, i) => size === shape[i])) return tensor
  const own = stridesOf(tensor.shape)
  const strides = shape.map((_, i) => {
    const d = i - shape.length + tensor.shape.length
    return d < 0 || tensor.shape[d] === 1 ? 0 : own[d]!
  })
  return takeElements(tensor, stridedIndices(shape, strides, 0), shape)
}

/** An axis counted from either end. */
export const resolveAxis = (node: Node, axis: number, rank: number): number => {
  const resolved = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= Math.max(1, rank)) throw opError(node, `there is no axis ${axis} in a tensor of rank ${rank}`)
  return resolved
}
