/**
 * Writes columns as TFRecord frames of tf.train.Example: AssemblyScript, compiled by scripts/build-kernels.mjs.
 *
 * Its bytes must equal those of the TypeScript encoder (src/example/example-encoder.ts). It allocates nothing;
 * src/example/kernel/encoder-kernel.ts places all that it works on, and leaves 16 bytes after each buffer, which loads and copies by
 * 8 bytes may touch. Columns come from there too, and are trusted.
 */
import { maskedCrc } from './shared/crc32c'

const BYTES: i32 = 1
const FLOAT: i32 = 2

/** Longest entry whose lengths all take one byte. */
const SHORT: u32 = 127
/** Tags, lengths and a number around a short entry, at most. */
const AROUND: u32 = 32

/** A column, 36 bytes. Its fields are written by src/example/kernel/encoder-kernel.ts. */
@unmanaged
class Column {
  wire: i32
  /** Of a map entry, what stands between its length and that of its value. */
  lead: usize
  leadLength: u32
  /** Float bits, or 64-bit integers. */
  values: usize
  /** Of byte strings: where they end, and their bytes. */
  offsets: usize
  bytes: usize
  /** Of lists: where they end; 0 for scalars. */
  listOffsets: usize
  /** Bitmap of the rows that are there, 0 for all. */
  validity: usize
  padding: i32
}

let columns: usize = 0
let columnsEnd: usize = 0
let stoppedAt: usize = 0
/** Bytes of the last record's length. */
let lengthBytes: usize = 1

export function configure(first: usize, count: i32): void {
  columns = first
  columnsEnd = first + <usize>count * offsetof<Column>()
}

/** The address after the last frame. */
export function position(): usize {
  return stoppedAt
}

/** Bytes of the varint of a number below 2^28. */
@inline
function sizeOf(value: u32): u32 {
  return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4
}

@inline
function putLength(at: usize, value: u32): usize {
  if (value < 128) {
    store<u8>(at, value)
    return at + 1
  }
  return putLongLength(at, value)
}

function putLongLength(at: usize, value: u32): usize {
  while (value > 127) {
    store<u8>(at++, value | 128)
    value >>= 7
  }
  store<u8>(at++, value)
  return at
}

/** Bytes of the varint of a 64-bit integer. */
@inline
function integerSize(value: u64): u32 {
  return (<u32>(70 - clz(value | 1)) * 37) >> 8
}

/** Stores a varint of `size` bytes, and zeros after it. */
@inline
function putInteger(at: usize, value: u64, size: u32): void {
  if (size > 8) return putLongInteger(at, value)
  // Groups of 7 bits are spread over bytes, the large ones first; all but the last get their top bit.
  let word = (value & 0x000000000fffffff) | ((value & 0x00fffffff0000000) << 4)
  word = (word & 0x00003fff00003fff) | ((word & 0x0fffc0000fffc000) << 2)
  word = (word & 0x007f007f007f007f) | ((word & 0x3f803f803f803f80) << 1)
  store<u64>(at, word | (0x0080808080808080 & (((<u64>1) << ((<u64>size - 1) << 3)) - 1)))
}

function putLongInteger(at: usize, value: u64): void {
  while (value > 127) {
    store<u8>(at++, <u32>value | 128)
    value >>= 7
  }
  store<u8>(at, <u32>value)
}

/** Copies by 8 bytes, some too many. */
@inline
function copyShort(from: usize, to: usize, length: u32): void {
  let i: u32 = 0
  do {
    store<u64>(to + i, load<u64>(from + i))
    i += 8
  } while (i < length)
}

@inline
function copy(from: usize, to: usize, length: u32): void {
  if (length <= 64) copyShort(from, to, length)
  else memory.copy(to, from, length)
}

// What `measure` found out about a row's value.
let first: u32 = 0
let last: u32 = 0
/** Bytes of packed values. */
let packed: u32 = 0

/** Bytes of the list of a row's values. */
function measure(column: Column, row: i32): u32 {
  if (column.listOffsets == 0) {
    first = row
    last = row + 1
  } else {
    const ends = column.listOffsets + (<usize>row << 2)
    first = load<u32>(ends)
    last = load<u32>(ends, 4)
  }
  if (first == last) return 0
  let size: u32 = 0
  if (column.wire == BYTES) {
    for (let i = first; i < last; i++) {
      const ends = column.offsets + (<usize>i << 2)
      const length = load<u32>(ends, 4) - load<u32>(ends)
      size += 1 + sizeOf(length) + length
    }
    return size
  }
  if (column.wire == FLOAT) size = (last - first) << 2
  else for (let i = first; i < last; i++) size += integerSize(load<u64>(column.values + (<usize>i << 3)))
  packed = size
  return 1 + sizeOf(size) + size
}

