import { BytesColumn, failure } from '@millrace/core'
import { allocate, dtypeBytes, dtypeNumber, readDtype } from '../../tensor/dtypes.js'
import { numbersOf, sizeOf, stringColumn, type HostTensor, type StringData } from '../../tensor/host-tensor.js'
import type { Address, TensorFlowLibrary } from './bindings.js'
import { drop, hold } from './held.js'

/**
 * Strings in a tensor are `TF_TString`s of 24 bytes (`tensorflow/tsl/platform/ctstring_internal.h`). The low two bits of the first
 * word tell the kind, the rest is the size: SMALL holds its bytes in place, after one byte of size; LARGE and VIEW hold an address
 * (at 16 and at 8); OFFSET holds how far its bytes lie from it.
 */
const STRING_BYTES = 24
const SMALL = 0
const LARGE = 1
const OFFSET = 2
/** Bytes that fit in place, with the size before them and a NUL after. */
const SMALL_CAPACITY = 22

const copyIn = (library: TensorFlowLibrary, tensor: Address, bytes: Uint8Array): void => {
  if (bytes.length === 0) return
  const to = library.TF_TensorData(tensor)
  if (to === null) throw failure({ tag: 'Internal', code: 'NATIVE_TENSOR', problem: 'libtensorflow gave a tensor without memory' })
  library.memcpy(to, bytes, bytes.length)
}

/**
 * Strings as the memory of a tensor: short ones in place, long ones as OFFSET into what follows the array. So a tensor is one block
 * that it owns whole, however long the runtime keeps it, and no string has to be freed on its own.
 */
const encodeStringBlock = ({ offsets, bytes, length }: StringData): Uint8Array => {
  let total = length * STRING_BYTES
  for (let i = 0; i < length; i++) {
    const size = offsets[i + 1]! - offsets[i]!
    if (size > SMALL_CAPACITY) total += size + 1
  }
  const block = new Uint8Array(total)
  const view = new DataView(block.buffer)
  let free = length * STRING_BYTES
  for (let i = 0; i < length; i++) {
    const at = i * STRING_BYTES
    const text = bytes.subarray(offsets[i]!, offsets[i + 1]!)
    if (text.length <= SMALL_CAPACITY) {
      block[at] = (text.length << 2) | SMALL
      block.set(text, at + 1)
    } else {
      // Sizes of OFFSET have 30 bits, and offsets 32.
      if (text.length >= 2 ** 30 || free - at >= 2 ** 32) throw failure({ tag: 'Limit', code: 'STRINGS_TOO_LARGE', problem: `a string of ${text.length} bytes cannot be given to TensorFlow`, remedy: 'Feed it in parts.' })
      view.setUint32(at, ((text.length << 2) | OFFSET) >>> 0, true)
      view.setUint32(at + 4, free - at, true)
      view.setUint32(at + 8, 1, true)
      block.set(text, free)
      free += text.length + 1
    }
  }
  return block
}

/** Copies a tensor into memory of TensorFlow's. Whoever called frees it by {@link freeTensor}. */
export const makeNativeTensor = (library: TensorFlowLibrary, tensor: HostTensor): Address => {
  const { data } = tensor
  const bytes = data instanceof BytesColumn ? encodeStringBlock(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const dims = BigInt64Array.from(tensor.shape, BigInt)
  const address = library.TF_AllocateTensor(dtypeNumber(tensor.dtype), dims, dims.length, bytes.length)
  if (address === null) throw failure({ tag: 'Limit', code: 'OUT_OF_MEMORY', problem: `TensorFlow could not allocate ${bytes.length} bytes`, remedy: 'Feed less at a time.' })
  hold('tensors', address)
  copyIn(library, address, bytes)
  return address
}

/** Frees a tensor. */
export const freeTensor = (library: TensorFlowLibrary, tensor: Address): void => {
  library.TF_DeleteTensor(tensor)
  drop('tensors')
}

const readStrings = (library: TensorFlowLibrary, memory: Address, block: Uint8Array, count: number): StringData => {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  const offsets = new Int32Array(count + 1)
  const sizeAt = (at: number): number => {
    const kind = block[at]! & 3
    if (kind === SMALL) return block[at]! >> 2
    return kind === OFFSET ? view.getUint32(at, true) >>> 2 : Number(view.getBigUint64(at, true) >> 2n)
  }
  let total = 0
  for (let i = 0; i < count; i++) {
    total += sizeAt(i * STRING_BYTES)
    if (total > 0x7fffffff) throw failure({ tag: 'Limit', code: 'STRINGS_TOO_LARGE', problem: 'a fetched tensor of strings holds more than 2 GiB', remedy: 'Fetch a part of it.' })
    offsets[i + 1] = total
  }
  const bytes = new Uint8Array(total)
  for (let i = 0; i < count; i++) {
    const at = i * STRING_BYTES
    const size = offsets[i + 1]! - offsets[i]!
    const kind = block[at]! & 3
    if (kind === SMALL) {
      bytes.set(block.subarray(at + 1, at + 1 + size), offsets[i]!)
    } else if (size > 0) {
      const from = kind === OFFSET ? memory + BigInt(at + view.getUint32(at + 4, true)) : view.getBigUint64(at + (kind === LARGE ? 16 : 8), true)
      library.memcpy(bytes.subarray(offsets[i]!, offsets[i + 1]!), from, size)
    }
  }
  return stringColumn(offsets, bytes)
}

/** Copies a tensor of TensorFlow's into memory of ours; does not free it. @throws `Model` for a resource or a variant */
export const readNativeTensor = (library: TensorFlowLibrary, tensor: Address, use: string): HostTensor => {
  const dtype = readDtype(library.TF_TensorType(tensor), use)
  const shape = Array.from({ length: library.TF_NumDims(tensor) }, (_, index) => Number(library.TF_Dim(tensor, index)))
  const size = sizeOf(shape)
  const width = dtype === 'string' ? STRING_BYTES : dtypeBytes(dtype)
  if (width === undefined) throw failure({ tag: 'Model', code: 'NOT_FETCHABLE', problem: `${use} is a ${dtype}, which has no value outside TensorFlow`, remedy: 'Fetch what it holds.' })
  const memory = library.TF_TensorData(tensor)
  if (dtype === 'string') {
    const block = new Uint8Array(size * STRING_BYTES)
    if (size > 0) library.memcpy(block, memory, block.length)
    return { dtype, shape, data: readStrings(library, memory ?? 0n, block, size) }
  }
  const data = allocate(dtype, size)
  if (size > 0) library.memcpy(numbersOf({ dtype, shape, data }, use), memory, size * width)
  return { dtype, shape, data }
}
