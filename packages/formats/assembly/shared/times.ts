/** Dates and times as text. */
import { Column, DATE } from './column'
import { digits, startDigits } from './numbers'

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

/** A date or a timestamp: in a form of the user's, or ISO 8601. */
export function readTime(column: Column, at: usize, row: i32): usize {
  const stop = column.pattern != 0 ? readPattern(column, at) : readIso(at)
  if (stop == 0 || !isDay()) return 0
  // A date with a time of day, or an offset, is for TypeScript to refuse.
  if (column.kind == DATE && (hour | minute | second | nanosecond | zone) != 0) return 0
  // Days of the proleptic Gregorian calendar: H. Hinnant, https://howardhinnant.github.io/date_algorithms.html
  const shifted = year - (month <= 2 ? 1 : 0)
  const era = (shifted >= 0 ? shifted : shifted - 399) / 400
  const ofEra = shifted - era * 400
  const ofYear = (153 * (<i32>month + (month > 2 ? -3 : 9)) + 2) / 5 + <i32>day - 1
  const days = <i64>(era * 146097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719468)
  const seconds = days * 86400 + <i64>hour * 3600 + <i64>minute * 60 + <i64>second - <i64>zone * 60
  if (column.kind == DATE) store<i32>(column.values + (<usize>row << 2), <i32>days)
  else {
    const unit = <i64>column.scale
    // Milliseconds are kept whole where the unit is one: what is below a unit is cut off.
    if (unit == 1 && (seconds > 9223372035 || seconds < -9223372035)) return 0
    store<i64>(column.values + (<usize>row << 3), seconds * (1000000000 / unit) + <i64>nanosecond / unit)
  }
  return stop
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
      at = startDigits(fraction)
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
