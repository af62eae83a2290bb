import { failure } from '@millrace/core'
import { fromInt64, int64ToNumber, type tensorflow } from '../proto/index.js'
import { allocate, dtypeBytes, readDtype, elementsFromBytes, type DType, type NumericData } from './dtypes.js'
import { numericTensor, sizeOf, stringColumn, stringData, stringTensor, type HostTensor } from './host-tensor.js'

/**
 * Largest tensor that a short message may stand for (a single value is broadcast to the declared shape), in elements. A
 * graph of a few bytes must not make us allocate gigabytes; what holds its elements in full is bounded by its own size.
 */
const MAX_BROADCAST_ELEMENTS = 2 ** 26
/** The same for bytes of strings, each of which takes its length besides. */
const MAX_BROADCAST_STRING_BYTES = 2 ** 28
const STRING_BYTES = 16

/** Most dimensions a tensor may have; TensorFlow's own limit. */
export const MAX_RANK = 254

/** Sizes of a fully known shape. @throws `Model` for an unknown or impossible size */
export const knownShape = (shape: tensorflow.ITensorShapeProto | null | undefined, use: string): number[] => {
  const sizes = (shape?.dim ?? []).map((dim) => int64ToNumber(dim.size))
  const size = sizeOf(sizes)
  if (shape?.unknownRank === true || sizes.length > MAX_RANK || sizes.some((dim) => dim < 0) || !Number.isSafeInteger(size)) {
    throw failure({ tag: 'Model', code: 'BAD_SHAPE', problem: `${use} has the impossible shape [${sizes.slice(0, 8).join(',')}${sizes.length > 8 ? ',…' : ''}]` })
  }
  return sizes
}

const valuesOf = (proto: tensorflow.ITensorProto, dtype: DType): readonly (number | bigint | boolean)[] => {
  switch (dtype) {
    case 'float32': return proto.floatVal ?? []
    case 'float64': return proto.doubleVal ?? []
    case 'int64': return (proto.int64Val ?? []).map(fromInt64)
    case 'uint64': return (proto.uint64Val ?? []).map((value) => BigInt.asUintN(64, fromInt64(value)))
    case 'uint32': return proto.uint32Val ?? []
    case 'bool': return proto.boolVal ?? []
    case 'float16':
    case 'bfloat16': return proto.halfVal ?? []
    default: return proto.intVal ?? []
  }
}

/**
 * A tensor of its message. Short lists of values repeat their last value, no values at all mean zeros, as in
 * `tensorflow/core/framework/tensor.cc`.
 *
 * @param elements - `elementsOverBytes` lets the tensor share the message's memory
 * @throws `Model` when shape and contents do not fit, `Limit` when a short message stands for a huge tensor
 */
export const decodeTensorProto = (proto: tensorflow.ITensorProto, use: string, elements = elementsFromBytes): HostTensor => {
  const dtype = readDtype(proto.dtype, use)
  const shape = knownShape(proto.tensorShape, use)
  const size = sizeOf(shape)
  const content = proto.tensorContent ?? new Uint8Array()
  const misfit = (found: number): Error =>
    failure({ tag: 'Model', code: 'BAD_TENSOR', problem: `${use} holds ${found} elements, and its shape [${shape.join(',')}] has ${size}` })
  const tooLarge = (): Error =>
    failure({ tag: 'Limit', code: 'TENSOR_TOO_LARGE', problem: `${use} declares ${size} elements of one repeated value; at most ${MAX_BROADCAST_ELEMENTS} are made` })
  if (dtype === 'string') {
    if (content.length > 0) return stringTensor(shape, decodeStringContent(content, size, use))
    const values = proto.stringVal ?? []
    if (values.length > size) throw misfit(values.length)
    const last = values[values.length - 1] ?? new Uint8Array()
    if ((size - values.length) * (last.length + STRING_BYTES) > MAX_BROADCAST_STRING_BYTES) throw tooLarge()
    return stringTensor(shape, stringData(values.length === size ? values : [...values, ...new Array<Uint8Array>(size - values.length).fill(last)]))
  }
  const bytes = dtypeBytes(dtype)
  if (bytes === undefined) throw failure({ tag: 'Model', code: 'UNKNOWN_DTYPE', problem: `${use} is a ${dtype} constant, which has no plain value` })
  if (content.length > 0) {
    if (content.length !== size * bytes) throw misfit(content.length / bytes)
    return numericTensor(dtype, shape, elements(dtype, content))
  }
  const values = valuesOf(proto, dtype)
  if (values.length > size) throw misfit(values.length)
  if (size > values.length && size > MAX_BROADCAST_ELEMENTS) throw tooLarge()
  const data = allocate(dtype, size)
  for (let i = 0; i < values.length; i++) data[i] = typeof values[i] === 'boolean' ? Number(values[i]) : values[i] as number
  if (values.length > 0) fillFrom(data, values.length, data[values.length - 1]!)
  return numericTensor(dtype, shape, data)
}

const fillFrom = (data: NumericData, start: number, value: number | bigint): void => {
  ;(data as Float32Array).fill(value as number, start)
}

/** Strings in `tensor_content`: all lengths as varints, then all bytes (`port::EncodeStringList`). */
const decodeStringContent = (content: Uint8Array, size: number, use: string): ReturnType<typeof stringColumn> => {
  const bad = (): Error => failure({ tag: 'Model', code: 'BAD_TENSOR', problem: `the strings of ${use} do not fit its ${size} elements` })
  if (size > content.length) throw bad()
  const offsets = new Int32Array(size + 1)
  let at = 0
  for (let i = 0; i < size; i++) {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = content[at++]
      if (byte === undefined || shift > 28) throw bad()
      length += (byte & 127) * 2 ** shift
      if (byte < 128) break
    }
    const end = offsets[i]! + length
    if (end > content.length) throw bad()
    offsets[i + 1] = end
  }
  if (content.length - at !== offsets[size]) throw bad()
  return stringColumn(offsets, content.slice(at))
}
