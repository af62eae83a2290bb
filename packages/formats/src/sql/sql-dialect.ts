import { failure } from '@millrace/core'
import type { SqlType } from './sql-type.js'

/** What differs between the servers' languages. */
export interface SqlDialect {
  readonly name: 'postgres' | 'mysql' | 'hive'
  /** A name as an identifier, whatever characters it has. @throws `Usage` for a name that no identifier can be */
  readonly quote: (name: string) => string
  /** The place of parameter `index`, from 1. */
  readonly placeholder: (index: number) => string
  /** The same, compared with a column of `type` without rounding. */
  readonly bound: (type: SqlType, index: number) => string
  /** A quoted column as it is ordered and compared: texts by their bytes. */
  readonly ordered: (column: string, type: SqlType) => string
}

/** A name between marks, with those in it doubled. @throws `Usage` */
export const quoteWith = (mark: string, maxBytes: number, name: string): string => {
  // PostgreSQL would cut a longer one silently, and mean another table.
  if (name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= maxBytes) return `${mark}${name.replaceAll(mark, mark + mark)}${mark}`
  throw failure({
    tag: 'Usage', code: 'BAD_IDENTIFIER', problem: `${JSON.stringify(name.slice(0, 80))} is no name of a table or column`,
    remedy: `Names have 1 to ${maxBytes} bytes, none of them zero.`,
  })
}

const collated = /^(text|varchar|bpchar)$/

export const postgresDialect: SqlDialect = {
  name: 'postgres',
  quote: (name) => quoteWith('"', 63, name),
  placeholder: (index) => `$${index}`,
  bound: (_type, index) => `$${index}`,
  ordered: (column, type) => (collated.test(type.name) ? `${column} COLLATE "C"` : column),
}

const mysqlCast = (type: SqlType): string => {
  switch (type.is) {
    case 'integer':
      return type.signed ? 'SIGNED' : 'UNSIGNED'
    case 'decimal':
      return `DECIMAL(${type.precision ?? 65},${type.scale})`
    case 'date':
      return 'DATE'
    case 'instant':
      return 'DATETIME(6)'
    default:
      return 'BINARY'
  }
}

export const mysqlDialect: SqlDialect = {
  name: 'mysql',
  quote: (name) => quoteWith('`', 256, name),
  placeholder: () => '?',
  // A text beside a number would be compared as a double.
  bound: (type) => `CAST(? AS ${mysqlCast(type)})`,
  ordered: (column, type) => (type.is === 'text' ? `CAST(CONVERT(${column} USING utf8mb4) AS BINARY)` : column),
}
