import { failure } from '@millrace/core'
import { dtypeNumbers, type DType } from '../graph/dtype.js'
import type { NumericData } from '../graph/tensor-value.js'

export type { DType, NumericData }

/** Arrays that hold the elements of each type that has a fixed size; 16-bit floats as their bits. */
const arrays: { readonly [D in DType]?: { new (buffer: ArrayBuffer | number, byteOffset?: number, length?: number): NumericData; readonly BYTES_PER_ELEMENT: number } } = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int8: Int8Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  bfloat16: Uint16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
}

const byNumber = new Map<number, DType>(Object.entries(dtypeNumbers).map(([name, number]) => [number, name as DType]))
/** TensorFlow numbers the reference type of a type 100 higher (`VariableV2` has them). */
const REFERENCE = 100

/** The type with a number of TensorFlow's enum. @throws `Model` for a type that Millrace does not know */
export const readDtype = (number: number | null | undefined, use: string): DType => {
  const value = number ?? 0
  const found = byNumber.get(value > REFERENCE ? value - REFERENCE : value)
  if (found !== undefined) return found
  throw failure({ tag: 'Model', code: 'UNKNOWN_DTYPE', problem: `${use} has the TensorFlow data type ${value}, which Millrace does not read` })
}

/** Bytes that one element takes; `undefined` for strings, resources and variants. */
export const dtypeBytes = (dtype: DType): number | undefined => arrays[dtype]?.BYTES_PER_ELEMENT

/** A zeroed array for `length` elements. @throws `Model` for a type that is not numeric */
export const allocate = (dtype: DType, length: number): NumericData => new (numericArray(dtype))(length)

/** `bytes`, little-endian as TensorFlow writes them, as elements; copied, so that they are aligned. */
export const elementsFromBytes = (dtype: DType, bytes: Uint8Array): NumericData => new (numericArray(dtype))(new Uint8Array(bytes).buffer)

/** {@link elementsFromBytes}, without the copy where the bytes lie aligned. What it gives shares their memory. */
export const elementsOverBytes = (dtype: DType, bytes: Uint8Array): NumericData => {
  const array = numericArray(dtype)
  if (bytes.byteOffset % array.BYTES_PER_ELEMENT !== 0) return elementsFromBytes(dtype, bytes)
  return new array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / array.BYTES_PER_ELEMENT)
}

const numericArray = (dtype: DType): NonNullable<(typeof arrays)[DType]> => {
  const array = arrays[dtype]
  if (array !== undefined) return array
  throw failure({ tag: 'Model', code: 'NOT_NUMERIC', problem: `a tensor of type ${dtype} has no numeric elements` })
}

/** The number of a type in TensorFlow's enum. */
export const dtypeNumber = (dtype: DType): number => dtypeNumbers[dtype]
