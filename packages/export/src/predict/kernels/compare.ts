import { BytesColumn } from '@millrace/core'
import { numbersOf, sizeOf, stringsOf, type StringData, type HostTensor } from '../../tensor/host-tensor.js'
import type { Node } from '../graph/graph.js'
import { broadcastPair } from './arithmetic.js'
import { inputOf, opError, type Kernel, type KernelTable } from './kernel.js'

type Test = (a: number, b: number) => boolean

const tests: { readonly [op: string]: Test } = {
  Equal: (a, b) => a === b,
  NotEqual: (a, b) => a !== b,
  Less: (a, b) => a < b,
  LessEqual: (a, b) => a <= b,
  Greater: (a, b) => a > b,
  GreaterEqual: (a, b) => a >= b,
}

/** Below 0, 0 or above 0, by bytes. */
const compareBytes = (a: StringData, i: number, b: StringData, j: number): number => {
  const [startA, startB] = [a.offsets[i]!, b.offsets[j]!]
  const [lengthA, lengthB] = [a.offsets[i + 1]! - startA, b.offsets[j + 1]! - startB]
  for (let k = 0; k < lengthA && k < lengthB; k++) {
    const difference = a.bytes[startA + k]! - b.bytes[startB + k]!
    if (difference !== 0) return difference
  }
  return lengthA - lengthB
}

const compare = (test: Test): Kernel => (node) => (inputs) => {
  const { a, b, shape } = broadcastPair(node, inputOf(node, inputs, 0), inputOf(node, inputs, 1))
  const out = new Uint8Array(sizeOf(shape))
  const [stepA, stepB] = [sizeOf(a.shape) === 1 ? 0 : 1, sizeOf(b.shape) === 1 ? 0 : 1]
  if (a.data instanceof BytesColumn) {
    const [x, y] = [stringsOf(a, node.name), stringsOf(b, node.name)]
    for (let i = 0; i < out.length; i++) out[i] = test(compareBytes(x, i * stepA, y, i * stepB), 0) ? 1 : 0
  } else {
    if (a.dtype === 'float16' || a.dtype === 'bfloat16') throw opError(node, `it does not run on ${a.dtype} here`)
    // Big integers compare exactly with the same operators.
    const [x, y] = [numbersOf(a, node.name) as Float64Array, numbersOf(b, node.name) as Float64Array]
    for (let i = 0; i < out.length; i++) out[i] = test(x[i * stepA]!, y[i * stepB]!) ? 1 : 0
  }
  return [{ dtype: 'bool', shape, data: out }]
}

const bools = (node: Node, tensor: HostTensor): Uint8Array => {
  if (tensor.dtype !== 'bool') throw opError(node, `it takes bool, not ${tensor.dtype}`)
  return numbersOf(tensor, node.name) as Uint8Array
}

const logical = (f: (a: number, b: number) => number): Kernel => (node) => (inputs) => {
  const { a, b, shape } = broadcastPair(node, inputOf(node, inputs, 0), inputOf(node, inputs, 1))
  const [x, y] = [bools(node, a), bools(node, b)]
  const [stepA, stepB] = [x.length === 1 ? 0 : 1, y.length === 1 ? 0 : 1]
  return [{ dtype: 'bool', shape, data: Uint8Array.from({ length: sizeOf(shape) }, (_, i) => f(x[i * stepA]!, y[i * stepB]!)) }]
}

const not: Kernel = (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  return [{ ...input, data: bools(node, input).map((value) => 1 - value) }]
}

/** Comparisons of numbers and of strings, and logic on their results. */
export const compareKernels: KernelTable = {
  ...Object.fromEntries(Object.entries(tests).map(([name, test]) => [name, compare(test)])),
  LogicalAnd: logical((a, b) => a & b),
  LogicalOr: logical((a, b) => a | b),
  LogicalNot: not,
}
