import { BYTES, INT64 } from '../feature-kinds.js'
import type { FeatureSlot } from '../feature-slot.js'
import type { SlotValues } from '../slot-column.js'

/** Where the kernel looks for the tables of its checksums; what is below stays empty. */
export const CRC_TABLE = 1024
/** Bytes of records that are handed to the kernel at once: chunks of files are of this size. */
export const WINDOW_BYTES = 1024 * 1024
/** The kernel reads and writes by 16 bytes, and compares keys before it knows that they end within what it was given. */
const SLACK = 64
const COLUMN_BYTES = 144
/** Of the key of a column and what stands around it, so many bytes are compared at once. */
const LEAD_BYTES = 32
/** The 5 bytes between a lead and a packed payload that is empty, but for the tag of the list, which is the second: lengths and tags. */
const SHAPE = 0x000a020004n
/** What no 5 bytes are. */
const NO_SHAPE = 1n << 63n
/** Places in a record whose feature is guessed. */
const PLACES = 1024

const LIST = 1
const NULLABLE = 2
const TEXT = 4

/** A column as the kernel is told of it. */
export interface KernelColumn {
  readonly slot: FeatureSlot
  /** Whether a record without the feature has a null there; else such records are not the kernel's. */
  readonly absentIsNull: boolean
  /** Most values of lists; scalars have one a row. */
  valueCapacity: number
  /** Most bytes of byte strings. */
  byteCapacity: number
}

interface ColumnPlace {
  readonly values: number
  readonly listOffsets: number
  readonly bytes: number
  readonly validity: number
}

/** Addresses of all that the kernel works on. */
export interface KernelLayout {
  readonly columns: number
  readonly leads: readonly number[]
  readonly keys: number
  readonly keyMask: number
  readonly places: number
  readonly placeCount: number
  readonly window: number
  readonly data: readonly ColumnPlace[]
  readonly end: number
}

const leadOf = (slot: FeatureSlot): Uint8Array => Uint8Array.of(10, slot.key.length, ...slot.key, 18)

/** Decides where everything stands, for columns of `rows` rows. */
export const layOut = (columns: readonly KernelColumn[], rows: number): KernelLayout => {
  let at = CRC_TABLE + 16 * 1024
  const place = (size: number): number => {
    const start = at
    at = (at + size + SLACK + 7) & ~7
    return start
  }
  const descriptions = place((columns.length + 1) * COLUMN_BYTES)
  const leads = columns.map(({ slot }) => place(slot.key.length + 3))
  let keyCount = 16
  while (keyCount < columns.length * 4) keyCount *= 2
  const keys = place(4 * keyCount)
  const places = place(4 * PLACES)
  const window = place(WINDOW_BYTES)
  const data = columns.map(({ slot, valueCapacity, byteCapacity }) => {
    const values = slot.list ? valueCapacity : rows
    return {
      values: place(slot.wire === BYTES ? 4 * (values + 1) : slot.wire === INT64 ? 8 * values : 4 * values),
      listOffsets: slot.list ? place(4 * (rows + 1)) : 0,
      bytes: slot.wire === BYTES ? place(byteCapacity) : 0,
      validity: place((rows + 7) >> 3),
    }
  })
  return { columns: descriptions, leads, keys, keyMask: keyCount - 1, places, placeCount: PLACES, window, data, end: at }
}

/** Hashes a key as the kernel does. */
const hashOf = (key: Uint8Array): number => {
  if (key.length === 0) return 0
  const mixed = key.length * 31 + key[0]! * 17 + key[key.length >> 1]! * 7 + key[key.length - 1]! * 131
  return mixed ^ (mixed >>> 5)
}

