import { failure, requireOptions, type Column, type Job, type Mode, type OptionRules, type Schema, type Stream } from '@millrace/core'
import type { WriteReport } from '../tfrecord/write-tfrecords.js'
import { columnText, namedText, requireTextForms, type RowText } from '../writing/column-texts.js'
import type { FileText } from '../writing/text-writer.js'
import { textFormat, textOutputRules, type TextOutputOptions } from '../writing/text-options.js'
import type { HasColumns } from '../writing/folder-options.js'
import { writeFiles } from '../writing/write-files.js'

/** Options of {@link writeCsv}. */
export interface WriteCsvOptions<K extends string = string> extends TextOutputOptions<K> {
  /** Between fields. Default `,`. */
  readonly delimiter?: string | undefined
  /** Whether the first line names the columns. Default true. */
  readonly header?: boolean | undefined
  /**
   * What stands for null. Readers take a field for null whether it is in quotes or not: a value of a nullable column with the same text is a bad record,
   * unless the token is empty. Default: nothing.
   */
  readonly nullToken?: string | undefined
}

const rules: OptionRules<WriteCsvOptions> = { ...textOutputRules, delimiter: 'text', header: 'boolean', nullToken: 'text' }

const usage = (problem: string): Error => failure({ tag: 'Usage', code: 'CSV_OPTIONS', problem })

/** Whether a field needs quotes: for what it holds, for what it and a delimiter of several characters would make together, or since it looks like a byte order mark. */
const quoting = (delimiter: string): ((field: string) => boolean) => {
  const isEdge = (unit: string | undefined): boolean => delimiter.length > 1 && unit !== undefined && delimiter.includes(unit)
  return (field) => field.includes(delimiter) || /["\r\n]|^\ufeff/.test(field) || isEdge(field[0]) || isEdge(field[field.length - 1])
}

/** The same texts but for the one that means null. @throws (when called) `BadRecord` for that one */
const otherThan = (nullToken: string, text: RowText): RowText => (row) => {
  const own = text(row)
  if (own !== nullToken) return own
  throw failure({
    tag: 'BadRecord', code: 'CSV_NULL_TOKEN', problem: `the value ${JSON.stringify(own)} is written as null is`,
    remedy: 'Give another nullToken; where the column holds no nulls, a field that is not nullable may have it.',
  })
}

/**
 * Writes a stream as one CSV file (RFC 4180, but with `\n`), packed as its name ends (`.gz`, `.br`, `.zst`, `.deflate`), or as a folder of them (`partitionBy`). Fields are quoted where they
 * must be; numbers, decimals and times keep every digit; lists are written as JSON (`readCsv` takes the integers in them up to
 * ±2⁵³, `readJson` all). An empty text and a null look alike unless
 * `nullToken` says otherwise. The file appears when it is complete.
 *
 * @throws `AlreadyExists`, `Storage`, `Schema` for binary columns, `BadRecord` CSV_NULL_TOKEN, and what the stream throws
 * @example
 * await run(pipe(delays, writeCsv('out/delays.csv', { ifExists: 'replace' })))
 */
export const writeCsv =
  <const K extends string = never>(url: string, options: WriteCsvOptions<K> = {}) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M> & HasColumns<S, K>): Job<WriteReport> => {
    requireOptions('writeCsv', options, rules)
    const { delimiter = ',', header = true, nullToken = '' } = options
    if (delimiter === '' || /["\r\n\ufeff]/.test(delimiter)) throw usage(`${JSON.stringify(delimiter)} cannot be the delimiter`)
    const mustQuote = quoting(delimiter)
    if (mustQuote(nullToken)) throw usage(`${JSON.stringify(nullToken)} cannot be the nullToken, since a field of this text is written in quotes`)
    if (stream.knownSchema !== undefined) requireTextForms(stream.knownSchema, 'CSV')
    const quote = (field: string): string => (mustQuote(field) ? `"${field.replaceAll('"', '""')}"` : field)
    // A line with nothing on it would be no record.
    const line = (fields: readonly string[]): string => `${fields.length === 1 && fields[0] === '' ? '""' : fields.join(delimiter)}\n`
    const fileText = (schema: Schema): FileText => {
      requireTextForms(schema, 'CSV')
      const names = Object.keys(schema)
      if (names.length === 0) throw failure({ tag: 'Schema', code: 'NO_COLUMNS', problem: 'the stream has no columns, and lines with nothing on them are no records', remedy: 'Keep a column, or write JSON.' })
      return {
        head: header ? line(names.map(quote)) : '',
        batchText: (batch) => {
          const columns = names.map((name) => (batch.columns as { readonly [name: string]: Column })[name]!)
          const texts = columns.map((column, i) => namedText(names[i]!, column.field.nullable && nullToken !== '' ? otherThan(nullToken, columnText(column)) : columnText(column)))
          return (row) => line(columns.map((column, i) => (column.isValid(row) ? quote(texts[i]!(row)) : nullToken)))
        },
      }
    }
    return writeFiles('writeCsv', url, options, (name) => textFormat('csv', name, options, fileText), stream)
  }
