/**
 * Reads TFRecord frames of tf.train.Example into columns: AssemblyScript, compiled by scripts/build-kernels.mjs.
 *
 * It takes what nearly all files hold, plain encodings of scalars and lists, and stops before any record that looks otherwise,
 * is damaged, or does not fit the schema: that one, and the words for what is wrong with it, are the TypeScript decoder's, whose
 * results these must equal byte for byte. It allocates nothing; src/example/kernel/kernel-layout.ts places all that it works on, and
 * leaves 64 bytes after each buffer, which loads and copies by 16 bytes may touch.
 *
 * All bounds of the input are checked here. What the layout says (addresses, capacities) is trusted.
 *
 * One file, and long: a kernel is one module with one memory, whose globals its functions share, and calls between files would only
 * spread that state.
 */

import { maskedCrc } from './shared/crc32c'

// Why `decode` stopped, as src/example/kernel/kernel-layout.ts has it.
const MORE: i32 = 0
const ODD: i32 = 1
const FULL: i32 = 2
const OK: i32 = 3

const BYTES: i32 = 1
const FLOAT: i32 = 2
const INT64: i32 = 3

const LIST: i32 = 1
const NULLABLE: i32 = 2
const TEXT: i32 = 4

const TOP_BITS: u64 = 0x8080808080808080

/** A column, 144 bytes. Its fields are written by src/example/kernel/kernel-layout.ts. */
@unmanaged
class Column {
  wire: i32
  flags: i32
  /** Length of every list, or -1. */
  size: i32
  /** Float bits, or pairs of words of integers; offsets of byte strings. */
  values: usize
  listOffsets: usize
  bytes: usize
  /** Most values. */
  capacity: i32
  /** Most bytes. */
  byteCapacity: i32
  /** What stands before the value of a map entry: tag and length of the key, the key, the value's tag. */
  lead: usize
  leadLength: i32
  validity: usize
  /** 1 once a row is null. */
  hasNulls: i32
  least: i64
  most: i64
  /** The record in which the column was last seen. */
  stamp: i32
  padding: i32
  /** The 5 bytes between the lead and a packed payload, were that empty: lengths and tags. Of lists, what no 5 bytes are. */
  shape: u64
  /** The first 32 bytes of the lead, then as many whose bits are set where it has bytes. */
  leadStart: u64
}

// Offsets of `leadStart` and its mask, by 16 bytes.
const LEAD: usize = 80
const LEAD_REST: usize = 96
const LEAD_MASK: usize = 112
const LEAD_REST_MASK: usize = 128
const COLUMN_BYTES: usize = 144

/** What each byte of a payload adds to the lengths in `shape`: of the feature, of its list, of the payload. */
const SHAPE_STEP: u64 = 0x0100010001
const SHAPE_BYTES: u64 = 0xffffffffff

// Set once by `configure`.
let columns: usize = 0
let columnCount: i32 = 0
let keys: usize = 0
let keyMask: u32 = 0
let places: usize = 0
let placesEnd: usize = 0
let longest: u32 = 0

// The record that is read.
let stamp: i32 = 0
/** Columns that it has. */
let found: i32 = 0
/** Where the guess stands of which column comes next; `placesEnd` after the last of them. */
let guess: usize = 0

let stoppedAt: usize = 0
let reason: i32 = 0
let fullColumn: i32 = 0

export function configure(first: usize, count: i32, keyTable: usize, mask: u32, guesses: usize, guessCount: i32, longestRecord: u32): void {
  columns = first
  columnCount = count
  keys = keyTable
  keyMask = mask
  places = guesses
  placesEnd = guesses + (<usize>guessCount << 2)
  longest = longestRecord
}

/** Where `decode` stopped: the frame that comes next. */
export function position(): usize {
  return stoppedAt
}

/** Why it stopped. */
export function stopReason(): i32 {
  return reason
}

/** Index of the column that has no room, after FULL. */
export function fullAt(): i32 {
  return fullColumn
}

/** Where a varint of up to 4 bytes ended; its value is `varint`. 0 for a longer one, or one past the end. */
let varint: u32 = 0
@inline
function readVarint(at: usize, end: usize): usize {
  let byte = <u32>load<u8>(at++)
  varint = byte
  if (byte < 128) return at <= end ? at : 0
  return readLongVarint(at, end, byte & 127)
}

