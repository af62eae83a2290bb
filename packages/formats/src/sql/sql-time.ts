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

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
/** Where a fraction begins in a text of the plain form. */
const FRACTION = 'YYYY-MM-DD hh:mm:ss'.length

/** The number of two digits at a place of a text; NaN where there are none. */
const pair = (text: string, at: number): number => {
  const [tens, ones] = [text.charCodeAt(at) - 48, text.charCodeAt(at + 1) - 48]
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN
}

/** The seconds of the plain form that nearly all texts have, `YYYY-MM-DD hh:mm:ss` from the year 100 on; undefined for a text that does not begin with one. */
const plainSeconds = (text: string): number | undefined => {
  if (text[4] !== '-' || text[7] !== '-' || (text[10] !== ' ' && text[10] !== 'T') || text[13] !== ':' || text[16] !== ':') return undefined
  const [year, month, day] = [pair(text, 0) * 100 + pair(text, 2), pair(text, 5), pair(text, 8)]
  const [hour, minute, second] = [pair(text, 11), pair(text, 14), pair(text, 17)]
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0
  // A comparison with NaN is false. Date.UTC takes years before 100 for those of the 1900s.
  const sound = year >= 100 && day >= 1 && day <= (monthDays[month - 1] ?? 0) + leap && hour < 24 && minute < 60 && second < 60
  return sound ? Date.UTC(year, month - 1, day, hour, minute, second) / 1000 : undefined
}

/** The microseconds of up to six digits after the point that end a text of the plain form; undefined where it goes on otherwise. */
const plainFraction = (text: string, end: number): number | undefined => {
  if (end === FRACTION) return 0
  if (text[FRACTION] !== '.' || end === FRACTION + 1 || end > FRACTION + 7) return undefined
  let micros = 0
  for (let at = FRACTION + 1; at < FRACTION + 7; at++) {
    const digit = at < end ? text.charCodeAt(at) - 48 : 0
    if (!(digit >= 0 && digit <= 9)) return undefined
    micros = micros * 10 + digit
  }
  return micros
}

/** An instant of the plain form, in UTC, in units of a second, cut towards the past; undefined for other texts, and beyond what doubles count one by one. */
const plainInstant = (text: string, zone: string | undefined, perSecond: number): number | undefined => {
  const offset = text.endsWith('+00')
  if (!offset && zone !== undefined && zone !== 'UTC') return undefined
  const micros = plainFraction(text, text.length - (offset ? 3 : 0))
  const seconds = micros === undefined ? undefined : plainSeconds(text)
  if (seconds === undefined) return undefined
  // Doubles hold every whole second of these years in microseconds, and what comes to it as long as the sum is safe.
  const instant = seconds * perSecond + Math.floor((micros! * perSecond) / 1_000_000)
  return Number.isSafeInteger(instant) ? instant : undefined
}

/** Microseconds since 1970 UTC; a text without an offset is read as UTC, or in `zone`. Hive's digits after the sixth are cut. */
export const parseSqlMicros = (text: string, zone?: string): bigint => {
  const plain = plainInstant(text, zone, 1_000_000)
  if (plain !== undefined) return BigInt(plain)
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
  const { unit = 'ms' } = target.params
  const plain = unit === 's' || unit === 'ms' ? plainInstant(text, zone, unit === 's' ? 1 : 1_000) : undefined
  if (plain !== undefined) return BigInt(plain)
  const instant = inUnit(parseSqlMicros(text, zone), target)
  return unit === 'ns' ? instant + BigInt(/\.\d{6}(\d{1,3})/.exec(text)?.[1]?.padEnd(3, '0') ?? 0) : instant
}

/** An instant in the unit of a field; what is finer than the unit is cut towards the past. */
export const inUnit = (micros: bigint, target: Field): bigint => {
  const unit = target.params.unit ?? 'ms'
  if (unit === 'ns') return micros * 1000n
  const divisor = unitOfMicros[unit]
  const quotient = micros / divisor
  return micros % divisor < 0n ? quotient - 1n : quotient
}

const twoDigits = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0'))

/** The text of a day without its era, and the era: ` BC`, or nothing. Also beyond what a `Date` holds. */
const dateParts = (days: number): readonly [date: string, era: string] => {
  // https://howardhinnant.github.io/date_algorithms.html#civil_from_days
  const shifted = days + 719_468
  const cycle = Math.floor(shifted / 146_097)
  const ofCycle = shifted - cycle * 146_097
  const yearOfCycle = Math.floor((ofCycle - Math.floor(ofCycle / 1460) + Math.floor(ofCycle / 36_524) - Math.floor(ofCycle / 146_096)) / 365)
  const ofYear = ofCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100))
  const part = Math.floor((5 * ofYear + 2) / 153)
  const month = part < 10 ? part + 3 : part - 9
  const year = yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0)
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0')
  return [`${shown}-${twoDigits[month]!}-${twoDigits[ofYear - Math.floor((153 * part + 2) / 5) + 1]!}`, year > 0 ? '' : ' BC']
}

/** The text of a day, as both servers read it; years before Christ only PostgreSQL. */
export const sqlDateText = (days: number): string => {
  const [date, era] = dateParts(days)
  return date + era
}

/** Whole seconds, and the microseconds above them. */
const secondsOf = (micros: bigint | number): readonly [seconds: number, below: number] => {
  const number = Number(micros)
  if (Number.isSafeInteger(number)) {
    const seconds = Math.floor(number / 1_000_000)
    return [seconds, number - seconds * 1_000_000]
  }
  const below = ((BigInt(micros) % 1_000_000n) + 1_000_000n) % 1_000_000n
  return [Number((BigInt(micros) - below) / 1_000_000n), Number(below)]
}

/** The text of an instant in UTC. @param micros - since 1970; a number is a safe integer. @param suffix - what follows the time, before the era: an offset */
export const sqlInstantText = (micros: bigint | number, suffix = ''): string => {
  const [seconds, below] = secondsOf(micros)
  const days = Math.floor(seconds / DAY_SECONDS)
  const clock = seconds - days * DAY_SECONDS
  const [date, era] = dateParts(days)
  const time = `${twoDigits[Math.floor(clock / 3600)]!}:${twoDigits[Math.floor(clock / 60) % 60]!}:${twoDigits[clock % 60]!}`
  return `${date} ${time}${below === 0 ? '' : `.${String(below).padStart(6, '0')}`}${suffix}${era}`
}
