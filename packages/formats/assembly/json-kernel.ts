/**
 * Reads JSON objects into columns: AssemblyScript, compiled by scripts/build-kernels.mjs.
 *
 * It takes records as nearly all are, and stops before any that looks otherwise: JSON that is not sound, a key that
 * comes twice, a value that does not fit or whose digits it cannot round with certainty. Those, and the words for what is
 * wrong with them, belong to TypeScript (src/json), whose results these must equal byte for byte. It allocates nothing;
 * src/columnar/kernel-layout.ts places all that it works on and leaves 64 bytes after each buffer, which loads and stores by 16 bytes
 * may touch.
 *
 * After the text stands a zero byte that is not in it: it may stand in no JSON, so every scan ends there.
 *
 * One file, and long: a kernel is one module with one memory, whose globals its functions share.
 */
import { BOOL, Column, countLines, DATE, FLOAT32, FLOAT64, INTEGER, isAscii, NULLABLE, putNull, putZero, TEXT, TIMESTAMP, undo, UNSIGNED } from './shared/column'
import { digits, putDecimal, putFloat, putInteger, readDigits, setTables, significant, startDigits } from './shared/numbers'
import { readTime } from './shared/times'

export { countLines }

// Why `run` stopped, as src/columnar/column-kernel.ts has it.
const MORE: i32 = 0
const ODD: i32 = 1
const FULL: i32 = 2
const ROWS: i32 = 3

// Kinds of columns besides those of all kernels, as src/columnar/kernel-columns.ts has them.
const RAW: i32 = 9
const LIST: i32 = 10

/** Flag of columns that take a number as it is written: not an array, or besides a text. */
const NUMBER: i32 = 2

const NEWLINE: u32 = 10
const QUOTE: u32 = 34
const COMMA: u32 = 44
const MINUS: u32 = 45
const POINT: u32 = 46
const ZERO: u32 = 48
const COLON: u32 = 58
const OPEN_BRACKET: u32 = 91
const BACKSLASH: u32 = 92
const CLOSE_BRACKET: u32 = 93
const OPEN_BRACE: u32 = 123
const CLOSE_BRACE: u32 = 125

const NULL: u32 = 0x6c6c756e
const TRUE: u32 = 0x65757274
const FALS: u32 = 0x736c6166

/** Levels that a word has bits for. */
const DEEPEST: i32 = 64
/** What reaches so near to the end of the text may only look odd because it goes on. */
const NEAR: usize = 16

// Keys, as src/json/columnar/key-table.ts lays them out.
const BUCKETS: u32 = 64
const BUCKETS_AT: usize = 8
const ENTRY_BYTES: usize = 32
/** Room for a key with escapes. */
const LONGEST_KEY: usize = 1024

/** A key of an object. */
@unmanaged
class Entry {
  /** Where its bytes stand, a quote after them. */
  key: u32
  length: u32
  /** Index of the column, or where the table of the keys below it stands. */
  target: u32
  isObject: u32
  /** Index of the next entry of the same bucket, from 1; 0 for none. */
  next: u32
  /** Of objects: the record in which the key has come last. */
  seenIn: u32
}

// Set by `configure`.
let columns: usize = 0
let width: i32 = 0
let table: usize = 0
let seenAt: usize = 0
let scratch: usize = 0
let isLines: bool = false
let longest: u32 = 0
let longestText: u32 = 0
let mostDepth: i32 = 0
let starts: usize = 0

let reason: i32 = 0
let stoppedAt: usize = 0
let fullColumn: usize = 0

let textEnd: usize = 0
let row: i32 = 0
/** Number of the record, never the same for two: columns are marked with it when their key has come. */
let record: u32 = 0
let seen: i32 = 0

export function configure(
  columnTable: usize, columnCount: i32, keyTable: usize, seenTable: usize, lines: bool, mostBytes: u32, mostTextBytes: u32, depth: i32,
  fiveTable: usize, tenTable: usize, startTable: usize,
): void {
  columns = columnTable
  width = columnCount
  table = keyTable
  seenAt = seenTable
  scratch = seenTable + (<usize>columnCount << 2)
  isLines = lines
  longest = mostBytes
  longestText = mostTextBytes
  mostDepth = depth
  setTables(fiveTable, tenTable)
  starts = startTable
}

/** Where `run` stopped: after the last record that was read. */
export function position(): usize {
  return stoppedAt
}

/** Why it stopped. */
export function stopReason(): i32 {
  return reason
}

