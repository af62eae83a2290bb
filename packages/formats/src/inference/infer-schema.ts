import { expandInputs, failure, job, type Job } from '@millrace/core'
import { inferCsv, type InferCsvOptions, type InferredCsv } from './infer-csv.js'
import { inferJson, type InferJsonOptions, type InferredJson } from './infer-json.js'
import { inferTfRecords, type InferredTfRecords, type InferTfRecordsOptions } from './infer-tfrecords.js'
import type { SampleOptions } from './sample.js'

/** A name that tells the format to the compiler too. */
type Named<Ending extends string> = `${string}.${Ending}` | `${string}.${Ending}.${'gz' | 'br' | 'zst'}`

/** A format whose columns are inferred from values. */
export type InferredFormat = 'csv' | 'json' | 'tfrecord'

const endings: readonly (readonly [RegExp, InferredFormat])[] = [
  [/\.(csv|tsv|tab|psv)$/, 'csv'],
  [/\.(json|jsonl|ndjson)$/, 'json'],
  [/(\.(tfrecords?|tfr))|-\d{5,}-of-\d{5,}$/, 'tfrecord'],
]

const formatOf = (url: string): InferredFormat => {
  const name = url.replace(/[?#].*$/, '').toLowerCase().replace(/\.(gz|gzip|deflate|zz|zlib|br|zstd?)$/, '')
  const found = endings.find(([ending]) => ending.test(name))?.[1]
  if (found !== undefined) return found
  throw failure({
    tag: 'Usage', code: 'UNKNOWN_FORMAT', problem: 'the name does not tell the format', position: { source: url },
    remedy: "Give format: 'csv', 'json' or 'tfrecord'. Parquet and Arrow say their columns themselves: parquetSchema, arrowFileSchema.",
  })
}

/**
 * Looks at the first rows of files (1,000, or `all`) and says which columns they have, and what that rests on.
 *
 * - CSV: delimiter and header are sniffed; integers (64 bits, exact), numbers, booleans, dates and times by ISO 8601 and some patterns,
 *   and else texts, as are digits with leading zeros. Words such as `NA` mean null in columns that hold no other texts.
 *   Numbers have decimal commas where those of no column have points and fields are cut at something else; otherwise the report says which
 *   columns are numbers in another form (`decimalComma`, `thousands`).
 * - JSON: keys of objects are columns named by their path; integers among numbers with a point are numbers; lists of scalars are lists.
 * - TFRecords of tf.train.Example: kinds and lengths of features, UTF-8 or bytes, missing or not.
 *
 * The options of the result are those of the reader, with the schema and what was assumed. Rows that were not looked at and contradict
 * the schema are bad, with a reason that says that it was inferred. Records that are bad whatever the schema are not counted; the report
 * says how many they are and what is wrong with the first.
 *
 * @throws `Usage` where the format is not told; `Schema` for JSON of mixed types, and where no record can be read; and what the reader throws
 * @example
 * const flights = await run(inferSchema('flights.csv'))
 * console.log(flights.report) // check it
 * const stream = readCsv('flights.csv', flights.options)
 */
export function inferSchema(source: string | readonly string[], options: InferCsvOptions & { readonly format: 'csv' }): Job<InferredCsv>
export function inferSchema(source: string | readonly string[], options: InferJsonOptions & { readonly format: 'json' }): Job<InferredJson>
export function inferSchema(source: string | readonly string[], options: InferTfRecordsOptions & { readonly format: 'tfrecord' }): Job<InferredTfRecords>
export function inferSchema(source: Named<'csv' | 'tsv'>, options?: InferCsvOptions): Job<InferredCsv>
export function inferSchema(source: Named<'json' | 'jsonl' | 'ndjson'>, options?: InferJsonOptions): Job<InferredJson>
export function inferSchema(source: Named<'tfrecord' | 'tfrecords'>, options?: InferTfRecordsOptions): Job<InferredTfRecords>
export function inferSchema(source: string | readonly string[], options?: SampleOptions): Job<InferredCsv | InferredJson | InferredTfRecords>
export function inferSchema(
  source: string | readonly string[],
  options: InferCsvOptions | InferJsonOptions | InferTfRecordsOptions = {},
): Job<InferredCsv | InferredJson | InferredTfRecords> {
  return job<InferredCsv | InferredJson | InferredTfRecords>(async ({ signal }) => {
    const format = options.format ?? formatOf((await expandInputs(source, signal))[0]!.url)
    if (format === 'json') return inferJson(source, options as InferJsonOptions, signal)
    if (format === 'tfrecord') return inferTfRecords(source, options as InferTfRecordsOptions, signal)
    return inferCsv(source, options as InferCsvOptions, signal)
  })
}
