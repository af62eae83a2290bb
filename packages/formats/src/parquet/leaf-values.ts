import { halves, writeInt64 } from '@millrace/core'
import type { Stored } from '../values/index.js'
import { DeltaReader } from './page-deltas.js'
import { beyondDictionary, valuesEndTooEarly } from './page-faults.js'
import { pageKernel, type PageTexts } from './page-kernel.js'
import { expandRuns } from './page-runs.js'
import { spread, spreadEnds, spreadPairs, type PageSlots } from './page-slots.js'

/** Physical types of Parquet. */
export type Physical = 'BOOLEAN' | 'INT32' | 'INT64' | 'INT96' | 'FLOAT' | 'DOUBLE' | 'BYTE_ARRAY' | 'FIXED_LEN_BYTE_ARRAY'

/** Typed arrays of the physical numbers. */
type Numbers = Int32Array | BigInt64Array | Float32Array | Float64Array

/** Bytes of one column in one row group: offsets have 31 bits. */
const MAX_BYTES = 2 ** 31 - 1

/** Takes the values of pages, one page after another. Pages are not kept. */
export interface ValueSink {
  /** Appends the slots of a page, whose values begin at `at`. */
  append(encoding: string, page: Uint8Array, at: number, slots: PageSlots): void
  /** Appends slots whose values are those of a dictionary at `indices`. */
  appendFrom(dictionary: Stored, indices: Int32Array, slots: PageSlots): void
  /** What was taken. */
  finish(): Stored
}

/** What is made room for by what pages say of themselves, before it is known: growing costs copies, and damage says anything. */
const MAX_ROOM = 64 * 1024 * 1024

/** Texts of a page that the kernel puts together: it has them a second time. */
const MAX_PLACED = 16 * 1024 * 1024

const unknownEncoding = (encoding: string, type: string): Error => new Error(`${type} in the encoding ${encoding} is not known`)

const requireBytes = (page: Uint8Array, at: number, size: number): void => {
  if (at + size > page.length) throw valuesEndTooEarly()
}

/** Bytes of fixed width whose first bytes come first, then their second ones, … */
const unsplit = (page: Uint8Array, at: number, count: number, width: number): Uint8Array => {
  requireBytes(page, at, count * width)
  const out = new Uint8Array(count * width)
  for (let byte = 0; byte < width; byte++) {
    const from = at + byte * count
    for (let i = 0; i < count; i++) out[i * width + byte] = page[from + i]!
  }
  return out
}

/** Memory that is not cleared: every byte of it is written before it is shown. */
const uncleared = (size: number): ArrayBuffer => Buffer.allocUnsafeSlow(size).buffer as ArrayBuffer

class NumberSink implements ValueSink {
  private readonly bytes: Uint8Array
  private readonly width: number
  private at = 0

  constructor(
    private readonly type: Physical,
    private readonly values: Numbers,
  ) {
    this.width = values.BYTES_PER_ELEMENT
    this.bytes = new Uint8Array(values.buffer)
  }

  private reserve(count: number): number {
    const start = this.at
    if (start + count > this.values.length) throw new Error('the pages of a column have more values than it has')
    this.at += count
    return start
  }

  append(encoding: string, page: Uint8Array, at: number, slots: PageSlots): void {
    const start = this.reserve(slots.slots)
    if (encoding === 'PLAIN') {
      requireBytes(page, at, slots.values * this.width)
      const values = page.subarray(at, at + slots.values * this.width)
      const placed = slots.present && pageKernel()?.spread(values, slots.slots, slots.present, this.width as 4 | 8)
      this.bytes.set(placed ?? values, start * this.width)
      if (placed !== undefined) return
    } else this.decode(encoding, page, at, start, slots.values)
    this.spread(start, slots)
  }

  private spread(start: number, slots: PageSlots): void {
    if (this.values instanceof BigInt64Array) spreadPairs(halves(this.values), start, slots)
    else spread(this.values, start, slots)
  }

