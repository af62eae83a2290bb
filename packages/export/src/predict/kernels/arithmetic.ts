import { halves, readInt64, writeInt64 } from '@millrace/core'
import { allocate, type DType, type NumericData } from '../../tensor/dtypes.js'
import { numbersOf, sizeOf, type HostTensor } from '../../tensor/host-tensor.js'
import type { Node } from '../graph/graph.js'
import { inputOf, opError, type Kernel, type KernelTable } from './kernel.js'
import { broadcastShapes, broadcastTo } from './movement.js'

/** One arithmetic op on two numbers, for each family of types. */
interface BinaryOp {
  /** Floats, and integers up to 32 bits; results are wrapped or rounded when they are stored. */
  readonly number: (a: number, b: number) => number
  /** 64-bit integers that are not safe as numbers; wrapped when stored. */
  readonly bigint?: (a: bigint, b: bigint) => bigint
  /** `float32`, where rounding each step matters. Default `number`, rounded once. */
  readonly float32?: (a: number, b: number) => number
  /** Integers, where they differ from floats. Default `number`. */
  readonly integer?: (a: number, b: number) => number
  /** Integers of 32 bits and fewer whose result may pass 2⁵³, of which the low half is wanted. Default `integer`. */
  readonly int32?: (a: number, b: number) => number
  /** Integers must not have a 0 on the right. */
  readonly divides?: boolean
}

/** Beyond it, quotients of doubles may round to a neighbouring integer; below, all of these ops are exact. */
const SAFE_OPERAND = 2 ** 52

const abs = (value: bigint): bigint => (value < 0n ? -value : value)
const floorDivBig = (a: bigint, b: bigint): bigint => {
  const quotient = a / b
  return a % b !== 0n && (a < 0n) !== (b < 0n) ? quotient - 1n : quotient
}
/** `floor_mod` of `core/kernels/cwise_ops.h`: the sign of the divisor. */
const floorMod = (a: number, b: number): number => {
  const rest = a % b
  return rest !== 0 && (rest < 0) !== (b < 0) ? rest + b : rest
}
/** Exact for operands below 2⁵²: the quotient may be off by one, the remainder tells. */
const floorDivInteger = (a: number, b: number): number => {
  const quotient = Math.floor(a / b)
  const rest = a - quotient * b
  if (rest === 0) return quotient
  return (rest < 0) !== (b < 0) ? quotient - 1 : Math.abs(rest) >= Math.abs(b) ? quotient + 1 : quotient
}
const round = Math.fround

const ops: { readonly [op: string]: BinaryOp } = {
  Add: { number: (a, b) => a + b, bigint: (a, b) => a + b },
  AddV2: { number: (a, b) => a + b, bigint: (a, b) => a + b },
  Sub: { number: (a, b) => a - b, bigint: (a, b) => a - b },
  Mul: { number: (a, b) => a * b, int32: Math.imul, bigint: (a, b) => a * b },
  Maximum: { number: (a, b) => (Number.isNaN(a) || a >= b ? a : b), bigint: (a, b) => (a >= b ? a : b) },
  Minimum: { number: (a, b) => (Number.isNaN(a) || a <= b ? a : b), bigint: (a, b) => (a <= b ? a : b) },
  RealDiv: { number: (a, b) => a / b, integer: (a, b) => Math.trunc(a / b), bigint: (a, b) => a / b, divides: true },
  Div: { number: (a, b) => a / b, integer: (a, b) => Math.trunc(a / b), bigint: (a, b) => a / b, divides: true },
  TruncateDiv: { number: (a, b) => a / b, integer: (a, b) => Math.trunc(a / b), bigint: (a, b) => a / b, divides: true },
  DivNoNan: { number: (a, b) => (b === 0 ? 0 : a / b) },
  MulNoNan: { number: (a, b) => (b === 0 ? 0 : a * b) },
  FloorDiv: { number: (a, b) => Math.floor(a / b), float32: (a, b) => Math.floor(round(a / b)), integer: floorDivInteger, bigint: floorDivBig, divides: true },
  FloorMod: { number: floorMod, bigint: (a, b) => a - floorDivBig(a, b) * b, divides: true },
  Mod: { number: (a, b) => a % b, bigint: (a, b) => a % b, divides: true },
  TruncateMod: { number: (a, b) => a % b, bigint: (a, b) => a % b, divides: true },
  SquaredDifference: { number: (a, b) => (a - b) * (a - b), int32: (a, b) => Math.imul(a - b, a - b), float32: (a, b) => round(a - b) * round(a - b), bigint: (a, b) => (a - b) * (a - b) },
  Pow: { number: (a, b) => a ** b, integer: (a, b) => Math.trunc(a ** b), bigint: (a, b) => (b < 0n ? (abs(a) === 1n ? a ** (-b & 1n) : 0n) : a ** b) },
}

