import { DEFAULT_PARTITION, DictionaryColumn, failure, field, partitionFolder, requireColumn, withField, type Batch, type Column, type Schema } from '@millrace/core'
import { columnText, type RowText } from './column-texts.js'

/** The schema of files in partitions: what is not in the names of folders. @throws `Schema`, `Usage` for columns that cannot be partitions */
export const fileSchema = (schema: Schema, partitionBy: readonly string[]): Schema => {
  for (const name of partitionBy) {
    const { kind } = requireColumn(schema, name, 'partitionBy')
    if (kind !== 'list' && kind !== 'binary') continue
    throw failure({ tag: 'Schema', code: 'NO_PARTITION', problem: `${kind} cannot be the name of a folder`, remedy: 'Partition by another column.', position: { column: name } })
  }
  const rest = Object.entries(schema).filter(([name]) => !partitionBy.includes(name))
  if (rest.length === 0) throw failure({ tag: 'Usage', code: 'ONLY_PARTITIONS', problem: 'partitionBy names all columns, so that nothing is left to write', remedy: 'Leave one out.' })
  return Object.fromEntries(rest)
}

/** As Spark writes them: times in UTC with a blank, whatever format the column has otherwise. */
const valueText = (column: Column): RowText => {
  if (column instanceof DictionaryColumn) return valueText(column.expand() as Column)
  const { kind, nullable, params } = column.field
  if (kind === 'date') return columnText(withField(column, { ...field.date(), nullable }))
  if (kind !== 'timestamp') return columnText(column)
  const text = columnText(withField(column, { ...field.timestamp({ unit: params.unit }), nullable }))
  return (row) => text(row).replace('T', ' ').replace(/\.?0*Z$/, '')
}

/** Hive and Spark cannot tell these from null: they would come back as another value than went in. */
const standsForNull = (text: string): boolean => text === '' || text === DEFAULT_PARTITION

/** The name of the folder of a row, of one column. */
const folderText = (name: string, column: Column): RowText => {
  const text = valueText(column)
  return (row) => {
    if (!column.isValid(row)) return partitionFolder(name, null)
    const value = text(row)
    if (!standsForNull(value)) return partitionFolder(name, value)
    throw failure({
      tag: 'BadRecord', code: 'PARTITION_VALUE', problem: `the folder of ${JSON.stringify(value)} is that of null`, remedy: 'Put null or another text in its place first, or partition by another column.', position: { column: name },
    })
  }
}

/** The rows of a batch by the folder that they belong to, in the order in which folders come up. */
export const rowsByFolder = (batch: Batch, partitionBy: readonly string[]): ReadonlyMap<string, Int32Array> => {
  const parts = partitionBy.map((name) => folderText(name, (batch.columns as { readonly [name: string]: Column })[name]!))
  const rows = new Map<string, number[]>()
  for (let row = 0; row < batch.numRows; row++) {
    const folder = parts.map((part) => part(row)).join('/')
    const known = rows.get(folder)
    if (known === undefined) rows.set(folder, [row])
    else known.push(row)
  }
  return new Map([...rows].map(([folder, indices]) => [folder, Int32Array.from(indices)]))
}
