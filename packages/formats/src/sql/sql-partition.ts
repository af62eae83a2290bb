import { failure, type MillraceError } from '@millrace/core'
import { parseSqlDate, parseSqlMicros, sqlDateText, sqlInstantText } from './sql-time.js'
import type { SqlDialect } from './sql-dialect.js'
import type { SqlPartition } from './sql-options.js'
import type { Narrowing } from './sql-statement.js'
import type { SqlColumn, SqlType } from './sql-type.js'
import type { SqlValue } from './sql-values.js'

/** Days and microseconds of the years 1 to 9999, in which every text of a bound is one for both servers. */
const calendar = { date: [-719_162n, 2_932_896n], instant: [-62_135_596_800_000_000n, 253_402_300_799_999_999n] } as const

const within = (value: bigint, [least, most]: readonly [bigint, bigint]): bigint => (value < least ? least : value > most ? most : value)

const badBound = (column: string, value: unknown): MillraceError =>
  failure({ tag: 'Usage', code: 'BAD_PARTITION', problem: `${String(value)} is no value of the partition's column`, remedy: 'Give lower and upper as values of the column.', position: { column } })

/** The place of a value on the integer line of its type. */
const toInteger = (column: SqlColumn, value: string | number | bigint | Date): bigint => {
  const { type } = column
  const text = value instanceof Date ? sqlInstantText(BigInt(value.getTime()) * 1000n) : String(value)
  if (type.is === 'date' || type.is === 'instant') {
    const range = calendar[type.is]
    if (/^-?infinity$/.test(text)) return range[text.startsWith('-') ? 0 : 1]
    try {
      const place = type.is === 'date' ? BigInt(parseSqlDate(text.slice(0, value instanceof Date ? 10 : undefined))) : parseSqlMicros(/[ T]/.test(text) ? text.replace(/Z$/, '+00') : `${text} 00:00:00`)
      return within(place, range)
    } catch {
      throw badBound(column.name, value)
    }
  }
  const match = /^(-?\d+)(?:\.\d+)?$/.exec(text)
  if (match === null) throw badBound(column.name, value)
  return BigInt(match[1]!)
}

const toText = (type: SqlType, place: bigint): string => {
  if (type.is === 'date') return sqlDateText(Number(place))
  return type.is === 'instant' ? `${sqlInstantText(place)}${type.name === 'timestamptz' ? '+00' : ''}` : String(place)
}

/** @throws `Usage` for a column whose values cannot be cut into ranges */
export const requirePartitionColumn = ({ name, type }: SqlColumn): void => {
  if (type.is === 'integer' || type.is === 'decimal' || type.is === 'date' || type.is === 'instant') return
  throw failure({
    tag: 'Usage', code: 'BAD_PARTITION', problem: `a reading cannot be cut by a column of type ${type.name}`, remedy: 'Partition by a column of integers, decimals, dates or timestamps.',
    position: { column: name },
  })
}

/** Values at which the ranges part, ascending; fewer than `count - 1` when the bounds are near each other. */
export const partitionCuts = (column: SqlColumn, partition: SqlPartition, least: SqlValue, greatest: SqlValue): readonly string[] => {
  const { lower = least, upper = greatest, count } = partition
  if (lower === null || upper === null || lower instanceof Uint8Array || upper instanceof Uint8Array) return []
  const from = toInteger(column, lower)
  const to = toInteger(column, upper)
  if (from > to) throw badBound(column.name, lower)
  const cuts = new Set<bigint>()
  for (let index = 1n; index < BigInt(count); index++) {
    const cut = from + ((to - from) * index) / BigInt(count)
    if (cut > from) cuts.add(cut)
  }
  return [...cuts].map((cut) => toText(column.type, cut))
}

/** The conditions of the ranges between the cuts: every row, nulls too, fulfils exactly one of them. */
export const partitionConditions = (dialect: SqlDialect, column: SqlColumn, cuts: readonly string[]): readonly Narrowing['where'][] => {
  const name = dialect.quote(column.name)
  if (cuts.length === 0) return [undefined]
  return Array.from({ length: cuts.length + 1 }, (_, index): Narrowing['where'] => (bind) => {
    const from = cuts[index - 1]
    const to = cuts[index]
    if (from === undefined) return `(${name} < ${bind(to!, column)} OR ${name} IS NULL)`
    return `${name} >= ${bind(from, column)}${to === undefined ? '' : ` AND ${name} < ${bind(to, column)}`}`
  })
}
