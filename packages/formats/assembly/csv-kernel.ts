/**
 * Reads records of delimited text into columns: AssemblyScript, compiled by scripts/build-kernels.mjs.
 *
 * It takes records as nearly all are, and stops before any that looks otherwise: another number of fields, a stray quote, a value
 * that does not fit or whose digits it cannot round with certainty. Those, and the words for what is wrong with them, belong to
 * TypeScript (src/csv/columnar), whose results these must equal byte for byte. It allocates nothing;
 * src/columnar/kernel-layout.ts places all that it works on and leaves 64 bytes after each buffer, which loads and stores by 16
 * bytes may touch.
 *
 * After the text stand a line end, a quote and a line end that are not in it: every scan ends there, and whoever passes the end
 * of the text knows that the record goes on.
 *
 * One file, and long: a kernel is one module with one memory, whose globals its functions share.
 */
import { BOOL, Column, countLines, DATE, FLOAT32, FLOAT64, INTEGER, isAscii, NULLABLE, putNull, putZero, TEXT, TIMESTAMP, undo, UNSIGNED } from './shared/column'
import {
  digits, powerOfTen, putDecimal, putFloat, putInteger, readDigits, readInteger, readUnsigned, setTables, significant, startDigits, upTo7Digits, upTo8Digits,
} from './shared/numbers'
import { readTime } from './shared/times'

export { countLines }

// Why `run` stopped, as src/csv/columnar/csv-kernel.ts has it.
const MORE: i32 = 0
const ODD: i32 = 1
const FULL: i32 = 2
const ROWS: i32 = 3
const OK: i32 = 4

/** Null tokens are texts like others. */
const NO_TOKENS: i32 = 2
/** Numbers are written with a comma, not with a point. */
const COMMA: i32 = 4

const TRIM: i32 = 1
const LF: i32 = 2
const CR: i32 = 4
const CRLF: i32 = 8

/** Digits after the point of a float that is read at once: three words of eight, but one. */
const MOST_PLACES: u32 = 23

const NEWLINE: u32 = 10
const RETURN: u32 = 13

// Set by `configure`.
let fields: usize = 0
let width: i32 = 0
let delimiter: u32 = 0
let quote: u32 = 0
let comment: u32 = 0
let dialect: i32 = 0
let longest: u32 = 0
let longestField: u32 = 0
let tokens: usize = 0
let tokenCount: i32 = 0
let tokenStarts: usize = 0
let starts: usize = 0

let reason: i32 = 0
let stoppedAt: usize = 0
let fullColumn: usize = 0
let lineBreaks: i32 = 0

export function configure(
  fieldTable: usize, fieldCount: i32, delimiterByte: u32, quoteByte: u32, commentByte: u32, flags: i32, mostBytes: u32, mostFieldBytes: u32,
  tokenTable: usize, count: i32, tokenStartTable: usize, fiveTable: usize, tenTable: usize, startTable: usize,
): void {
  fields = fieldTable
  width = fieldCount
  delimiter = delimiterByte
  quote = quoteByte
  comment = commentByte
  dialect = flags
  longest = mostBytes
  longestField = mostFieldBytes
  tokens = tokenTable
  tokenCount = count
  tokenStarts = tokenStartTable
  setTables(fiveTable, tenTable)
  starts = startTable
}

/** Where `run` stopped: the record that comes next. */
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

/** Length of the line end at an address, 0 where none stands. */
@inline
function lineEnd(at: usize): usize {
  const byte = <u32>load<u8>(at)
  if (byte == NEWLINE) return (dialect & LF) != 0 ? 1 : 0
  if (byte != RETURN) return 0
  if ((dialect & CRLF) != 0 && load<u8>(at, 1) == 10) return 2
  return (dialect & CR) != 0 ? 1 : 0
}

@inline
function isBlank(byte: u32): bool {
  return (byte == 32 || byte == 9) && byte != delimiter
}

