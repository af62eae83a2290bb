import { failure, type Field, type Schema } from '@millrace/core'
import type { SqlDialect } from './sql-dialect.js'

const postgresTypes: { readonly [kind: string]: string } = {
  bool: 'boolean', int8: 'smallint', int16: 'smallint', int32: 'integer', int64: 'bigint', uint8: 'smallint', uint16: 'integer', uint32: 'bigint', uint64: 'numeric(20,0)',
  float32: 'real', float64: 'double precision', utf8: 'text', binary: 'bytea', date: 'date', timestamp: 'timestamp(6) with time zone',
}

const mysqlTypes: { readonly [kind: string]: string } = {
  bool: 'tinyint(1)', int8: 'tinyint', int16: 'smallint', int32: 'int', int64: 'bigint', uint8: 'tinyint unsigned', uint16: 'smallint unsigned', uint32: 'int unsigned',
  uint64: 'bigint unsigned', float32: 'float', float64: 'double', utf8: 'longtext character set utf8mb4', binary: 'longblob', date: 'date', timestamp: 'datetime(6)',
}

/** The server's type for a field's values; `undefined` where it has none. */
const typeFor = (dialect: SqlDialect, { kind, params }: Field): string | undefined => {
  const postgres = dialect.name === 'postgres'
  if (kind === 'dictionary') return typeFor(dialect, params.item!)
  if (kind === 'decimal') return `${postgres ? 'numeric' : 'decimal'}(${params.precision ?? 38},${params.scale ?? 0})`
  if (kind !== 'list') return (postgres ? postgresTypes : mysqlTypes)[kind]
  // PostgreSQL's arrays of several dimensions are rectangular, which lists of lists need not be.
  const item = params.item!.kind === 'list' ? undefined : typeFor(dialect, params.item!)
  if (!postgres) return holdsBytes(params.item!) ? undefined : 'json'
  return item === undefined ? undefined : `${item}[]`
}

const holdsBytes = ({ kind, params }: Field): boolean => kind === 'binary' || (params.item !== undefined && holdsBytes(params.item))

/** Checks that every column has a type on the server. @throws `Schema` */
export const requireSqlTypes = (dialect: SqlDialect, schema: Schema): void => {
  for (const [name, field] of Object.entries(schema)) {
    if (typeFor(dialect, field) !== undefined) continue
    throw failure({
      tag: 'Schema', code: 'NO_SQL_TYPE', problem: `${dialect.name} has no type for ${field.kind}<${field.params.item?.kind ?? ''}>`,
      remedy: 'Leave the column out, or turn it into text first.', position: { column: name },
    })
  }
  if (Object.keys(schema).length === 0) throw failure({ tag: 'Schema', code: 'NO_COLUMNS', problem: 'a table needs a column, and the stream has none', remedy: 'Give the stream a schema.' })
}

/** `CREATE TABLE` for a schema. @param table - quoted */
export const createTable = (dialect: SqlDialect, table: string, schema: Schema): string =>
  `CREATE TABLE ${table} (${Object.entries(schema).map(([name, field]) => `${dialect.quote(name)} ${typeFor(dialect, field)!}${field.nullable ? '' : ' NOT NULL'}`).join(', ')})`