function readLongVarint(at: usize, end: usize, value: u32): usize {
  for (let shift = 7; shift < 28; shift += 7) {
    const byte = <u32>load<u8>(at++)
    value |= (byte & 127) << shift
    if (byte < 128) {
      varint = value
      return at <= end ? at : 0
    }
  }
  return 0
}

/** True when `lead` stands at `at`; the caller knows that its bytes lie within the entry. */
@inline
function startsWith(at: usize, column: Column): bool {
  const length = column.leadLength
  let lead = column.lead
  let left = length
  while (left > 8) {
    if (load<u64>(at) != load<u64>(lead)) return false
    at += 8
    lead += 8
    left -= 8
  }
  return ((load<u64>(at) ^ load<u64>(lead)) << ((8 - left) << 3)) == 0
}

/** Whether 16 bytes at `at` differ from those of the column's lead, as far as it reaches. */
@inline
function differs(at: usize, column: usize, lead: usize, mask: usize): bool {
  return v128.any_true(v128.and(v128.xor(v128.load(at), v128.load(column + lead)), v128.load(column + mask)))
}

/** Length and three bytes tell the names of columns apart; src/example/kernel/kernel-layout.ts hashes alike. */
@inline
function hash(key: usize, length: u32): u32 {
  if (length == 0) return 0
  const mixed = length * 31 + <u32>load<u8>(key) * 17 + <u32>load<u8>(key + (length >> 1)) * 7 + <u32>load<u8>(key + length - 1) * 131
  return mixed ^ (mixed >> 5)
}

/** The column whose key stands at the start of an entry, 0 when there is none. */
function find(at: usize, keyLength: u32): usize {
  let slot = hash(at + 2, keyLength) & keyMask
  let address: usize
  while ((address = load<u32>(keys + (<usize>slot << 2))) != 0) {
    const column = changetype<Column>(address)
    if (<u32>column.leadLength == keyLength + 3 && !differs(at, address, LEAD, LEAD_MASK) && (keyLength <= 13 || startsWith(at, column))) break
    slot = (slot + 1) & keyMask
  }
  return address
}

/** Well-formed UTF-8 as the Unicode standard (table 3-7) says. */
function isUtf8(at: usize, end: usize): bool {
  while (at < end) {
    const first = <u32>load<u8>(at++)
    if (first < 128) continue
    let more: i32 = 1
    let least: u32 = 0x80
    let most: u32 = 0xbf
    if (first < 0xc2 || first > 0xf4) return false
    if (first >= 0xf0) {
      more = 3
      if (first == 0xf0) least = 0x90
      else if (first == 0xf4) most = 0x8f
    } else if (first >= 0xe0) {
      more = 2
      if (first == 0xe0) least = 0xa0
      else if (first == 0xed) most = 0x9f
    }
    if (<i32>(end - at) < more) return false
    const second = <u32>load<u8>(at++)
    if (second < least || second > most) return false
    while (--more > 0) if ((<u32>load<u8>(at++) & 0xc0) != 0x80) return false
  }
  return true
}

/** Copies by 16 bytes, some too many; tells whether a byte above 127 was among those asked for. */
@inline
function copyText(from: usize, to: usize, length: u32): bool {
  let high: i32 = 0
  let left = length
  while (left > 16) {
    const bytes = v128.load(from)
    v128.store(to, bytes)
    high |= i8x16.bitmask(bytes)
    from += 16
    to += 16
    left -= 16
  }
  const bytes = v128.load(from)
  v128.store(to, bytes)
  return (high | (i8x16.bitmask(bytes) & ((1 << left) - 1))) != 0
}

@inline
function full(column: Column): i32 {
  fullColumn = <i32>((changetype<usize>(column) - columns) / COLUMN_BYTES)
  return FULL
}

function readFloats(column: Column, at: usize, end: usize, first: i32): i32 {
  const tag = load<u8>(at)
  if (tag == 10) {
    at = readVarint(at + 1, end)
    if (at == 0 || at + varint != end || (varint & 3) != 0) return ODD
    const count = <i32>(varint >> 2)
    if (first + count > column.capacity) return full(column)
    memory.copy(column.values + (<usize>first << 2), at, varint)
    return listEnds(column, count)
  }
  let count: i32 = 0
  while (at < end) {
    if (load<u8>(at) != 13 || at + 5 > end) return ODD
    if (first + count >= column.capacity) return full(column)
    store<u32>(column.values + (<usize>(first + count) << 2), load<u32>(at, 1))
    count++
    at += 5
  }
  return listEnds(column, count)
}