/** Begins white space that is trimmed but is none of these two, or may: TypeScript knows it all. */
@inline
function mayBeSpace(byte: u32): bool {
  return (byte >= 10 && byte <= 13) || byte == 0xc2 || (byte >= 0xe1 && byte <= 0xe3) || byte == 0xef
}

/** The same of the last character before an address. */
function mayEndInSpace(from: usize, to: usize): bool {
  const byte = <u32>load<u8>(to - 1)
  if (byte < 128) return byte >= 10 && byte <= 13
  return (to - from >= 2 && mayBeSpace(load<u8>(to - 2))) || (to - from >= 3 && mayBeSpace(load<u8>(to - 3)))
}

/**
 * Reads records into rows `row` to `lastRow`.
 *
 * @param strict - whether records that are not ASCII are odd
 * @returns the row after the last that was read
 */
export function run(at: usize, end: usize, row: i32, lastRow: i32, strict: bool): i32 {
  store<u8>(end, 10)
  store<u8>(end, quote <= 255 ? quote : 10, 1)
  store<u8>(end, 10, 2)
  const multiple = width != 1
  // Its marks are of text that may not stand there any more.
  block = 0
  reason = ROWS
  while (row < lastRow) {
    if (at >= end) {
      reason = MORE
      break
    }
    const first = <u32>load<u8>(at)
    if (multiple && (first == NEWLINE || first == RETURN)) {
      const length = lineEnd(at)
      if (length == 0) {
        reason = ODD
        break
      }
      if (at + length > end) {
        reason = MORE
        break
      }
      at += length
      continue
    }
    if (first == comment) {
      reason = ODD
      break
    }
    const result = readRecord(at, end, row)
    if (result != OK) {
      reason = result
      undo(fields, width, row)
      break
    }
    if (<u32>(stoppedAt - at) > longest || (strict && !isAscii(at, stoppedAt))) {
      reason = ODD
      undo(fields, width, row)
      break
    }
    store<u32>(starts + (<usize>row << 2), <u32>at)
    at = stoppedAt
    row++
  }
  stoppedAt = at
  return row
}

// Marks: a bit for each of 64 bytes that may end a field, so that where fields end is known before they are read.
// G. Langdale and D. Lemire, Parsing Gigabytes of JSON per Second (2019), https://arxiv.org/abs/1902.08318

/** First of the bytes that `marks` is of. */
let block: usize = 0
/** Those of the fields that were not read yet. */
let marks: u64 = 0

/** Bytes that may end a field: the delimiter, line ends, quotes, and with them what stands in few texts. */
@inline
function marksOf(at: usize): u64 {
  return sixteenMarks(at) | (sixteenMarks(at + 16) << 16) | (sixteenMarks(at + 32) << 32) | (sixteenMarks(at + 48) << 48)
}

@inline
function sixteenMarks(at: usize): u64 {
  const bytes = v128.load(at)
  const atEnds = v128.or(i8x16.eq(bytes, i8x16.splat(<i8>delimiter)), i8x16.le_u(bytes, i8x16.splat(<u8>RETURN)))
  return <u64>i8x16.bitmask(v128.or(atEnds, i8x16.eq(bytes, i8x16.splat(<i8>quote))))
}

/** Reads one record; `stoppedAt` is then after its line end. */
function readRecord(start: usize, end: usize, row: i32): i32 {
  let at = start
  const last = fields + (<usize>width << 2)
  let place = fields
  let first = block
  let ends = marks
  if (at - first < 64) ends &= <u64>-1 << (at - first)
  else {
    first = at
    ends = marksOf(at)
  }
  while (true) {
    while (ends == 0) {
      first += 64
      ends = marksOf(first)
    }
    const stop = first + <usize>ctz(ends)
    const address = <usize>load<u32>(place)
    let byte = <u32>load<u8>(stop)
    if (isFieldEnd(byte) && (address == 0 || readBare(changetype<Column>(address), at, stop, row))) {
      at = stop
      ends &= ends - 1
    } else {
      at = address == 0 ? skip(at, end) : readField(changetype<Column>(address), at, end, row)
      if (at == 0) return reason
      byte = <u32>load<u8>(at)
      if (at - first < 63) ends &= <u64>-2 << (at - first)
      else {
        first = at
        ends = marksOf(at) & -2
      }
    }
    place += 4
    if (byte == delimiter) {
      if (place == last) return at < end ? ODD : MORE
      at++
      continue
    }
    const length = lineEnd(at)
    if (at + length > end) return MORE
    if (length == 0 || place != last) return ODD
    stoppedAt = at + length
    block = first
    marks = ends
    return OK
  }
}