/** Address of the column that has no room, after FULL. */
export function fullAt(): usize {
  return fullColumn
}

/**
 * Reads records into rows `first` to `lastRow`: lines, from the end of a line or its beginning on; or elements of an array, from the
 * end of an element on. Each row's start is the end of the record before it.
 *
 * @param strict - whether records that are not ASCII are odd
 * @returns the row after the last that was read
 */
export function run(at: usize, end: usize, first: i32, lastRow: i32, strict: bool): i32 {
  store<u8>(end, 0)
  textEnd = end
  row = first
  reason = ROWS
  while (row < lastRow) {
    const stop = readRecord(at, strict)
    if (stop == 0) {
      undo(columns, width, row)
      break
    }
    store<u32>(starts + (<usize>row << 2), <u32>at)
    at = stop
    row++
  }
  stoppedAt = at
  return row
}

@inline
function fail(at: usize): usize {
  reason = at + NEAR > textEnd ? MORE : ODD
  return 0
}

function full(column: Column): usize {
  fullColumn = changetype<usize>(column)
  reason = FULL
  return 0
}

@inline
function isSpace(byte: u32): bool {
  return byte == 32 || byte == 9 || byte == 13 || (byte == NEWLINE && !isLines)
}

/** After the white space at an address; in lines, what ends one is none. */
@inline
function skipSpace(at: usize): usize {
  while (<u32>load<u8>(at) <= 32 && isSpace(load<u8>(at))) at++
  return at
}

/** Reads the record after `at`; returns where it ends, or 0. */
function readRecord(at: usize, strict: bool): usize {
  at = skipSpace(at)
  if (isLines) while (<u32>load<u8>(at) == NEWLINE) at = skipSpace(at + 1)
  else {
    if (<u32>load<u8>(at) != COMMA) return fail(at)
    at = skipSpace(at + 1)
  }
  const start = at
  if (<u32>load<u8>(at) != OPEN_BRACE || mostDepth < 1) return fail(at)
  record++
  seen = 0
  at = readObject(table, at + 1, 1)
  if (at == 0) return 0
  let lineEnd = at
  if (isLines) {
    lineEnd = skipSpace(at)
    if (<u32>load<u8>(lineEnd) != NEWLINE) return fail(lineEnd)
  }
  if (<u32>(lineEnd - start) > longest || (strict && !isAscii(start, at))) return fail(at)
  return seen == width || putMissing() ? at : fail(at)
}

/** Puts nulls where no key has come. */
function putMissing(): bool {
  for (let i = 0; i < width; i++) {
    if (load<u32>(seenAt + (<usize>i << 2)) == record) continue
    const column = changetype<Column>(<usize>load<u32>(columns + (<usize>i << 2)))
    if ((column.flags & NULLABLE) == 0) return false
    putEmpty(column)
  }
  return true
}

@inline
function isVariable(column: Column): bool {
  return column.kind == TEXT || column.kind >= RAW
}

function putEmpty(column: Column): void {
  putNull(column, row)
  if (isVariable(column)) {
    const offset = column.values + (<usize>row << 2)
    store<u32>(offset, load<u32>(offset), 4)
  } else putZero(column, row)
}

/** Reads the members of an object whose brace stands before `at`; returns where it ends, or 0. */
function readObject(node: usize, at: usize, depth: i32): usize {
  let expected = table + load<u32>(node, 4)
  const last = expected + ENTRY_BYTES * <usize>load<u32>(node)
  at = skipSpace(at)
  if (<u32>load<u8>(at) == CLOSE_BRACE) return at + 1
  while (true) {
    if (<u32>load<u8>(at) != QUOTE) return fail(at)
    at++
    let found: usize = 0
    if (expected != last && isKey(changetype<Entry>(expected), at)) {
      found = expected
      at += changetype<Entry>(expected).length + 1
    } else {
      const stop = endOfPlain(at)
      if (<u32>load<u8>(stop) == QUOTE) {
        found = findKey(node, at, <u32>(stop - at))
        at = stop + 1
      } else {
        at = copyKey(at)
        if (at == 0) return 0
        found = findKey(node, scratch, <u32>(copiedTo - scratch))
      }
    }
    if (<u32>load<u8>(at) != COLON) {
      at = skipSpace(at)
      if (<u32>load<u8>(at) != COLON) return fail(at)
    }
    at = skipSpace(at + 1)
    if (found == 0) at = skipValue(at, depth)
    else {
      expected = found + ENTRY_BYTES
      const entry = changetype<Entry>(found)
      at = entry.isObject != 0 ? readBelow(entry, at, depth) : readColumn(entry.target, at, depth)
    }
    if (at == 0) return 0
    at = skipSpace(at)
    const byte = <u32>load<u8>(at)
    if (byte == CLOSE_BRACE) return at + 1
    if (byte != COMMA) return fail(at)
    at = skipSpace(at + 1)
  }
}

