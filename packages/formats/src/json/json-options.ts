import { describeValue, failure, type Json, type OptionRules, type Schema } from '@millrace/core'
import { requireBatchRows } from '../reading/batch-assembler.js'
import { inputRules, type InputOptions } from '../reading/input-options.js'
import { packedTextRules, requirePackedText, type PackedTextOptions } from '../reading/open-text.js'
import type { OnBadRecord } from '../records/index.js'

/** A record that has not ended after so many bytes is more likely a bracket or a quote that was never closed than a record. */
export const DEFAULT_MAX_RECORD_BYTES = 16 * 1024 * 1024
/** Deeper than any document that people write; a parser's stack grows with each level. */
export const DEFAULT_MAX_DEPTH = 64

/** How records stand in the file: elements of one array, or one a line (JSON Lines, NDJSON). */
export type JsonFormat = 'array' | 'lines'

/** Options of `readJson`. */
export interface JsonOptions<S extends Schema> extends InputOptions<S>, PackedTextOptions {
  /** Columns, by the keys of the records. A key that is missing is a null; further keys are left alone. */
  readonly schema: S
  /** Default: by the first byte, `[` or `{`. */
  readonly format?: JsonFormat | undefined
  /**
   * Where the array of the records is in a file that is one object: keys with dots between, `data` of `{"data": [{…}, {…}]}`; an array of keys where these
   * have dots. What else the object holds is left alone. Default: the file is an array, or lines.
   */
  readonly records?: string | readonly string[] | undefined
  /** Where columns come from that are not a key of the record itself: keys with dots between, `{ city: 'address.city' }`; an array of keys where these have dots. */
  readonly paths?: { readonly [K in keyof S]?: string | readonly string[] } | undefined
  /** Label as `TextDecoder` knows them. JSON is UTF-8; a byte order mark may say otherwise. Default `utf-8`, checked. */
  readonly encoding?: string | undefined
  /** Default `fail`. */
  readonly onBadRecord?: OnBadRecord | undefined
  /** Most rows in a batch. Default 4,096. */
  readonly batchRows?: number | undefined
  /** Longest record in bytes. Default 16 MiB. */
  readonly maxRecordBytes?: number | undefined
  /** Most levels of objects and arrays, the record itself being the first; a deeper record is bad. Default 64. */
  readonly maxDepth?: number | undefined
  /** Longest string of a column, in UTF-16 units; a record with a longer one is bad. Default: as long as a record may be. */
  readonly maxStringLength?: number | undefined
  /** Columns of kind `utf8` that take numbers and booleans too, as they are written; `true` for all of that kind. Default: none, such records are bad. */
  readonly scalarsAsText?: readonly (keyof S & string)[] | true | undefined
  /**
   * Columns of kind `utf8` that take any value but null, lists of objects too, as its JSON text: without white space, numbers with every digit, strings in
   * quotes, so that `JSON.parse` gives the value. Default: none.
   */
  readonly valuesAsText?: readonly (keyof S & string)[] | undefined
  /**
   * `auto` (default) reads into columns in WebAssembly, and leaves to stream-json what is out of the ordinary (a key that comes twice, a
   * bad record) and schemas with `binary`, dictionaries and lists of rare kinds, `records`, `scalarsAsText` and `valuesAsText`; `stream-json` always reads with stream-json. Both give
   * the same rows and errors; the plan (`explain`) says which one it is.
   */
  readonly parser?: 'auto' | 'stream-json' | undefined
}

export const jsonRules: OptionRules<JsonOptions<Schema>> = {
  schema: 'any', ...inputRules, ...packedTextRules, format: 'any', records: 'any', paths: 'any', encoding: 'text', onBadRecord: 'any', batchRows: 'any',
  maxRecordBytes: 'any', maxDepth: 'any', maxStringLength: 'any', scalarsAsText: 'any', valuesAsText: 'any', parser: 'any',
}

/** Options as the reader uses them. */
export interface ResolvedJsonOptions {
  readonly format: JsonFormat | undefined
  readonly paths: { readonly [column: string]: readonly string[] }
  readonly encoding: string | undefined
  readonly packed: PackedTextOptions
  readonly onBadRecord: OnBadRecord
  readonly batchRows: number
  readonly maxRecordBytes: number
  readonly maxDepth: number
  readonly maxStringLength: number
  readonly scalarsAsText: readonly string[]
  readonly valuesAsText: readonly string[]
  readonly records: readonly string[] | undefined
  readonly parser: 'auto' | 'stream-json'
}

const usage = (problem: string): Error => failure({ tag: 'Usage', code: 'JSON_OPTIONS', problem })

/** Fills in the defaults. @throws `Usage` for options that make no sense */
export const resolveJsonOptions = <S extends Schema>(options: JsonOptions<S>): ResolvedJsonOptions => {
  const { schema, paths = {}, parser = 'auto' } = options
  const batchRows = requireBatchRows(options.batchRows, 'readJson')
  requirePackedText(options)
  if (!['auto', 'stream-json'].includes(parser)) throw usage(`there is no parser ${describeValue(parser)}; the parsers are 'auto' and 'stream-json'`)
  const resolved: { [column: string]: readonly string[] } = {}
  for (const name of Object.keys(schema)) {
    const given = Object.hasOwn(paths, name) ? (paths as { readonly [column: string]: string | readonly string[] | undefined })[name] : undefined
    const path = given ?? [name]
    resolved[name] = typeof path === 'string' ? path.split('.') : path
    if (resolved[name].length === 0) throw usage(`the path of column ${JSON.stringify(name)} is empty`)
  }
  for (const name of Object.keys(paths)) {
    if (!Object.hasOwn(resolved, name)) throw usage(`there is a path for column ${JSON.stringify(name)}, which the schema does not have`)
  }
  const isText = (name: string): boolean => Object.hasOwn(schema, name) && schema[name]!.kind === 'utf8'
  const scalarsAsText = options.scalarsAsText === true ? Object.keys(schema).filter(isText) : options.scalarsAsText
  for (const [option, names] of Object.entries({ scalarsAsText, valuesAsText: options.valuesAsText })) {
    const stray = names?.find((name) => !isText(name))
    if (stray !== undefined) throw usage(`${option} names ${JSON.stringify(stray)}, which is no column of kind utf8`)
  }
  const records = typeof options.records === 'string' ? options.records.split('.') : options.records
  if (records?.length === 0) throw usage('the path of the records is empty')
  if (records !== undefined && options.format === 'lines') throw usage("records leads to an array, and format is 'lines'")
  return {
    format: records === undefined ? options.format : 'array',
    records,
    paths: resolved,
    encoding: options.encoding,
    packed: { compression: options.compression, maxInflation: options.maxInflation, maxInflatedBytes: options.maxInflatedBytes },
    onBadRecord: options.onBadRecord ?? 'fail',
    batchRows,
    maxRecordBytes: options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES,
    maxDepth: options.maxDepth ?? DEFAULT_MAX_DEPTH,
    maxStringLength: options.maxStringLength ?? Infinity,
    scalarsAsText: scalarsAsText ?? [],
    valuesAsText: options.valuesAsText ?? [],
    parser,
  }
}

/** What of the options a plan shows: what was given, with functions left out, and the parser that was chosen. */
export const jsonPlanOptions = <S extends Schema>(options: JsonOptions<S>, choice: object): Json =>
  JSON.parse(JSON.stringify({ ...options, schema: undefined, onBadRecord: undefined, partitions: undefined, ...choice })) as Json
