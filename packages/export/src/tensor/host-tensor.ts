import { BytesColumn, bytesColumn, failure, field } from '@millrace/core'
import { allocate, type DType, type NumericData } from './dtypes.js'

/** Strings of a tensor in row-major order, as byte strings in Arrow's layout: no object a value. */
export type StringData = BytesColumn<Uint8Array>

/**
 * A tensor in plain memory, row-major.
 *
 * `bool` is held as bytes 0 and 1; `float16` and `bfloat16` as their raw 16 bits; strings as columns of bytes. Immutable by
 * contract: buffers are shared.
 */
export interface HostTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: NumericData | StringData
}

/** Product of the dimensions. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

/** A tensor of numeric elements. */
export const numericTensor = (dtype: DType, shape: readonly number[], data: NumericData): HostTensor => ({ dtype, shape, data })

/** A tensor of strings. */
export const stringTensor = (shape: readonly number[], data: StringData): HostTensor => ({ dtype: 'string', shape, data })

/** A scalar or vector of whole numbers, as `int32` or `int64`. */
export const integerTensor = (dtype: 'int32' | 'int64', shape: readonly number[], values: readonly number[]): HostTensor => {
  const data = allocate(dtype, values.length)
  for (let i = 0; i < values.length; i++) data[i] = dtype === 'int64' ? BigInt(values[i]!) : values[i]!
  return numericTensor(dtype, shape, data)
}

const encoder = new TextEncoder()

/** Byte strings as one column. */
export const stringData = (values: readonly (Uint8Array | string)[]): StringData => {
  const parts = values.map((value) => (typeof value === 'string' ? encoder.encode(value) : value))
  const offsets = new Int32Array(parts.length + 1)
  let total = 0
  for (let i = 0; i < parts.length; i++) {
    total += parts[i]!.length
    if (total > 0x7fffffff) throw failure({ tag: 'Limit', code: 'STRINGS_TOO_LARGE', problem: 'a tensor of strings would hold more than 2 GiB' })
    offsets[i + 1] = total
  }
  const bytes = new Uint8Array(total)
  for (let i = 0; i < parts.length; i++) bytes.set(parts[i]!, offsets[i]!)
  return stringColumn(offsets, bytes)
}

/** A column of byte strings over `length + 1` offsets into `bytes`, without copying. */
export const stringColumn = (offsets: Int32Array, bytes: Uint8Array): StringData => bytesColumn(field.binary(), offsets, bytes)

/** The strings of a tensor. @throws `Model` when it holds something else */
export const stringsOf = (tensor: HostTensor, use: string): StringData => {
  if (tensor.data instanceof BytesColumn) return tensor.data
  throw failure({ tag: 'Model', code: 'WRONG_DTYPE', problem: `${use} takes strings, not ${tensor.dtype}` })
}

/** The numeric elements of a tensor. @throws `Model` when it holds strings or a resource */
export const numbersOf = (tensor: HostTensor, use: string): NumericData => {
  if (ArrayBuffer.isView(tensor.data)) return tensor.data
  throw failure({ tag: 'Model', code: 'WRONG_DTYPE', problem: `${use} takes numbers, not ${tensor.dtype}` })
}

/** Elements as JavaScript numbers: shapes, axes, indices. @throws `Model` for one beyond ±2⁵³ */
export const smallNumbers = (tensor: HostTensor, use: string): number[] => Array.from(numbersOf(tensor, use) as ArrayLike<number | bigint>, (value) => {
  const number = Number(value)
  if (typeof value === 'bigint' && !Number.isSafeInteger(number)) {
    throw failure({ tag: 'Model', code: 'OUT_OF_RANGE', problem: `${use}: ${value} is too large for a shape, an axis or an index` })
  }
  return number
})
