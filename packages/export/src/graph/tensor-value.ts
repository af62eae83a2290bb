import { failure } from '@millrace/core'
import type { tensorflow } from '../proto/index.js'
import { dtypeNumbers, type DType } from './dtype.js'
import { encodeShape } from './shape.js'

/** Elements of a numeric tensor in row-major order; `bool` as one byte each. */
export type NumericData =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

/** Elements of a tensor, row-major. Strings are bytes, or text that is encoded as UTF-8. */
export type TensorData = NumericData | readonly (string | Uint8Array)[]

/** A tensor whose elements are known. */
export interface TensorValue {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Not copied: whoever changes it changes the value. */
  readonly data: TensorData
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const

const bits64 = (dtype: DType): dtype is 'int64' | 'uint64' => dtype === 'int64' || dtype === 'uint64'

/**
 * A tensor from plain numbers, bigints, booleans or strings.
 *
 * @throws `Model` when the number of values is not that of the shape, or the dtype has no plain values (`resource`, halves)
 */
export const tensorValue = (
  dtype: DType,
  shape: readonly number[],
  values: ArrayLike<number | bigint | boolean | string | Uint8Array>,
): TensorValue => {
  const count = shape.reduce((product, dim) => product * dim, 1)
  if (values.length !== count) {
    throw failure({ tag: 'Model', code: 'GRAPH_VALUE_COUNT', problem: `${values.length} values do not fill a tensor of shape [${shape.join(', ')}]` })
  }
  if (dtype === 'string') return { dtype, shape, data: Array.from(values, (value) => (value instanceof Uint8Array ? value : String(value))) }
  const make = arrays[dtype as keyof typeof arrays] as (new (length: number) => NumericData) | undefined
  if (make === undefined) {
    throw failure({ tag: 'Model', code: 'GRAPH_VALUE_DTYPE', problem: `a constant of dtype ${dtype} cannot be made from plain values` })
  }
  const data = new make(count)
  for (let index = 0; index < count; index += 1) {
    const value = values[index] as number | bigint | boolean
    data[index] = bits64(dtype) ? BigInt(value) : Number(value)
  }
  return { dtype, shape, data }
}

/** The elements' bytes, little-endian, without a copy where the machine is. */
export const littleEndianBytes = (data: NumericData): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

const encoder = new TextEncoder()

/** The elements of a string tensor as bytes. */
export const stringBytes = (data: readonly (string | Uint8Array)[]): Uint8Array[] =>
  data.map((value) => (typeof value === 'string' ? encoder.encode(value) : value))

/** True for the data of a `string` tensor. */
export const isStringData = (data: TensorData): data is readonly (string | Uint8Array)[] => Array.isArray(data)

/** A tensor as TensorFlow's message: numbers in `tensor_content`, strings in `string_val`. */
export const encodeTensor = (value: TensorValue): tensorflow.TensorProto.$Properties => ({
  dtype: dtypeNumbers[value.dtype] as tensorflow.DataType,
  tensorShape: encodeShape(value.shape),
  ...(isStringData(value.data) ? { stringVal: stringBytes(value.data) } : { tensorContent: littleEndianBytes(value.data) }),
})
