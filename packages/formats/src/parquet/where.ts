import { failure, requireColumn, type Column, type Field, type Schema } from '@millrace/core'
import type { Statistics } from 'hyparquet'
import type { ConvertedColumn, ValueType } from '../values/index.js'

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

type Comparable = number | bigint | boolean | Buffer

/** A value as it is compared: times in milliseconds, texts by their bytes, as Parquet orders them. */
const comparable = (value: unknown): Comparable | undefined => {
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
interface Test {
  readonly column: string
  readonly holds: (value: unknown) => boolean
  /** Whether a value between these can satisfy it. */
  readonly mayHold: (least: Comparable, most: Comparable) => boolean
}

const testOf = (column: string, field: Field, condition: Condition): Test => {
  const usage = (problem: string): Error => failure({ tag: 'Usage', code: 'BAD_WHERE', problem, remedy: `Conditions are ${names.join(', ')}, with values as rows show them.`, position: { column } })
  if (!kinds.test(field.kind === 'dictionary' ? field.params.item!.kind : field.kind)) throw usage(`where does not compare ${field.kind}`)
  const unknown = Object.keys(condition).find((name) => !(names as readonly string[]).includes(name))
  if (unknown !== undefined) throw usage(`where does not know ${JSON.stringify(unknown)}`)
  const bound = (value: unknown): Comparable => {
    const found = comparable(value)
    if (found === undefined) throw usage(`where cannot compare with ${String(value)}`)
    return found
  }
  const parts: Pick<Test, 'holds' | 'mayHold'>[] = []
  const part = (holds: (value: Comparable) => boolean, mayHold: Test['mayHold']): void => void parts.push({ holds: (value) => holds(value as Comparable), mayHold })
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

const perMillisecond = { s: 1e-3, ms: 1, us: 1e3, ns: 1e6 } as const

/** A bound of the statistics as values are compared; `undefined` for what is not sure to be in the same order. */
const statistic = (type: ValueType, value: unknown, isLeast: boolean): Comparable | undefined => {
  switch (type.is) {
    case 'integer':
    case 'bool':
      return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? value : undefined
    case 'float':
    case 'double':
      return typeof value === 'number' && !Number.isNaN(value) ? value : undefined
    case 'text':
    case 'bytes':
      return value instanceof Uint8Array ? (comparable(value) as Buffer) : undefined
    case 'date':
      return typeof value === 'number' ? value * 86_400_000 : undefined
    case 'instant': {
      if (typeof value !== 'bigint') return undefined
      // Rows show milliseconds, and cut what is finer.
      const milliseconds = Number(value) / perMillisecond[type.unit]
      return isLeast ? Math.floor(milliseconds) - 1 : Math.ceil(milliseconds) + 1
    }
    default:
      return undefined
  }
}

/** The rows that are asked for: which row groups can have some, and which rows they are. */
export class RowFilter {
  private readonly tests: readonly Test[]

  constructor(where: { readonly [column: string]: Condition | undefined }, schema: Schema, source: string) {
    this.tests = Object.entries(where).flatMap(([column, condition]) => (condition === undefined ? [] : [testOf(column, requireColumn(schema, column, source), condition)]))
  }

  /** Columns that it looks at. */
  get columns(): readonly string[] {
    return this.tests.map(({ column }) => column)
  }

  /** Whether a row group can have such rows, by what is told of its columns. */
  mayHold(chunk: (column: string) => { readonly type: ValueType; readonly statistics: Statistics | undefined; readonly rows: number }): boolean {
    return this.tests.every(({ column, mayHold }) => {
      const { type, statistics, rows } = chunk(column)
      if (statistics === undefined) return true
      if (statistics.null_count !== undefined && Number(statistics.null_count) === rows && type.is !== 'list') return false
      const least = statistic(type, statistics.min_value, true)
      const most = statistic(type, statistics.max_value, false)
      return least === undefined || most === undefined || mayHold(least, most)
    })
  }

  /** Of `rows` (all from `start` to `end`, where it is not given) those that satisfy, counted from `start`; `undefined` for all. */
  pick(columns: { readonly [name: string]: ConvertedColumn }, start: number, end: number, rows: Int32Array | undefined): Int32Array | undefined {
    if (this.tests.length === 0) return rows
    const picked: number[] = []
    const tests = this.tests.map(({ column, holds }): readonly [Column, Test['holds']] => [columns[column]!.column, holds])
    const count = rows?.length ?? end - start
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!
      if (tests.every(([column, holds]) => holds(column.get(start + row)))) picked.push(row)
    }
    return picked.length === end - start ? undefined : Int32Array.from(picked)
  }
}
