import { isUtf8 } from 'node:buffer'
import { ConversionError, failure, makeBuilder, type Column, type ColumnBuilder, type Field, type MillraceError } from '@millrace/core'
import { BYTES, featureShape, FLOAT, INT64, wireKindNames, type WireKind } from './feature-kinds.js'
import { badValue } from '../records/bad-value.js'
import { freshBytes, MANY_BYTES } from './fresh-bytes.js'
import { slotColumn } from './slot-column.js'
import { malformed, WIRE_BYTES, WIRE_FIXED32, WIRE_VARINT, type WireReader } from './wire.js'

/** Arrow's offsets, and the lengths of typed arrays that V8 is at ease with. */
const MAX_BATCH_BYTES = 2147483647
const FIRST_ROWS = 1024
const FIRST_BYTES = 16 * 1024
/** What a batch is taken to grow to while it is the first: its rows, and no more bytes than readers put into one. */
const LIKELY_VALUES = 4096
const LIKELY_BYTES = 9 * 1024 * 1024
const encoder = new TextEncoder()

/** Which integers a field takes, as a code that the inner loop can switch on. */
export const ANY_INTEGER = 0
export const WITHIN_INT32 = 1
export const UINT32 = 2
export const SAFE_INTEGER = 3
export const SAFE_UNSIGNED = 4

const within: { readonly [kind: string]: readonly [number, number] } = {
  bool: [0, 1],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
  date: [-2147483648, 2147483647],
  uint8: [0, 255],
  uint16: [0, 65535],
}

const integerCheck = (field: Field): number => {
  if (field.kind in within) return WITHIN_INT32
  if (field.kind === 'uint32') return UINT32
  if (field.params.as !== 'number') return ANY_INTEGER
  return field.kind === 'int64' ? SAFE_INTEGER : SAFE_UNSIGNED
}

/**
 * The values of one feature, as they come off the wire: float bits, 64-bit integers as pairs of words, bytes with offsets.
 *
 * Everything is addressed by the row, and no row ends before the decoder says so: a feature that comes again in its record
 * overwrites itself (the last one wins, as in every protobuf map), and a record that turns out bad leaves nothing behind.
 * Fields are open to the decoder, whose loop writes scalars itself.
 */
export class FeatureSlot {
  readonly key: Uint8Array
  readonly wire: WireKind
  readonly list: boolean
  /** The field of one value. */
  readonly value: Field
  readonly check: number
  readonly least: number
  readonly most: number
  readonly isText: boolean
  /** The record in which this feature was last seen, by the decoder's count. */
  stamp = -1
  /** `words[i]` are the bits of a float; `words[2i]`, `words[2i + 1]` the low and high half of an integer. */
  words: Int32Array
  /** Value `i` of a `bytes_list` is `bytes[offsets[i]..offsets[i + 1]]`. */
  offsets: Int32Array
  bytes: Uint8Array
  /** Lists: row `r` holds the values `listOffsets[r]` to `listOffsets[r + 1]`. */
  listOffsets: Int32Array
  /** Bitmap of the rows that are not null; absent until the first null. */
  validity: Uint8Array | undefined

  private capacity = FIRST_ROWS
  /** Bytes of the batch before, if they were many: this one will want as much. */
  private lastBytes = 0
  private readonly decimal: ColumnBuilder | undefined
  // State of the feature being merged from the wire.
  private kind = 0
  private count = 0

  constructor(
    readonly name: string,
    readonly field: Field,
  ) {
    const shape = featureShape(name, field)
    this.key = encoder.encode(name)
    this.wire = shape.wire
    this.list = shape.list
    this.value = shape.value
    this.check = integerCheck(shape.value)
    const range = within[shape.value.kind] ?? [0, 0]
    this.least = range[0]
    this.most = range[1]
    this.isText = shape.value.kind === 'utf8'
    this.decimal = shape.value.kind === 'decimal' ? makeBuilder({ ...shape.value, nullable: false }) : undefined
    this.words = new Int32Array(shape.wire === BYTES ? 0 : FIRST_ROWS * (shape.wire === INT64 ? 2 : 1))
    this.offsets = new Int32Array(shape.wire === BYTES ? FIRST_ROWS + 1 : 0)
    this.bytes = new Uint8Array(shape.wire === BYTES ? FIRST_BYTES : 0)
    this.listOffsets = new Int32Array(shape.list ? FIRST_ROWS + 1 : 0)
  }