/** Reads a field, up to `stop`, that is its value as it stands there. @returns false for what it leaves to `readField` */
@inline
function readBare(column: Column, at: usize, stop: usize, row: i32): bool {
  if (column.next != 0 || <u32>(stop - at) > longestField) return false
  const kind = column.kind
  if (kind == INTEGER) return readBareInteger(column, at, stop, row)
  if (kind == FLOAT64 || kind == FLOAT32) return readBareFloat(column, at, stop, row)
  return kind == TEXT && readBareText(column, at, stop, row)
}

@inline
function isFieldEnd(byte: u32): bool {
  return byte == delimiter || byte == NEWLINE || byte == RETURN
}

function readBareText(column: Column, at: usize, stop: usize, row: i32): bool {
  const length = <u32>(stop - at)
  if ((dialect & TRIM) != 0) return false
  if ((column.flags & NO_TOKENS) == 0 && load<u8>(tokenStarts + (length == 0 ? 256 : <usize>load<u8>(at))) != 0) return false
  const offset = column.values + (<usize>row << 2)
  const used = load<u32>(offset)
  if (used + length > column.byteCapacity) return false
  let to = column.bytes + used
  while (at < stop) {
    v128.store(to, v128.load(at))
    at += 16
    to += 16
  }
  store<u32>(offset, used + length, 4)
  return true
}

/** A bit for each of 16 bytes that is no digit. */
@inline
function others(bytes: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.gt_u(i8x16.sub(bytes, i8x16.splat(48)), i8x16.splat(9)))
}

/** Integers of up to 15 digits: without a branch on the sign, which nobody can foretell. */
@inline
function readBareInteger(column: Column, at: usize, stop: usize, row: i32): bool {
  const first = <u32>load<u8>(at)
  if (load<u8>(tokenStarts + first) != 0) return false
  const negative: i64 = first == 45 ? 1 : 0
  at += <usize>negative
  const count = <u32>(stop - at)
  if (count - 1 > 14 || (others(v128.load(at)) & ((1 << count) - 1)) != 0) return false
  const value = (<i64>upTo16Digits(at, count) ^ -negative) + negative
  if (value < column.least || value > column.most) return false
  putInteger(column, row, value)
  return true
}

/** Value of 1 to 16 digits. */
@inline
function upTo16Digits(at: usize, count: u32): u64 {
  return count <= 8 ? upTo8Digits(at, count) : upTo8Digits(at, 8) * powerOfTen(count - 8) + upTo8Digits(at + 8, count - 8)
}

/** Floats without an exponent, of at most 8 digits before the point. What is not certain is left to `readFloat`, too. */
function readBareFloat(column: Column, at: usize, stop: usize, row: i32): bool {
  const first = <u32>load<u8>(at)
  if (load<u8>(tokenStarts + first) != 0) return false
  const point: u32 = (column.flags & COMMA) == 0 ? 46 : 44
  const negative = first == 45
  at += negative ? 1 : 0
  const head = v128.load(at)
  const stops = others(head) | (others(v128.load(at, 16)) << 16)
  const whole: u32 = ctz(stops)
  if (whole - 1 > 7) return false
  const length = <u32>(stop - at)
  let mantissa = upTo8Digits(at, whole)
  if (length == whole) return putFloat(column, row, mantissa, 0, negative)
  const places = length - whole - 1
  let digit = at + whole + 1
  if (places > MOST_PLACES || <u32>load<u8>(digit - 1) != point || ((stops >> (whole + 1)) & ((1 << places) - 1)) != 0) return false
  if (length > 20 && length - 1 - leadingZeros(head, whole, point) > 19) return false
  if (places >= 8) {
    mantissa = mantissa * 100000000 + upTo8Digits(digit, 8)
    digit += 8
    if (places >= 16) {
      mantissa = mantissa * 100000000 + upTo8Digits(digit, 8)
      digit += 8
    }
  }
  const left = places & 7
  mantissa = mantissa * powerOfTen(left) + upTo7Digits(digit, left)
  return putFloat(column, row, mantissa, -<i32>places, negative)
}

