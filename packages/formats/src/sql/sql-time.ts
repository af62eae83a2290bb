import { ConversionError, showValue, timeFormat, type Field, type TimeUnit } from '@millrace/core'

/** Dates and times as PostgreSQL (ISO style), MySQL and Hive write them; years may have more digits, or be before Christ. */
const datePattern = /^(\d{4,7})-(\d\d)-(\d\d)( BC)?$/
const instantPattern = /^(\d{4,7}-\d\d-\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: UTC)?(?:([+-]\d\d)(?::(\d\d))?(?::(\d\d))?)?( BC)?$/

const DAY_SECONDS = 86_400
const unitOfMicros: { readonly [U in TimeUnit]: bigint } = { s: 1_000_000n, ms: 1_000n, us: 1n, ns: 1n }

const unreadable = (text: string, what: string): ConversionError =>
  /^-?infinity$/.test(text) ? new ConversionError('OUT_OF_RANGE', `${text} is no ${what} that a column can hold`) : new ConversionError('BAD_TEXT', `${showValue(text)} is no ${what} of the calendar`)

/** Days since 1970-01-01 in the proleptic Gregorian calendar. @throws ConversionError for a day that does not exist, as MySQL's zero dates */
export const parseSqlDate = (text: string): number => {
  const match = datePattern.exec(text)
  if (match === null) throw unreadable(text, 'date')
  const year = match[4] === undefined ? Number(match[1]) : 1 - Number(match[1])
  const date = new Date(0)
  date.setUTCFullYear(year, Number(match[2]) - 1, Number(match[3]))
  if (date.getUTCMonth() !== Number(match[2]) - 1 || date.getUTCDate() !== Number(match[3]) || (year === 0 && match[4] === undefined)) throw unreadable(text, 'date')
  return date.getTime() / (DAY_SECONDS * 1000)
}

/** Microseconds since 1970 UTC; a text without an offset is read as UTC, or in `zone`. Hive's digits after the sixth are cut. */
export const parseSqlMicros = (text: string, zone?: string): bigint => {
  const match = instantPattern.exec(text)
  if (match === null) throw unreadable(text, 'time')
  const [, date, hour, minute, second, fraction = '', zoneHours, zoneMinutes = '0', zoneSeconds = '0', era = ''] = match
  const micros = BigInt(fraction.slice(0, 6).padEnd(6, '0'))
  if (zoneHours === undefined && zone !== undefined && zone !== 'UTC') {
    return BigInt(timeFormat({ zone }).parse(`${date} ${hour}:${minute}:${second}${era}`)) * 1000n + micros
  }
  const clock = Number(hour) * 3600 + Number(minute) * 60 + Number(second)
  if (clock >= DAY_SECONDS || Number(minute) > 59 || Number(second) > 59) throw unreadable(text, 'time')
  const offset = Number(zoneHours?.slice(1) ?? 0) * 3600 + Number(zoneMinutes) * 60 + Number(zoneSeconds)
  const local = parseSqlDate(`${date}${era}`) * DAY_SECONDS + clock
  return BigInt(zoneHours?.startsWith('-') === true ? local + offset : local - offset) * 1_000_000n + micros
}

/** A text's instant in the unit of a field, nanoseconds too. */
export const parseSqlInstant = (text: string, zone: string | undefined, target: Field): bigint => {
  const instant = inUnit(parseSqlMicros(text, zone), target)
  return target.params.unit === 'ns' ? instant + BigInt(/\.\d{6}(\d{1,3})/.exec(text)?.[1]?.padEnd(3, '0') ?? 0) : instant
}

/** An instant in the unit of a field; what is finer than the unit is cut towards the past. */
export const inUnit = (micros: bigint, target: Field): bigint => {
  const unit = target.params.unit ?? 'ms'
  if (unit === 'ns') return micros * 1000n
  const divisor = unitOfMicros[unit]
  const quotient = micros / divisor
  return micros % divisor < 0n ? quotient - 1n : quotient
}

/** The text of a day, as both servers read it; years before Christ only PostgreSQL. */
export const sqlDateText = (days: number): string => {
  const date = new Date(days * DAY_SECONDS * 1000)
  const year = date.getUTCFullYear()
  const [month, day] = [date.getUTCMonth() + 1, date.getUTCDate()].map((part) => String(part).padStart(2, '0'))
  return `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${month}-${day}${year > 0 ? '' : ' BC'}`
}

/** The text of an instant in UTC, without an offset. */
export const sqlInstantText = (micros: bigint): string => {
  const below = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const seconds = Number((micros - below) / 1_000_000n)
  const days = Math.floor(seconds / DAY_SECONDS)
  const clock = seconds - days * DAY_SECONDS
  const parts = [Math.floor(clock / 3600), Math.floor(clock / 60) % 60, clock % 60].map((part) => String(part).padStart(2, '0'))
  const [date, era] = sqlDateText(days).split(' ')
  return `${date} ${parts.join(':')}${below === 0n ? '' : `.${String(below).padStart(6, '0')}`}${era === undefined ? '' : ' BC'}`
}
