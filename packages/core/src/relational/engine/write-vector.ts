import { bitmapBytes, BoolColumn, BytesColumn, DecimalColumn, DictionaryColumn, FixedColumn, getBit, ListColumn, sliceBits, type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import type { DuckBinding, Handle } from './binding.js'

/** Texts up to this length lie inside DuckDB's 16-byte `string_t`; longer ones behind a pointer. */
export const INLINE_BYTES = 12

/** Fills the first `column.length` rows of a vector. List vectors grow as needed; others must have the capacity. */
export const writeVector = (binding: DuckBinding, vector: Handle<'vector'>, column: Column): void => {
  if (column instanceof DictionaryColumn) return writeVector(binding, vector, column.expand())
  if (column instanceof FixedColumn) copy(binding, vector, column.values)
  else if (column instanceof DecimalColumn) copy(binding, vector, column.words)
  else if (column instanceof BoolColumn) copy(binding, vector, bytesOfBits(column))
  else if (column instanceof BytesColumn) writeBytes(binding, vector, column)
  else if (column instanceof ListColumn) writeList(binding, vector, column)
  else throw failure({ tag: 'Internal', code: 'UNKNOWN_LAYOUT', problem: `no engine form for ${column.constructor.name}` })
  if (column.validity !== undefined && column.nullCount > 0) writeValidity(binding, vector, column.validity, column.length)
}

const copy = (binding: DuckBinding, vector: Handle<'vector'>, values: ArrayBufferView): void =>
  binding.copy_data_to_vector(vector, 0, values.buffer, values.byteOffset, values.byteLength)

const writeValidity = (binding: DuckBinding, vector: Handle<'vector'>, validity: Uint8Array, length: number): void => {
  // DuckDB's mask is the same bitmap in 64-bit words.
  const words = new Uint8Array(Math.ceil(length / 64) * 8)
  words.set(sliceBits(validity, 0, length).subarray(0, bitmapBytes(length)))
  binding.vector_ensure_validity_writable(vector)
  binding.copy_data_to_vector_validity(vector, 0, words.buffer, 0, words.byteLength)
}

const bytesOfBits = (column: BoolColumn): Uint8Array => {
  const bytes = new Uint8Array(column.length)
  for (let row = 0; row < bytes.length; row++) bytes[row] = getBit(column.bits, row) ? 1 : 0
  return bytes
}

const writeBytes = (binding: DuckBinding, vector: Handle<'vector'>, { offsets, bytes, length }: BytesColumn): void => {
  const strings = new Uint8Array(length * 16)
  const lengths = new Uint32Array(strings.buffer)
  const long: number[] = []
  for (let row = 0; row < length; row++) {
    const start = offsets[row]!
    const size = offsets[row + 1]! - start
    if (size > INLINE_BYTES) {
      long.push(row)
      continue
    }
    lengths[row * 4] = size
    for (let i = 0, at = row * 16 + 4; i < size; i++) strings[at + i] = bytes[start + i]!
  }
  copy(binding, vector, strings)
  for (const row of long) binding.vector_assign_string_element_len(vector, row, bytes.subarray(offsets[row], offsets[row + 1]))
}

const writeList = (binding: DuckBinding, vector: Handle<'vector'>, { offsets, items, length }: ListColumn): void => {
  const first = offsets[0]!
  const entries = new BigUint64Array(length * 2)
  for (let row = 0; row < length; row++) {
    entries[2 * row] = BigInt(offsets[row]! - first)
    entries[2 * row + 1] = BigInt(offsets[row + 1]! - offsets[row]!)
  }
  const total = offsets[length]! - first
  binding.list_vector_reserve(vector, total)
  binding.list_vector_set_size(vector, total)
  if (total > 0) writeVector(binding, binding.list_vector_get_child(vector), items.slice(first, first + total))
  copy(binding, vector, entries)
}