/** Zeros that a number begins with, those after its point counted too, as far as 16 bytes show. */
@inline
function leadingZeros(head: v128, whole: u32, point: u32): u32 {
  const others = v128.not(v128.or(i8x16.eq(head, i8x16.splat(48)), i8x16.eq(head, i8x16.splat(<i8>point))))
  const bytes: u32 = ctz(<u32>i8x16.bitmask(others) | 0x10000)
  return bytes > whole ? bytes - 1 : bytes
}

@inline
function fail(why: i32): usize {
  reason = why
  return 0
}

@inline
function special(bytes: v128): i32 {
  return i8x16.bitmask(
    v128.or(
      v128.or(i8x16.eq(bytes, i8x16.splat(<i8>delimiter)), i8x16.eq(bytes, i8x16.splat(10))),
      v128.or(i8x16.eq(bytes, i8x16.splat(13)), i8x16.eq(bytes, i8x16.splat(<i8>(quote <= 255 ? quote : 10)))),
    ),
  )
}

/** Passes over a field; returns where it ends, or 0. */
function skip(at: usize, end: usize): usize {
  if ((dialect & TRIM) != 0) while (isBlank(load<u8>(at))) at++
  if (<u32>load<u8>(at) != quote) {
    while (true) {
      const found = special(v128.load(at))
      if (found != 0) {
        at += ctz(found)
        break
      }
      at += 16
    }
    return <u32>load<u8>(at) == quote ? fail(at < end ? ODD : MORE) : at
  }
  at++
  while (true) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(<i8>quote)))
    if (found == 0) {
      at += 16
      if (at > end) return fail(MORE)
      continue
    }
    at += ctz(found) + 1
    if (at >= end) return fail(MORE)
    if (<u32>load<u8>(at) != quote) break
    at++
  }
  return afterQuote(at)
}

/** After a closing quote: what is trimmed there is passed over. */
@inline
function afterQuote(at: usize): usize {
  if ((dialect & TRIM) != 0) while (isBlank(load<u8>(at))) at++
  return at
}

/** Reads a field into all columns that take it; returns where it ends, or 0. */
function readField(first: Column, at: usize, end: usize, row: i32): usize {
  let column = first
  let stop: usize = 0
  while (true) {
    const after = column.kind == TEXT ? readText(column, at, end, row) : readValue(column, at, end, row)
    if (after == 0 || (column.next == 0 && stop == 0)) return after
    // A value that ends before its field does is none.
    if (stop != 0 && after != stop) return fail(ODD)
    stop = after
    if (column.next == 0) return after
    column = changetype<Column>(column.next)
  }
}

