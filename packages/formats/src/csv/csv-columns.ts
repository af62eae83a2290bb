import { ConversionError, failure, listNames, type ColumnBuilder, type Field, type MillraceError, type Schema } from '@millrace/core'
import type { RecordFault } from '../records/index.js'
import type { ResolvedCsvOptions } from './csv-options.js'
import { textAppender } from './number-text.js'

/** Names of a file that is something else may hold anything. */
const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => JSON.stringify(character).slice(1, -1))

/** The fault of a record with more fields than are read; `undefined` where it has none. */
export const fieldsFault = (fields: readonly string[], { maxFields }: ResolvedCsvOptions): RecordFault | undefined =>
  fields.length > maxFields ? { code: 'CSV_TOO_MANY_FIELDS', problem: `the record has more than ${maxFields} fields` } : undefined

/** @throws `Limit` where records are to have more fields than are read */
export const requireWidth = (fields: number, { maxFields }: ResolvedCsvOptions, source: string): void => {
  if (fields <= maxFields) return
  throw failure({
    tag: 'Limit', code: 'CSV_TOO_MANY_FIELDS', problem: `there are more than ${maxFields} columns`,
    remedy: 'Check the delimiter; if the file is meant to have so many columns, raise maxFields.', position: { source },
  })
}

/** The error of a file without a header, which nobody else knows the columns of. */
export const noHeader = (source: string): MillraceError =>
  failure({
    tag: 'Corrupt', code: 'CSV_NO_HEADER', problem: 'the file is empty where a header is due',
    remedy: 'If the file has no header, pass header: false, or the names as header: [...]; with a schema, an empty file has no rows.', position: { source, byte: 0 },
  })

/** What a column without a name is called, by its index from 0. */
export const columnName = (index: number): string => `column_${index}`

/** The names of a header, where columns that have none are called by their index, with `_` behind it where another one is called so. */
export const namedColumns = (header: readonly string[]): readonly string[] => {
  if (!header.includes('')) return header
  const taken = new Set(header)
  return header.map((name, index) => {
    if (name !== '') return name
    let own = columnName(index)
    while (taken.has(own)) own += '_'
    taken.add(own)
    return own
  })
}

/** Which field of a record each column takes. */
export interface CsvLayout {
  /** Fields that a record must have. */
  readonly width: number
  /** Index of the field of each column of the schema. */
  readonly index: { readonly [column: string]: number }
}

/**
 * Finds the columns of the schema in a header, those without a name there by that of {@link namedColumns} too.
 *
 * @param header - names in the order of the fields; `undefined` when the file has none, and columns come in the schema's order
 * @throws `Schema` for a column that is not there, which names those that are, and for a name that is asked for and is there twice
 */
export const matchHeader = (schema: Schema, header: readonly string[] | undefined, options: ResolvedCsvOptions, source: string): CsvLayout => {
  const names = Object.keys(schema)
  const places = new Map<string, number>()
  const twice = new Set<string>()
  for (const [place, name] of (header ?? []).entries()) {
    if (places.has(name)) twice.add(name)
    else places.set(name, place)
  }
  for (const [place, name] of namedColumns(header ?? []).entries()) if (header![place] === '') places.set(name, place)
  const index: { [column: string]: number } = {}
  let widest = names.length
  for (const [place, name] of names.entries()) {
    const mapped = Object.hasOwn(options.columns, name) ? options.columns[name] : undefined
    const wanted = mapped ?? (header === undefined ? place : name)
    if (typeof wanted === 'string' && twice.has(wanted)) {
      throw failure({
        tag: 'Schema', code: 'CSV_DUPLICATE_COLUMN', problem: `the header names the column ${JSON.stringify(wanted)} twice`,
        remedy: `Say by index, from 0, which one is meant: columns: { ${JSON.stringify(name)}: ${places.get(wanted)} }.`, position: { source, column: name },
      })
    }
    const found = typeof wanted === 'number' ? wanted : places.get(wanted)
    if (found === undefined || !Number.isSafeInteger(found) || found < 0 || (header !== undefined && found >= header.length)) {
      throw failure({
        tag: 'Schema', code: 'CSV_NO_SUCH_COLUMN', problem: `the file has no column ${JSON.stringify(wanted)}`,
        remedy: header === undefined ? 'Without a header, columns go by index.' : `Its columns are: ${printable(listNames(header))}. The option columns maps names, delimiter cuts them.`,
        position: { source, column: name },
      })
    }
    index[name] = found
    widest = Math.max(widest, found + 1)
  }
  return { width: header?.length ?? widest, index }
}

const isText = (field: Field): boolean =>
  field.kind === 'utf8' || field.kind === 'binary' || (field.kind === 'dictionary' && field.params.item !== undefined && isText(field.params.item))

/** Puts the fields of records into column builders, as texts. */
export class CsvRow {
  private readonly columns: readonly {
    readonly name: string
    readonly builder: ColumnBuilder
    readonly at: number
    readonly text: boolean
    readonly append: (text: string) => void
  }[]

  constructor(
    private readonly layout: CsvLayout,
    names: readonly string[],
    builders: readonly ColumnBuilder[],
    private readonly options: ResolvedCsvOptions,
  ) {
    this.columns = names.map((name, i) => {
      const builder = builders[i]!
      return { name, builder, at: layout.index[name]!, text: isText(builder.field) && !builder.field.nullable, append: textAppender(builder, options) }
    })
  }

  /** Appends one record. What a record with a fault has appended must be rolled back. */
  append(fields: readonly string[]): RecordFault | undefined {
    const { width } = this.layout
    if (fields.length !== width) {
      return { code: 'CSV_FIELD_COUNT', problem: `the record has ${fields.length} ${fields.length === 1 ? 'field' : 'fields'} where ${width} are due` }
    }
    const { nullTokens, maxFieldLength } = this.options
    for (const { name, builder, at, text, append } of this.columns) {
      const field = fields[at]!
      if (field.length > maxFieldLength) {
        return { code: 'CSV_FIELD_TOO_LONG', problem: `the field has ${field.length} characters, and at most ${maxFieldLength} are read`, column: name }
      }
      try {
        if (!text && nullTokens.has(field)) builder.appendNull()
        else append(field)
      } catch (error) {
        if (error instanceof ConversionError) return { code: error.code, problem: error.message, column: name }
        throw error
      }
    }
    return undefined
  }
}
