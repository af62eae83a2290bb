import {
  bitmapBytes, boolColumn, bytesColumn, columnFrom, fixedColumn, ListColumn, setBit, type Column, type Field,
} from '@millrace/core'
import { bytesTogether, toOwnBuffer, type ColumnCopy } from './column-memory.js'
import { BYTES, FLOAT, type WireKind } from './feature-kinds.js'

/** The values of one feature, as they come off the wire; see `FeatureSlot`. */
export interface SlotValues {
  readonly field: Field
  /** The field of one value. */
  readonly value: Field
  readonly wire: WireKind
  readonly list: boolean
  readonly words: Int32Array
  readonly offsets: Int32Array
  readonly listOffsets: Int32Array
  readonly validity: Uint8Array | undefined
  /** The bytes of the first `count` values, in a buffer that nobody else writes to. */
  takeBytes(count: number, copy: ColumnCopy): Uint8Array
}

const narrow = <A extends { [index: number]: number }>(words: Int32Array, count: number, out: A): A => {
  for (let i = 0; i < count; i++) out[i] = words[2 * i]!
  return out
}

/** Integers come as pairs of words whose range was checked, so that the low word is the value of the narrow kinds. */
const integers: { readonly [kind: string]: (words: Int32Array, count: number, copy: ColumnCopy) => Parameters<typeof fixedColumn>[1] } = {
  int8: (words, count) => narrow(words, count, new Int8Array(count)),
  int16: (words, count) => narrow(words, count, new Int16Array(count)),
  int32: (words, count) => narrow(words, count, new Int32Array(count)),
  date: (words, count) => narrow(words, count, new Int32Array(count)),
  uint8: (words, count) => narrow(words, count, new Uint8Array(count)),
  uint16: (words, count) => narrow(words, count, new Uint16Array(count)),
  uint32: (words, count) => narrow(words, count, new Uint32Array(count)),
  int64: (words, count, copy) => copy(new BigInt64Array(words.buffer as ArrayBuffer, words.byteOffset, count)),
  timestamp: (words, count, copy) => copy(new BigInt64Array(words.buffer as ArrayBuffer, words.byteOffset, count)),
  uint64: (words, count, copy) => copy(new BigUint64Array(words.buffer as ArrayBuffer, words.byteOffset, count)),
}

const bools = (field: Field, words: Int32Array, count: number, validity: Uint8Array | undefined): Column => {
  const bits = new Uint8Array(bitmapBytes(count))
  for (let i = 0; i < count; i++) if (words[2 * i] === 1) setBit(bits, i)
  return boolColumn(field, bits, count, validity)
}

/** The first `count` values of a slot as a column of `field`, in buffers of its own. */
const values = (slot: SlotValues, field: Field, count: number, validity: Uint8Array | undefined, copy: ColumnCopy): Column => {
  if (field.kind === 'dictionary' || field.kind === 'decimal') {
    // Through JavaScript values: these kinds have no layout in common with the wire. Their texts were checked one by one.
    const plain = slot.value.kind === 'decimal' ? ({ ...slot.value, kind: 'utf8', params: {} } as Field) : slot.value
    const column = values(slot, { ...plain, nullable: true }, count, validity, toOwnBuffer)
    return columnFrom(field, column.toArray())
  }
  if (field.kind === 'bool') return bools(field, slot.words, count, validity)
  if (field.kind === 'utf8' || field.kind === 'binary') {
    return bytesColumn(field, copy(slot.offsets.subarray(0, count + 1)), slot.takeBytes(count, copy), validity)
  }
  if (slot.wire === FLOAT) {
    const floats = new Float32Array(slot.words.buffer, slot.words.byteOffset, count)
    return fixedColumn(field, field.kind === 'float64' ? Float64Array.from(floats) : copy(floats), validity)
  }
  return fixedColumn(field, integers[field.kind]!(slot.words, count, copy), validity)
}

/** The column of a slot's first `rows` rows, in buffers of its own unless they are copied elsewhere. */
export const slotColumn = (slot: SlotValues, rows: number, copy: ColumnCopy = toOwnBuffer): Column => {
  const validity = slot.validity === undefined ? undefined : validRows(slot.validity, rows)
  if (!slot.list) return values(slot, slot.field, rows, validity, copy)
  const items = values(slot, slot.field.params.item!, slot.listOffsets[rows]!, undefined, copy)
  return new ListColumn(slot.field, copy(slot.listOffsets.subarray(0, rows + 1)), items, validity)
}

/** Bytes that {@link slotColumn} copies, at most. */
export const copiedBytes = ({ list, listOffsets, wire, offsets, words }: SlotValues, rows: number): number => {
  const count = list ? listOffsets[rows]! : rows
  const lists = list ? bytesTogether(4 * (rows + 1)) : 0
  if (wire === BYTES) return lists + bytesTogether(4 * (count + 1)) + bytesTogether(offsets[count]!)
  return lists + bytesTogether(words.byteLength)
}

const validRows = (bits: Uint8Array, rows: number): Uint8Array => {
  const out = new Uint8Array(bitmapBytes(rows)).fill(255)
  out.set(bits.subarray(0, Math.min(bits.length, out.length)))
  return out
}