  /** Makes room for values up to `last` (exclusive). */
  private reserveValues(last: number): void {
    if (last <= this.capacity) return
    const capacity = Math.max(last, this.capacity * 2)
    if (capacity * 8 > MAX_BATCH_BYTES) throw this.tooLarge()
    this.capacity = capacity
    if (this.wire === BYTES) this.offsets = grown(this.offsets, capacity + 1)
    else this.words = grown(this.words, capacity * (this.wire === INT64 ? 2 : 1))
  }

  /** Makes room for `rows` rows. */
  reserveRows(rows: number): void {
    if (this.list) {
      if (rows + 1 > this.listOffsets.length) this.listOffsets = grown(this.listOffsets, Math.max(rows + 1, this.listOffsets.length * 2))
    } else this.reserveValues(rows)
  }

  /** Makes room for bytes up to `last` (exclusive), which are those of `count` values. */
  private reserveBytes(last: number, count: number): void {
    if (last <= this.bytes.length) return
    if (last > MAX_BATCH_BYTES) throw this.tooLarge()
    const likely = Math.min(LIKELY_BYTES, Math.ceil((last / count) * LIKELY_VALUES))
    const bytes = freshBytes(Math.min(MAX_BATCH_BYTES, Math.max(last, this.bytes.length * 2, this.lastBytes + (this.lastBytes >> 3), likely)))
    bytes.set(this.bytes)
    this.bytes = bytes
  }

  /** Stores one byte string as value `index`. Returns false when it is no text, or no decimal, where one is due. */
  putBytes(index: number, source: Uint8Array, start: number, end: number): boolean {
    const size = end - start
    const at = this.offsets[index]!
    if (at + size > this.bytes.length) this.reserveBytes(at + size, index + 1)
    const { bytes } = this
    let seen = 0
    if (size > 48) {
      bytes.set(source.subarray(start, end), at)
      seen = 128
    } else for (let i = 0; i < size; i++) seen |= bytes[at + i] = source[start + i]!
    this.offsets[index + 1] = at + size
    if (seen > 127 && this.isText) return isUtf8(bytes.subarray(at, at + size))
    return this.decimal === undefined || this.isDecimal(bytes.subarray(at, at + size))
  }

  /** Stores byte strings that lie one after another, `ends` of them, as the values from `index` on; `binary` only. */
  putRun(index: number, source: Uint8Array, ends: Int32Array, count: number): void {
    this.reserveValues(index + count)
    const at = this.offsets[index]!
    const size = ends[count - 1]!
    if (at + size > this.bytes.length) this.reserveBytes(at + size, index + count)
    this.bytes.set(source.subarray(0, size), at)
    for (let i = 0; i < count; i++) this.offsets[index + i + 1] = at + ends[i]!
  }

  /** Least and greatest integer that the field takes; those that {@link takesInteger} lets pass. */
  get integerRange(): readonly [bigint, bigint] {
    switch (this.check) {
      case WITHIN_INT32:
        return [BigInt(this.least), BigInt(this.most)]
      case UINT32:
        return [0n, 0xffffffffn]
      case SAFE_INTEGER:
        return [BigInt(Number.MIN_SAFE_INTEGER), BigInt(Number.MAX_SAFE_INTEGER)]
      case SAFE_UNSIGNED:
        return [0n, BigInt(Number.MAX_SAFE_INTEGER)]
      default:
        return [-(2n ** 63n), 2n ** 63n - 1n]
    }
  }

  /** True when the field takes the integer with these halves. */
  takesInteger(low: number, high: number): boolean {
    switch (this.check) {
      case WITHIN_INT32:
        return high === low >> 31 && low >= this.least && low <= this.most
      case UINT32:
        return high === 0
      case SAFE_INTEGER:
        return high < 0x200000 && (high > -0x200000 || (high === -0x200000 && low !== 0))
      case SAFE_UNSIGNED:
        return high >= 0 && high < 0x200000
      default:
        return true
    }
  }

