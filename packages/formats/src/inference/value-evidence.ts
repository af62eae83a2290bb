import { field, timeFormat, type Field, type OptionRules } from '@millrace/core'

/** What was decided of values, and why. */
export interface Decision {
  readonly field: Field
  /** What speaks for it. */
  readonly evidence: string
  /** What could have been decided otherwise, with how to do so. */
  readonly ambiguous: readonly string[]
}

/** How values are typed where there is a choice. */
export interface TypingOptions {
  /**
   * Numbers with a point: `float64` (default), or decimals with as many digits as were seen, which are exact.
   */
  readonly decimals?: 'float64' | 'decimal' | undefined
}

export const typingRules: OptionRules<TypingOptions> = { decimals: 'any' }

const INTEGER = /^[+-]?(0|[1-9]\d*)$/
const PADDED = /^[+-]?0\d+$/
const REAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i
const SPECIAL = /^([+-]?(inf|infinity)|nan)$/i
const BOOL = /^(true|false|t|f|yes|no)$/i

const FIXED_DAYS = ['yyyy/MM/dd', 'MM/dd/yyyy', 'dd/MM/yyyy', 'dd.MM.yyyy', 'dd-MM-yyyy']
/** Days and months without a leading zero, names of months, short years: only where no fixed form is left. */
const LOOSE_DAYS = ['yyyy-M-d', 'M/d/yyyy', 'd/M/yyyy', 'd.M.yyyy', 'd-MMM-yyyy', 'd MMM yyyy', 'M/d/yy', 'd/M/yy']
/** Patterns that are tried in this order; ISO 8601 first, which has none. Where two remain, the first one is taken. */
const DATES: readonly (string | undefined)[] = [undefined, ...FIXED_DAYS, ...LOOSE_DAYS]
const TIMES: readonly (string | undefined)[] = [
  undefined, ...FIXED_DAYS.flatMap((day) => ['HH:mm', 'HH:mm:ss', 'HH:mm:ss.SSS'].map((time) => `${day} ${time}`)),
  ...LOOSE_DAYS.flatMap((day) => ['H:mm', 'H:mm:ss', 'h:mm a', 'h:mm:ss a'].map((time) => `${day} ${time}`)),
]
const isLoose = (format: string | undefined): boolean => format !== undefined && LOOSE_DAYS.some((day) => format.startsWith(day))
/** How every form of a time begins. A text that does not is not tried by each of them, which takes longer than all else. */
const TIME_BEGINS = /^[+-]?\d/
const ISO_DATE = /^\d{4}-\d{2}-\d{2}$/
const MAX_EXAMPLES = 3
const MAX_EXAMPLE = 40
const MAX_DIGITS = 38
const SAFE_DIGITS = 15
/** Longer than the longest time, an ISO 8601 one with digits beyond nanoseconds among them. */
const MAX_TIME = 100

const fits = (text: string, format: string | undefined, isDate: boolean): boolean => {
  if (isDate && format === undefined && !ISO_DATE.test(text)) return false
  if (format !== undefined && !isLoose(format) && text.length !== format.length) return false
  try {
    timeFormat({ format }, isDate).parse(text)
    return true
  } catch {
    return false
  }
}

/** Gathers what the values of a column look like. */
export class ValueEvidence {
  values = 0
  readonly examples: string[] = []
  private integers = 0
  private reals = 0
  private bools = 0
  private texts = 0
  private least = 0n
  private most = 0n
  private hasRange = false
  // Of the integers that are numbers exactly: between two that were seen there is nothing new.
  private safeLeast = Infinity
  private safeMost = -Infinity
  private whole = 0
  private fraction = 0
  private exponents = 0
  private padded: string | undefined
  private otherText: string | undefined
  private dates: readonly (string | undefined)[] = DATES
  private times: readonly (string | undefined)[] = TIMES
  private fineTimes = false

  constructor(private readonly options: TypingOptions) {}

  /** A text that may stand for any value, as in CSV. */
  untyped(text: string): void {
    if (INTEGER.test(text) || REAL.test(text) || SPECIAL.test(text)) {
      if (!PADDED.test(text)) return this.number(text)
      this.padded ??= text
      return this.text(text)
    }
    if (BOOL.test(text)) this.bool(text)
    else this.text(text)
  }

  /** A number by its text. */
  number(text: string): void {
    this.seen(text)
    if (!INTEGER.test(text)) {
      this.reals++
      const match = /^[+-]?(\d*)\.?(\d*)(e.*)?$/i.exec(text)
      if (match === null || match[3] !== undefined) this.exponents++
      this.whole = Math.max(this.whole, match?.[1]?.length ?? 0)
      this.fraction = Math.max(this.fraction, match?.[2]?.length ?? 0)
      return
    }
    this.integers++
    const digits = text.replace(/^[+-]/, '').length
    this.whole = Math.max(this.whole, digits)
    // Longer ones fit no integer whatever their value.
    if (digits > MAX_DIGITS) return
    if (digits <= SAFE_DIGITS) {
      const number = Number(text)
      if (number >= this.safeLeast && number <= this.safeMost) return
      this.safeLeast = Math.min(this.safeLeast, number)
      this.safeMost = Math.max(this.safeMost, number)
    }
    const value = BigInt(text.replace(/^\+/, ''))
    if (value < this.least || !this.hasRange) this.least = value
    if (value > this.most || !this.hasRange) this.most = value
    this.hasRange = true
  }

