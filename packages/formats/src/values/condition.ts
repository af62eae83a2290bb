import { failure, showValue, type Field, type Schema } from '@millrace/core'

/** What a value has to satisfy; several conditions have to hold together. Null satisfies none. */
export interface Condition<T = unknown> {
  readonly eq?: T | undefined
  readonly in?: readonly T[] | undefined
  readonly gt?: T | undefined
  readonly gte?: T | undefined
  readonly lt?: T | undefined
  readonly lte?: T | undefined
}

/** Conditions by column, which have to hold together. */
export type Where<S extends Schema = Schema> = { readonly [K in keyof S]?: Condition<NonNullable<S[K]['js']>> | undefined }

/** A value as it is compared. */
export type Comparable = number | bigint | boolean | Buffer

/** A value as it is compared: times in milliseconds, texts by their bytes, as Parquet orders them. */
export const comparable = (value: unknown): Comparable | undefined => {
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof Date) return value.getTime()
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? value : undefined
}

/** Below 0, 0 or above it; NaN for what has no order. */
const compare = (a: Comparable, b: Comparable): number => {
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return Buffer.compare(a, b)
  return a < b ? -1 : a > b ? 1 : a == b ? 0 : NaN // eslint-disable-line eqeqeq
}

const names = ['eq', 'in', 'gt', 'gte', 'lt', 'lte'] as const

/** How the values of some kinds are compared. */
interface Comparing {
  readonly kinds: RegExp
  /** Bounds as an error names them. */
  readonly bounds: string
  readonly takes: (bound: unknown) => boolean
}

const DECIMAL = /^([+-]?)(\d*)\.?(\d*)$/
const isDecimal = (text: string): boolean => DECIMAL.test(text) && /\d/.test(text)

const comparing: readonly Comparing[] = [
  { kinds: /^(u?int\d+|float\d+)$/, bounds: 'numbers or bigints', takes: (bound) => typeof bound === 'number' || typeof bound === 'bigint' },
  { kinds: /^decimal$/, bounds: "decimals as texts, such as '12.30', numbers or bigints", takes: (bound) => typeof bound === 'bigint' || ((typeof bound === 'string' || typeof bound === 'number') && isDecimal(String(bound))) },
  { kinds: /^bool$/, bounds: 'true or false', takes: (bound) => typeof bound === 'boolean' },
  { kinds: /^utf8$/, bounds: 'texts', takes: (bound) => typeof bound === 'string' },
  { kinds: /^binary$/, bounds: 'bytes', takes: (bound) => bound instanceof Uint8Array },
  { kinds: /^(date|timestamp)$/, bounds: 'Dates', takes: (bound) => bound instanceof Date && !Number.isNaN(bound.getTime()) },
]

/** Digits of a decimal after its point. */
const placesOf = (value: unknown): number => DECIMAL.exec(String(value))?.[3]?.length ?? 0

/** A decimal as an integer of `scale` digits after the point, of which it must not have more. */
const unscaled = (value: unknown, scale: number): bigint | undefined => {
  const match = DECIMAL.exec(String(value))
  if (value === null || match === null) return undefined
  const digits = BigInt(`${match[2]}${match[3]!.padEnd(scale, '0')}`)
  return match[1] === '-' ? -digits : digits
}

const boundsOf = ({ eq, in: oneOf = [], gt, gte, lt, lte }: Condition): readonly unknown[] => [...oneOf, ...[eq, gt, gte, lt, lte].filter((bound) => bound !== undefined)]

/** How values of a field and what they are compared with become comparable. */
const comparableOf = (field: Field, places: number): ((value: unknown) => Comparable | undefined) => (field.kind === 'decimal' ? (value) => unscaled(value, places) : comparable)

/** Bounds of decimals may come as numbers, which are as exact as this share of them: more than what rounding them to that took. */
const ROUNDING = 2 ** -40

/** A bound as a file tells it, as the values between would be compared once they are of the field: rounded to floats, decimals by their digits. */
const boundOfField = ({ kind }: Field, places: number): ((bound: Comparable, isLeast: boolean) => Comparable) => {
  if (kind === 'float32') return (bound) => (typeof bound === 'number' || typeof bound === 'bigint' ? Math.fround(Number(bound)) : bound)
  if (kind === 'float64') return (bound) => (typeof bound === 'bigint' ? Number(bound) : bound)
  if (kind !== 'decimal') return (bound) => bound
  return (bound, isLeast) => {
    if (typeof bound === 'bigint') return bound * 10n ** BigInt(places)
    if (typeof bound !== 'number') return bound
    const digits = bound * 10 ** places
    return digits + (isLeast ? -1 : 1) * Math.abs(digits) * ROUNDING
  }
}

