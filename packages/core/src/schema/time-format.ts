import { failure } from '../errors/index.js'
import { ConversionError, showValue } from './convert.js'

/**
 * Parses and prints instants by a fixed pattern of `yyyy MM dd HH mm ss SSS` and literal characters
 * (the field symbols of Unicode TR 35), or by ISO 8601 when no pattern is given.
 */
export interface TimeFormat {
  /** Milliseconds since 1970-01-01 UTC. @throws ConversionError when the text does not fit the pattern */
  parse(text: string): number
  /** Text of an instant in milliseconds since 1970-01-01 UTC. @throws ConversionError for an instant or a year that the form cannot show */
  print(milliseconds: number): string
}

type Part = { readonly symbol: string; readonly width: number } | { readonly literal: string }

const symbols: Record<string, { min: number; max: number }> = {
  yyyy: { min: 0, max: 9999 },
  MM: { min: 1, max: 12 },
  dd: { min: 1, max: 31 },
  HH: { min: 0, max: 23 },
  mm: { min: 0, max: 59 },
  ss: { min: 0, max: 59 },
  SSS: { min: 0, max: 999 },
}

const parsePattern = (pattern: string): readonly Part[] => {
  const parts: Part[] = []
  for (let at = 0; at < pattern.length; ) {
    const symbol = Object.keys(symbols).find((candidate) => pattern.startsWith(candidate, at))
    if (symbol !== undefined) {
      parts.push({ symbol, width: symbol.length })
      at += symbol.length
      continue
    }
    const character = pattern[at]!
    if (/[A-Za-z]/.test(character) && character !== 'T' && character !== 'Z') {
      throw failure({
        tag: 'Schema',
        code: 'BAD_TIME_FORMAT',
        problem: `the time format ${JSON.stringify(pattern)} has an unknown symbol "${character}"`,
        remedy: `Known symbols are ${Object.keys(symbols).join(' ')}; T and Z stand for themselves.`,
      })
    }
    parts.push({ literal: character })
    at++
  }
  return parts
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

const parseIso = (text: string, toUtc: (local: number) => number): number => {
  const match = isoPattern.exec(text)
  if (match === null) throw new ConversionError('BAD_TEXT', `${showValue(text)} is not an ISO 8601 time`)
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = match
  const inRange = Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60
  const local = inRange ? utc(Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second), Number(fraction.padEnd(3, '0').slice(0, 3))) : undefined
  if (local === undefined) throw new ConversionError('BAD_TEXT', `${showValue(text)} is no day of the calendar or no time of the day`)
  if (zone === undefined) return toUtc(local)
  if (zone === 'Z') return local
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(-2))
  if (hours > 23 || minutes > 59) throw new ConversionError('BAD_TEXT', `${showValue(text)} has no possible offset from UTC`)
  return local + (zone.startsWith('-') ? 1 : -1) * (hours * 60 + minutes) * 60_000
}

const compile = (pattern: string | undefined, zone: string, dateOnly: boolean): TimeFormat => {
  const offset = zone === 'UTC' ? undefined : zoneOffset(zone)
  const toUtc = offset === undefined ? (local: number): number => local : localToUtc(offset)
  const toLocal = (instant: number): number => (offset === undefined ? instant : instant + offset(instant))
  if (pattern === undefined) {
    return {
      parse: (text) => parseIso(text, toUtc),
      print: (milliseconds) => {
        const text = shownDate(milliseconds, milliseconds).toISOString()
        return dateOnly ? text.slice(0, text.indexOf('T')) : text
      },
    }
  }
  const parts = parsePattern(pattern)
  const length = parts.reduce((sum, part) => sum + ('literal' in part ? 1 : part.width), 0)
  const misfit = (text: string): ConversionError =>
    new ConversionError('BAD_TEXT', `${showValue(text)} does not fit the time format ${JSON.stringify(pattern)}`)
  return {
    parse: (text) => {
      if (text.length !== length) throw misfit(text)
      const values: Record<string, number> = { yyyy: 1970, MM: 1, dd: 1, HH: 0, mm: 0, ss: 0, SSS: 0 }
      let at = 0
      for (const part of parts) {
        if ('literal' in part) {
          if (text[at++] !== part.literal) throw misfit(text)
          continue
        }
        let value = 0
        for (const end = at + part.width; at < end; at++) {
          const digit = text.charCodeAt(at) - 48
          if (digit < 0 || digit > 9) throw misfit(text)
          value = value * 10 + digit
        }
        const range = symbols[part.symbol]!
        if (value < range.min || value > range.max) throw misfit(text)
        values[part.symbol] = value
      }
      const local = utc(values['yyyy']!, values['MM']!, values['dd']!, values['HH']!, values['mm']!, values['ss']!, values['SSS']!)
      if (local === undefined) throw new ConversionError('BAD_TEXT', `${showValue(text)} is no day of the calendar`)
      return toUtc(local)
    },
    print: (milliseconds) => {
      const date = shownDate(toLocal(milliseconds), milliseconds)
      if (date.getUTCFullYear() < 0 || date.getUTCFullYear() > 9999) throw new ConversionError('OUT_OF_RANGE', `the year ${date.getUTCFullYear()} has no form in the time format ${JSON.stringify(pattern)}`)
      const values: Record<string, number> = {
        yyyy: date.getUTCFullYear(), MM: date.getUTCMonth() + 1, dd: date.getUTCDate(),
        HH: date.getUTCHours(), mm: date.getUTCMinutes(), ss: date.getUTCSeconds(), SSS: date.getUTCMilliseconds(),
      }
      return parts.map((part) => ('literal' in part ? part.literal : String(values[part.symbol]).padStart(part.width, '0'))).join('')
    },
  }
}

const compiled = new Map<string, TimeFormat>()

/** The {@link TimeFormat} of a timestamp or date field; compiled once a pattern and zone. */
export const timeFormat = (params: { readonly format?: string | undefined; readonly zone?: string | undefined }, dateOnly = false): TimeFormat => {
  const key = `${dateOnly}|${params.zone ?? 'UTC'}|${params.format ?? ''}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const format = compile(params.format, params.zone ?? 'UTC', dateOnly)
  compiled.set(key, format)
  return format
}
