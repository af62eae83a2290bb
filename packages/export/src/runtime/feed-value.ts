import { BoolColumn, BytesColumn, ConversionError, FixedColumn, failure } from '@millrace/core'
import { valuesTensor, type InputValues } from '../predict/input-values.js'
import { allocate, dtypeBytes, type DType, type NumericData } from '../tensor/dtypes.js'
import { encodeHalves, isHalf } from '../tensor/half.js'
import { sizeOf, stringData, type HostTensor, type StringData } from '../tensor/host-tensor.js'
import type { GraphInput } from './graph-inputs.js'

/** A tensor that says all about itself: what a fetch gives, a `TensorValue` of the graph builder, or written out. */
export interface FullTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Row-major; 16-bit floats as bits, `bool` as bytes 0 and 1, strings as bytes or text (UTF-8). Not copied before it is sent. */
  readonly data: NumericData | StringData | readonly (string | Uint8Array)[]
}

/** A tensor of TensorFlow.js, as far as it is used. It is read at once, so it may be disposed as soon as the step has been asked for. */
export interface TensorLike {
  readonly dtype: string
  readonly shape: readonly number[]
  dataSync(): unknown
}

/**
 * What may be fed: a full tensor, a tensor of TensorFlow.js, or values in any form that predictors take (numbers, text, nested
 * arrays, typed arrays, `{ values, shape }`, columns). The latter take the dtype of the placeholder that they are fed to. Where the
 * tensor is no placeholder of the graph, a typed array has its own dtype, other numbers are float32, and bigints int64.
 */
export type FeedValue = FullTensor | TensorLike | InputValues

const bad = (name: string, problem: string, remedy?: string): Error =>
  failure({ tag: 'Schema', code: 'BAD_FEED', problem, remedy, position: { column: name } })

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !Array.isArray(value)
const isTensorLike = (value: unknown): value is TensorLike => isObject(value) && 'dataSync' in value && typeof value.dataSync === 'function'
const isFull = (value: unknown): value is FullTensor => isObject(value) && 'dtype' in value && 'shape' in value && 'data' in value

const checkShape = (name: string, shape: readonly number[], length: number): void => {
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) throw bad(name, `its shape is [${String(shape)}]`)
  if (sizeOf(shape) !== length) throw bad(name, `${length} values do not fill the shape [${shape.join(',')}]`)
}

const fullTensor = (name: string, { dtype, shape, data }: FullTensor): HostTensor => {
  const strings = data instanceof BytesColumn || Array.isArray(data)
  checkShape(name, shape, data.length)
  if (dtype === 'string') {
    if (!strings) throw bad(name, 'a tensor of strings holds numbers')
    return { dtype, shape, data: Array.isArray(data) ? stringData(data) : data as StringData }
  }
  if (dtypeBytes(dtype) === undefined) throw bad(name, `a tensor of type ${dtype} cannot be fed`, 'Feed what it was made of.')
  const wanted = allocate(dtype, 0).constructor
  if (strings || data.constructor !== wanted) throw bad(name, `a tensor of type ${dtype} holds its elements in a ${data.constructor.name}`, `Use a ${wanted.name}.`)
  return { dtype, shape, data: data as NumericData }
}

const arrayDtypes: readonly (readonly [unknown, DType])[] = [
  [Float32Array, 'float32'], [Float64Array, 'float64'], [Int32Array, 'int32'], [Int16Array, 'int16'], [Int8Array, 'int8'], [Uint8Array, 'uint8'],
  [Uint16Array, 'uint16'], [Uint32Array, 'uint32'], [BigInt64Array, 'int64'], [BigUint64Array, 'uint64'],
]

const ownDtype = (name: string, value: unknown): DType => {
  if (ArrayBuffer.isView(value)) {
    const found = arrayDtypes.find(([array]) => value instanceof (array as typeof Float32Array))
    if (found !== undefined) return found[1]
  }
  if (Array.isArray(value)) return value.length === 0 ? 'float32' : ownDtype(name, value[0])
  if (value instanceof BytesColumn) return 'string'
  if (value instanceof BoolColumn) return 'bool'
  if (value instanceof FixedColumn) return ownDtype(name, value.values)
  if (isObject(value) && 'values' in value) return ownDtype(name, value.values)
  switch (typeof value) {
    case 'number': return 'float32'
    case 'bigint': return 'int64'
    case 'boolean': return 'bool'
    case 'string': return 'string'
    default: throw bad(name, `its values are ${value === null ? 'null' : value === undefined ? 'missing' : value.constructor.name}`)
  }
}

const convert = (name: string, value: InputValues, dtype: DType): HostTensor => {
  try {
    // The bits of a half, not numbers to round to one.
    const isBits = isHalf(dtype) && (value instanceof Uint16Array || (isObject(value) && 'values' in value && value.values instanceof Uint16Array))
    if (!isHalf(dtype) || isBits) {
      const tensor = valuesTensor(value, isBits ? 'uint16' : dtype)
      checkShape(name, tensor.shape, tensor.data.length)
      return { ...tensor, dtype }
    }
    const { shape, data } = valuesTensor(value, 'float32')
    checkShape(name, shape, data.length)
    return { dtype, shape, data: encodeHalves(dtype, data as Float32Array) }
  } catch (thrown) {
    if (thrown instanceof ConversionError) throw bad(name, thrown.message)
    throw thrown
  }
}

const asTensor = (name: string, value: FeedValue, wanted: DType | undefined): HostTensor => {
  if (isTensorLike(value)) {
    const values = value.dataSync() as NumericData | readonly string[]
    return convert(name, { values, shape: value.shape }, wanted ?? value.dtype as DType)
  }
  return isFull(value) ? fullTensor(name, value) : convert(name, value, wanted ?? ownDtype(name, value))
}

const describe = (dtype: DType, shape: readonly number[]): string => `${dtype}[${shape.map((size) => (size < 0 ? '?' : size)).join(',')}]`

/**
 * The tensor to feed. It is compared with the placeholder here, since servers do not, and run on with what fits nothing.
 *
 * @param input - the placeholder, where it is known
 * @throws `Schema` with code `BAD_FEED` that names the feed
 */
export const feedTensor = (name: string, value: FeedValue, input: GraphInput | undefined): HostTensor => {
  const tensor = asTensor(name, value, input?.dtype)
  if (input === undefined) return tensor
  const { dtype, shape } = input
  const fits = shape === undefined || (shape.length === tensor.shape.length && shape.every((size, axis) => size < 0 || size === tensor.shape[axis]))
  if (tensor.dtype === dtype && fits) return tensor
  throw bad(name, `a ${describe(tensor.dtype, tensor.shape)} was given where the graph takes a ${shape === undefined ? dtype : describe(dtype, shape)}`)
}
