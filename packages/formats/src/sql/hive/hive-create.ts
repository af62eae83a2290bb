import { failure, field, type Field, type MillraceError, type Schema } from '@millrace/core'
import { hiveDialect } from './hive-dialect.js'

const types: { readonly [kind: string]: string } = {
  bool: 'boolean', int8: 'tinyint', int16: 'smallint', int32: 'int', int64: 'bigint', float32: 'float', float64: 'double', utf8: 'string', binary: 'binary', date: 'date', timestamp: 'timestamp',
}

/** Hive's type for the values of a field of {@link storedSchema}, as `DESCRIBE` writes it. */
export const hiveType = ({ kind, params }: Field): string => {
  if (kind === 'dictionary') return hiveType(params.item!)
  if (kind === 'decimal') return `decimal(${params.precision ?? 38},${params.scale ?? 0})`
  return kind === 'list' ? `array<${hiveType(params.item!)}>` : types[kind]!
}

/** What holds a field's values in Hive, which has no unsigned integers. Spark's timestamps end at microseconds. */
const storedField = (given: Field, isSpark: boolean): Field => {
  const { kind, params, nullable } = given
  const wider: Field | undefined =
    kind === 'uint8' ? field.int16()
    : kind === 'uint16' ? field.int32()
    : kind === 'uint32' ? field.int64()
    : kind === 'uint64' ? field.decimal(20, 0)
    : kind === 'timestamp' && params.unit === 'ns' && isSpark ? field.timestamp({ unit: 'us' })
    : kind === 'list' ? field.list(storedField(params.item!, isSpark))
    : undefined
  if (wider === undefined) return given
  return nullable ? field.nullable(wider) : wider
}

/** The schema of the files of a table. */
export const storedSchema = (schema: Schema, isSpark: boolean): Schema => Object.fromEntries(Object.entries(schema).map(([name, given]) => [name, storedField(given, isSpark)]))

const noSuchTable = (problem: string, remedy: string, column?: string): MillraceError => failure({ tag: 'Schema', code: 'HIVE_COLUMNS', problem, remedy, position: { column } })

/** What Hive's parser of Parquet schemas stumbles over, and Spark refuses. */
const unreadable = /[ ,;{}()\n\t=]/

/** Checks that the columns can be those of a table: Hive knows their names without their capitals. @throws `Schema` */
export const requireHiveColumns = (schema: Schema, partitionBy: readonly string[]): void => {
  const seen = new Map<string, string>()
  for (const name of Object.keys(schema)) {
    if (unreadable.test(name)) throw noSuchTable('Hive and Spark read no Parquet file with such a name of a column', 'Rename it: no spaces, commas, semicolons, braces, parentheses and equals signs.', name)
    const other = seen.get(name.toLowerCase())
    if (other !== undefined) throw noSuchTable(`to Hive, ${JSON.stringify(other)} and ${JSON.stringify(name)} are one column`, 'Give one of them another name.', name)
    seen.set(name.toLowerCase(), name)
  }
  for (const name of partitionBy) {
    if (schema[name] === undefined) throw noSuchTable('partitionBy names a column that the stream has not', `It has ${Object.keys(schema).join(', ')}.`, name)
    if (/^(list|binary|float\d+|timestamp)$/.test(schema[name].kind)) throw noSuchTable(`values of ${schema[name].kind} cannot be names of partitions`, 'Partition by texts, integers or dates.', name)
  }
  if (Object.keys(schema).length <= partitionBy.length) throw noSuchTable('a table needs a column that it is not partitioned by, and the stream has none', 'Give the stream another column.')
}

/** `CREATE TABLE` of Parquet files for a schema. @param table - quoted */
export const createHiveTable = (table: string, schema: Schema, partitionBy: readonly string[]): string => {
  const column = (name: string): string => `${hiveDialect.quote(name)} ${hiveType(schema[name]!)}`
  const own = Object.keys(schema).filter((name) => !partitionBy.includes(name))
  const partitions = partitionBy.length === 0 ? '' : ` PARTITIONED BY (${partitionBy.map(column).join(', ')})`
  return `CREATE TABLE ${table} (${own.map(column).join(', ')})${partitions} STORED AS PARQUET`
}
