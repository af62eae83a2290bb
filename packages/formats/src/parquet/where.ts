import { requireColumn, type Column, type Schema } from '@millrace/core'
import type { SchemaElement, Statistics } from 'hyparquet'
import type { IndexedPage } from './page-index.js'
import { bigEndian, comparable, conditionsOf, conditionTest, type Comparable, type Condition, type ConditionTest, type ConvertedColumn, type ValueType } from '../values/index.js'

const perMillisecond = { s: 1e-3, ms: 1, us: 1e3, ns: 1e6 } as const

/** A bound of the statistics as values are compared; `undefined` for what is not sure to be in the same order. */
export const boundOf = (type: ValueType, value: unknown, isLeast: boolean): Comparable | undefined => {
  switch (type.is) {
    case 'integer':
    case 'bool':
      return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? value : undefined
    case 'decimal':
      return value instanceof Uint8Array ? decimalIn(value, type.scale) : typeof value === 'number' ? value : undefined
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

/** Bytes that decimals of 38 digits take. Bounds of longer ones may have been cut. */
const MAX_DECIMAL_BYTES = 16

/** A decimal that is stored as a big-endian integer, as a number near it. */
const decimalIn = (bytes: Uint8Array, scale: number): number | undefined =>
  bytes.length > 0 && bytes.length <= MAX_DECIMAL_BYTES ? Number(bigEndian(bytes)) / 10 ** scale : undefined

/** Whether the bounds of a leaf can be made out: hyparquet makes numbers of some decimals, if it knows them as such, and gives the bytes of others. */
export const hasSoundBounds = (type: ValueType, { type: physical, type_length: width = 0, converted_type: converted }: SchemaElement): boolean => {
  if (type.is !== 'decimal') return true
  return physical === 'BYTE_ARRAY' || (physical === 'FIXED_LEN_BYTE_ARRAY' ? width <= MAX_DECIMAL_BYTES : converted === 'DECIMAL')
}

/** Whether bounds contradict each other: some programs compared decimals in bytes without their sign. */
const areTurned = (least: Comparable, most: Comparable): boolean => (Buffer.isBuffer(least) && Buffer.isBuffer(most) ? Buffer.compare(least, most) > 0 : least > most)

/** What is told of the values of some rows of a column. */
export interface Told {
  readonly type: ValueType
  readonly statistics: Statistics | undefined
  readonly rows: number
}

/** Rows of a row group. */
export interface RowRange {
  readonly start: number
  readonly end: number
}

const mayHold = ({ mayHold: between }: ConditionTest, { type, statistics, rows }: Told): boolean => {
  if (statistics === undefined) return true
  if (statistics.null_count !== undefined && Number(statistics.null_count) === rows && type.is !== 'list') return false
  const least = boundOf(type, statistics.min_value, true)
  const most = boundOf(type, statistics.max_value, false)
  return least === undefined || most === undefined || areTurned(least, most) || between(least, most)
}

/** Ranges in order, those next to each other as one. */
const joined = (ranges: readonly RowRange[]): readonly RowRange[] => {
  const out: RowRange[] = []
  for (const range of ranges) {
    const last = out.at(-1)
    if (last?.end === range.start) out[out.length - 1] = { start: last.start, end: range.end }
    else out.push(range)
  }
  return out
}

/** The rows that both have. */
const common = (a: readonly RowRange[], b: readonly RowRange[]): readonly RowRange[] =>
  a.flatMap((one) => b.flatMap((other) => {
    const both = { start: Math.max(one.start, other.start), end: Math.min(one.end, other.end) }
    return both.start < both.end ? [both] : []
  }))

/** The rows that are asked for: which row groups and pages can have some, and which rows they are. */
export class RowFilter {
  private readonly tests: readonly ConditionTest[]

  constructor(where: { readonly [column: string]: Condition | undefined }, schema: Schema, source: string) {
    this.tests = conditionsOf(where).map(([column, condition]) => conditionTest(column, requireColumn(schema, column, source), condition))
  }

  /** Columns that it looks at. */
  get columns(): readonly string[] {
    return this.tests.map(({ column }) => column)
  }

  /** Whether rows of which so much is told can have such values in the columns. */
  mayHold(told: (column: string) => Told): boolean {
    return this.tests.every((test) => mayHold(test, told(test.column)))
  }

  /** The rows of a row group that can have such values, by what is told of the pages of some columns; in order, none next to another. */
  rowsThatMay(pages: ReadonlyMap<string, readonly IndexedPage[]>, types: (column: string) => ValueType, rows: number): readonly RowRange[] {
    let left: readonly RowRange[] = [{ start: 0, end: rows }]
    for (const test of this.tests) {
      const type = types(test.column)
      const of = pages.get(test.column)?.filter(({ firstRow, endRow, statistics }) => mayHold(test, { type, statistics, rows: endRow - firstRow }))
      if (of !== undefined) left = common(left, joined(of.map(({ firstRow, endRow }) => ({ start: firstRow, end: endRow }))))
    }
    return left
  }

  /** Of `rows` (all from `start` to `end`, where it is not given) those that satisfy, counted from `start`; `undefined` for all. */
  pick(columns: { readonly [name: string]: ConvertedColumn }, start: number, end: number, rows: Int32Array | undefined): Int32Array | undefined {
    if (this.tests.length === 0) return rows
    const picked: number[] = []
    const tests = this.tests.map(({ column, holds }): readonly [Column, ConditionTest['holds']] => [columns[column]!.column, holds])
    const count = rows?.length ?? end - start
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!
      if (tests.every(([column, holds]) => holds(column.get(start + row)))) picked.push(row)
    }
    return picked.length === end - start ? undefined : Int32Array.from(picked)
  }
}
