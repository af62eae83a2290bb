import { describeValue, failure } from '@millrace/core'
import type { SqlDialect } from './sql-dialect.js'
import type { SqlColumn } from './sql-type.js'

/** A value that is bound to a parameter of a query. Arrays are for PostgreSQL (`= ANY($1)`). */
export type SqlParameter = string | number | bigint | boolean | Date | Uint8Array | null | readonly (string | number | bigint | boolean | null)[]

/** What to read: a query with its parameters, or a table, whose name is quoted. */
export type SqlSource = string | SqlTableSource

/** A table or view as a source. */
export interface SqlTableSource {
  /** Name of the table. */
  readonly table: string
  /** Its schema (PostgreSQL) or database (MySQL). Default: the connection's. */
  readonly schema?: string | undefined
}

/** A query and the values of its parameters. */
export interface SqlStatement {
  readonly sql: string
  readonly parameters: readonly SqlParameter[]
}

/** A table's quoted name. */
export const quotedTable = (dialect: SqlDialect, { table, schema }: SqlTableSource): string =>
  schema === undefined ? dialect.quote(table) : `${dialect.quote(schema)}.${dialect.quote(table)}`

/** How a source is named in errors and progress: the query's first characters. */
export const describeSource = (source: SqlSource): string => {
  if (typeof source !== 'string') return source.schema === undefined ? source.table : `${source.schema}.${source.table}`
  const text = source.trim().replace(/\s+/g, ' ')
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}

/** For callers whom the compiler does not check. @throws `Usage` */
export const requireSource = (source: SqlSource): SqlSource => {
  if (typeof source === 'string' ? source.trim() !== '' : typeof (source as Partial<SqlTableSource> | null)?.table === 'string') return source
  throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `the source of readSql is ${describeValue(source)}`, remedy: "Give a query, or { table: 'name' }." })
}

/**
 * The query of a source.
 *
 * @param columns - the only ones to read of a table; of a query all are read
 */
export const selectFrom = (dialect: SqlDialect, source: SqlSource, parameters: readonly SqlParameter[], columns?: readonly string[]): SqlStatement => {
  if (typeof source === 'string') return { sql: source.replace(/[;\s]+$/, ''), parameters }
  return { sql: `SELECT ${columns === undefined ? '*' : selectList(dialect, columns)} FROM ${quotedTable(dialect, source)}`, parameters }
}

/** Columns by name; where none is wanted, something to count. */
export const selectList = (dialect: SqlDialect, columns: readonly string[]): string => (columns.length === 0 ? '1 AS millrace_row' : columns.map(dialect.quote).join(', '))

/** What a statement is narrowed by. */
export interface Narrowing {
  /** A condition, given the quoted columns, and a way to bind values. */
  readonly where?: ((bind: (value: SqlParameter, column: SqlColumn) => string) => string | undefined) | undefined
  readonly orderBy?: readonly SqlColumn[] | undefined
  readonly select?: string | undefined
  readonly limit?: number | undefined
}

/** A query over the rows of a statement. */
export const narrow = (dialect: SqlDialect, statement: SqlStatement, { where, orderBy = [], select = '*', limit }: Narrowing): SqlStatement => {
  const parameters = [...statement.parameters]
  const condition = where?.((value, { type }) => {
    parameters.push(value)
    return dialect.bound(type, parameters.length)
  })
  const order = orderBy.map(({ name, type }) => dialect.ordered(dialect.quote(name), type)).join(', ')
  // On lines of its own, so that a comment at the query's end stays one.
  const sql = `SELECT ${select} FROM (\n${statement.sql}\n) AS millrace_rows${condition === undefined ? '' : ` WHERE ${condition}`}${order === '' ? '' : ` ORDER BY ${order}`}${limit === undefined ? '' : ` LIMIT ${limit}`}`
  return { sql, parameters }
}

/** Rows after a key: `a >= x AND (a > x OR (a = x AND b > y))`, which an index on `(a, b)` serves on both servers. */
export const afterKey =
  (dialect: SqlDialect, columns: readonly SqlColumn[], key: readonly string[]): Narrowing['where'] =>
  (bind) => {
    const name = (column: SqlColumn): string => dialect.ordered(dialect.quote(column.name), column.type)
    const from = (index: number): string => {
      const column = columns[index]!
      const beyond = `${name(column)} > ${bind(key[index]!, column)}`
      return index === columns.length - 1 ? beyond : `(${beyond} OR (${name(column)} = ${bind(key[index]!, column)} AND ${from(index + 1)}))`
    }
    return columns.length === 1 ? from(0) : `${name(columns[0]!)} >= ${bind(key[0]!, columns[0]!)} AND ${from(0)}`
  }
