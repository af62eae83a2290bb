import { allocate, type DType } from '../../tensor/dtypes.js'
import { numbersOf, type HostTensor } from '../../tensor/host-tensor.js'
import { dtypeAttr } from '../graph/graph.js'
import { inputOf, opError, type Kernel, type KernelTable } from './kernel.js'

/** Half to even, as `rint`. */
const roundEven = (x: number): number => {
  const floor = Math.floor(x)
  const rest = x - floor
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

/** By the Chebyshev fit of Numerical Recipes (`erfcc`): relative error below 1.2e-7, what float32 holds. */
const erfc = (x: number): number => {
  const z = Math.abs(x)
  const t = 1 / (1 + 0.5 * z)
  const terms = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223]
  const result = t * Math.exp(-z * z + terms.reduce((sum, term) => sum * t + term, 0))
  return x >= 0 ? result : 2 - result
}

const floats: { readonly [op: string]: (x: number) => number } = {
  Sqrt: Math.sqrt,
  Rsqrt: (x) => 1 / Math.sqrt(x),
  Exp: Math.exp,
  Expm1: Math.expm1,
  Log: Math.log,
  Log1p: Math.log1p,
  Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  Tanh: Math.tanh,
  Sin: Math.sin,
  Cos: Math.cos,
  Floor: Math.floor,
  Ceil: Math.ceil,
  Reciprocal: (x) => 1 / x,
  Inv: (x) => 1 / x,
}

/** An op that integers have too. */
interface NumberOp {
  readonly number: (x: number) => number
  readonly bigint: (x: bigint) => bigint
  /** Integers of 32 bits and fewer, where a result may pass 2⁵³. Default `number`. */
  readonly int32?: (x: number) => number
}

const numbers: { readonly [op: string]: NumberOp } = {
  Neg: { number: (x) => -x, bigint: (x) => -x },
  Abs: { number: Math.abs, bigint: (x) => (x < 0n ? -x : x) },
  Sign: { number: Math.sign, bigint: (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n) },
  Square: { number: (x) => x * x, int32: (x) => Math.imul(x, x), bigint: (x) => x * x },
  Relu: { number: (x) => (x > 0 || Number.isNaN(x) ? x : 0), bigint: (x) => (x > 0n ? x : 0n) },
  Round: { number: roundEven, bigint: (x) => x },
  Rint: { number: roundEven, bigint: (x) => x },
}

const tests: { readonly [op: string]: (x: number) => boolean } = {
  IsNan: Number.isNaN,
  IsFinite: Number.isFinite,
  IsInf: (x) => x === Infinity || x === -Infinity,
}

const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float64'

const onFloats = <D extends DType>(make: (input: HostTensor, data: Float64Array) => HostTensor): Kernel => (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  if (!isFloat(input.dtype)) throw opError(node, `it does not run on ${input.dtype as D} here`)
  return [make(input, numbersOf(input, node.name) as Float64Array)]
}

const erfcOp: Kernel = (node) => {
  if (dtypeAttr(node, 'T', 'float32') !== 'float32') throw opError(node, 'it runs on float32 only')
  return floatOp(erfc)(node)
}

const floatOp = (f: (x: number) => number): Kernel => onFloats((input, data) => ({ ...input, data: data.map((x) => f(x)) }))
const testOp = (f: (x: number) => boolean): Kernel => onFloats((input, data) => ({ ...input, dtype: 'bool', data: Uint8Array.from(data, (x) => (f(x) ? 1 : 0)) }))

const numberOp = (op: NumberOp): Kernel => (node) => (inputs) => {
  const input = inputOf(node, inputs, 0)
  if (input.dtype === 'float16' || input.dtype === 'bfloat16' || input.dtype === 'bool') throw opError(node, `it does not run on ${input.dtype} here`)
  const data = numbersOf(input, node.name)
  const out = allocate(input.dtype, data.length)
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) for (let i = 0; i < data.length; i++) out[i] = op.bigint(data[i]!)
  else {
    const f = isFloat(input.dtype) ? op.number : (op.int32 ?? op.number)
    for (let i = 0; i < data.length; i++) out[i] = f(data[i]!)
  }
  return [{ ...input, data: out }]
}

const fromEntries = <A>(table: { readonly [op: string]: A }, make: (op: A) => Kernel): KernelTable =>
  Object.fromEntries(Object.entries(table).map(([name, op]) => [name, make(op)]))

/** Ops on the elements of one tensor. */
export const unaryKernels: KernelTable = { ...fromEntries(floats, floatOp), ...fromEntries(numbers, numberOp), ...fromEntries(tests, testOp), Erfc: erfcOp }
