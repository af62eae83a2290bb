import { requireColumn, type Column, type Schema } from '@millrace/core'
import type { Statistics } from 'hyparquet'
import { comparable, conditionTest, type Comparable, type Condition, type ConditionTest, type ConvertedColumn, type ValueType } from '../values/index.js'

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
  private readonly tests: readonly ConditionTest[]

  constructor(where: { readonly [column: string]: Condition | undefined }, schema: Schema, source: string) {
    this.tests = Object.entries(where).flatMap(([column, condition]) => (condition === undefined ? [] : [conditionTest(column, requireColumn(schema, column, source), condition)]))
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
    const tests = this.tests.map(({ column, holds }): readonly [Column, ConditionTest['holds']] => [columns[column]!.column, holds])
    const count = rows?.length ?? end - start
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!
      if (tests.every(([column, holds]) => holds(column.get(start + row)))) picked.push(row)
    }
    return picked.length === end - start ? undefined : Int32Array.from(picked)
  }
}
