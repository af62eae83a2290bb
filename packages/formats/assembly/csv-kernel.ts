/**
 * Reads records of delimited text into columns: AssemblyScript, compiled by scripts/build-kernels.mjs.
 *
 * It takes records as nearly all are, and stops before any that looks otherwise: another number of fields, a stray quote, a value
 * that does not fit or whose digits it cannot round with certainty. Those, and the words for what is wrong with them, belong to
 * TypeScript (src/csv/columnar), whose results these must equal byte for byte. It allocates nothing;
 * src/csv/columnar/kernel-layout.ts places all that it works on and leaves 64 bytes after each buffer, which loads and stores by 16
 * bytes may touch.
 *
 * After the text stand a line end, a quote and a line end that are not in it: every scan ends there, and whoever passes the end
 * of the text knows that the record goes on.
 *
 * One file, and long: a kernel is one module with one memory, whose globals its functions share.
 */

// Why `run` stopped, as src/csv/columnar/csv-kernel.ts has it.
const MORE: i32 = 0
const ODD: i32 = 1
const FULL: i32 = 2
const ROWS: i32 = 3
const OK: i32 = 4

// Kinds of columns, as src/csv/columnar/kernel-columns.ts has them.
const TEXT: i32 = 0
const INTEGER: i32 = 1
const UNSIGNED: i32 = 2
const FLOAT64: i32 = 3
const FLOAT32: i32 = 4
const BOOL: i32 = 5
const DATE: i32 = 6
const TIMESTAMP: i32 = 7

const NULLABLE: i32 = 1
/** Null tokens are texts like others. */
const NO_TOKENS: i32 = 2
/** Numbers may be written with a comma. */
const COMMA: i32 = 4

const TRIM: i32 = 1
const LF: i32 = 2
const CR: i32 = 4
const CRLF: i32 = 8

const NEWLINE: u32 = 10
const RETURN: u32 = 13

/** A column, 64 bytes. Its fields are written by src/csv/columnar/kernel-layout.ts. */
@unmanaged
class Column {
  kind: i32
  flags: i32
  /** Values, a row each; of texts, offsets of their ends. */
  values: usize
  bytes: usize
  /** Most bytes of texts. */
  byteCapacity: u32
  validity: usize
  /** 1 once a row is null. */
  hasNulls: i32
  /** Another column of the same field, or 0. */
  next: usize
  /** Range of integers. */
  least: i64
  most: i64
  /** Bytes of a value. */
  size: i32
  /** Of timestamps: nanoseconds in a unit. Of decimals: places after the point. */
  scale: i32
  /** Symbols and literals of a time's form, two bytes each; 0 for ISO 8601. */
  pattern: usize
  patternLength: i32
}

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
let fives: usize = 0
let tens: usize = 0
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
  fives = fiveTable
  tens = tenTable
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

/** Line ends (`\n`, `\r`, `\r\n`) between two addresses, where `last` is the byte before: a `\n` after a `\r` ends nothing. */
export function countLines(at: usize, end: usize, last: u32): i32 {
  let count: i32 = 0
  let wasReturn: i32 = last == RETURN ? 1 : 0
  while (at + 16 <= end) {
    const bytes = v128.load(at)
    const returns = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(13)))
    const newlines = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(10)))
    count += popcnt(returns) + popcnt(newlines & ~((returns << 1) | wasReturn))
    wasReturn = (returns >> 15) & 1
    at += 16
  }
  while (at < end) {
    const byte = <u32>load<u8>(at++)
    if (byte == RETURN) count++
    else if (byte == NEWLINE && wasReturn == 0) count++
    wasReturn = byte == RETURN ? 1 : 0
  }
  return count
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
      undo(row)
      break
    }
    if (<u32>(stoppedAt - at) > longest || (strict && !isAscii(at, stoppedAt))) {
      reason = ODD
      undo(row)
      break
    }
    store<u32>(starts + (<usize>row << 2), <u32>at)
    at = stoppedAt
    row++
  }
  stoppedAt = at
  return row
}

function isAscii(at: usize, end: usize): bool {
  while (at + 16 <= end) {
    if (i8x16.bitmask(v128.load(at)) != 0) return false
    at += 16
  }
  while (at < end) if (load<u8>(at++) > 127) return false
  return true
}

/** Makes the row's nulls valid again: bits of rows that are not there are ones. */
function undo(row: i32): void {
  const byte = <usize>(row >> 3)
  const bit = <u32>1 << (row & 7)
  for (let i = 0; i < width; i++) {
    let address = <usize>load<u32>(fields + (<usize>i << 2))
    while (address != 0) {
      const column = changetype<Column>(address)
      if (column.hasNulls != 0) store<u8>(column.validity + byte, <u32>load<u8>(column.validity + byte) | bit)
      address = column.next
    }
  }
}