/** How many values the list just read has. */
let listCount: i32 = 0
@inline
function listEnds(column: Column, count: i32): i32 {
  if (column.size >= 0 && column.size != count) return ODD
  listCount = count
  return OK
}

/** The integer that is the varint at `at`; `varintEnd` is 0 when it is none or lies outside the column's range. */
let varintEnd: usize = 0
function readInteger(at: usize, end: usize): i64 {
  let value: u64 = 0
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (at >= end) break
    const byte = <u64>load<u8>(at++)
    value |= (byte & 127) << shift
    if (byte < 128) {
      varintEnd = at
      return <i64>value
    }
  }
  varintEnd = 0
  return 0
}

function readIntegers(column: Column, at: usize, end: usize, first: i32): i32 {
  const packed = load<u8>(at) == 10
  if (packed) {
    at = readVarint(at + 1, end)
    if (at == 0 || at + varint != end) return ODD
  }
  let count: i32 = 0
  const least = column.least
  const most = column.most
  while (at < end) {
    if (!packed && load<u8>(at++) != 8) return ODD
    if (first + count >= column.capacity) return full(column)
    const value = readInteger(at, end)
    if (varintEnd == 0 || value < least || value > most) return ODD
    at = varintEnd
    store<i64>(column.values + (<usize>(first + count) << 3), value)
    count++
  }
  return listEnds(column, count)
}

/** Appends one byte string as value `index`. */
@inline
function putBytes(column: Column, index: i32, at: usize, length: u32): i32 {
  const offsets = column.values + (<usize>index << 2)
  const used = load<u32>(offsets)
  if (used + length > <u32>column.byteCapacity) return full(column)
  const to = column.bytes + used
  let high = true
  if (length <= 64) high = copyText(at, to, length)
  else memory.copy(to, at, length)
  if (high && (column.flags & TEXT) != 0 && !isUtf8(at, at + length)) return ODD
  store<u32>(offsets, used + length, 4)
  return OK
}

function readStrings(column: Column, at: usize, end: usize, first: i32): i32 {
  let count: i32 = 0
  while (at < end) {
    if (load<u8>(at) != 10) return ODD
    at = readVarint(at + 1, end)
    if (at == 0 || <usize>varint > end - at) return ODD
    if (first + count >= column.capacity) return full(column)
    const length = varint
    const result = putBytes(column, first + count, at, length)
    if (result != OK) return result
    count++
    at += length
  }
  return listEnds(column, count)
}

function readList(column: Column, at: usize, end: usize, row: i32): i32 {
  const offsets = column.listOffsets + (<usize>row << 2)
  const first = load<i32>(offsets)
  let result = OK
  if (at == end) result = listEnds(column, 0)
  else if (column.wire == FLOAT) result = readFloats(column, at, end, first)
  else if (column.wire == INT64) result = readIntegers(column, at, end, first)
  else result = readStrings(column, at, end, first)
  if (result == OK) store<i32>(offsets, first + listCount, 4)
  return result
}

/** The low 7 bits of each of 8 bytes, pushed together, pairs first. */
@inline
function packSevens(bytes: u64): u64 {
  let word = bytes & 0x7f7f7f7f7f7f7f7f
  word = (word & 0x007f007f007f007f) | ((word & 0x7f007f007f007f00) >> 1)
  word = (word & 0x00003fff00003fff) | ((word & 0x3fff00003fff0000) >> 2)
  return (word & 0x000000000fffffff) | ((word & 0x0fffffff00000000) >> 4)
}

/** A scalar between the bytes that say how long its list is and the end of its entry. */
@inline
function readScalar(column: Column, at: usize, end: usize, row: i32): i32 {
  const wire = column.wire
  if (wire == FLOAT) {
    const size = end - at
    if (size == 6) {
      if (load<u16>(at) != 0x040a) return ODD
    } else if (size != 5 || load<u8>(at) != 13) return ODD
    store<u32>(column.values + (<usize>row << 2), load<u32>(end - 4))
    return OK
  }
  if (wire == INT64) {
    const tag = load<u8>(at)
    if (tag == 10) {
      if (<usize>load<u8>(at, 1) != end - at - 2) return ODD
      at += 2
    } else if (tag == 8) at++
    else return ODD
    const length = <u64>(end - at)
    let value: i64
    if (length - 1 < 8) {
      // All bytes but the last have their top bit set; then the groups of 7 bits are pushed together, pairs first.
      const shift = (8 - length) << 3
      const word = load<u64>(at) << shift
      if ((word & TOP_BITS) != (TOP_BITS << shift) - ((<u64>1) << 63)) return ODD
      value = <i64>packSevens(word >> shift)
    } else {
      value = readInteger(at, end)
      if (varintEnd != end) return ODD
    }
    if (value < column.least || value > column.most) return ODD
    store<i64>(column.values + (<usize>row << 3), value)
    return OK
  }
  if (load<u8>(at) != 10) return ODD
  at = readVarint(at + 1, end)
  if (at == 0 || at + varint != end) return ODD
  return putBytes(column, row, at, varint)
}

