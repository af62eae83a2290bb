import { failure } from '../../errors/index.js'
import { describeField, type Field } from '../../schema/index.js'
import type { DuckBinding, Handle } from './binding.js'

/** How a field lies in the engine's vectors. */
export interface Layout {
  /** Type in SQL. */
  readonly sql: string
  /** Bytes of a row in the vector. */
  readonly bytes: number
  readonly logicalType: (binding: DuckBinding) => Handle<'type'>
}

const plain = (sql: string, type: number, bytes: number): Layout => ({ sql, bytes, logicalType: (binding) => binding.create_logical_type(type) })

/**
 * The numbers are those of `duckdb_type` in duckdb.h. Kinds travel as what they are stored as: texts as BLOB, so that the
 * engine compares bytes and never looks at encodings or collations; instants and dates as their integers, since DuckDB's own
 * types give some integers a meaning (infinity); decimals as the HUGEINT of their digits, whose two words are Arrow's.
 */
const layouts: { readonly [kind: string]: Layout } = {
  bool: plain('BOOLEAN', 1, 1),
  int8: plain('TINYINT', 2, 1),
  int16: plain('SMALLINT', 3, 2),
  int32: plain('INTEGER', 4, 4),
  int64: plain('BIGINT', 5, 8),
  uint8: plain('UTINYINT', 6, 1),
  uint16: plain('USMALLINT', 7, 2),
  uint32: plain('UINTEGER', 8, 4),
  uint64: plain('UBIGINT', 9, 8),
  float32: plain('FLOAT', 10, 4),
  float64: plain('DOUBLE', 11, 8),
  date: plain('INTEGER', 4, 4),
  timestamp: plain('BIGINT', 5, 8),
  decimal: plain('HUGEINT', 16, 16),
  utf8: plain('BLOB', 18, 16),
  binary: plain('BLOB', 18, 16),
}

/** The layout of a field; dictionaries travel as their values. @throws `Schema` for kinds that the engine has no place for */
export const layoutOf = (field: Field): Layout => {
  if (field.kind === 'dictionary') return layoutOf(field.params.item!)
  if (field.kind === 'list') {
    const item = layoutOf(field.params.item!)
    return { sql: `${item.sql}[]`, bytes: 16, logicalType: (binding) => binding.create_list_type(item.logicalType(binding)) }
  }
  const layout = layouts[field.kind]
  if (layout === undefined) throw failure({ tag: 'Schema', code: 'UNSUPPORTED_KIND', problem: `joins and aggregates cannot take a ${describeField(field)}` })
  return layout
}
