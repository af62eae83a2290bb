import { failure, type MillraceError, type Schema } from '@millrace/core'
import type { SqlSession } from '../sql-session.js'
import { quotedTable, type SqlTableSource } from '../sql-statement.js'
import { hiveType } from './hive-create.js'
import { hiveDialect } from './hive-dialect.js'
import { hiveCodes, HiveFault } from './hive-fault.js'

/** A table that is there already. */
export interface HiveTable {
  /** Types by name, without those of the partitions. */
  readonly columns: ReadonlyMap<string, string>
  /** Columns that it is partitioned by, in their order. */
  readonly partitions: readonly string[]
  /** Whether its files are Parquet that the servers take from elsewhere. */
  readonly takesParquet: boolean
}

/** The table as `DESCRIBE FORMATTED` tells it; `undefined` where there is none. */
export const describeTable = async (session: SqlSession, table: SqlTableSource): Promise<HiveTable | undefined> => {
  try {
    const rows = await session.query({ sql: `DESCRIBE FORMATTED ${quotedTable(hiveDialect, table)}`, parameters: [] })
    return tableOf(rows.map((row) => row.map((value) => String(value ?? '').trim())))
  } catch (error) {
    if (error instanceof HiveFault && error.code === hiveCodes.missing) return undefined
    throw error
  }
}

/** Parts of the description are told apart by lines that begin with `#`: first the columns, in Spark those of the partitions among them. */
const tableOf = (rows: readonly (readonly string[])[]): HiveTable => {
  const columns = new Map<string, string>()
  const partitions: string[] = []
  let part = ''
  let format = ''
  let provider = 'hive'
  for (const [name = '', value = ''] of rows) {
    if (/^# (Partition|Detailed|Storage|Table|Constraint)/.test(name)) part = name
    if (name === '' || name.startsWith('#')) continue
    if (part === '') columns.set(name.toLowerCase(), value.toLowerCase())
    else if (part.startsWith('# Partition Info')) partitions.push(name.toLowerCase())
    else if (/^InputFormat:?$/.test(name)) format = value
    else if (name === 'Provider') provider = value
  }
  for (const name of partitions) columns.delete(name)
  return { columns, partitions, takesParquet: provider === 'hive' && /parquet/i.test(format) }
}

/** Types that hold the texts of a column. */
const texts = /^(string|varchar\(\d+\)|char\(\d+\))$/

/** Checks that files of the schema can be files of the table. @throws `Schema` */
export const requireFit = (table: HiveTable, name: string, schema: Schema, partitionBy: readonly string[]): void => {
  const unfit = (problem: string, remedy: string, column?: string): MillraceError => failure({ tag: 'Schema', code: 'HIVE_TABLE', problem: `the table ${name} ${problem}`, remedy, position: { column } })
  if (!table.takesParquet) throw unfit('is not of Parquet files that Hive keeps', 'Write to a table that is STORED AS PARQUET, and INSERT … SELECT from it.')
  const wanted = partitionBy.map((column) => column.toLowerCase())
  if (table.partitions.join() !== wanted.join()) {
    throw unfit(table.partitions.length === 0 ? 'has no partitions' : `is partitioned by ${table.partitions.join(', ')}`, table.partitions.length === 0 ? 'Leave partitionBy out.' : `Pass partitionBy: [${table.partitions.map((column) => `'${column}'`).join(', ')}].`)
  }
  for (const [column, field] of Object.entries(schema)) {
    if (partitionBy.includes(column)) continue
    const [type, here] = [hiveType(field), table.columns.get(column.toLowerCase())]
    if (here === undefined) throw unfit(`has no such column; it has ${[...table.columns.keys()].join(', ')}`, 'Leave the column out, or add it to the table.', column)
    if (type === here || (type === 'string' && texts.test(here))) continue
    throw unfit(`has the column as ${here}, and the stream's values are ${type}`, 'Bring the stream to the table\'s types: withSchema.', column)
  }
}