function readText(column: Column, at: usize, end: usize, row: i32): usize {
  const offset = column.values + (<usize>row << 2)
  const from = column.bytes + load<u32>(offset)
  const limit = column.bytes + column.byteCapacity
  const trim = (dialect & TRIM) != 0
  let to = from
  if (trim) while (isBlank(load<u8>(at))) at++
  if (<u32>load<u8>(at) == quote) {
    at++
    const quotes = i8x16.splat(<i8>quote)
    while (true) {
      if (to > limit) return full(column)
      const bytes = v128.load(at)
      v128.store(to, bytes)
      const found = i8x16.bitmask(i8x16.eq(bytes, quotes))
      if (found == 0) {
        at += 16
        to += 16
        if (at > end) return fail(MORE)
        continue
      }
      const length = <usize>ctz(found)
      at += length + 1
      to += length
      if (at >= end) return fail(MORE)
      if (<u32>load<u8>(at) != quote) break
      // The first of the two was stored.
      at++
      to++
    }
    at = afterQuote(at)
  } else {
    if (trim && mayBeSpace(load<u8>(at)) && lineEnd(at) == 0) return fail(ODD)
    while (true) {
      if (to > limit) return full(column)
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
      break
    }
    if (<u32>load<u8>(at) == quote) return fail(at < end ? ODD : MORE)
    if (trim) {
      while (to > from && isBlank(load<u8>(to - 1))) to--
      if (to > from && mayEndInSpace(from, to)) return fail(ODD)
    }
  }
  const length = <u32>(to - from)
  if (length > longestField) return fail(ODD)
  if ((column.flags & NO_TOKENS) == 0 && isToken(from, length)) {
    if ((column.flags & NULLABLE) == 0) return fail(ODD)
    putNull(column, row)
    to = from
  }
  store<u32>(offset, <u32>(to - column.bytes), 4)
  return at
}

function full(column: Column): usize {
  fullColumn = changetype<usize>(column)
  return fail(FULL)
}

/** True for a text that means null. The table of first bytes has 1 for those of tokens; the entry after it is for the empty one. */
@inline
function isToken(at: usize, length: u32): bool {
  if (length == 0) return load<u8>(tokenStarts, 256) != 0
  if (load<u8>(tokenStarts + load<u8>(at)) == 0) return false
  return isLongToken(at, length)
}

function isLongToken(at: usize, length: u32): bool {
  let token = tokens
  for (let i = 0; i < tokenCount; i++) {
    const size = load<u32>(token)
    token += 4
    if (size == length) {
      let j: u32 = 0
      while (j < size && load<u8>(at + j) == load<u8>(token + j)) j++
      if (j == size) return true
    }
    token += size
  }
  return false
}

/** Reads a field that is no text. */
function readValue(column: Column, at: usize, end: usize, row: i32): usize {
  const trim = (dialect & TRIM) != 0
  if (trim) while (isBlank(load<u8>(at))) at++
  const start = at
  const quoted = <u32>load<u8>(at) == quote
  if (quoted) at++
  const first = <u32>load<u8>(at)
  const isEmpty = quoted ? first == quote : first == delimiter || first == NEWLINE || first == RETURN
  if (isEmpty || load<u8>(tokenStarts + first) != 0) {
    const stop = endOfPlain(at, quoted)
    if (stop != 0 && isToken(at, <u32>(stop - at))) {
      if (at >= end) return fail(MORE)
      if ((column.flags & NULLABLE) == 0) return fail(ODD)
      putNull(column, row)
      putZero(column, row)
      return quoted ? afterQuote(stop + 1) : afterQuote(stop)
    }
    if (isEmpty) return fail(ODD)
  }
  const valueEnd = readPlain(column, at, quoted, row)
  if (valueEnd == 0 || <u32>(valueEnd - at) > longestField) return fail(ODD)
  at = valueEnd
  if (quoted) {
    if (<u32>load<u8>(at) != quote) return fail(ODD)
    at++
  }
  return afterQuote(at)
}

/** Where the text of a field ends, or 0 when it cannot be a null token as it stands. */
function endOfPlain(at: usize, quoted: bool): usize {
  const start = at
  while (true) {
    const byte = <u32>load<u8>(at)
    if (byte == quote) return quoted ? at : 0
    if (byte == NEWLINE || byte == RETURN) {
      if (quoted) return 0
      break
    }
    if (!quoted && byte == delimiter) break
    at++
  }
  if ((dialect & TRIM) != 0) while (at > start && isBlank(load<u8>(at - 1))) at--
  return at
}

/** Reads a value that is no text; returns where it ends, 0 when it is none of its kind. */
function readPlain(column: Column, at: usize, quoted: bool, row: i32): usize {
  const kind = column.kind
  if (kind == INTEGER) return readInteger(column, at, row)
  if (kind == FLOAT64 || kind == FLOAT32) return readFloat(column, at, quoted, row)
  if (kind == UNSIGNED) return readUnsigned(column, at, row)
  if (kind == BOOL) return readBool(column, at, row)
  if (kind == DATE || kind == TIMESTAMP) return readTime(column, at, row)
  return readDecimal(column, at, quoted, row)
}