/** Reads the object that a path goes through. */
function readBelow(entry: Entry, at: usize, depth: i32): usize {
  if (entry.seenIn == record) return fail(at)
  entry.seenIn = record
  if (load<u32>(at) == NULL) return at + 4
  if (<u32>load<u8>(at) != OPEN_BRACE || depth + 1 > mostDepth) return fail(at)
  return readObject(table + entry.target, at + 1, depth + 1)
}

/** True when the key at an address, and the quote that ends it, are those of an entry. */
@inline
function isKey(entry: Entry, at: usize): bool {
  const key = table + entry.key
  const length = entry.length
  const equal = i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(key)))
  if (length < 16) {
    const mask = (2 << length) - 1
    return (equal & mask) == mask
  }
  return equal == 0xffff && isLongKey(key, at, length)
}

function isLongKey(key: usize, at: usize, length: u32): bool {
  for (let i: u32 = 16; i <= length; i++) if (load<u8>(key + i) != load<u8>(at + i)) return false
  return true
}

/** Where the next quote, backslash or control character stands. */
@inline
function endOfPlain(at: usize): usize {
  while (true) {
    const found = special(v128.load(at))
    if (found != 0) return at + ctz(found)
    at += 16
  }
}

/** Writes a key that has escapes where it can be compared; returns where it ends, or 0. */
function copyKey(at: usize): usize {
  const stop = copyText(at, scratch, scratch + LONGEST_KEY)
  if (stop == 0) {
    if (reason == FULL) reason = ODD
    return 0
  }
  store<u8>(copiedTo, QUOTE)
  return stop
}

/** The entry of a key, or 0. */
function findKey(node: usize, at: usize, length: u32): usize {
  const bucket = length == 0 ? 0 : (length * 31 + <u32>load<u8>(at) * 7 + <u32>load<u8>(at + length - 1)) & (BUCKETS - 1)
  let index = <u32>load<u16>(node + BUCKETS_AT + (<usize>bucket << 1))
  const entries = table + load<u32>(node, 4)
  while (index != 0) {
    const address = entries + ENTRY_BYTES * <usize>(index - 1)
    const entry = changetype<Entry>(address)
    if (entry.length == length && isKey(entry, at)) return address
    index = entry.next
  }
  return 0
}

/** Quotes, backslashes and control characters among 16 bytes. */
@inline
function special(bytes: v128): i32 {
  return i8x16.bitmask(v128.or(v128.or(i8x16.eq(bytes, i8x16.splat(34)), i8x16.eq(bytes, i8x16.splat(92))), i8x16.le_u(bytes, i8x16.splat(31))))
}

/** Reads the value of a column; returns where it ends, or 0. */
function readColumn(index: u32, at: usize, depth: i32): usize {
  const mark = seenAt + (<usize>index << 2)
  if (load<u32>(mark) == record) return fail(at)
  store<u32>(mark, record)
  seen++
  const column = changetype<Column>(<usize>load<u32>(columns + (<usize>index << 2)))
  if (load<u32>(at) == NULL) {
    if ((column.flags & NULLABLE) == 0) return fail(at)
    putEmpty(column)
    return at + 4
  }
  if (column.kind == TEXT) {
    if (<u32>load<u8>(at) == QUOTE) return readText(column, at + 1)
    return (column.flags & NUMBER) != 0 ? readRaw(column, at, depth) : fail(at)
  }
  if (column.kind == LIST) return readList(column, at, depth)
  if (column.kind == RAW) return readRaw(column, at, depth)
  return readValue(column, at, row)
}

function readText(column: Column, at: usize): usize {
  const offset = column.values + (<usize>row << 2)
  const from = column.bytes + load<u32>(offset)
  const stop = copyText(at, from, column.bytes + column.byteCapacity)
  if (stop == 0) return reason == FULL ? full(column) : 0
  if (<u32>(copiedTo - from) > longestText) return fail(at)
  store<u32>(offset, <u32>(copiedTo - column.bytes), 4)
  return stop
}

/** Where what {@link copyText} wrote ends. */
let copiedTo: usize = 0