  private decode(encoding: string, page: Uint8Array, at: number, start: number, count: number): void {
    const { width, values } = this
    switch (encoding) {
      case 'BYTE_STREAM_SPLIT':
        this.bytes.set(unsplit(page, at, count, width), start * width)
        return
      case 'DELTA_BINARY_PACKED': {
        const reader = new DeltaReader(page, at)
        if (values instanceof Int32Array) reader.read(count, (value, i) => { values[start + i] = typeof value === 'number' ? value : Number(BigInt.asIntN(32, value)) })
        else if (values instanceof BigInt64Array) {
          const words = halves(values)
          reader.read(count, (value, i) => { if (typeof value === 'number') writeInt64(words, start + i, value); else values[start + i] = value })
        } else throw unknownEncoding(encoding, this.type)
        return
      }
      default:
        throw unknownEncoding(encoding, this.type)
    }
  }

  appendFrom(dictionary: Stored, indices: Int32Array, slots: PageSlots): void {
    const start = this.reserve(slots.slots)
    this.gather(dictionary, indices, start, slots.values)
    this.spread(start, slots)
  }

  private gather(dictionary: Stored, indices: Int32Array, start: number, count: number): void {
    if (dictionary.is !== 'numbers') throw new Error('a dictionary has other values than its column')
    const { length } = dictionary
    const check = (index: number): number => {
      if (index >>> 0 >= length) throw beyondDictionary(index, length)
      return index
    }
    // Halves of 64-bit integers are copied without making a bigint of each.
    if (this.values instanceof BigInt64Array) {
      const to = new Int32Array(this.values.buffer)
      const from = new Int32Array(dictionary.values.buffer)
      for (let i = 0; i < count; i++) {
        const index = check(indices[i]!)
        to[2 * (start + i)] = from[2 * index]!
        to[2 * (start + i) + 1] = from[2 * index + 1]!
      }
      return
    }
    const from = dictionary.values as Float64Array
    for (let i = 0; i < count; i++) this.values[start + i] = from[check(indices[i]!)]!
  }

  finish(): Stored {
    return { is: 'numbers', length: this.at, values: this.values.subarray(0, this.at) }
  }
}

class BitSink implements ValueSink {
  private at = 0

  constructor(private readonly values: Uint8Array) {}

  append(encoding: string, page: Uint8Array, at: number, slots: PageSlots): void {
    const start = this.at
    const { values: count } = slots
    if (start + slots.slots > this.values.length) throw new Error('the pages of a column have more values than it has')
    this.at += slots.slots
    if (encoding === 'PLAIN') {
      requireBytes(page, at, (count + 7) >> 3)
      for (let i = 0; i < count; i++) this.values[start + i] = (page[at + (i >> 3)]! >> (i & 7)) & 1
    } else if (encoding === 'RLE') expandRuns(page, at + 4, page.length, 1, this.values, start, start + count)
    else throw unknownEncoding(encoding, 'BOOLEAN')
    spread(this.values, start, slots)
  }

  appendFrom(): void {
    throw unknownEncoding('RLE_DICTIONARY', 'BOOLEAN')
  }

  finish(): Stored {
    return { is: 'bits', length: this.at, values: this.values.subarray(0, this.at) }
  }
}

class ByteSink implements ValueSink {
  private readonly offsets: Int32Array
  private bytes = new Uint8Array(0)
  private size = 0
  private at = 0

  /** @param width - bytes of each value, where all have the same; `room` - bytes that there will be, about */
  constructor(
    slots: number,
    private readonly width: number | undefined,
    private readonly room: number,
  ) {
    this.offsets = new Int32Array(slots + 1)
  }

  private reserve(count: number, size: number): void {
    if (this.at + count > this.offsets.length - 1) throw new Error('the pages of a column have more values than it has')
    const need = this.size + size
    if (need > MAX_BYTES) throw new Error(`a column of one row group has ${need} bytes, and at most ${MAX_BYTES} are read`)
    if (need <= this.bytes.length) return
    const grown = new Uint8Array(uncleared(Math.min(MAX_BYTES, Math.max(need, 2 * this.bytes.length, Math.min(this.room, MAX_ROOM)))))
    grown.set(this.bytes.subarray(0, this.size))
    this.bytes = grown
  }