/** Digits with a point: `digits`, their number, and how many stand after the point. Returns where they end, 0 without digits. */
let digitCount: i32 = 0
let places: i32 = 0
@inline
function readPointed(column: Column, at: usize, quoted: bool): usize {
  let stop = startDigits(at)
  let count = <i32>(stop - at)
  places = 0
  const point = <u32>load<u8>(stop)
  if ((column.flags & COMMA) == 0 ? point == 46 : point == 44 && (quoted || delimiter != 44)) {
    const fraction = stop + 1
    stop = readDigits(fraction)
    places = <i32>(stop - fraction)
    count += places
  }
  digitCount = count
  return count == 0 ? 0 : stop
}

function readFloat(column: Column, at: usize, quoted: bool, row: i32): usize {
  const sign = <u32>load<u8>(at)
  const negative = sign == 45
  if (negative || sign == 43) at++
  let stop = readPointed(column, at, quoted)
  if (stop == 0) return readSpecial(column, at, sign, row)
  if (digitCount > 19 && significant(at, digitCount) > 19) return 0
  const mantissa = digits
  let exponent = -places
  if ((load<u8>(stop) | 32) == 101) {
    let power = stop + 1
    const powerSign = <u32>load<u8>(power)
    if (powerSign == 45 || powerSign == 43) power++
    stop = startDigits(power)
    if (stop == power || stop - power > 8) return 0
    exponent += powerSign == 45 ? -(<i32>digits) : <i32>digits
  }
  return putFloat(column, row, mantissa, exponent, negative) ? stop : 0
}

/** `nan`, `inf`, `infinity`, in any case. */
function readSpecial(column: Column, at: usize, sign: u32, row: i32): usize {
  const word = (load<u32>(at) | 0x20202020) & 0xffffff
  let value: f64
  let stop = at + 3
  if (word == 0x6e616e) {
    if (sign == 45 || sign == 43) return 0
    value = NaN
  } else if (word == 0x666e69) {
    value = sign == 45 ? -Infinity : Infinity
    if ((load<u8>(at, 3) | 32) == 105) {
      if ((load<u32>(at, 4) | 0x20202020) != 0x7974696e) return 0
      stop = at + 8
    }
  } else return 0
  if (column.kind == FLOAT64) store<f64>(column.values + (<usize>row << 3), value)
  else store<f32>(column.values + (<usize>row << 2), <f32>value)
  return stop
}

/** Decimals of up to 18 digits. */
function readDecimal(column: Column, at: usize, quoted: bool, row: i32): usize {
  const sign = <u32>load<u8>(at)
  if (sign == 45 || sign == 43) at++
  const stop = readPointed(column, at, quoted)
  if (stop == 0 || (load<u8>(stop) | 32) == 101) return 0
  return putDecimal(column, row, digits, digitCount, places, sign == 45) ? stop : 0
}

function readBool(column: Column, at: usize, row: i32): usize {
  const first = <u32>load<u8>(at)
  let value: u32 = 0
  let length: usize = 1
  if (first == 49) value = 1
  else if (first != 48) {
    const word = load<u32>(at) | 0x20202020
    const letter = word & 255
    const second = (word >> 8) & 255
    if (letter == 116) {
      value = 1
      if (second >= 97 && second <= 122) {
        if (word != 0x65757274) return 0
        length = 4
      }
    } else if (letter == 102) {
      if (second >= 97 && second <= 122) {
        if (word != 0x736c6166 || (load<u8>(at, 4) | 32) != 101) return 0
        length = 5
      }
    } else if ((word & 0xffffff) == 0x736579) {
      value = 1
      length = 3
    } else if ((word & 0xffff) == 0x6f6e) length = 2
    else return 0
  }
  store<u8>(column.values + <usize>row, value)
  return at + length
}