/** Writes the characters of a text, whose quote stands before `at`; returns where it ends, or 0. Not far beyond `limit`. */
function copyText(at: usize, to: usize, limit: usize): usize {
  while (true) {
    if (to > limit) {
      reason = FULL
      return 0
    }
    const bytes = v128.load(at)
    v128.store(to, bytes)
    const found = special(bytes)
    if (found == 0) {
      at += 16
      to += 16
      continue
    }
    const length = <usize>ctz(found)
    at += length
    to += length
    const byte = <u32>load<u8>(at)
    if (byte == QUOTE) break
    if (byte != BACKSLASH) return fail(at)
    const letter = <u32>load<u8>(at, 1)
    const plain = plainEscape(letter)
    if (plain != 0) {
      store<u8>(to++, plain)
      at += 2
      continue
    }
    if (letter != 117) return fail(at + 1)
    at = unescapeUnit(at + 1, to)
    if (at == 0) return 0
    to = unescapedTo
  }
  copiedTo = to
  return at + 1
}

/** Where the character that {@link unescapeUnit} wrote ends. */
let unescapedTo: usize = 0

/** The character that a letter after a backslash stands for; 0 for other letters. */
@inline
function plainEscape(byte: u32): u32 {
  if (byte == QUOTE || byte == BACKSLASH || byte == 47) return byte
  if (byte == 110) return 10
  if (byte == 116) return 9
  if (byte == 114) return 13
  if (byte == 98) return 8
  return byte == 102 ? 12 : 0
}

/** `u` and four digits; of a pair of surrogates, both. Surrogates that are no pair are left to TypeScript. */
function unescapeUnit(at: usize, to: usize): usize {
  let code = hexadecimal(at + 1)
  if (code > 0xffff) return fail(at)
  at += 5
  if (code >= 0xd800 && code < 0xe000) {
    if (code >= 0xdc00 || load<u16>(at) != 0x755c) return fail(at)
    const low = hexadecimal(at + 2)
    if (low < 0xdc00 || low > 0xdfff) return fail(at)
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
    at += 6
  }
  if (code < 0x80) {
    store<u8>(to, code)
    unescapedTo = to + 1
  } else if (code < 0x800) {
    store<u8>(to, 0xc0 | (code >> 6))
    store<u8>(to, 0x80 | (code & 63), 1)
    unescapedTo = to + 2
  } else if (code < 0x10000) {
    store<u8>(to, 0xe0 | (code >> 12))
    store<u8>(to, 0x80 | ((code >> 6) & 63), 1)
    store<u8>(to, 0x80 | (code & 63), 2)
    unescapedTo = to + 3
  } else {
    store<u8>(to, 0xf0 | (code >> 18))
    store<u8>(to, 0x80 | ((code >> 12) & 63), 1)
    store<u8>(to, 0x80 | ((code >> 6) & 63), 2)
    store<u8>(to, 0x80 | (code & 63), 3)
    unescapedTo = to + 4
  }
  return at
}

/** Four hexadecimal digits, or more than 0xffff. */
function hexadecimal(at: usize): u32 {
  let value: u32 = 0
  for (let i: usize = 0; i < 4; i++) {
    const byte = <u32>load<u8>(at + i)
    const digit = byte - 48
    const letter = (byte | 32) - 97
    if (digit <= 9) value = (value << 4) | digit
    else if (letter <= 5) value = (value << 4) | (letter + 10)
    else return 0x10000
  }
  return value
}

/** An array of values that take the same room each. */
function readList(column: Column, at: usize, depth: i32): usize {
  if (<u32>load<u8>(at) != OPEN_BRACKET || depth + 1 > mostDepth) return fail(at)
  const item = changetype<Column>(column.next)
  const offset = column.values + (<usize>row << 2)
  const first = load<u32>(offset) / <u32>item.size
  let index = first
  item.values = column.bytes
  at = skipSpace(at + 1)
  if (<u32>load<u8>(at) != CLOSE_BRACKET) {
    while (true) {
      if ((index + 1) * <u32>item.size > column.byteCapacity) return full(column)
      at = readValue(item, at, <i32>index)
      if (at == 0) return 0
      index++
      at = skipSpace(at)
      const byte = <u32>load<u8>(at)
      if (byte == CLOSE_BRACKET) break
      if (byte != COMMA) return fail(at)
      at = skipSpace(at + 1)
    }
  }
  if (column.scale >= 0 && index - first != <u32>column.scale) return fail(at)
  store<u32>(offset, index * <u32>item.size, 4)
  return at + 1
}