  bool(text: string): void {
    this.seen(text)
    this.bools++
  }

  text(text: string): void {
    this.seen(text)
    this.texts++
    if (this.padded !== text) this.otherText ??= text
    const mayBeTime = text.length <= MAX_TIME && TIME_BEGINS.test(text)
    if (this.dates.length > 0) this.dates = mayBeTime ? this.dates.filter((format) => fits(text, format, true)) : []
    if (this.times.length > 0) this.times = mayBeTime ? this.times.filter((format) => fits(text, format, false)) : []
    if (/[.,]\d{4,}/.test(text)) this.fineTimes = true
  }

  /** Whether the values are of two kinds, of which one is text. */
  get isMixed(): boolean {
    return [this.integers + this.reals, this.bools, this.texts].filter((count) => count > 0).length > 1
  }

  decide(): Decision {
    const { values, integers, reals, bools, texts } = this
    if (values === 0) return { field: field.utf8(), evidence: 'no value was seen', ambiguous: ['every value is null; give its field in overrides'] }
    if (integers === values) return this.integerField()
    if (integers + reals === values) return this.realField()
    if (bools === values) return { field: field.bool(), evidence: 'all values are booleans', ambiguous: [] }
    if (texts === values && this.padded === undefined && (this.dates.length > 0 || this.times.length > 0)) return this.timeField()
    return this.textField()
  }

  private seen(text: string): void {
    this.values++
    const shown = text.length > MAX_EXAMPLE ? `${text.slice(0, MAX_EXAMPLE - 1)}…` : text
    if (this.examples.length < MAX_EXAMPLES && !this.examples.includes(shown)) this.examples.push(shown)
  }

  private integerField(): Decision {
    const range = `integers from ${this.least} to ${this.most}`
    const ambiguous = this.least === 0n && this.most === 1n ? ['only 0 and 1: field.bool() takes them too'] : []
    if (this.whole <= MAX_DIGITS) {
      if (this.least >= -(2n ** 63n) && this.most < 2n ** 63n) return { field: field.int64(), evidence: range, ambiguous }
      if (this.least >= 0n && this.most < 2n ** 64n) return { field: field.uint64(), evidence: range, ambiguous }
      return { field: field.decimal(MAX_DIGITS, 0), evidence: `${range}, beyond 64 bits`, ambiguous }
    }
    return { field: field.utf8(), evidence: `integers of ${this.whole} digits, which no kind holds exactly`, ambiguous: ['field.float64() takes them rounded'] }
  }

  private realField(): Decision {
    const digits = this.whole + this.fraction
    const isExact = this.exponents === 0 && digits <= MAX_DIGITS
    const evidence = `numbers with up to ${this.fraction} digits after the point`
    if (isExact && this.options.decimals === 'decimal') return { field: field.decimal(Math.max(1, digits), this.fraction), evidence, ambiguous: [] }
    const exact = isExact ? [`field.decimal(${Math.max(1, digits)}, ${this.fraction}) keeps every digit of those seen`] : []
    const wide = this.least < -(2n ** 53n) || this.most > 2n ** 53n ? ['some integers among them are beyond 2⁵³ and are rounded'] : []
    return { field: field.float64(), evidence: this.integers > 0 ? `${evidence}, and integers` : evidence, ambiguous: [...wide, ...exact] }
  }

  private timeField(): Decision {
    const isDate = this.dates.length > 0
    const formats = isDate ? this.dates : this.times
    const [format] = formats
    const others = formats.slice(1).filter((other) => isLoose(other) === isLoose(format)).map((other) => `${isDate ? 'field.date' : 'field.timestamp'}({ format: '${other}' }) takes them too`)
    const unit = this.fineTimes ? ({ unit: 'us' } as const) : {}
    return {
      field: isDate ? field.date(format === undefined ? {} : { format }) : field.timestamp({ ...unit, ...(format === undefined ? {} : { format }) }),
      evidence: `all values are ${isDate ? 'dates' : 'times'} as ${format ?? 'ISO 8601'}`,
      ambiguous: [...others, ...(isDate || format === undefined ? [] : ['taken for UTC; field.timestamp has a zone'])],
    }
  }

  private textField(): Decision {
    const { padded, otherText, values } = this
    const numbers = this.integers + this.reals
    if (padded !== undefined && otherText === undefined && numbers + this.texts === values) return { field: field.utf8(), evidence: `digits with leading zeros, such as ${padded}`, ambiguous: ['field.int64() drops the zeros'] }
    const typed = numbers + this.bools
    if (typed === 0) return { field: field.utf8(), evidence: 'texts', ambiguous: [] }
    return { field: field.utf8(), evidence: `${typed} of ${values} values are ${this.bools > 0 ? 'booleans or numbers' : 'numbers'}, but not ${JSON.stringify(otherText ?? padded ?? this.examples[0])}`, ambiguous: [] }
  }
}
