import { requireOneOf, requireOptions, type Column, type Job, type Mode, type OptionRules, type Schema, type Stream } from '@millrace/core'
import type { WriteReport } from '../tfrecord/write-tfrecords.js'
import { columnJson, namedText, requireTextForms } from '../writing/column-texts.js'
import { textFormat, textOutputRules, type TextOutputOptions } from '../writing/text-options.js'
import type { FileText } from '../writing/text-writer.js'
import type { HasColumns } from '../writing/folder-options.js'
import { writeFiles } from '../writing/write-files.js'
import type { JsonFormat } from './json-options.js'

/** A row and what stands around it: each row has a line of its own. */
const layouts: { readonly [format in JsonFormat]: Omit<FileText, 'batchText'> & { readonly line: (object: string) => string } } = {
  lines: { head: '', line: (object) => `${object}\n` },
  array: { head: '[', line: (object) => `\n${object}`, between: ',', tail: '\n]\n' },
}

/** Options of {@link writeJson}. */
export interface WriteJsonOptions<K extends string = string> extends TextOutputOptions<K> {
  /** An object a line (JSON Lines), which is whole at every row and can be appended to, or one array of objects, as other programs may want it. Default `lines`. */
  readonly format?: JsonFormat | undefined
  /** Whether a column that is null is written as `null` or left out. Default `write`. */
  readonly nulls?: 'write' | 'omit' | undefined
}

const rules: OptionRules<WriteJsonOptions> = { ...textOutputRules, format: 'any', nulls: 'any' }

/**
 * Writes a stream as JSON Lines, an object a row, or as one array (`format`), packed as its name ends (`.gz`, `.br`, `.zst`, `.deflate`), or as a folder of such
 * files (`partitionBy`). 64-bit integers and decimals are numbers with all their digits, times are texts by their format. The file appears when it is complete.
 *
 * @throws `AlreadyExists`, `Storage`, `Schema` for binary columns, `BadRecord` for NaN and infinities, and what the stream throws
 * @see https://jsonlines.org
 */
export const writeJson =
  <const K extends string = never>(url: string, options: WriteJsonOptions<K> = {}) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M> & HasColumns<S, K>): Job<WriteReport> => {
    requireOptions('writeJson', options, rules)
    if (stream.knownSchema !== undefined) requireTextForms(stream.knownSchema, 'JSON')
    const omit = requireOneOf('nulls of writeJson', options.nulls ?? 'write', ['write', 'omit']) === 'omit'
    const { line, ...around } = layouts[requireOneOf('format', options.format ?? 'lines', ['lines', 'array'])]
    const fileText = (schema: Schema): FileText => {
      requireTextForms(schema, 'JSON')
      const names = Object.keys(schema)
      const keys = names.map((name) => `${JSON.stringify(name)}:`)
      return {
        ...around,
        batchText: (batch) => {
          const columns = names.map((name) => (batch.columns as { readonly [name: string]: Column })[name]!)
          const texts = columns.map((column, i) => namedText(names[i]!, columnJson(column)))
          return (row) => {
            const members: string[] = []
            for (let i = 0; i < columns.length; i++) {
              if (columns[i]!.isValid(row)) members.push(keys[i]! + texts[i]!(row))
              else if (!omit) members.push(`${keys[i]!}null`)
            }
            return line(`{${members.join(',')}}`)
          }
        },
      }
    }
    return writeFiles('writeJson', url, options, (name) => textFormat('json', name, options, fileText), stream)
  }
