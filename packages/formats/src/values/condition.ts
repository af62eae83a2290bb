import { failure, type Field, type Schema } from '@millrace/core'

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
const kinds = /^(bool|u?int\d+|float\d+|utf8|binary|date|timestamp)$/

/** A condition, ready to be asked. */
export interface ConditionTest {
  readonly column: string
  readonly holds: (value: unknown) => boolean
  /** Whether a value between these can satisfy it. */
  readonly mayHold: (least: Comparable, most: Comparable) => boolean
}

/** @throws `Usage` BAD_WHERE for a condition that cannot be asked of the field */
export const conditionTest = (column: string, field: Field, condition: Condition): ConditionTest => {
  const usage = (problem: string): Error => failure({ tag: 'Usage', code: 'BAD_WHERE', problem, remedy: `Conditions are ${names.join(', ')}, with values as rows show them.`, position: { column } })
  if (!kinds.test(field.kind === 'dictionary' ? field.params.item!.kind : field.kind)) throw usage(`where does not compare ${field.kind}`)
  const unknown = Object.keys(condition).find((name) => !(names as readonly string[]).includes(name))
  if (unknown !== undefined) throw usage(`where does not know ${JSON.stringify(unknown)}`)
  const bound = (value: unknown): Comparable => {
    const found = comparable(value)
    if (found === undefined) throw usage(`where cannot compare with ${String(value)}`)
    return found
  }
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
      const found = comparable(value)
      return found !== undefined && parts.every(({ holds }) => holds(found))
    },
    mayHold: (least, most) => parts.every(({ mayHold }) => mayHold(least, most)),
  }
}
