import { failure, requireOptions, type Column, type Job, type Mode, type OptionRules, type Schema, type Stream } from '@millrace/core'
import type { WriteReport } from '../tfrecord/write-tfrecords.js'
import { columnText, namedText, requireTextForms } from '../writing/column-texts.js'
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
  /** What stands for null. Default: nothing. */
  readonly nullToken?: string | undefined
}

const rules: OptionRules<WriteCsvOptions> = { ...textOutputRules, delimiter: 'text', header: 'boolean', nullToken: 'text' }

/**
 * Writes a stream as one CSV file (RFC 4180, but with `\n`), packed as its name ends (`.gz`, `.br`, `.zst`, `.deflate`), or as a folder of them (`partitionBy`). Fields are quoted where they
 * must be; numbers, decimals and times keep every digit; lists are written as JSON (`readCsv` takes the integers in them up to
 * ±2⁵³, `readJson` all). An empty text and a null look alike unless
 * `nullToken` says otherwise. The file appears when it is complete.
 *
 * @throws `AlreadyExists`, `Storage`, `Schema` for binary columns, and what the stream throws
 * @example
 * await run(pipe(delays, writeCsv('out/delays.csv', { ifExists: 'replace' })))
 */
export const writeCsv =
  <const K extends string = never>(url: string, options: WriteCsvOptions<K> = {}) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M> & HasColumns<S, K>): Job<WriteReport> => {
    requireOptions('writeCsv', options, rules)
    const { delimiter = ',', header = true, nullToken = '' } = options
    if (delimiter === '' || /["\r\n]/.test(delimiter)) throw failure({ tag: 'Usage', code: 'CSV_OPTIONS', problem: `${JSON.stringify(delimiter)} cannot be the delimiter` })
    if (stream.knownSchema !== undefined) requireTextForms(stream.knownSchema, 'CSV')
    const quote = (field: string): string => (field.includes(delimiter) || /["\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)
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
          const texts = columns.map((column, i) => namedText(names[i]!, columnText(column)))
          return (row) => line(columns.map((column, i) => (column.isValid(row) ? quote(texts[i]!(row)) : nullToken)))
        },
      }
    }
    return writeFiles('writeCsv', url, options, (name) => textFormat('csv', name, options, fileText), stream)
  }
