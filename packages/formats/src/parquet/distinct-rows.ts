import { BytesColumn, DecimalColumn, FixedColumn, halves, type Column } from '@millrace/core'
import { bitWidth } from './page-runs.js'

/** parquet-mr and Arrow give up a dictionary beyond this: a reader keeps all of it while it reads a column. */
export const MAX_DICTIONARY_BYTES = 1024 * 1024
/** After so many values it is looked at whether values come again at all: a column of a key does not go through the table to its end. */
const SAMPLE_VALUES = 16_384
/** Of so large a share that is new there is no hope that a dictionary will pay. */
const HOPELESS_SHARE = 15 / 16
/** A dictionary has to save a quarter: what packs pages finds repetitions too, and better in plain values than in indices. */
const LARGEST_SHARE = 0.75

/** The distinct values of a column. */
export interface DistinctRows {
  /** For each row the number of its value; 0 where it is null. */
  readonly indices: Int32Array
  /** For each value the row where it stands first, in ascending order. */
  readonly firstRows: Int32Array
}

/** How the values of a column are told apart. */
interface Keys {
  readonly hash: (row: number) => number
  readonly areEqual: (a: number, b: number) => boolean
  /** Bytes of a row's value in the encoding PLAIN. */
  readonly plainBytes: (row: number) => number
}

/** Other in each process, so that no data can be made whose values all collide. */
const basis = Math.floor(Math.random() * 2 ** 32) | 0

const mixed = (hash: number): number => {
  const once = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return once ^ (once >>> 13)
}

/** From this length on a call that compares bytes is faster than a loop. */
const LONG_BYTES = 64

const byteKeys = ({ bytes, offsets }: BytesColumn): Keys => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    hash: (row) => {
      let hash = basis
      let at = offsets[row]!
      const end = offsets[row + 1]!
      for (; at + 4 <= end; at += 4) {
        hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1)
        hash ^= hash >>> 15
      }
      for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
      return mixed(hash)
    },
    areEqual: (a, b) => {
      let [from, at] = [offsets[a]!, offsets[b]!]
      const end = offsets[a + 1]!
      if (end - from !== offsets[b + 1]! - at) return false
      if (end - from >= LONG_BYTES) return buffer.compare(buffer, at, offsets[b + 1], from, end) === 0
      while (from < end) if (bytes[from++] !== bytes[at++]) return false
      return true
    },
    plainBytes: (row) => 4 + offsets[row + 1]! - offsets[row]!,
  }
}

/** Of values of `width` words of 32 bits; floats by their bits, so that zeros keep their sign. */
const wordKeys = (words: Int32Array, width: number, plainBytes: number): Keys => ({
  hash: (row) => {
    let hash = basis
    for (let at = row * width, end = at + width; at < end; at++) hash = Math.imul(hash ^ words[at]!, 0x9e3779b1) ^ (hash >>> 16)
    return mixed(hash)
  },
  areEqual: (a, b) => {
    for (let word = 0; word < width; word++) if (words[a * width + word] !== words[b * width + word]) return false
    return true
  },
  plainBytes: () => plainBytes,
})

/** `undefined` for layouts that have no use of a dictionary. @param width - bytes of a value in the encoding PLAIN, where all have as many */
const keysOf = (column: Column, width: number): Keys | undefined => {
  if (column instanceof BytesColumn) return byteKeys(column)
  if (column instanceof DecimalColumn) return wordKeys(halves(column.words), 4, width)
  if (!(column instanceof FixedColumn)) return undefined
  const { values } = column
  if (values.BYTES_PER_ELEMENT < 4) return wordKeys(Int32Array.from(values as Int16Array), 1, width)
  return wordKeys(new Int32Array(values.buffer, values.byteOffset, values.byteLength / 4), values.BYTES_PER_ELEMENT / 4, width)
}

/** Numbers rows by their values, with open addressing. */
class RowTable {
  size = 0
  /** Number of the value + 1, or 0 where the slot is free; a power of two of them. */
  private slots = new Int32Array(1024)
  private hashes = new Int32Array(512)
  private rows = new Int32Array(512)

  constructor(private readonly keys: Keys) {}

  /** The number of a row's value, which is `size` of before where it is new. */
  add(row: number): number {
    const { keys, rows, hashes } = this
    const hash = keys.hash(row)
    const mask = this.slots.length - 1
    let slot = hash & mask
    for (let found = this.slots[slot]!; found !== 0; found = this.slots[slot]!) {
      if (hashes[found - 1] === hash && keys.areEqual(rows[found - 1]!, row)) return found - 1
      slot = (slot + 1) & mask
    }
    hashes[this.size] = hash
    rows[this.size] = row
    this.slots[slot] = ++this.size
    if (this.size === rows.length) this.grow()
    return this.size - 1
  }

  firstRows(): Int32Array {
    return this.rows.slice(0, this.size)
  }

  private grow(): void {
    const twice = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(2 * from.length)
      to.set(from)
      return to
    }
    this.hashes = twice(this.hashes)
    this.rows = twice(this.rows)
    this.slots = new Int32Array(2 * this.slots.length)
    const mask = this.slots.length - 1
    for (let entry = 0; entry < this.size; entry++) {
      let slot = this.hashes[entry]! & mask
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask
      this.slots[slot] = entry + 1
    }
  }
}

/** The distinct values of a column, where storing these and which rows have them saves enough; `undefined` where it does not. @param width - as in {@link keysOf} */
export const distinctRows = (column: Column, width: number): DistinctRows | undefined => {
  const keys = keysOf(column, width)
  if (keys === undefined) return undefined
  const table = new RowTable(keys)
  const { length, nullCount } = column
  const indices = new Int32Array(length)
  let values = 0
  let plain = 0
  let dictionary = 0
  const pays = (): boolean => dictionary + (values * bitWidth(Math.max(1, table.size - 1))) / 8 <= LARGEST_SHARE * plain
  for (let row = 0; row < length; row++) {
    if (nullCount > 0 && !column.isValid(row)) continue
    const known = table.size
    const index = table.add(row)
    const bytes = keys.plainBytes(row)
    indices[row] = index
    plain += bytes
    if (index === known) dictionary += bytes
    if (dictionary > MAX_DICTIONARY_BYTES || (++values === SAMPLE_VALUES && table.size > HOPELESS_SHARE * SAMPLE_VALUES)) return undefined
  }
  return values > 0 && pays() ? { indices, firstRows: table.firstRows() } : undefined
}