/** Whether an entry from `at` to `end` is plain: a short key, and a value that reaches to the end. */
function isPlain(at: usize, end: usize, keyLength: usize): bool {
  const value = at + keyLength + 3
  return load<u8>(at) == 10 && load<u8>(value - 1) == 18 && value < end && <usize>load<u8>(value) == end - value - 1
}

/**
 * Reads entries as nearly all are: short, with one value, packed, so that all lengths follow from that of the entry. Stops at the first that is
 * not so, or wrong, which is left to `readEntry`.
 *
 * @returns where it stopped
 */
function readPlainEntries(at: usize, end: usize, row: i32): usize {
  const mark = stamp
  const lastPlace = placesEnd
  let place = guess
  let count = 0
  while (at < end) {
    if (place == lastPlace) break
    const head = <u32>load<u16>(at)
    if ((head & 0x80ff) != 10) break
    const next = at + 2 + (head >> 8)
    if (next > end) break
    let address = <usize>load<u32>(place)
    if (differs(at + 2, address, LEAD, LEAD_MASK)) {
      const keyLength = <usize>load<u8>(at, 3)
      if (keyLength + 3 > <usize>(head >> 8)) break
      address = find(at + 2, <u32>keyLength)
      if (address == 0) {
        if (!isPlain(at + 2, next, keyLength)) break
        at = next
        place += 4
        continue
      }
      store<u32>(place, <u32>address)
    }
    const column = changetype<Column>(address)
    const leadLength = column.leadLength
    if (leadLength > 16) {
      if (leadLength > 32) break
      if (differs(at + 18, address, LEAD_REST, LEAD_REST_MASK)) break
    }
    // An entry that is shorter than the lead has a size beyond all.
    const payload = at + 7 + leadLength
    const size = <u32>(next - payload)
    if ((load<u64>(payload - 5) & SHAPE_BYTES) != column.shape + <u64>size * SHAPE_STEP) break
    const wire = column.wire
    if (wire == FLOAT) {
      if (size != 4) break
      store<u32>(column.values + (<usize>row << 2), load<u32>(payload))
    } else if (wire == INT64) {
      const bytes = load<u64>(payload)
      // Where a varint ends, the top bit is clear.
      const stops = ~bytes & TOP_BITS
      let value: u64
      if (size <= 8) {
        if (<u32>ctz(stops) != (size << 3) - 1) break
        value = packSevens(bytes & (stops ^ (stops - 1)))
      } else {
        const last = <u64>load<u16>(payload, 8)
        if (stops != 0) break
        if (size == 9) {
          if ((last & 0x80) != 0) break
          value = packSevens(bytes) | (last << 56)
        } else {
          if (size != 10 || (last & 0x8080) != 0x80) break
          value = packSevens(bytes) | ((last & 127) << 56) | ((last >> 8) << 63)
        }
      }
      if (<i64>value < column.least) break
      if (<i64>value > column.most) break
      store<u64>(column.values + (<usize>row << 3), value)
    } else {
      const offsets = column.values + (<usize>row << 2)
      const used = load<u32>(offsets) + size
      if (used > <u32>column.byteCapacity) break
      if (copyText(payload, column.bytes + used - size, size)) if ((column.flags & TEXT) != 0) break
      store<u32>(offsets, used, 4)
    }
    if (column.stamp != mark) {
      column.stamp = mark
      count++
    }
    at = next
    place += 4
  }
  found += count
  guess = place
  return at
}