const is64 = (dtype: DType): boolean => dtype === 'int64' || dtype === 'uint64'
const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float64'
const numericTypes = new Set<DType>(['float32', 'float64', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'])

/**
 * 64-bit operands as numbers, two 32-bit halves at a time, which is some ten times faster than `BigInt`.
 *
 * @returns undefined as soon as an operand or a result is not surely exact
 */
const fast64 = (a: BigInt64Array, b: BigInt64Array, size: number, f: (a: number, b: number) => number): BigInt64Array | undefined => {
  const out = new BigInt64Array(size)
  const [left, right, words] = [halves(a), halves(b), halves(out)]
  const [stepA, stepB] = [a.length === 1 ? 0 : 1, b.length === 1 ? 0 : 1]
  for (let i = 0; i < size; i++) {
    const x = readInt64(left, i * stepA)
    const y = readInt64(right, i * stepB)
    const result = f(x, y)
    if (!(x < SAFE_OPERAND && x > -SAFE_OPERAND && y < SAFE_OPERAND && y > -SAFE_OPERAND && result <= Number.MAX_SAFE_INTEGER && result >= -Number.MAX_SAFE_INTEGER)) return undefined
    writeInt64(words, i, result)
  }
  return out
}

const compute = (node: Node, op: BinaryOp, dtype: DType, a: NumericData, b: NumericData, size: number): NumericData => {
  if (op.divides === true && !isFloat(dtype)) {
    const zero = is64(dtype) ? 0n : 0
    if ((b as Int32Array).includes(zero as number)) throw opError(node, 'it divides an integer by zero')
  }
  const [stepA, stepB] = [a.length === 1 ? 0 : 1, b.length === 1 ? 0 : 1]
  if (is64(dtype)) {
    if (op.bigint === undefined) throw opError(node, `it is not defined for ${dtype}`)
    const fast = dtype === 'int64' ? fast64(a as BigInt64Array, b as BigInt64Array, size, op.integer ?? op.number) : undefined
    if (fast !== undefined) return fast
    const out = allocate(dtype, size) as BigInt64Array
    const [x, y] = [a as BigInt64Array, b as BigInt64Array]
    // Storing wraps modulo 2⁶⁴, as TensorFlow's arithmetic does.
    for (let i = 0; i < size; i++) out[i] = op.bigint(x[i * stepA]!, y[i * stepB]!)
    return out
  }
  const out = allocate(dtype, size) as Float64Array
  const [x, y] = [a as Float64Array, b as Float64Array]
  const f = isFloat(dtype) ? (dtype === 'float32' ? (op.float32 ?? op.number) : op.number) : (op.int32 ?? op.integer ?? op.number)
  for (let i = 0; i < size; i++) out[i] = f(x[i * stepA]!, y[i * stepB]!)
  return out
}

/** Both inputs as arrays that step by one or not at all, and the shape of the result. */
export const broadcastPair = (node: Node, a: HostTensor, b: HostTensor): { readonly a: HostTensor; readonly b: HostTensor; readonly shape: readonly number[] } => {
  if (a.dtype !== b.dtype) throw opError(node, `its inputs are ${a.dtype} and ${b.dtype}`)
  const shape = broadcastShapes(node, a.shape, b.shape)
  return { a: sizeOf(a.shape) === 1 ? a : broadcastTo(a, shape), b: sizeOf(b.shape) === 1 ? b : broadcastTo(b, shape), shape }
}

const binary = (op: BinaryOp): Kernel => (node) => (inputs) => {
  const { a, b, shape } = broadcastPair(node, inputOf(node, inputs, 0), inputOf(node, inputs, 1))
  if (!numericTypes.has(a.dtype)) throw opError(node, `it does not run on ${a.dtype} here`)
  return [{ dtype: a.dtype, shape, data: compute(node, op, a.dtype, numbersOf(a, node.name), numbersOf(b, node.name), sizeOf(shape)) }]
}

const addN: Kernel = (node) => {
  const add = binary(ops['Add']!)(node)
  return (inputs, context) => [inputs.slice(1).reduce((sum, input) => add([sum, input], context)[0]!, inputOf(node, inputs, 0))]
}

/** Arithmetic on two tensors of one type, with broadcasting (`core/kernels/cwise_op_*.cc`). */
export const arithmeticKernels: KernelTable = { ...Object.fromEntries(Object.entries(ops).map(([name, op]) => [name, binary(op)])), AddN: addN }