  /** Begins a feature; {@link merge} adds to it. */
  begin(): void {
    this.kind = 0
    this.count = 0
  }

  /** Merges a serialized tf.train.Feature, `wire.at` to `wire.limit`: lists of the same kind are joined, of another kind replaced. */
  merge(wire: WireReader, row: number): void {
    const first = this.list ? this.listOffsets[row]! : row
    while (wire.at < wire.limit) {
      const tag = wire.tag()
      const number = tag >>> 3
      if (number < BYTES || number > INT64 || (tag & 7) !== WIRE_BYTES) {
        wire.skip(tag)
        continue
      }
      if (number !== this.kind) this.count = 0
      this.kind = number
      const end = wire.limit
      wire.limit = wire.end()
      // Lists of the wrong kind are an error only if no right one follows.
      if (number === this.wire) this.mergeList(wire, first)
      wire.at = wire.limit
      wire.limit = end
    }
  }

  /**
   * Ends a feature.
   *
   * @returns `false` when it held no list of any kind, which is the same as if it were absent
   * @throws `BadRecord` when it holds another kind, or not one value where one is due
   */
  end(row: number): boolean {
    if (this.kind === 0) return false
    if (this.kind !== this.wire) {
      throw this.bad('EXAMPLE_WRONG_KIND', `the feature holds ${wireKindNames[this.kind]!}, where ${this.value.kind} takes ${wireKindNames[this.wire]!}`)
    }
    const { size } = this.field.params
    if (this.list ? size !== undefined && this.count !== size : this.count !== 1) {
      throw this.bad('EXAMPLE_WRONG_COUNT', `the feature holds ${this.count} values where ${this.list ? size! : 'one'} ${this.list ? 'are' : 'is'} due`)
    }
    if (this.list) this.listOffsets[row + 1] = this.listOffsets[row]! + this.count
    return true
  }

  /** Stores what stands for a row without a value. */
  endNull(row: number): void {
    if (this.list) this.listOffsets[row + 1] = this.listOffsets[row]!
    else if (this.wire === BYTES) this.offsets[row + 1] = this.offsets[row]!
    else if (this.wire === FLOAT) this.words[row] = 0
    else this.words[2 * row] = this.words[2 * row + 1] = 0
    const at = row >> 3
    if (this.validity === undefined || at >= this.validity.length) {
      const bits = new Uint8Array(Math.max(64, (at + 1) * 2)).fill(255)
      if (this.validity !== undefined) bits.set(this.validity)
      this.validity = bits
    }
    this.validity[at]! &= ~(1 << (row & 7))
  }

  /** The bytes of the first `count` values in a buffer of their own: this one, if it is full enough, else a copy. */
  takeBytes(count: number): Uint8Array {
    const used = this.offsets[count]!
    const { bytes } = this
    if (used < MANY_BYTES) return bytes.slice(0, used)
    this.lastBytes = used
    this.bytes = new Uint8Array(0)
    return used < (bytes.length >> 2) * 3 ? bytes.slice(0, used) : bytes.subarray(0, used)
  }

  /** The column of the first `rows` rows; the slot starts again, empty. */
  finish(rows: number): Column {
    const column = slotColumn(this, rows)
    this.validity = undefined
    return column
  }

  /** An error of this feature. */
  bad(code: string, problem: string): MillraceError {
    return badValue({ code, problem, column: this.name })
  }

  outOfRange(): MillraceError {
    return this.bad('EXAMPLE_OUT_OF_RANGE', `an integer of the feature does not fit a ${this.value.kind}${this.value.params.as === 'number' ? ' shown as a number' : ''}`)
  }