/** Gives the columns that a record lacks their nulls. */
function fillAbsent(row: i32): i32 {
  let address = columns
  for (let i = 0; i < columnCount; i++, address += COLUMN_BYTES) {
    const column = changetype<Column>(address)
    if (column.stamp != stamp && (column.flags & NULLABLE) == 0) return ODD
  }
  address = columns
  for (let i = 0; i < columnCount; i++, address += COLUMN_BYTES) {
    const column = changetype<Column>(address)
    if (column.stamp == stamp) continue
    if ((column.flags & LIST) != 0) {
      const offsets = column.listOffsets + (<usize>row << 2)
      store<i32>(offsets, load<i32>(offsets), 4)
    } else if (column.wire == BYTES) {
      const offsets = column.values + (<usize>row << 2)
      store<i32>(offsets, load<i32>(offsets), 4)
    } else if (column.wire == FLOAT) store<i32>(column.values + (<usize>row << 2), 0)
    else store<i64>(column.values + (<usize>row << 3), 0)
    const bits = column.validity + (row >> 3)
    store<u8>(bits, load<u8>(bits) & ~(<u8>1 << <u8>(row & 7)))
    column.hasNulls = 1
  }
  return OK
}

/** Where the entry ended that `readEntry` read. */
let entryAfter: usize = 0

/** An entry with all the liberties that are taken here. */
function readEntry(start: usize, end: usize, row: i32): i32 {
  if (load<u8>(start) != 10) return ODD
  let at = readVarint(start + 1, end)
  if (at == 0 || <usize>varint > end - at) return ODD
  const entryEnd = at + varint
  entryAfter = entryEnd
  const place = guess
  const isGuessed = place < placesEnd
  if (isGuessed) guess += 4
  let address: usize = isGuessed ? <usize>load<u32>(place) : 0
  // An entry too short for the guess reaches past itself into bytes that are there, and is found out below.
  if (address == 0 || !startsWith(at, changetype<Column>(address))) {
    const keyLength = <u32>load<u8>(at, 1)
    if (load<u8>(at) != 10 || keyLength > 127 || at + keyLength + 3 > entryEnd || load<u8>(at + keyLength + 2) != 18) return ODD
    address = find(at, keyLength)
    if (address == 0) {
      at = readVarint(at + keyLength + 3, entryEnd)
      return at == 0 || at + varint != entryEnd ? ODD : OK
    }
    if (isGuessed) store<u32>(place, <u32>address)
  }
  const column = changetype<Column>(address)
  at += column.leadLength
  // The feature, then its list, each to the very end of the entry.
  at = readVarint(at, entryEnd)
  if (at == 0 || at + varint != entryEnd || at == entryEnd) return ODD
  if (<i32>load<u8>(at) != ((column.wire << 3) | 2)) return ODD
  at = readVarint(at + 1, entryEnd)
  if (at == 0 || at + varint != entryEnd) return ODD
  let result: i32
  if ((column.flags & LIST) != 0) result = readList(column, at, entryEnd, row)
  else if (at == entryEnd) return ODD
  else result = readScalar(column, at, entryEnd, row)
  if (result == OK && column.stamp != stamp) {
    column.stamp = stamp
    found++
  }
  return result
}

/** One serialized tf.train.Example as row `row`. */
function decodeRecord(start: usize, end: usize, row: i32): i32 {
  stamp++
  found = 0
  guess = places
  let at = start
  if (at < end) {
    if (load<u8>(at) != 10) return ODD
    at = readVarint(at + 1, end)
    if (at == 0 || at + varint != end) return ODD
  }
  for (;;) {
    at = readPlainEntries(at, end, row)
    if (at == end) break
    const result = readEntry(at, end, row)
    if (result != OK) return result
    at = entryAfter
  }
  return found == columnCount ? OK : fillAbsent(row)
}

/**
 * Decodes frames from `at` to `end`, rows `row` to `lastRow`, until `budget` bytes of payloads have been taken. Both checksums of
 * each frame are checked.
 *
 * @returns the row that comes next
 */
export function decode(at: usize, end: usize, row: i32, lastRow: i32, budget: i32): i32 {
  reason = MORE
  while (row < lastRow && budget > 0) {
    if (end - at < 16) break
    const length = load<u32>(at)
    if (load<u32>(at, 4) != 0 || length > longest || maskedCrc(at, at + 8) != load<u32>(at, 8)) {
      reason = ODD
      break
    }
    if (<usize>length > end - at - 16) break
    const start = at + 12
    if (maskedCrc(start, start + length) != load<u32>(start + length)) {
      reason = ODD
      break
    }
    const result = decodeRecord(start, start + length, row)
    if (result != OK) {
      reason = result
      break
    }
    row++
    budget -= <i32>length
    at = start + length + 4
  }
  stoppedAt = at
  return row
}
