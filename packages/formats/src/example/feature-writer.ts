import type { Column } from '@millrace/core'
import { BYTES, FLOAT, INT64 } from './feature-kinds.js'
import { wireColumn, type WireColumn } from './wire-column.js'

/** Bytes of the varint of an unsigned number below 2^35. */
export const varintSize = (value: number): number => (value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : value < 268435456 ? 4 : 5)

/** Stores a varint of an unsigned number below 2^32; returns the offset after it. */
export const putVarint = (bytes: Uint8Array, at: number, value: number): number => {
  while (value > 127) {
    bytes[at++] = (value & 127) | 128
    value >>>= 7
  }
  bytes[at++] = value
  return at
}

/** Bytes of the varint of a 64-bit integer given as its halves. */
const integerSize = (low: number, high: number): number => {
  if (high === 0) return low < 0 ? 5 : varintSize(low)
  if (high < 0) return 10
  return high < 8 ? 5 : high < 1024 ? 6 : high < 131072 ? 7 : high < 16777216 ? 8 : 9
}

const putInteger = (bytes: Uint8Array, at: number, low: number, high: number): number => {
  while (high !== 0) {
    bytes[at++] = (low & 127) | 128
    low = (low >>> 7) | (high << 25)
    high >>>= 7
  }
  low >>>= 0
  return putVarint(bytes, at, low)
}