/** Writes descriptions of the columns, their keys and first guesses into the kernel's memory. */
export const describeColumns = (memory: ArrayBuffer, layout: KernelLayout, columns: readonly KernelColumn[], rows: number): void => {
  const view = new DataView(memory)
  const bytes = new Uint8Array(memory)
  bytes.fill(0, layout.keys, layout.window)
  // A column that no key leads to, guessed wherever none has come yet.
  const nobody = layout.columns + columns.length * COLUMN_BYTES
  bytes.fill(255, nobody, nobody + COLUMN_BYTES)
  view.setUint32(nobody + 32, nobody + 80, true)
  view.setInt32(nobody + 36, LEAD_BYTES, true)
  view.setBigUint64(nobody + 72, NO_SHAPE, true)
  new Uint32Array(memory, layout.places, layout.placeCount).fill(nobody)
  for (const [i, { slot, absentIsNull, valueCapacity, byteCapacity }] of columns.entries()) {
    const column = layout.columns + i * COLUMN_BYTES
    const data = layout.data[i]!
    const words = [
      slot.wire,
      (slot.list ? LIST : 0) | (absentIsNull ? NULLABLE : 0) | (slot.isText ? TEXT : 0),
      slot.list ? (slot.field.params.size ?? -1) : -1,
      data.values,
      data.listOffsets,
      data.bytes,
      slot.list ? valueCapacity : rows,
      byteCapacity,
      layout.leads[i]!,
      slot.key.length + 3,
      data.validity,
      0,
    ]
    for (const [word, value] of words.entries()) view.setInt32(column + 4 * word, value, true)
    const [least, most] = slot.integerRange
    view.setBigInt64(column + 48, least, true)
    view.setBigInt64(column + 56, most, true)
    view.setInt32(column + 64, 0, true)
    view.setBigUint64(column + 72, slot.list ? NO_SHAPE : SHAPE | BigInt(((slot.wire << 3) | 2) << 8), true)
    const lead = leadOf(slot)
    bytes.fill(0, column + 80, column + COLUMN_BYTES)
    bytes.set(lead.subarray(0, LEAD_BYTES), column + 80)
    bytes.fill(255, column + 80 + LEAD_BYTES, column + 80 + LEAD_BYTES + Math.min(LEAD_BYTES, lead.length))
    bytes.set(lead, layout.leads[i])
    bytes.fill(255, data.validity, data.validity + ((rows + 7) >> 3))
    if (slot.wire === BYTES) view.setInt32(data.values, 0, true)
    if (slot.list) view.setInt32(data.listOffsets, 0, true)
    let hash = hashOf(slot.key) & layout.keyMask
    while (view.getUint32(layout.keys + 4 * hash, true) !== 0) hash = (hash + 1) & layout.keyMask
    view.setUint32(layout.keys + 4 * hash, column, true)
    if (i < layout.placeCount) view.setUint32(layout.places + 4 * i, column, true)
  }
}

/** Makes the columns empty again. */
export const clearColumns = (memory: ArrayBuffer, layout: KernelLayout, rows: number): void => {
  const view = new DataView(memory)
  for (const [i, data] of layout.data.entries()) {
    const hasNulls = layout.columns + i * COLUMN_BYTES + 44
    if (view.getInt32(hasNulls, true) === 0) continue
    view.setInt32(hasNulls, 0, true)
    new Uint8Array(memory, data.validity, (rows + 7) >> 3).fill(255)
  }
}

/** The values of column `i`, as the kernel left them; good until it goes on. */
export const columnValues = (memory: ArrayBuffer, layout: KernelLayout, slot: FeatureSlot, i: number, rows: number): SlotValues => {
  const { values, listOffsets, bytes, validity } = layout.data[i]!
  const offsetsOfRows = new Int32Array(memory, listOffsets, slot.list ? rows + 1 : 0)
  const count = slot.list ? offsetsOfRows[rows]! : rows
  const hasNulls = new Int32Array(memory, layout.columns + i * COLUMN_BYTES + 44, 1)[0] === 1
  const offsets = new Int32Array(memory, values, slot.wire === BYTES ? count + 1 : 0)
  return {
    field: slot.field,
    value: slot.value,
    wire: slot.wire,
    list: slot.list,
    words: new Int32Array(memory, values, slot.wire === BYTES ? 0 : slot.wire === INT64 ? 2 * count : count),
    offsets,
    listOffsets: offsetsOfRows,
    validity: hasNulls ? new Uint8Array(memory, validity, (rows + 7) >> 3) : undefined,
    takeBytes: (wanted, copy) => copy(new Uint8Array(memory, bytes, offsets[wanted]!)),
  }
}
