import { failure } from '../errors/index.js'

/** Local time by its parts, as a pattern reads and prints it. */
export interface TimeParts {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  /** 0 to 999,999,999. */
  nanosecond: number
  /** Minutes east of UTC, where the text says so. */
  offset: number | undefined
}

/** One field of a pattern: how its text looks, and how it is read and printed. */
interface PatternField {
  /** Source of a regular expression without groups. */
  readonly form: string
  /** Takes the text. False for a value that the field does not have. */
  readonly read: (text: string, parts: TimeParts, half: Half) => boolean
  /** `undefined` for a value that has no form. */
  readonly print: (parts: Readonly<TimeParts>) => string | undefined
}

/** What a 12-hour clock says until both of its fields are read. */
interface Half {
  hour: number | undefined
  isAfternoon: boolean
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** As Python and POSIX have it: 69 to 99 are of the last century. */
const PIVOT = 69

const padded = (value: number, width: number): string => String(value).padStart(width, '0')

/** A number of `width` digits; with width 1, of one or two. */
const numeric = (key: 'month' | 'day' | 'hour' | 'minute' | 'second', width: number, least: number, most: number): PatternField => ({
  form: width === 1 ? '\\d{1,2}' : `\\d{${width}}`,
  read: (text, parts) => (parts[key] = Number(text)) >= least && parts[key] <= most,
  print: (parts) => padded(parts[key], width),
})

const halfDayHour = (width: number): PatternField => ({
  form: width === 1 ? '\\d{1,2}' : '\\d{2}',
  read: (text, _parts, half) => (half.hour = Number(text)) >= 1 && half.hour <= 12,
  print: ({ hour }) => padded(hour % 12 === 0 ? 12 : hour % 12, width),
})

const offsetField = (width: number): PatternField => ({
  form: `(?:Z|[+-]\\d{2}${width === 1 ? '(?:\\d{2})?' : width === 2 ? '\\d{2}' : ':\\d{2}'})`,
  read: (text, parts) => {
    const hours = Number(text.slice(1, 3))
    const minutes = text.length > 3 ? Number(text.slice(-2)) : 0
    parts.offset = text === 'Z' ? 0 : (text.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
    return text === 'Z' || (hours < 24 && minutes < 60)
  },
  print: ({ offset = 0 }) => {
    // Old local times have offsets of seconds.
    if (!Number.isInteger(offset)) return undefined
    if (offset === 0) return 'Z'
    const minutes = Math.abs(offset) % 60
    const hours = `${offset < 0 ? '-' : '+'}${padded(Math.floor(Math.abs(offset) / 60), 2)}`
    return width === 1 && minutes === 0 ? hours : `${hours}${width === 3 ? ':' : ''}${padded(minutes, 2)}`
  },
})

const fractionField = (width: number): PatternField => ({
  form: `\\d{${width}}`,
  read: (text, parts) => {
    parts.nanosecond = Number(text.padEnd(9, '0'))
    return true
  },
  print: ({ nanosecond }) => padded(nanosecond, 9).slice(0, width),
})

const fields: { readonly [symbol: string]: PatternField } = {
  yyyy: {
    form: '\\d{4}',
    read: (text, parts) => (parts.year = Number(text)) >= 0,
    print: ({ year }) => (year >= 0 && year <= 9999 ? padded(year, 4) : undefined),
  },
  yy: {
    form: '\\d{2}',
    read: (text, parts) => (parts.year = Number(text) + (Number(text) < PIVOT ? 2000 : 1900)) > 0,
    print: ({ year }) => (year >= 1900 + PIVOT && year < 2000 + PIVOT ? padded(year % 100, 2) : undefined),
  },
  MMM: {
    form: '[A-Za-z]{3}',
    read: (text, parts) => (parts.month = 1 + MONTHS.findIndex((name) => name.toLowerCase() === text.toLowerCase())) > 0,
    print: ({ month }) => MONTHS[month - 1],
  },
  MM: numeric('month', 2, 1, 12), M: numeric('month', 1, 1, 12),
  dd: numeric('day', 2, 1, 31), d: numeric('day', 1, 1, 31),
  HH: numeric('hour', 2, 0, 23), H: numeric('hour', 1, 0, 23),
  hh: halfDayHour(2), h: halfDayHour(1),
  mm: numeric('minute', 2, 0, 59),
  ss: numeric('second', 2, 0, 59),
  a: {
    form: '[AaPp][Mm]',
    read: (text, _parts, half) => {
      half.isAfternoon = /^p/i.test(text)
      return true
    },
    print: ({ hour }) => (hour < 12 ? 'AM' : 'PM'),
  },
  ...Object.fromEntries(Array.from({ length: 9 }, (_, i) => ['S'.repeat(i + 1), fractionField(i + 1)])),
  X: offsetField(1), XX: offsetField(2), XXX: offsetField(3),
}

/** The symbols as an error names them. */
const KNOWN = 'yyyy yy MMM MM M dd d HH H hh h mm ss S to SSSSSSSSS a X XX XXX'

const partsOf = (pattern: string): readonly (PatternField | string)[] =>
  [...pattern.matchAll(/([A-Za-z])\1*|[^]/g)].map(([part]) => {
    const known = Object.hasOwn(fields, part) ? fields[part] : undefined
    if (known !== undefined) return known
    if (!/^[A-Za-z]/.test(part) || /^(T+|Z+)$/.test(part)) return part
    throw failure({
      tag: 'Schema', code: 'BAD_TIME_FORMAT', problem: `the time format ${JSON.stringify(pattern)} has an unknown symbol "${part}"`,
      remedy: `Known symbols are ${KNOWN}; T and Z stand for themselves. epochSeconds and epochMilliseconds are numbers.`,
    })
  })

/** A pattern, ready to be used. */
interface TimePattern {
  /** The parts of a text; `undefined` where it does not fit. */
  readonly read: (text: string) => TimeParts | undefined
  /** `undefined` for parts that have no form in the pattern. */
  readonly print: (parts: Readonly<TimeParts>) => string | undefined
}

/** @throws `Schema` BAD_TIME_FORMAT for a pattern with unknown symbols, or with half a 12-hour clock */
export const timePattern = (pattern: string): TimePattern => {
  const parts = partsOf(pattern)
  const isHalf = /h/.test(pattern)
  if (isHalf !== /a/.test(pattern) || (isHalf && /H/.test(pattern))) {
    throw failure({ tag: 'Schema', code: 'BAD_TIME_FORMAT', problem: `the time format ${JSON.stringify(pattern)} has half of a 12-hour clock`, remedy: 'Hours are HH or H, or hh or h together with a.' })
  }
  const form = new RegExp(`^${parts.map((part) => (typeof part === 'string' ? part.replace(/[^\w]/g, '\\$&') : `(${part.form})`)).join('')}$`)
  const read = parts.filter((part) => typeof part !== 'string')
  return {
    read: (text) => {
      const match = form.exec(text)
      if (match === null) return undefined
      const out: TimeParts = { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, nanosecond: 0, offset: undefined }
      const half: Half = { hour: undefined, isAfternoon: false }
      if (!read.every((field, i) => field.read(match[i + 1]!, out, half))) return undefined
      if (half.hour !== undefined) out.hour = (half.hour % 12) + (half.isAfternoon ? 12 : 0)
      return out
    },
    print: (of) => {
      const texts = parts.map((part) => (typeof part === 'string' ? part : part.print(of)))
      return texts.includes(undefined) ? undefined : texts.join('')
    },
  }
}