  private mergeList(wire: WireReader, first: number): void {
    while (wire.at < wire.limit) {
      const tag = wire.tag()
      const type = tag & 7
      if (tag >>> 3 !== 1) wire.skip(tag)
      else if (this.wire === BYTES && type === WIRE_BYTES) {
        const size = wire.size()
        if (this.roomFor(first, 1) && !this.putBytes(first + this.count, wire.bytes, wire.at, wire.at + size)) throw this.badText()
        this.count++
        wire.at += size
      } else if (this.wire === FLOAT && type === WIRE_FIXED32) {
        if (wire.limit - wire.at < 4) throw malformed('a float is cut short')
        this.putFloats(wire, first, 4)
      } else if (this.wire === FLOAT && type === WIRE_BYTES) {
        const size = wire.size()
        if ((size & 3) !== 0) throw malformed('packed floats take no multiple of 4 bytes')
        this.putFloats(wire, first, size)
      } else if (this.wire === INT64 && type === WIRE_VARINT) this.putIntegers(wire, first, wire.limit, 1)
      else if (this.wire === INT64 && type === WIRE_BYTES) {
        const end = wire.end()
        this.putIntegers(wire, first, end, countVarints(wire.bytes, wire.at, end))
        if (wire.at !== end) throw malformed('packed integers are cut short')
      } else wire.skip(tag)
    }
  }

  /**
   * Makes room for `more` values, if they will be kept: of a scalar's values only the first is, the others are counted for the
   * error, so that no record makes a scalar's column grow.
   */
  private roomFor(first: number, more: number): boolean {
    if (!this.list) return this.count === 0
    this.reserveValues(first + this.count + more)
    return true
  }

  private putFloats(wire: WireReader, first: number, size: number): void {
    const floats = size >> 2
    if (floats > 0 && this.roomFor(first, floats)) {
      const kept = this.list ? size : 4
      // Both sides are little-endian: so is every platform of Node's.
      const target = new Uint8Array(this.words.buffer, this.words.byteOffset + 4 * (first + this.count), kept)
      target.set(wire.bytes.subarray(wire.at, wire.at + kept))
    }
    this.count += floats
    wire.at += size
  }

  /** Reads `most` integers that end before `end`. */
  private putIntegers(wire: WireReader, first: number, end: number, most: number): void {
    const { bytes } = wire
    const keep = most > 0 && this.roomFor(first, most)
    let { at } = wire
    let index = 2 * (first + this.count)
    for (let n = 0; n < most; n++) {
      let low = 0
      let high = 0
      for (let k = 0; ; k++) {
        if (at >= end) throw malformed('an integer is cut short')
        if (k === 10) throw malformed('an integer takes more than 10 bytes')
        const byte = bytes[at++]!
        const part = byte & 127
        if (k < 4) low |= part << (7 * k)
        else if (k === 4) {
          low |= part << 28
          high = part >>> 4
        } else high |= part << (7 * k - 32)
        if (byte < 128) break
      }
      if (!keep || (!this.list && n > 0)) continue
      if (!this.takesInteger(low, high)) throw this.outOfRange()
      this.words[index++] = low
      this.words[index++] = high
    }
    this.count += most
    wire.at = at
  }

  private badText(): MillraceError {
    const { kind, params } = this.value
    return this.isText
      ? this.bad('EXAMPLE_BAD_TEXT', 'the bytes of the feature are not UTF-8')
      : this.bad('EXAMPLE_BAD_TEXT', `a text of the feature is not a ${kind} of ${params.precision} digits, ${params.scale} of them after the point`)
  }

  private isDecimal(bytes: Uint8Array): boolean {
    const builder = this.decimal!
    try {
      builder.appendText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
      return true
    } catch (error) {
      if (error instanceof ConversionError) return false
      throw error
    } finally {
      builder.truncate(0)
    }
  }

  private tooLarge(): MillraceError {
    return failure({
      tag: 'Limit',
      code: 'EXAMPLE_BATCH_TOO_LARGE',
      problem: 'the column would hold more than 2 GiB in one batch',
      remedy: 'Lower batchRows.',
      position: { column: this.name },
    })
  }
}

const grown = (array: Int32Array, length: number): Int32Array => {
  const out = new Int32Array(length)
  out.set(array)
  return out
}

/** Varints end where the top bit is clear: counting those says how much room they need before any is made. */
const countVarints = (bytes: Uint8Array, start: number, end: number): number => {
  let count = 0
  for (let i = start; i < end; i++) count += (bytes[i]! >>> 7) ^ 1
  return count
}