/** Reads one record; `stoppedAt` is then after its line end. */
function readRecord(start: usize, end: usize, row: i32): i32 {
  let at = start
  const last = fields + (<usize>width << 2)
  let place = fields
  while (true) {
    const address = <usize>load<u32>(place)
    const after = address == 0 ? skip(at, end) : readField(changetype<Column>(address), at, end, row)
    if (after == 0) return reason
    at = after
    place += 4
    if (<u32>load<u8>(at) == delimiter) {
      if (place == last) return at < end ? ODD : MORE
      at++
      continue
    }
    const length = lineEnd(at)
    if (at + length > end) return MORE
    if (length == 0 || place != last) return ODD
    stoppedAt = at + length
    return OK
  }
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
    while (true) {
      if (to > limit) return full(column)
      const bytes = v128.load(at)
      v128.store(to, bytes)
      const found = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(<i8>quote)))
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

@inline
function putNull(column: Column, row: i32): void {
  const byte = column.validity + <usize>(row >> 3)
  store<u8>(byte, <u32>load<u8>(byte) & ~(<u32>1 << (row & 7)))
  column.hasNulls = 1
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

/** Where a value that is no text ended; 0 when it is none of its kind. */
let valueEnd: usize = 0

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
  readPlain(column, at, quoted, row)
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

function putZero(column: Column, row: i32): void {
  const size = column.size
  const to = column.values + <usize>row * size
  if (size == 8) store<u64>(to, 0)
  else if (size == 4) store<u32>(to, 0)
  else if (size == 2) store<u16>(to, 0)
  else if (size == 1) store<u8>(to, 0)
  else {
    store<u64>(to, 0)
    store<u64>(to, 0, 8)
  }
}

function readPlain(column: Column, at: usize, quoted: bool, row: i32): void {
  const kind = column.kind
  if (kind == INTEGER) readInteger(column, at, row)
  else if (kind == FLOAT64 || kind == FLOAT32) readFloat(column, at, quoted, row)
  else if (kind == UNSIGNED) readUnsigned(column, at, row)
  else if (kind == BOOL) readBool(column, at, row)
  else if (kind == DATE || kind == TIMESTAMP) readTime(column, at, row)
  else readDecimal(column, at, quoted, row)
}

// Digits, eight at a time: https://lemire.me/blog/2022/01/21/swar-explained-parsing-eight-digits/

/** Value and end of a run of digits; of more than 19, the value is that modulo 2⁶⁴. */
let digits: u64 = 0

/** Goes on with `digits` over the digits at an address; returns where they end. */
@inline
function readDigits(at: usize): usize {
  let value = digits
  while (true) {
    const eight = load<u64>(at) ^ 0x3030303030303030
    const others = ((eight + 0x7676767676767676) | eight) & 0x8080808080808080
    if (others == 0) {
      value = value * 100000000 + eightDigits(eight)
      at += 8
      continue
    }
    const count = <usize>(ctz(others) >> 3)
    if (count != 0) {
      value = value * load<u64>(tens + (count << 3)) + eightDigits(eight << (64 - (<u64>count << 3)))
      at += count
    }
    digits = value
    return at
  }
}

@inline
function eightDigits(eight: u64): u64 {
  eight = eight * 10 + (eight >> 8)
  return ((eight & 0x000000ff000000ff) * 0x000f424000000064 + ((eight >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >> 32
}

/** Signed integers of up to 64 bits. */
function readInteger(column: Column, at: usize, row: i32): void {
  const sign = <u32>load<u8>(at)
  if (sign == 45 || sign == 43) at++
  digits = 0
  const stop = readDigits(at)
  const count = stop - at
  // 19 digits fit 64 bits without a sign.
  if (count == 0 || count > 19 || (digits > 0x7fffffffffffffff && !(sign == 45 && digits == 0x8000000000000000))) {
    valueEnd = 0
    return
  }
  const value = sign == 45 ? -(<i64>digits) : <i64>digits
  if (value < column.least || value > column.most) {
    valueEnd = 0
    return
  }
  putInteger(column, row, value)
  valueEnd = stop
}

@inline
function putInteger(column: Column, row: i32, value: i64): void {
  const size = column.size
  if (size == 4) store<i32>(column.values + (<usize>row << 2), <i32>value)
  else if (size == 8) store<i64>(column.values + (<usize>row << 3), value)
  else if (size == 2) store<i16>(column.values + (<usize>row << 1), <i16>value)
  else store<i8>(column.values + <usize>row, <i8>value)
}

/** Unsigned integers of 64 bits, whose range has 20 digits. */
function readUnsigned(column: Column, at: usize, row: i32): void {
  valueEnd = 0
  const sign = <u32>load<u8>(at)
  if (sign == 43) at++
  digits = 0
  const stop = readDigits(at)
  const count = stop - at
  if (count == 0 || count > 20) return
  // Of 20 digits the first is 1 and what wrapped around is smaller than 10¹⁹.
  if (count == 20 && load<u8>(at) != 48 && (load<u8>(at) != 49 || digits < 10000000000000000000)) return
  store<u64>(column.values + (<usize>row << 3), digits)
  valueEnd = stop
}

/** Digits with a point: `digits`, their number, and how many stand after the point. Returns where they end, 0 without digits. */
let digitCount: i32 = 0
let places: i32 = 0
@inline
function readPointed(column: Column, at: usize, quoted: bool): usize {
  digits = 0
  let stop = readDigits(at)
  let count = <i32>(stop - at)
  places = 0
  const point = <u32>load<u8>(stop)
  if (point == 46 || (point == 44 && (column.flags & COMMA) != 0 && (quoted || delimiter != 44))) {
    const fraction = stop + 1
    stop = readDigits(fraction)
    places = <i32>(stop - fraction)
    count += places
  }
  digitCount = count
  return count == 0 ? 0 : stop
}

/** Digits without zeros before them. */
function significant(at: usize): i32 {
  let count = digitCount
  while (count > 0) {
    const byte = load<u8>(at++)
    if (byte == 48) count--
    else if (byte != 46 && byte != 44) break
  }
  return count
}

function readFloat(column: Column, at: usize, quoted: bool, row: i32): void {
  valueEnd = 0
  const sign = <u32>load<u8>(at)
  const negative = sign == 45
  if (negative || sign == 43) at++
  let stop = readPointed(column, at, quoted)
  if (stop == 0) {
    readSpecial(column, at, sign, row)
    return
  }
  if (digitCount > 19 && significant(at) > 19) return
  const mantissa = digits
  let exponent = -places
  if ((load<u8>(stop) | 32) == 101) {
    let power = stop + 1
    const powerSign = <u32>load<u8>(power)
    if (powerSign == 45 || powerSign == 43) power++
    digits = 0
    stop = readDigits(power)
    if (stop == power || stop - power > 8) return
    exponent += powerSign == 45 ? -(<i32>digits) : <i32>digits
  }
  let value: f64
  let isExact = false
  // Both the digits and the power of ten are floats, so that one operation rounds once (Clinger).
  if (mantissa <= 0x20000000000000 && exponent >= -22 && exponent <= 22) {
    value = <f64>mantissa
    isExact = exponent == 0
    if (exponent < 0) value /= load<f64>(tens + (<usize>-exponent << 3), 72)
    else value *= load<f64>(tens + (<usize>exponent << 3), 72)
  } else if (mantissa == 0) value = 0
  else {
    const bits = nearest(mantissa, exponent)
    if (bits == 0) return
    value = reinterpret<f64>(bits)
  }
  if (negative) value = -value
  if (column.kind == FLOAT64) store<f64>(column.values + (<usize>row << 3), value)
  else {
    // What lies between two float32 may have come there by rounding to a float64.
    const bits = reinterpret<u64>(value) & 0x7fffffffffffffff
    if (!isExact && (bits & 0x1fffffff) == 0x10000000) return
    if (bits != 0 && bits < 0x3810000000000000) return
    const single = <f32>value
    if ((reinterpret<u32>(single) & 0x7f800000) == 0x7f800000) return
    store<f32>(column.values + (<usize>row << 2), single)
  }
  valueEnd = stop
}

/** `nan`, `inf`, `infinity`, in any case. */
function readSpecial(column: Column, at: usize, sign: u32, row: i32): void {
  const word = (load<u32>(at) | 0x20202020) & 0xffffff
  let value: f64
  if (word == 0x6e616e) {
    if (sign == 45 || sign == 43) return
    value = NaN
    valueEnd = at + 3
  } else if (word == 0x666e69) {
    value = sign == 45 ? -Infinity : Infinity
    valueEnd = at + 3
    if ((load<u8>(at, 3) | 32) == 105) {
      if ((load<u32>(at, 4) | 0x20202020) != 0x7974696e) valueEnd = 0
      else valueEnd = at + 8
    }
  } else return
  if (column.kind == FLOAT64) store<f64>(column.values + (<usize>row << 3), value)
  else store<f32>(column.values + (<usize>row << 2), <f32>value)
}

let productHigh: u64 = 0
let productLow: u64 = 0

@inline
function multiply(a: u64, b: u64): void {
  const aLow = a & 0xffffffff
  const aHigh = a >> 32
  const bLow = b & 0xffffffff
  const bHigh = b >> 32
  const low = aLow * bLow
  const middle = aHigh * bLow + (low >> 32)
  const other = aLow * bHigh + (middle & 0xffffffff)
  productHigh = aHigh * bHigh + (middle >> 32) + (other >> 32)
  productLow = (other << 32) | (low & 0xffffffff)
}

/**
 * The float64 nearest to `mantissa` times a power of ten, as bits; 0 where that is not certain, and for subnormal and infinite
 * ones. D. Lemire, Number Parsing at a Gigabyte per Second (2021), https://arxiv.org/abs/2101.11408
 */
function nearest(mantissa: u64, exponent: i32): u64 {
  if (exponent < -342 || exponent > 308) return 0
  const zeros = clz(mantissa)
  const word = mantissa << zeros
  const five = fives + (<usize>(exponent + 342) << 4)
  multiply(word, load<u64>(five))
  let high = productHigh
  let low = productLow
  if ((high & 0x1ff) == 0x1ff) {
    multiply(word, load<u64>(five, 8))
    low += productHigh
    if (productHigh > low) high++
  }
  if (low == 0xffffffffffffffff && (exponent < -27 || exponent > 55)) return 0
  const upper = <i32>(high >> 63)
  let fraction = high >> (upper + 9)
  let power = <i32>((217706 * <i64>exponent) >> 16) + 63 + upper - <i32>zeros + 1023
  if (power <= 0) return 0
  // In the middle between two floats: to the even one.
  if (low <= 1 && exponent >= -4 && exponent <= 23 && (fraction & 3) == 1 && fraction << (upper + 9) == high) fraction &= ~1
  fraction += fraction & 1
  fraction >>= 1
  if (fraction >= 0x20000000000000) {
    fraction = 0x10000000000000
    power++
  }
  if (power >= 2047) return 0
  return (fraction & 0xfffffffffffff) | (<u64>power << 52)
}

/** Decimals of up to 18 digits, as 128 bits. */
function readDecimal(column: Column, at: usize, quoted: bool, row: i32): void {
  valueEnd = 0
  const sign = <u32>load<u8>(at)
  if (sign == 45 || sign == 43) at++
  const stop = readPointed(column, at, quoted)
  if (stop == 0 || (load<u8>(stop) | 32) == 101) return
  const shift = column.scale - places
  if (shift < 0 || digitCount + shift > 18) return
  let unscaled = digits
  for (let i = shift; i > 0; i -= 8) unscaled *= load<u64>(tens + (<usize>min(i, 8) << 3))
  if (<i64>unscaled > column.most) return
  const value = sign == 45 ? -(<i64>unscaled) : <i64>unscaled
  const to = column.values + (<usize>row << 4)
  store<i64>(to, value)
  store<i64>(to, value >> 63, 8)
  valueEnd = stop
}

function readBool(column: Column, at: usize, row: i32): void {
  valueEnd = 0
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
        if (word != 0x65757274) return
        length = 4
      }
    } else if (letter == 102) {
      if (second >= 97 && second <= 122) {
        if (word != 0x736c6166 || (load<u8>(at, 4) | 32) != 101) return
        length = 5
      }
    } else if ((word & 0xffffff) == 0x736579) {
      value = 1
      length = 3
    } else if ((word & 0xffff) == 0x6f6e) length = 2
    else return
  }
  store<u8>(column.values + <usize>row, value)
  valueEnd = at + length
}

/** A number of two digits, or more than 99. */
@inline
function two(at: usize): u32 {
  const high = <u32>load<u8>(at) - 48
  const low = <u32>load<u8>(at, 1) - 48
  return high > 9 || low > 9 ? 1000 : high * 10 + low
}

// Parts of a time, set by the two readers of texts.
let year: i32 = 0
let month: u32 = 0
let day: u32 = 0
let hour: u32 = 0
let minute: u32 = 0
let second: u32 = 0
let nanosecond: i32 = 0
/** Minutes east of UTC. */
let zone: i32 = 0

function readTime(column: Column, at: usize, row: i32): void {
  valueEnd = 0
  const stop = column.pattern != 0 ? readPattern(column, at) : readIso(at)
  if (stop == 0 || !isDay()) return
  // Days of the proleptic Gregorian calendar: H. Hinnant, https://howardhinnant.github.io/date_algorithms.html
  const shifted = year - (month <= 2 ? 1 : 0)
  const era = (shifted >= 0 ? shifted : shifted - 399) / 400
  const ofEra = shifted - era * 400
  const ofYear = (153 * (<i32>month + (month > 2 ? -3 : 9)) + 2) / 5 + <i32>day - 1
  const days = <i64>(era * 146097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719468)
  const seconds = days * 86400 + <i64>hour * 3600 + <i64>minute * 60 + <i64>second - <i64>zone * 60
  if (column.kind == DATE) store<i32>(column.values + (<usize>row << 2), <i32>floorDivide(seconds, 86400))
  else {
    const unit = <i64>column.scale
    // Milliseconds are kept whole where the unit is one: what is below a unit is cut off.
    if (unit == 1 && (seconds > 9223372035 || seconds < -9223372035)) return
    store<i64>(column.values + (<usize>row << 3), seconds * (1000000000 / unit) + <i64>nanosecond / unit)
  }
  valueEnd = stop
}

@inline
function floorDivide(a: i64, b: i64): i64 {
  return a / b - (a % b < 0 ? 1 : 0)
}

function isDay(): bool {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return false
  if (day <= 28) return true
  if (month == 2) return day == 29 && (year & 3) == 0 && (year % 100 != 0 || year % 400 == 0)
  const short = month == 4 || month == 6 || month == 9 || month == 11
  return day <= (short ? 30 : 31)
}

/** `yyyy-MM-dd`, with a time and a zone where there are; returns where it ends, 0 when it is written any other way. */
function readIso(at: usize): usize {
  const century = two(at)
  const ofCentury = two(at + 2)
  month = two(at + 5)
  day = two(at + 8)
  if (century > 99 || ofCentury > 99 || load<u8>(at, 4) != 45 || load<u8>(at, 7) != 45 || month > 99 || day > 99) return 0
  year = century * 100 + ofCentury
  hour = 0
  minute = 0
  second = 0
  nanosecond = 0
  zone = 0
  at += 10
  const separator = <u32>load<u8>(at)
  if (separator != 84 && separator != 32) return at
  if (two(at + 1) > 99) return at
  hour = two(at + 1)
  minute = two(at + 4)
  if (load<u8>(at, 3) != 58 || minute > 99) return 0
  at += 6
  if (load<u8>(at) == 58) {
    second = two(at + 1)
    if (second > 99) return 0
    at += 3
    if (load<u8>(at) == 46) {
      const fraction = at + 1
      digits = 0
      at = readDigits(fraction)
      const count = at - fraction
      if (count == 0 || count > 9) return 0
      let value = <i32>digits
      for (let i = count; i < 9; i++) value *= 10
      nanosecond = value
    }
  }
  let mark = at
  if (load<u8>(mark) == 32) mark++
  const sign = <u32>load<u8>(mark)
  if (sign == 90) return mark + 1
  if (sign != 43 && sign != 45) return at
  const hours = two(mark + 1)
  const colon: usize = load<u8>(mark, 3) == 58 ? 1 : 0
  const minutes = two(mark + 3 + colon)
  if (hours > 23 || minutes > 59) return 0
  zone = <i32>(hours * 60 + minutes) * (sign == 45 ? -1 : 1)
  return mark + 5 + colon
}

/** A time in a form of the user's: two bytes a part, a symbol (1 to 7) or 0 and a literal. */
function readPattern(column: Column, at: usize): usize {
  year = 1970
  month = 1
  day = 1
  hour = 0
  minute = 0
  second = 0
  nanosecond = 0
  zone = 0
  let part = column.pattern
  const end = part + <usize>column.patternLength
  for (; part < end; part += 2) {
    const symbol = <u32>load<u8>(part)
    if (symbol == 0) {
      if (load<u8>(at) != load<u8>(part, 1)) return 0
      at++
      continue
    }
    const value = two(at)
    if (value > 99) return 0
    at += 2
    if (symbol == 1) {
      const more = two(at)
      if (more > 99) return 0
      year = value * 100 + more
      at += 2
    } else if (symbol == 2) month = value
    else if (symbol == 3) day = value
    else if (symbol == 4) hour = value
    else if (symbol == 5) minute = value
    else if (symbol == 6) second = value
    else {
      const last = <u32>load<u8>(at) - 48
      if (last > 9) return 0
      nanosecond = <i32>(value * 10 + last) * 1000000
      at++
    }
  }
  return at
}
