import { failure } from '../errors/index.js'
import { ConversionError, showValue } from './convert.js'
import { timePattern, type TimeParts } from './time-pattern.js'

/**
 * Parses and prints instants by a pattern of field symbols (those of Unicode TR 35, see {@link FieldParams.format}) and literal characters, as seconds or
 * milliseconds since 1970, or by ISO 8601 when no pattern is given.
 */
export interface TimeFormat {
  /** Milliseconds since 1970-01-01 UTC; finer parts are cut. @throws ConversionError when the text does not fit the pattern */
  parse(text: string): number
  /** Nanoseconds beyond the milliseconds of a text that {@link parse} takes, 0 to 999,999. */
  beyond(text: string): number
  /**
   * Text of an instant in milliseconds since 1970-01-01 UTC.
   *
   * @param beyond - nanoseconds beyond these, which only patterns show. Default 0
   * @throws ConversionError for an instant or a year that the form cannot show, and for the later of two instants whose local time it shows alike
   */
  print(milliseconds: number, beyond?: number): string
}

/** Milliseconds of a civil UTC date and time; `undefined` when there is no such day. */
const utc = (year: number, month: number, day: number, hour: number, minute: number, second: number, milli: number): number | undefined => {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second, milli)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : undefined
}

const dateTimeFormat = (zone: string): Intl.DateTimeFormat => {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', era: 'short', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    })
  } catch (cause) {
    throw failure({ tag: 'Schema', code: 'UNKNOWN_ZONE', problem: `there is no time zone ${JSON.stringify(zone)}`, remedy: 'Use an IANA name such as Europe/Berlin, or UTC.', cause })
  }
}

/** Offset of a zone from UTC at an instant, in milliseconds, by the Intl database. */
const zoneOffset = (zone: string): ((instant: number) => number) => {
  const format = dateTimeFormat(zone)
  return (instant) => {
    const parts: Record<string, string> = {}
    for (const { type, value } of format.formatToParts(instant)) parts[type] = value
    const year = parts['era'] === 'BC' ? 1 - Number(parts['year']) : Number(parts['year'])
    const local = utc(year, Number(parts['month']), Number(parts['day']), Number(parts['hour']), Number(parts['minute']), Number(parts['second']), 0)
    return (local ?? instant) - Math.floor(instant / 1000) * 1000
  }
}

const DAY = 86_400_000
/** Days whose offsets are remembered: asking the Intl database takes microseconds, and times of one file share few days. */
const REMEMBERED_DAYS = 4096

/**
 * Instants of local times. A time that a change of clocks doubles is the earlier of the two; one that it skips is moved
 * past the gap, as java.time and Python do.
 */
const localToUtc = (offset: (instant: number) => number): ((local: number) => number) => {
  const remembered = new Map<number, number>()
  const offsetAtDay = (day: number): number => {
    let found = remembered.get(day)
    if (found === undefined) {
      if (remembered.size === REMEMBERED_DAYS) remembered.clear()
      remembered.set(day, (found = offset(day * DAY)))
    }
    return found
  }
  return (local) => {
    // No local time is more than a day from UTC, so a change of clocks near it lies between these two.
    const day = Math.floor(local / DAY)
    const before = offsetAtDay(day - 1)
    const after = offsetAtDay(day + 2)
    const early = local - before
    return before === after || offset(early) === before || offset(local - after) !== after ? early : local - after
  }
}

/** @throws ConversionError for an instant beyond ±100 million days, which a `Date` cannot show */
const shownDate = (local: number, milliseconds: number): Date => {
  const date = new Date(local)
  if (Number.isNaN(date.getTime())) throw new ConversionError('OUT_OF_RANGE', `an instant ${milliseconds} ms from 1970 has no calendar date`)
  return date
}

const isoPattern = /^([+-]\d{6}|\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$/

/** A date is what it says: a time of day would be lost, and with an offset the day might be another one. */
const notADate = (text: string): ConversionError => new ConversionError('BAD_TEXT', `${showValue(text)} has a time of day, which field.timestamp keeps and a date does not`)

const parseIso = (text: string, toUtc: (local: number) => number, dateOnly: boolean): number => {
  const match = isoPattern.exec(text)
  if (match === null) throw new ConversionError('BAD_TEXT', `${showValue(text)} is not an ISO 8601 time`)
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = match
  const inRange = Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60
  const local = inRange ? utc(Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second), Number(fraction.padEnd(3, '0').slice(0, 3))) : undefined
  if (local === undefined) throw new ConversionError('BAD_TEXT', `${showValue(text)} is no day of the calendar or no time of the day`)
  if (dateOnly && (local % DAY !== 0 || /[1-9]/.test(fraction) || /[1-9]/.test(zone ?? ''))) throw notADate(text)
  if (zone === undefined) return toUtc(local)
  if (zone === 'Z') return local
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(-2))
  if (hours > 23 || minutes > 59) throw new ConversionError('BAD_TEXT', `${showValue(text)} has no possible offset from UTC`)
  return local + (zone.startsWith('-') ? 1 : -1) * (hours * 60 + minutes) * 60_000
}

/** Digits of an ISO 8601 time's fraction after the third. */
const beyondMilliseconds = /[.,]\d{3}(\d{1,6})/

const isoFormat = (toUtc: (local: number) => number, dateOnly: boolean): TimeFormat => ({
  parse: (text) => parseIso(text, toUtc, dateOnly),
  beyond: (text) => Number((beyondMilliseconds.exec(text)?.[1] ?? '').padEnd(6, '0')),
  print: (milliseconds) => {
    const text = shownDate(milliseconds, milliseconds).toISOString()
    return dateOnly ? text.slice(0, text.indexOf('T')) : text
  },
})