/**
 * The conditions by column that ask for something: `{ gt: undefined }` asks for nothing, as no condition does.
 *
 * @throws `Usage` BAD_WHERE for what is no condition
 */
export const conditionsOf = (where: { readonly [column: string]: Condition | undefined }): readonly (readonly [column: string, condition: Condition])[] =>
  Object.entries(where).filter((entry): entry is [string, Condition] => {
    const [column, condition] = entry as [string, unknown]
    if (condition === undefined) return false
    if (condition !== null && Object.getPrototypeOf(condition) === Object.prototype) return Object.values(condition).some((bound) => bound !== undefined)
    throw failure({ tag: 'Usage', code: 'BAD_WHERE', problem: `where was given ${showValue(condition)} for a condition`, remedy: 'Write { eq: … }, { in: […] }, { gte: …, lt: … }.', position: { column } })
  })

/** A condition, ready to be asked. */
export interface ConditionTest {
  readonly column: string
  readonly holds: (value: unknown) => boolean
  /** Whether a value can satisfy it that is between these in the file: integers and floats as they are, decimals as numbers near them. */
  readonly mayHold: (least: Comparable, most: Comparable) => boolean
}

/** @throws `Usage` BAD_WHERE for a condition that cannot be asked of the field */
export const conditionTest = (column: string, field: Field, condition: Condition): ConditionTest => {
  const usage = (problem: string, remedy: string): Error => failure({ tag: 'Usage', code: 'BAD_WHERE', problem, remedy, position: { column } })
  const of = field.kind === 'dictionary' ? field.params.item! : field
  const kind = comparing.find(({ kinds }) => kinds.test(of.kind))
  if (kind === undefined) throw usage(`where does not compare ${of.kind}`, 'It compares numbers, decimals, booleans, texts, bytes, dates and timestamps; filter takes any function of a row.')
  const unknown = Object.keys(condition).find((name) => !(names as readonly string[]).includes(name))
  if (unknown !== undefined) throw usage(`where does not know ${JSON.stringify(unknown)}`, `Conditions are ${names.join(', ')}.`)
  if (condition.in !== undefined && !Array.isArray(condition.in)) throw usage(`in of where is ${showValue(condition.in)}`, 'Give an array of values.')
  const stray = boundsOf(condition).findIndex((bound) => !kind.takes(bound))
  if (stray >= 0) throw usage(`where compares ${of.kind} with ${showValue(boundsOf(condition)[stray])}`, `Values of this column are compared with ${kind.bounds}.`)
  const places = Math.max(of.params.scale ?? 0, ...boundsOf(condition).map(placesOf))
  const shown = comparableOf(of, places)
  const ofField = boundOfField(of, places)
  const bound = (value: unknown): Comparable => shown(value)!
  const parts: Pick<ConditionTest, 'holds' | 'mayHold'>[] = []
  const part = (holds: (value: Comparable) => boolean, mayHold: ConditionTest['mayHold']): void => void parts.push({ holds: (value) => holds(value as Comparable), mayHold })
  const { gt, gte, lt, lte } = condition
  const oneOf = (values: readonly unknown[]): void => {
    const due = values.map(bound)
    part((value) => due.some((one) => compare(value, one) === 0), (least, most) => due.some((one) => !(compare(one, least) < 0) && !(compare(one, most) > 0)))
  }
  if (condition.eq !== undefined) oneOf([condition.eq])
  if (condition.in !== undefined) oneOf(condition.in)
  if (gt !== undefined) part(((least) => (value: Comparable) => compare(value, least) > 0)(bound(gt)), (_, most) => !(compare(most, bound(gt)) <= 0))
  if (gte !== undefined) part(((least) => (value: Comparable) => compare(value, least) >= 0)(bound(gte)), (_, most) => !(compare(most, bound(gte)) < 0))
  if (lt !== undefined) part(((most) => (value: Comparable) => compare(value, most) < 0)(bound(lt)), (least) => !(compare(least, bound(lt)) >= 0))
  if (lte !== undefined) part(((most) => (value: Comparable) => compare(value, most) <= 0)(bound(lte)), (least) => !(compare(least, bound(lte)) > 0))
  return {
    column,
    holds: (value) => {
      const found = shown(value)
      return found !== undefined && parts.every(({ holds }) => holds(found))
    },
    mayHold: (least, most) => {
      const [from, to] = [ofField(least, true), ofField(most, false)]
      return parts.every(({ mayHold }) => mayHold(from, to))
    },
  }
}