/** JSON as it stands there, checked. */
function readRaw(column: Column, at: usize, depth: i32): usize {
  const byte = <u32>load<u8>(at)
  const start = at
  if ((column.flags & NUMBER) == 0) at = byte == OPEN_BRACKET ? skipNested(at, depth) : fail(at)
  else at = skipNumber(at)
  if (at == 0) return 0
  const size = <u32>(at - start)
  if (size > longestText) return fail(at)
  const offset = column.values + (<usize>row << 2)
  const used = load<u32>(offset)
  if (used + size > column.byteCapacity) return full(column)
  memory.copy(column.bytes + used, start, size)
  store<u32>(offset, used + size, 4)
  return at
}

/** Reads a number, a bool or a time; returns where it ends, or 0. */
function readValue(column: Column, at: usize, index: i32): usize {
  const kind = column.kind
  if (kind == BOOL) return readBool(column, at, index)
  if (<u32>load<u8>(at) == QUOTE) return kind == INTEGER || kind == UNSIGNED || kind == FLOAT64 || kind == FLOAT32 ? fail(at) : readQuoted(column, at + 1, index)
  const stop = readNumber(at)
  if (stop == 0 || <u32>(stop - at) > longestText) return fail(at)
  // Numbers are times of the column's form where it has one.
  if (column.pattern != 0) return readTime(column, at, index) == stop ? stop : fail(stop)
  return putNumber(column, at, index) ? stop : fail(stop)
}

function readBool(column: Column, at: usize, index: i32): usize {
  const word = load<u32>(at)
  const isTrue = word == TRUE
  if (!isTrue && (word != FALS || load<u8>(at, 4) != 101)) return fail(at)
  store<u8>(column.values + <usize>index, isTrue ? 1 : 0)
  return at + (isTrue ? 4 : 5)
}

/** A time or a decimal in quotes. */
function readQuoted(column: Column, at: usize, index: i32): usize {
  let stop: usize = 0
  if (column.kind == DATE || column.kind == TIMESTAMP) stop = readTime(column, at, index)
  else {
    stop = readNumber(at)
    if (stop != 0 && !putNumber(column, at, index)) return fail(stop)
  }
  if (stop == 0 || <u32>load<u8>(stop) != QUOTE || <u32>(stop - at) > longestText) return fail(at)
  return stop + 1
}

// A number, as `readNumber` found it.
let mantissa: u64 = 0
let digitCount: i32 = 0
let places: i32 = 0
let exponent: i32 = 0
let isNegative: bool = false
/** Whether it has neither point nor exponent. */
let isWhole: bool = false
let hasExponent: bool = false

/** Reads a number; returns where it ends, 0 when it is none or its exponent is very long. */
function readNumber(at: usize): usize {
  isNegative = <u32>load<u8>(at) == MINUS
  if (isNegative) at++
  let stop = startDigits(at)
  digitCount = <i32>(stop - at)
  if (digitCount == 0 || (digitCount > 1 && <u32>load<u8>(at) == ZERO)) return 0
  places = 0
  exponent = 0
  isWhole = true
  hasExponent = false
  if (<u32>load<u8>(stop) == POINT) {
    const fraction = stop + 1
    stop = readDigits(fraction)
    places = <i32>(stop - fraction)
    if (places == 0) return 0
    digitCount += places
    isWhole = false
  }
  mantissa = digits
  if ((load<u8>(stop) | 32) == 101) {
    let power = stop + 1
    const sign = <u32>load<u8>(power)
    if (sign == MINUS || sign == 43) power++
    stop = startDigits(power)
    if (stop == power || stop - power > 8) return 0
    exponent = sign == MINUS ? -(<i32>digits) : <i32>digits
    hasExponent = true
    isWhole = false
  }
  return stop
}

/** Puts the number that was read at an address. @returns false when it does not fit, or not with certainty */
function putNumber(column: Column, at: usize, index: i32): bool {
  const kind = column.kind
  if (digitCount > 19 && significant(isNegative ? at + 1 : at, digitCount) > 19) return kind == UNSIGNED && isWhole && putLongest(column, at, index)
  if (kind == FLOAT64 || kind == FLOAT32) return putFloat(column, index, mantissa, exponent - places, isNegative)
  if (kind == INTEGER || kind == UNSIGNED) return isWhole ? putWhole(column, index) : putRounded(column, index)
  if (kind == TIMESTAMP) return isWhole && digitCount <= 18 && putInstant(column, index)
  if (kind == DATE || hasExponent) return false
  return putDecimal(column, index, mantissa, digitCount, places, isNegative)
}