const NANOSECONDS_OF_DAY = 86_400_000_000_000n
const epochText = /^-?\d{1,17}(?:\.(\d{1,9}))?$/

/** Numbers since 1970-01-01 UTC: a whole one, or one with up to nine digits after the point. */
const epochFormat = (format: string, perUnit: 1 | 1000, dateOnly: boolean): TimeFormat => {
  /** Nanoseconds, exactly. */
  const nanoseconds = (text: string): bigint => {
    const match = epochText.exec(text)
    if (match === null) throw new ConversionError('BAD_TEXT', `${showValue(text)} does not fit the time format ${JSON.stringify(format)}`)
    const whole = BigInt(text.replace(/\..*$/, '').replace('-', ''))
    // Below a unit there are nine digits for seconds, six for milliseconds.
    const below = perUnit === 1000 ? 9 : 6
    const all = whole * 10n ** BigInt(below) + BigInt((match[1] ?? '').padEnd(below, '0').slice(0, below))
    return text.startsWith('-') ? -all : all
  }
  const milliseconds = (all: bigint): bigint => (all - (((all % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n
  return {
    parse: (text) => {
      const all = nanoseconds(text)
      if (dateOnly && all % NANOSECONDS_OF_DAY !== 0n) throw notADate(text)
      return Number(milliseconds(all))
    },
    beyond: (text) => {
      const all = nanoseconds(text)
      return Number(all - milliseconds(all) * 1_000_000n)
    },
    print: (at, beyond = 0) => {
      const all = BigInt(at) * 1_000_000n + BigInt(beyond)
      const below = perUnit === 1000 ? 9 : 6
      const digits = String(all < 0n ? -all : all).padStart(below + 1, '0')
      const fraction = digits.slice(-below).replace(/0+$/, '')
      return `${all < 0n ? '-' : ''}${digits.slice(0, -below)}${fraction === '' ? '' : `.${fraction}`}`
    },
  }
}

const patternFormat = (pattern: string, offset: ((instant: number) => number) | undefined, toUtc: (local: number) => number, dateOnly: boolean): TimeFormat => {
  const form = timePattern(pattern)
  /** Whether texts are local times that a change of clocks may double. */
  const isLocal = offset !== undefined && /[Hh]/.test(pattern) && !pattern.includes('X')
  const read = (text: string): TimeParts => {
    const parts = form.read(text)
    if (parts === undefined) throw new ConversionError('BAD_TEXT', `${showValue(text)} does not fit the time format ${JSON.stringify(pattern)}`)
    return parts
  }
  return {
    parse: (text) => {
      const { year, month, day, hour, minute, second, nanosecond, offset: east } = read(text)
      const local = utc(year, month, day, hour, minute, second, Math.floor(nanosecond / 1e6))
      if (local === undefined) throw new ConversionError('BAD_TEXT', `${showValue(text)} is no day of the calendar`)
      if (dateOnly && (local % DAY !== 0 || nanosecond !== 0 || (east ?? 0) !== 0)) throw notADate(text)
      return east === undefined ? toUtc(local) : local - east * 60_000
    },
    beyond: (text) => read(text).nanosecond % 1e6,
    print: (milliseconds, beyond = 0) => {
      const east = offset?.(milliseconds) ?? 0
      const date = shownDate(milliseconds + east, milliseconds)
      const text = form.print({
        year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(), hour: date.getUTCHours(), minute: date.getUTCMinutes(),
        second: date.getUTCSeconds(), nanosecond: date.getUTCMilliseconds() * 1e6 + beyond, offset: east / 60_000,
      })
      if (text === undefined) throw new ConversionError('OUT_OF_RANGE', `the year ${date.getUTCFullYear()} or the offset of the zone has no form in the time format ${JSON.stringify(pattern)}`)
      if (isLocal && toUtc(milliseconds + east) !== milliseconds) {
        throw new ConversionError('OUT_OF_RANGE', `the local time ${showValue(text)} of ${new Date(milliseconds).toISOString()} comes twice as clocks are set back, and is read as the earlier instant; a format with an offset (XXX) tells them apart`)
      }
      return text
    },
  }
}

const compile = (pattern: string | undefined, zone: string, dateOnly: boolean): TimeFormat => {
  const offset = zone === 'UTC' ? undefined : zoneOffset(zone)
  const toUtc = offset === undefined ? (local: number): number => local : localToUtc(offset)
  if (pattern === undefined) return isoFormat(toUtc, dateOnly)
  if (pattern === 'epochSeconds') return epochFormat(pattern, 1000, dateOnly)
  if (pattern === 'epochMilliseconds') return epochFormat(pattern, 1, dateOnly)
  return patternFormat(pattern, offset, toUtc, dateOnly)
}

const compiled = new Map<string, TimeFormat>()

/**
 * The {@link TimeFormat} of a timestamp or date field; compiled once a pattern and zone.
 *
 * @param dateOnly - whether texts are days: those with a time of day other than midnight, or an offset from UTC, are refused. Default false
 */
export const timeFormat = (params: { readonly format?: string | undefined; readonly zone?: string | undefined }, dateOnly = false): TimeFormat => {
  const key = `${dateOnly}|${params.zone ?? 'UTC'}|${params.format ?? ''}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const format = compile(params.format, params.zone ?? 'UTC', dateOnly)
  compiled.set(key, format)
  return format
}
