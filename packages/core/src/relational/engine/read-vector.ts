import {
  bitmapBytes, boolColumn, bytesColumn, columnFrom, DecimalColumn, fixedColumn, getBit, ListColumn, setBit, type Column, type Values,
} from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import type { Field } from '../../schema/index.js'
import type { DuckBinding, Handle } from './binding.js'
import { layoutOf } from './layout.js'
import { INLINE_BYTES } from './write-vector.js'

const arrays: { readonly [kind: string]: new (buffer: ArrayBuffer) => Values } = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  float32: Float32Array, float64: Float64Array, date: Int32Array, timestamp: BigInt64Array,
}

/** The first `length` rows of a vector, copied out of the engine's memory, as a column of `field`. */
export const readVector = (binding: DuckBinding, vector: Handle<'vector'>, field: Field, length: number): Column => {
  if (field.kind === 'dictionary') return columnFrom(field, readVector(binding, vector, { ...field.params.item!, nullable: field.nullable }, length).toArray())
  const validity = readValidity(binding, vector, length)
  const data = length === 0 ? new Uint8Array() : binding.vector_get_data(vector, length * layoutOf(field).bytes)
  switch (field.kind) {
    case 'utf8':
    case 'binary':
      return readBytes(binding, data, field, length, validity)
    case 'bool': {
      const bits = new Uint8Array(bitmapBytes(length))
      for (let row = 0; row < length; row++) if (data[row] === 1) setBit(bits, row)
      return boolColumn(field, bits, length, validity)
    }
    case 'decimal':
      return new DecimalColumn(field, new BigInt64Array(data.slice().buffer), validity)
    case 'list':
      return readList(binding, vector, data, field, length, validity)
  }
  const array = arrays[field.kind]
  if (array === undefined) throw failure({ tag: 'Internal', code: 'UNKNOWN_LAYOUT', problem: `no column form for the engine's ${field.kind}` })
  const values = new array(data.slice().buffer)
  // What the engine leaves in a null's place is not defined; columns hold 0 there.
  if (validity !== undefined) for (let row = 0; row < length; row++) if (!getBit(validity, row)) values[row] = (typeof values[row] === 'bigint' ? 0n : 0) as never
  return fixedColumn(field, values, validity)
}

const readValidity = (binding: DuckBinding, vector: Handle<'vector'>, length: number): Uint8Array | undefined => {
  const bits = length === 0 ? null : binding.vector_get_validity(vector, Math.ceil(length / 64) * 8)
  return bits === null ? undefined : bits.slice(0, bitmapBytes(length))
}

const readBytes = (binding: DuckBinding, data: Uint8Array, field: Field, length: number, validity: Uint8Array | undefined): Column => {
  const lengths = new Uint32Array(data.buffer, data.byteOffset, length * 4)
  const offsets = new Int32Array(length + 1)
  let total = 0
  for (let row = 0; row < length; row++) {
    if (validity === undefined || getBit(validity, row)) total += lengths[row * 4]!
    offsets[row + 1] = total
  }
  const bytes = new Uint8Array(total)
  for (let row = 0; row < length; row++) {
    const to = offsets[row]!
    const size = offsets[row + 1]! - to
    if (size <= INLINE_BYTES) for (let i = 0, from = row * 16 + 4; i < size; i++) bytes[to + i] = data[from + i]!
    else bytes.set(binding.get_data_from_pointer(data.buffer, data.byteOffset + row * 16 + 8, size), to)
  }
  return bytesColumn(field, offsets, bytes, validity)
}

const readList = (binding: DuckBinding, vector: Handle<'vector'>, data: Uint8Array, field: Field, length: number, validity: Uint8Array | undefined): Column => {
  const entries = new BigUint64Array(data.buffer, data.byteOffset, length * 2)
  const offsets = new Int32Array(length + 1)
  const picked: number[] = []
  for (let row = 0; row < length; row++) {
    if (validity === undefined || getBit(validity, row)) {
      const start = Number(entries[2 * row])
      for (let i = 0; i < Number(entries[2 * row + 1]); i++) picked.push(start + i)
    }
    offsets[row + 1] = picked.length
  }
  // Rows may share or skip items of the child, in any order.
  const items = readVector(binding, binding.list_vector_get_child(vector), field.params.item!, binding.list_vector_get_size(vector))
  return new ListColumn(field, offsets, items.take(Int32Array.from(picked)), validity)
}
