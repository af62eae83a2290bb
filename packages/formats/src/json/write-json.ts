import type { Column, Job, Mode, Schema, Stream } from '@millrace/core'
import type { WriteReport } from '../tfrecord/write-tfrecords.js'
import { columnJson, namedText, requireTextForms } from '../writing/column-texts.js'
import { textFormat, type TextOutputOptions } from '../writing/text-options.js'
import type { BatchText } from '../writing/text-writer.js'
import type { HasColumns } from '../writing/folder-options.js'
import { writeFiles } from '../writing/write-files.js'

/** Options of {@link writeJson}. */
export interface WriteJsonOptions<K extends string = string> extends TextOutputOptions<K> {
  /** Whether a column that is null is written as `null` or left out. Default `write`. */
  readonly nulls?: 'write' | 'omit' | undefined
}

/**
 * Writes a stream as JSON Lines, an object a row, packed as its name ends (`.gz`, `.br`, `.zst`, `.deflate`), or as a folder of such files (`partitionBy`). 64-bit integers and decimals are numbers
 * with all their digits, times are texts by their format. The file appears when it is complete.
 *
 * @throws `AlreadyExists`, `Storage`, `Schema` for binary columns, `BadRecord` for NaN and infinities, and what the stream throws
 * @see https://jsonlines.org
 */
export const writeJson =
  <const K extends string = never>(url: string, options: WriteJsonOptions<K> = {}) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M> & HasColumns<S, K>): Job<WriteReport> => {
    if (stream.knownSchema !== undefined) requireTextForms(stream.knownSchema, 'JSON')
    const omit = options.nulls === 'omit'
    const format = (schema: Schema): { readonly head: string; readonly batchText: BatchText } => {
      requireTextForms(schema, 'JSON')
      const names = Object.keys(schema)
      const keys = names.map((name) => `${JSON.stringify(name)}:`)
      return {
        head: '',
        batchText: (batch) => {
          const columns = names.map((name) => (batch.columns as { readonly [name: string]: Column })[name]!)
          const texts = columns.map((column, i) => namedText(names[i]!, columnJson(column)))
          return (row) => {
            const members: string[] = []
            for (let i = 0; i < columns.length; i++) {
              if (columns[i]!.isValid(row)) members.push(keys[i]! + texts[i]!(row))
              else if (!omit) members.push(`${keys[i]!}null`)
            }
            return `{${members.join(',')}}\n`
          }
        },
      }
    }
    return writeFiles('writeJson', url, options, (name) => textFormat('json', name, options, format), stream)
  }