@inline
function putInstant(column: Column, index: i32): bool {
  store<i64>(column.values + (<usize>index << 3), isNegative ? -(<i64>mantissa) : <i64>mantissa)
  return true
}

/** An integer of at most 19 digits. */
@inline
function putWhole(column: Column, index: i32): bool {
  if (column.kind == UNSIGNED) {
    if (isNegative) return false
    store<u64>(column.values + (<usize>index << 3), mantissa)
    return true
  }
  if (mantissa > 0x7fffffffffffffff && !(isNegative && mantissa == 0x8000000000000000)) return false
  const value = isNegative ? -(<i64>mantissa) : <i64>mantissa
  if (value < column.least || value > column.most) return false
  putInteger(column, index, value)
  return true
}

/** An unsigned integer of 20 digits: the first is 1, and what wrapped around is smaller than 10¹⁹. */
function putLongest(column: Column, at: usize, index: i32): bool {
  if (isNegative || digitCount != 20 || load<u8>(at) != 49 || mantissa >= 10000000000000000000) return false
  store<u64>(column.values + (<usize>index << 3), mantissa)
  return true
}

/** An integer that is written with zeros after a point, as `3.0`. */
function putRounded(column: Column, index: i32): bool {
  if (exponent != 0 || places > 15 || isNegative) return false
  let divisor: u64 = 1
  for (let i = places; i > 0; i--) divisor *= 10
  if (mantissa % divisor != 0) return false
  mantissa /= divisor
  return putWhole(column, index)
}

/** Passes over a value, checking it; returns where it ends, or 0. */
function skipValue(at: usize, depth: i32): usize {
  const byte = <u32>load<u8>(at)
  if (byte == QUOTE) return skipText(at + 1)
  if (byte == OPEN_BRACE || byte == OPEN_BRACKET) return skipNested(at, depth)
  return skipPlain(at)
}

/** A number, `true`, `false` or `null`. */
function skipPlain(at: usize): usize {
  const word = load<u32>(at)
  if (word == NULL || word == TRUE) return at + 4
  if (word == FALS && load<u8>(at, 4) == 101) return at + 5
  return skipNumber(at)
}

@inline
function skipNumber(at: usize): usize {
  const stop = readNumber(at)
  return stop == 0 ? fail(at) : stop
}

function skipText(at: usize): usize {
  while (true) {
    at = endOfPlain(at)
    const byte = <u32>load<u8>(at)
    if (byte == QUOTE) return at + 1
    if (byte != BACKSLASH) return fail(at)
    const letter = <u32>load<u8>(at, 1)
    if (letter == 117) {
      if (hexadecimal(at + 2) > 0xffff) return fail(at)
      at += 6
    } else {
      if (plainEscape(letter) == 0) return fail(at)
      at += 2
    }
  }
}

/** Passes over a key and its colon. */
function skipKey(at: usize): usize {
  if (<u32>load<u8>(at) != QUOTE) return fail(at)
  at = skipText(at + 1)
  if (at == 0) return 0
  at = skipSpace(at)
  return <u32>load<u8>(at) == COLON ? skipSpace(at + 1) : fail(at)
}

/** Passes over an object or an array within `depth` others. */
function skipNested(at: usize, depth: i32): usize {
  const most = min(mostDepth - depth, DEEPEST)
  /** A bit for each level, the lowest for the innermost: 1 for an object. */
  let objects: u64 = 0
  let level: i32 = 0
  while (true) {
    const byte = <u32>load<u8>(at)
    if (byte == OPEN_BRACE || byte == OPEN_BRACKET) {
      if (++level > most) return fail(at)
      const isObject = byte == OPEN_BRACE
      objects = (objects << 1) | (isObject ? 1 : 0)
      at = skipSpace(at + 1)
      if (<u32>load<u8>(at) != (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
        if (isObject) at = skipKey(at)
        if (at == 0) return 0
        continue
      }
    } else {
      at = byte == QUOTE ? skipText(at + 1) : skipPlain(at)
      if (at == 0) return 0
    }
    while (true) {
      at = skipSpace(at)
      const isObject = (objects & 1) != 0
      const after = <u32>load<u8>(at)
      if (after == COMMA) {
        at = skipSpace(at + 1)
        if (isObject) at = skipKey(at)
        if (at == 0) return 0
        break
      }
      if (after != (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) return fail(at)
      at++
      objects >>= 1
      if (--level == 0) return at
    }
  }
}
