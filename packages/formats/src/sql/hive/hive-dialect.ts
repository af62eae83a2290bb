import { quoteWith, type SqlDialect } from '../sql-dialect.js'
import type { SqlType } from '../sql-type.js'

const castTo = (type: SqlType): string => {
  switch (type.is) {
    case 'integer':
      return 'BIGINT'
    case 'decimal':
      return `DECIMAL(${type.precision ?? 38},${type.scale})`
    case 'date':
      return 'DATE'
    case 'instant':
      return 'TIMESTAMP'
    default:
      return 'STRING'
  }
}

/** HiveQL, as Hive and Spark read it; texts are ordered by their bytes. */
export const hiveDialect: SqlDialect = {
  name: 'hive',
  quote: (name) => quoteWith('`', 767, name),
  placeholder: () => '?',
  bound: (type) => `CAST(? AS ${castTo(type)})`,
  ordered: (column) => column,
}