/** Copies a few bytes faster than `set` would, many as it does. */
const copyBytes = (from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number => {
  if (end - start > 48) to.set(from.subarray(start, end), at)
  else for (let i = start, j = at; i < end; i++, j++) to[j] = from[i]!
  return at + end - start
}

/** Longest lead and longest text of entries whose lengths all take one byte. */
const SHORT_LEAD = 48
const SHORT_BYTES = 64
/** Tags, lengths and a number of such an entry. */
const SHORT_REST = 24

const encoder = new TextEncoder()
const nothing: WireColumn = {
  wire: BYTES, words: new Int32Array(0), offsets: new Int32Array(0), bytes: new Uint8Array(0), listOffsets: undefined, validity: undefined,
}

/**
 * Writes the features of one column. A protobuf message carries its length in front: short scalars are written at once, and their
 * lengths, of one byte each, filled in afterwards; all else is measured first. Call {@link prepare}, then {@link write} for the
 * same row, or {@link measure}, then {@link writeMeasured} or {@link writeFeature}.
 */
export class FeatureWriter {
  /** Everything of a map entry between its length and the length of its value: the key and the value's tag. */
  readonly lead: Uint8Array
  /** The column of the batch. */
  column: WireColumn = nothing
  // What `measure` found out about the row.
  private isShort = false
  private first = 0
  private last = 0
  private packed = 0
  private content = 0
  private entry = 0

  constructor(readonly name: string) {
    const key = encoder.encode(name)
    const lead = new Uint8Array(key.length + 7)
    lead[0] = 10
    const at = putVarint(lead, 1, key.length)
    lead.set(key, at)
    lead[at + key.length] = 18
    this.lead = lead.subarray(0, at + key.length + 1)
  }

  /** Takes up the column of a batch. @throws `Schema` for what a tf.train.Example cannot hold, `BadRecord` for a number beyond float32 */
  bind(column: Column): void {
    this.column = wireColumn(this.name, column)
  }

  /** The most bytes that the map entry of a row may take. */
  prepare(row: number): number {
    const { wire, listOffsets, offsets } = this.column
    const size = wire === BYTES ? offsets[row + 1]! - offsets[row]! : 0
    this.isShort = listOffsets === undefined && size <= SHORT_BYTES && this.lead.length <= SHORT_LEAD
    return this.isShort ? this.lead.length + SHORT_REST + size : this.measure(row)
  }

  /** Writes the map entry of the prepared row, nothing for a null; returns the offset after it. */
  write(bytes: Uint8Array, start: number, row: number): number {
    if (!this.isShort) return this.writeMeasured(bytes, start)
    const { lead, column } = this
    const { wire, validity } = column
    if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) return start
    let at = start + 2
    for (let i = 0; i < lead.length; i++) bytes[at++] = lead[i]!
    const feature = at
    // Lengths of the feature, its list and the packed values (or the one byte string), each after its tag.
    bytes[at + 1] = (wire << 3) | 2
    bytes[at + 3] = 10
    at += 5
    if (wire === FLOAT) {
      const word = column.words[row]!
      bytes[at] = word & 255
      bytes[at + 1] = (word >>> 8) & 255
      bytes[at + 2] = (word >>> 16) & 255
      bytes[at + 3] = word >>> 24
      at += 4
    } else if (wire === INT64) at = putInteger(bytes, at, column.words[2 * row]!, column.words[2 * row + 1]!)
    else {
      const { bytes: from, offsets } = column
      for (let i = offsets[row]!, end = offsets[row + 1]!; i < end; i++) bytes[at++] = from[i]!
    }
    bytes[start] = 10
    bytes[start + 1] = at - start - 2
    bytes[feature] = at - feature - 1
    bytes[feature + 2] = at - feature - 3
    bytes[feature + 4] = at - feature - 5
    return at
  }

  /** Bytes of the map entry for a row, its tag and length included; 0 for a null, which is left out. */
  measure(row: number): number {
    const { validity, listOffsets } = this.column
    if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) {
      this.entry = -1
      return 0
    }
    if (listOffsets === undefined) {
      this.first = row
      this.last = row + 1
    } else {
      this.first = listOffsets[row]!
      this.last = listOffsets[row + 1]!
    }
    const content = this.measureContent()
    this.content = content
    const feature = 1 + varintSize(content) + content
    this.entry = this.lead.length + varintSize(feature) + feature
    return 1 + varintSize(this.entry) + this.entry
  }

  /** Writes the map entry of the measured row; returns the offset after it. */
  writeMeasured(bytes: Uint8Array, start: number): number {
    if (this.entry < 0) return start
    const { lead, content } = this
    bytes[start] = 10
    let at = putVarint(bytes, start + 1, this.entry)
    for (let i = 0; i < lead.length; i++) bytes[at++] = lead[i]!
    at = putVarint(bytes, at, 1 + varintSize(content) + content)
    return this.writeFeature(bytes, at)
  }

  /** Bytes of the tf.train.Feature of the measured row. */
  get featureSize(): number {
    return 1 + varintSize(this.content) + this.content
  }

  /** Writes the tf.train.Feature of the measured row; returns the offset after it. */
  writeFeature(bytes: Uint8Array, start: number): number {
    const { column, first, last } = this
    // The tag of bytes_list, float_list or int64_list: length-delimited.
    bytes[start] = (column.wire << 3) | 2
    let at = putVarint(bytes, start + 1, this.content)
    if (first === last) return at
    if (column.wire === BYTES) {
      for (let i = first; i < last; i++) {
        const from = column.offsets[i]!
        const to = column.offsets[i + 1]!
        bytes[at++] = 10
        at = putVarint(bytes, at, to - from)
        at = copyBytes(column.bytes, from, to, bytes, at)
      }
      return at
    }
    bytes[at++] = 10
    at = putVarint(bytes, at, this.packed)
    const { words } = column
    if (column.wire === INT64) {
      for (let i = first; i < last; i++) at = putInteger(bytes, at, words[2 * i]!, words[2 * i + 1]!)
      return at
    }
    if (last - first > 12) return copyBytes(new Uint8Array(words.buffer, words.byteOffset, words.byteLength), 4 * first, 4 * last, bytes, at)
    for (let i = first; i < last; i++) {
      const word = words[i]!
      bytes[at] = word & 255
      bytes[at + 1] = (word >>> 8) & 255
      bytes[at + 2] = (word >>> 16) & 255
      bytes[at + 3] = word >>> 24
      at += 4
    }
    return at
  }

  private measureContent(): number {
    const { column, first, last } = this
    if (first === last) return 0
    if (column.wire === FLOAT) this.packed = 4 * (last - first)
    else if (column.wire === INT64) {
      const { words } = column
      let packed = 0
      for (let i = first; i < last; i++) packed += integerSize(words[2 * i]!, words[2 * i + 1]!)
      this.packed = packed
    } else {
      const { offsets } = column
      let size = 0
      for (let i = first; i < last; i++) {
        const length = offsets[i + 1]! - offsets[i]!
        size += 1 + varintSize(length) + length
      }
      return size
    }
    return 1 + varintSize(this.packed) + this.packed
  }
}

/** The value in row 0 of a column as a serialized tf.train.Feature, empty where it is null. */
export const encodeFeature = (name: string, column: Column): Uint8Array => {
  const writer = new FeatureWriter(name)
  writer.bind(column)
  if (writer.measure(0) === 0) return new Uint8Array(0)
  const bytes = new Uint8Array(writer.featureSize)
  writer.writeFeature(bytes, 0)
  return bytes
}