/** Writes the values that `measure` looked at; there is one at least. */
function putValues(column: Column, at: usize): usize {
  if (column.wire == BYTES) {
    for (let i = first; i < last; i++) {
      const ends = column.offsets + (<usize>i << 2)
      const from = load<u32>(ends)
      const length = load<u32>(ends, 4) - from
      store<u8>(at, 10)
      at = putLength(at + 1, length)
      copy(column.bytes + from, at, length)
      at += length
    }
    return at
  }
  store<u8>(at, 10)
  at = putLength(at + 1, packed)
  if (column.wire == FLOAT) {
    copy(column.values + (<usize>first << 2), at, packed)
    return at + packed
  }
  for (let i = first; i < last; i++) {
    const value = load<u64>(column.values + (<usize>i << 3))
    const size = integerSize(value)
    putInteger(at, value, size)
    at += size
  }
  return at
}

/** Writes the map entry of a row, whatever it is; returns the address after it, 0 where it has no room before `end`. */
function putEntry(column: Column, at: usize, end: usize, row: i32): usize {
  const content = measure(column, row)
  const feature = 1 + sizeOf(content) + content
  const entry = column.leadLength + sizeOf(feature) + feature
  if (entry + AROUND > <u32>(end - at)) return 0
  store<u8>(at, 10)
  at = putLength(at + 1, entry)
  copy(column.lead, at, column.leadLength)
  at = putLength(at + column.leadLength, feature)
  // The tag of bytes_list, float_list or int64_list: length-delimited.
  store<u8>(at, (column.wire << 3) | 2)
  at = putLength(at + 1, content)
  return content == 0 ? at : putValues(column, at)
}

/** As `putEntry`, for scalars first: as a rule, all their lengths take one byte. */
@inline
function putColumn(column: Column, at: usize, end: usize, row: i32): usize {
  const leadLength = column.leadLength
  if (column.listOffsets != 0 || leadLength > SHORT - 15) return putEntry(column, at, end, row)
  if (SHORT + AROUND > <u32>(end - at)) return 0
  const wire = column.wire
  const to = at + 2 + leadLength
  if (wire == FLOAT) {
    store<u16>(at, 10 | ((leadLength + 9) << 8))
    copyShort(column.lead, at + 2, leadLength)
    store<u64>(to, 0x040a061208)
    store<u32>(to, load<u32>(column.values + (<usize>row << 2)), 5)
    return to + 9
  }
  let size: u32
  let from: usize = 0
  let value: u64 = 0
  if (wire == BYTES) {
    const ends = column.offsets + (<usize>row << 2)
    const start = load<u32>(ends)
    from = column.bytes + start
    size = load<u32>(ends, 4) - start
    if (size > SHORT - 5 - leadLength) return putEntry(column, at, end, row)
  } else {
    value = load<u64>(column.values + (<usize>row << 3))
    size = integerSize(value)
  }
  store<u16>(at, 10 | ((leadLength + 5 + size) << 8))
  copyShort(column.lead, at + 2, leadLength)
  // Lengths of the feature, its list and the packed values (or the one byte string), each after its tag.
  store<u64>(to, 0x000a020204 + <u64>size * 0x0100010001 + (<u64>wire << 11))
  if (wire == BYTES) copyShort(from, to + 5, size)
  else putInteger(to + 5, value, size)
  return to + 5 + size
}

/** Writes a row as a serialized tf.train.Example; returns the address after it, 0 where it has no room before `end`. */
function putRecord(start: usize, end: usize, row: i32): usize {
  // The length goes in front, and most likely takes as many bytes as that of the record before.
  let content = start + 1 + lengthBytes
  if (content + SHORT > end) return 0
  let at = content
  for (let address = columns; address < columnsEnd; address += offsetof<Column>()) {
    const column = changetype<Column>(address)
    const validity = column.validity
    if (validity != 0 && ((<u32>load<u8>(validity + (row >> 3)) >> (row & 7)) & 1) == 0) continue
    at = putColumn(column, at, end, row)
    if (at == 0) return 0
  }
  const size = <u32>(at - content)
  const needed = <usize>sizeOf(size)
  if (needed != lengthBytes) {
    memory.copy(start + 1 + needed, content, size)
    at += needed - lengthBytes
    lengthBytes = needed
  }
  store<u8>(start, 10)
  putLength(start + 1, size)
  return at
}

/**
 * Writes every `step`-th row from `row` to `lastRow` as a frame with both checksums, from `at` on, as far as there is room before
 * `end`.
 *
 * @returns the row that comes next
 */
export function encode(at: usize, end: usize, row: i32, lastRow: i32, step: i32): i32 {
  while (row < lastRow) {
    if (at + AROUND > end) break
    const start = at + 12
    const stop = putRecord(start, end - 8, row)
    if (stop == 0) break
    store<u64>(at, <u64>(stop - start))
    store<u32>(at, maskedCrc(at, at + 8), 8)
    store<u32>(stop, maskedCrc(start, stop))
    at = stop + 4
    row += step
  }
  stoppedAt = at
  return row
}