  append(encoding: string, page: Uint8Array, at: number, slots: PageSlots): void {
    const start = this.at
    if (encoding === 'PLAIN' && this.width === undefined && this.appendTexts(page.subarray(at), slots)) return
    this.decode(encoding, page, at, slots.values)
    this.spread(start, slots)
  }

  /** Slots without a value, too, have an end. */
  private spread(start: number, slots: PageSlots): void {
    if (start + slots.slots > this.offsets.length - 1) throw new Error('the pages of a column have more values than it has')
    spreadEnds(this.offsets, start, slots)
    this.at = start + slots.slots
  }

  /** By the kernel; `false` where it cannot. */
  private appendTexts(page: Uint8Array, { slots, values, present }: PageSlots): boolean {
    requireBytes(page, 0, 4 * values)
    const texts = pageKernel()?.splitTexts(page, slots, present, this.size)
    return texts !== undefined && this.take(texts)
  }

  private take({ bytes, ends }: PageTexts): true {
    this.reserve(ends.length, bytes.length)
    this.bytes.set(bytes, this.size)
    this.offsets.set(ends, this.at + 1)
    this.at += ends.length
    this.size += bytes.length
    return true
  }

  private decode(encoding: string, page: Uint8Array, at: number, count: number): void {
    if (this.width !== undefined && (encoding === 'PLAIN' || encoding === 'BYTE_STREAM_SPLIT')) return this.appendFixed(encoding, page, at, count, this.width)
    switch (encoding) {
      case 'PLAIN':
        return this.appendPlain(page, at, count)
      case 'DELTA_LENGTH_BYTE_ARRAY': {
        const lengths = new Int32Array(count)
        const from = readLengths(page, at, count, lengths)
        return this.appendRun(page, from, lengths)
      }
      case 'DELTA_BYTE_ARRAY':
        return this.appendPrefixed(page, at, count)
      default:
        throw unknownEncoding(encoding, 'BYTE_ARRAY')
    }
  }

  private appendFixed(encoding: string, page: Uint8Array, at: number, count: number, width: number): void {
    const bytes = encoding === 'PLAIN' ? page.subarray(at, at + count * width) : unsplit(page, at, count, width)
    if (bytes.length < count * width) throw valuesEndTooEarly()
    this.reserve(count, bytes.length)
    this.bytes.set(bytes, this.size)
    for (let i = 0; i < count; i++) this.offsets[++this.at] = this.size += width
  }

  private appendPlain(page: Uint8Array, from: number, count: number): void {
    this.reserve(count, page.length - from)
    const { bytes, offsets } = this
    let at = from
    let size = this.size
    for (let i = 0; i < count; i++) {
      if (at + 4 > page.length) throw valuesEndTooEarly()
      const length = page[at]! | (page[at + 1]! << 8) | (page[at + 2]! << 16) | (page[at + 3]! << 24)
      at += 4
      const end = at + length
      if (length < 0 || end > page.length) throw valuesEndTooEarly()
      if (length > 32) {
        bytes.set(page.subarray(at, end), size)
        size += length
        at = end
      } else while (at < end) bytes[size++] = page[at++]!
      offsets[++this.at] = size
    }
    this.size = size
  }

  private appendRun(page: Uint8Array, from: number, lengths: Int32Array): void {
    let total = 0
    for (const length of lengths) total += length
    requireBytes(page, from, total)
    this.reserve(lengths.length, total)
    this.bytes.set(page.subarray(from, from + total), this.size)
    for (const length of lengths) this.offsets[++this.at] = this.size += length
  }

