import { allocate, type DType, type NumericData } from '../../tensor/dtypes.js'
import { numbersOf, type HostTensor } from '../../tensor/host-tensor.js'
import { dtypeAttr } from '../graph/graph.js'
import { inputOf, opError, type Kernel, type KernelTable } from './kernel.js'

const float32Bits = new Uint32Array(1)
const float32Value = new Float32Array(float32Bits.buffer)

/** The number that 16 bits of IEEE half precision stand for. */
export const fromHalf = (bits: number): number => {
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** The number that 16 bits of bfloat16 stand for: the upper half of a float32. */
export const fromBfloat16 = (bits: number): number => {
  float32Bits[0] = bits << 16
  return float32Value[0]!
}

const ranges: { readonly [D in DType]?: readonly [number, number] } = {
  int32: [-2147483648, 2147483647],
  int64: [-(2 ** 63), 2 ** 63],
}

/** What the x86 conversion gives for floats that no integer of the type equals; TensorFlow leaves it to the machine. */
const toInteger = (dtype: DType, x: number): number => {
  const whole = Math.trunc(x)
  const range = ranges[dtype]
  if (range === undefined) return whole
  return whole >= range[0] && (dtype === 'int64' ? whole < range[1] : whole <= range[1]) ? whole : range[0]
}

/** The elements as numbers or big integers, 16-bit floats widened. */
const readable = (tensor: HostTensor, use: string): Exclude<NumericData, never> => {
  const data = numbersOf(tensor, use)
  if (tensor.dtype === 'float16') return Float32Array.from(data as Uint16Array, fromHalf)
  if (tensor.dtype === 'bfloat16') return Float32Array.from(data as Uint16Array, fromBfloat16)
  return data
}

/** A 64-bit integer as float32, rounded once: the bits that can only decide a tie become one bit before float64 would round them away. */
const bigToFloat32 = (x: bigint): number => Number((x & 0xfffn) === 0n || BigInt.asIntN(54, x) === x ? x : (x & ~0xfffn) | 0x1000n)

/** A tensor as another type, as `Cast` does it (`core/kernels/cast_op.cc`): floats to integers towards zero, anything to bool by `≠ 0`. */
export const castTensor = (tensor: HostTensor, dtype: DType, use: string): HostTensor => {
  if (tensor.dtype === dtype) return tensor
  const data = readable(tensor, use)
  const out = allocate(dtype, data.length)
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array
  const wide = dtype === 'int64' || dtype === 'uint64'
  const float = data instanceof Float32Array || data instanceof Float64Array
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!
    if (dtype === 'bool') out[i] = Number(x) !== 0 ? 1 : 0
    else if (wide) out[i] = big ? x : BigInt(float ? toInteger(dtype, x as number) || 0 : x)
    else if (dtype === 'float32' && big) out[i] = bigToFloat32(x as bigint)
    else if (dtype === 'float32' || dtype === 'float64') out[i] = Number(x)
    else out[i] = big ? Number(BigInt.asIntN(32, x as bigint)) : float ? toInteger(dtype, x as number) : x
  }
  return { dtype, shape: tensor.shape, data: out }
}

const cast: Kernel = (node) => {
  const to = dtypeAttr(node, 'DstT')
  if (to === 'string' || to === 'float16' || to === 'bfloat16' || to === 'resource' || to === 'variant') throw opError(node, `it casts to ${to}`)
  return (inputs) => [castTensor(inputOf(node, inputs, 0), to, `the node ${node.name}`)]
}

export const castKernels: KernelTable = { Cast: cast }
