import { failure, requireColumn, type Field, type Schema } from '@millrace/core'
import { canHold, fieldOf, wrongKind, type SqlColumn } from './sql-type.js'

/** The column of that name. @throws `Schema` that names the columns there are */
export const columnNamed = (columns: readonly SqlColumn[], name: string, use: string): SqlColumn => {
  const found = columns.find((column) => column.name === name)
  if (found === undefined) requireColumn(Object.fromEntries(columns.map((column) => [column.name, {} as Field])), name, use)
  return found!
}

const requireDistinct = (source: string, columns: readonly SqlColumn[]): void => {
  const seen = new Set<string>()
  for (const { name } of columns) {
    if (seen.has(name)) {
      throw failure({ tag: 'Schema', code: 'DUPLICATE_COLUMN', problem: 'the result has two columns of one name', remedy: 'Give one of them another name in the query: SELECT a.id AS a_id.', position: { source, column: name } })
    }
    seen.add(name)
  }
}

/** The schema that holds every value of a result. @throws `Schema` for columns that no kind holds, and for names that come twice */
export const inferredSchema = (source: string, columns: readonly SqlColumn[]): Schema => {
  requireDistinct(source, columns)
  return Object.fromEntries(
    columns.map((column) => {
      const found = fieldOf(column)
      if (found === undefined) throw wrongKind(source, column, undefined)
      return [column.name, found]
    }),
  )
}

/** The schema of a reading. @throws `Schema` when the result does not fit the one that was given */
export const checkedSchema = (source: string, columns: readonly SqlColumn[], schema: Schema | undefined): Schema => {
  if (schema === undefined) return inferredSchema(source, columns)
  requireDistinct(source, columns)
  for (const [name, target] of Object.entries(schema)) {
    const column = columnNamed(columns, name, source)
    if (!canHold(target, column.type)) throw wrongKind(source, column, target)
  }
  return schema
}