  private appendPrefixed(page: Uint8Array, at: number, count: number): void {
    const prefixes = new Int32Array(count)
    const suffixes = new Int32Array(count)
    let from = readLengths(page, readLengths(page, at, count, prefixes), count, suffixes)
    let last = 0
    for (let i = 0; i < count; i++) {
      const [prefix, suffix] = [prefixes[i]!, suffixes[i]!]
      if (prefix > last) throw new Error('a value of a page begins with more than the one before it has')
      requireBytes(page, from, suffix)
      this.reserve(1, prefix + suffix)
      this.bytes.copyWithin(this.size, this.size - last, this.size - last + prefix)
      this.bytes.set(page.subarray(from, from + suffix), this.size + prefix)
      from += suffix
      last = prefix + suffix
      this.offsets[++this.at] = this.size += last
    }
  }

  appendFrom(dictionary: Stored, indices: Int32Array, slots: PageSlots): void {
    if (dictionary.is !== 'bytes') throw new Error('a dictionary has other values than its column')
    const named = indices.subarray(0, slots.values)
    const texts = isWorthPlacing(dictionary, slots) ? pageKernel()?.gatherTexts(dictionary, named, slots, this.size, MAX_PLACED) : undefined
    if (texts !== undefined && this.take(texts)) return
    const start = this.at
    this.gather(dictionary, named)
    this.spread(start, slots)
  }

  private gather({ offsets: from, bytes: source, length }: Stored & { readonly is: 'bytes' }, indices: Int32Array): void {
    let total = 0
    for (const index of indices) {
      if (index >>> 0 >= length) throw beyondDictionary(index, length)
      total += from[index + 1]! - from[index]!
    }
    this.reserve(indices.length, total)
    const { bytes, offsets } = this
    let size = this.size
    for (const index of indices) {
      const start = from[index]!
      const end = from[index + 1]!
      if (end - start > 32) {
        bytes.set(source.subarray(start, end), size)
        size += end - start
      } else for (let at = start; at < end; at++) bytes[size++] = source[at]!
      offsets[++this.at] = size
    }
    this.size = size
  }

  finish(): Stored {
    return { is: 'bytes', length: this.at, offsets: this.offsets.subarray(0, this.at + 1), bytes: this.bytes.subarray(0, this.size) }
  }
}

/** Whether the kernel is to have a dictionary: it is copied there for each page. */
const isWorthPlacing = ({ bytes, length }: Stored & { readonly is: 'bytes' }, { values }: PageSlots): boolean => values * (4 + bytes.length / length) > (bytes.length + 4 * length) / 4

/** Lengths, of which none may be less than 0. @returns the offset after them */
const readLengths = (page: Uint8Array, at: number, count: number, out: Int32Array): number => {
  const reader = new DeltaReader(page, at)
  reader.read(count, (value, i) => {
    if (!(value >= 0 && value <= MAX_BYTES)) throw new Error(`a value of a page has the length ${value}`)
    out[i] = Number(value)
  })
  return reader.at
}

/** A sink for the values of a physical type in `slots` slots. @param width - bytes of a FIXED_LEN_BYTE_ARRAY; `room` - bytes of the pages */
export const valueSink = (type: Physical, slots: number, width: number | undefined, room: number): ValueSink => {
  switch (type) {
    case 'BOOLEAN':
      return new BitSink(new Uint8Array(slots))
    case 'INT32':
      return new NumberSink(type, new Int32Array(uncleared(4 * slots)))
    case 'INT64':
      return new NumberSink(type, new BigInt64Array(uncleared(8 * slots)))
    case 'FLOAT':
      return new NumberSink(type, new Float32Array(uncleared(4 * slots)))
    case 'DOUBLE':
      return new NumberSink(type, new Float64Array(uncleared(8 * slots)))
    case 'INT96':
      return new ByteSink(slots, 12, room)
    default: {
      if (type === 'FIXED_LEN_BYTE_ARRAY' && !(width !== undefined && width > 0 && width <= 1 << 20)) throw new Error(`values of ${width} bytes are not read`)
      return new ByteSink(slots, type === 'FIXED_LEN_BYTE_ARRAY' ? width : undefined, room)
    }
  }
}
