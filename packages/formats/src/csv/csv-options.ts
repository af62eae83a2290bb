import { describeValue, failure, listNames, requireCount, type Json, type OptionRules, type Schema } from '@millrace/core'
import type { OnBadRecord } from '../records/index.js'
import { requireBatchRows } from '../reading/batch-assembler.js'
import { inputRules, type InputOptions } from '../reading/input-options.js'
import { encodingName, packedTextRules, requirePackedText, type PackedTextOptions } from '../reading/open-text.js'

/**
 * A record that has not ended after so many bytes is taken for a quote that was never closed, which would otherwise draw the
 * rest of the file into memory.
 */
export const DEFAULT_MAX_RECORD_BYTES = 16 * 1024 * 1024

/** More than tables have columns; a line of nothing but delimiters would come to a text for each of its bytes. */
export const DEFAULT_MAX_FIELDS = 65_536

/** How the text is cut into records and fields. Defaults are those of RFC 4180. */
export interface CsvDialect {
  /** Between fields; one or more characters. Default `,`. */
  readonly delimiter?: string | undefined
  /** Around fields that hold delimiters, line ends or quotes; `null` when there are none. Default `"`. */
  readonly quote?: string | null | undefined
  /** Before a quote inside a quoted field. Default: the quote itself, doubled. */
  readonly escape?: string | null | undefined
  /** Ends of records. Default `\r\n`, `\n` and `\r`, mixed as they come. */
  readonly recordDelimiter?: string | readonly string[] | undefined
  /** A line that begins so is left out. Default: no comments. */
  readonly comment?: string | undefined
  /** Strips white space around fields that are not quoted. Default false. */
  readonly trim?: boolean | undefined
}

/** Options of `readCsv`. */
export interface CsvOptions<S extends Schema = Schema> extends CsvDialect, InputOptions<S>, PackedTextOptions {
  /** Where the names of the columns are: the first record (`true`, the default), given here, or nowhere: columns by their order in the schema. */
  readonly header?: boolean | readonly string[] | undefined
  /**
   * Lines at the beginning of each file that are passed over, whatever they hold: a title, notes, a header that is replaced by names given in `header`.
   * They end as records do; quotes mean nothing in them. Workers do not share such a file. Default 0.
   */
  readonly skipLines?: number | undefined
  /** Names in the header, or indices from 0, of columns that are called otherwise in the schema. */
  readonly columns?: { readonly [K in keyof S]?: string | number } | undefined
  /** Label as `TextDecoder` knows them (`latin1`, `windows-1252`, `utf-16le`). A byte order mark wins. Default `utf-8`, checked. */
  readonly encoding?: string | undefined
  /**
   * Fields that mean null. In a column that may not be null, they are the text itself for `utf8`, `binary` and dictionaries of
   * these, an error otherwise. Default: the empty field.
   */
  readonly nullTokens?: readonly string[] | undefined
  /** Numbers are written `1,5`; one with a point is bad then, unless `thousands` is one. Default false. */
  readonly decimalComma?: boolean | undefined
  /**
   * What stands between groups of three digits in numbers: one character, such as `.` (`1.234,50`, with `decimalComma`), `,`, `'` or a blank. Numbers
   * without groups are taken too; groups of another length are bad. Default: none.
   */
  readonly thousands?: string | undefined
  /**
   * Whether the last record must end in a line end. A text file cut short inside its last record looks whole otherwise; with
   * `required` it is `Corrupt`. Default `optional`.
   */
  readonly finalNewline?: 'optional' | 'required' | undefined
  /** Default `fail`. */
  readonly onBadRecord?: OnBadRecord | undefined
  /** Most rows in a batch. Default 4,096. */
  readonly batchRows?: number | undefined
  /** Longest record in bytes. Default 16 MiB. */
  readonly maxRecordBytes?: number | undefined
  /** Most fields of a record; one with more is bad, and a header with more is refused (`Limit`). Default 65,536. */
  readonly maxFields?: number | undefined
  /** Longest field in UTF-16 units; a longer one makes its record bad. Default: as long as a record may be. */
  readonly maxFieldLength?: number | undefined
  /**
   * `auto` (default) reads common dialects (one character as delimiter, quotes doubled, usual line ends) with a columnar parser
   * in WebAssembly and all others with csv-parse; `csv-parse` always with csv-parse. Both give the same rows and errors; the plan
   * (`explain`) says which one it is.
   */
  readonly parser?: 'auto' | 'csv-parse' | undefined
}

export const csvRules: OptionRules<CsvOptions & { readonly schema?: Schema | undefined }> = {
  schema: 'any', ...inputRules, ...packedTextRules, delimiter: 'text', quote: 'any', escape: 'any', recordDelimiter: 'any', comment: 'text', trim: 'boolean', header: 'any',
  skipLines: 'any', columns: 'any', encoding: 'text', nullTokens: 'any', decimalComma: 'boolean', thousands: 'text', finalNewline: 'any', onBadRecord: 'any',
  batchRows: 'any', maxRecordBytes: 'any', maxFields: 'any', maxFieldLength: 'any', parser: 'any',
}

/** Options as the reader uses them. */
export interface ResolvedCsvOptions {
  readonly delimiter: string
  readonly quote: string | null
  readonly escape: string | null
  readonly recordDelimiter: readonly string[]
  readonly comment: string | null
  readonly trim: boolean
  readonly header: boolean | readonly string[]
  readonly columns: { readonly [name: string]: string | number | undefined }
  readonly encoding: string | undefined
  readonly packed: PackedTextOptions
  readonly nullTokens: ReadonlySet<string>
  readonly decimalComma: boolean
  readonly thousands: string | undefined
  readonly skipLines: number
  readonly finalNewline: 'optional' | 'required'
  readonly onBadRecord: OnBadRecord
  readonly batchRows: number
  readonly maxRecordBytes: number
  readonly maxFieldLength: number
  readonly maxFields: number
  readonly parser: 'auto' | 'csv-parse'
}

const usage = (problem: string, remedy?: string): Error => failure({ tag: 'Usage', code: 'CSV_OPTIONS', problem, remedy })

/** Checks that columns which are called otherwise are columns. @throws `Usage` */
export const requireMapped = ({ columns = {}, schema }: CsvOptions & { readonly schema?: Schema | undefined }): void => {
  const stray = schema === undefined ? undefined : Object.keys(columns).find((name) => !Object.hasOwn(schema, name))
  if (stray !== undefined) throw usage(`columns says where column ${JSON.stringify(stray)} comes from, which the schema does not have`, `Its columns are: ${listNames(Object.keys(schema!))}.`)
}

/** Fills in the defaults. @throws `Usage` for options that make no sense together */
export const resolveCsvOptions = (options: CsvOptions): ResolvedCsvOptions => {
  const { delimiter = ',', quote = '"', header = true, maxRecordBytes = DEFAULT_MAX_RECORD_BYTES, parser = 'auto', decimalComma = false, thousands, skipLines = 0 } = options
  const recordDelimiter = typeof options.recordDelimiter === 'string' ? [options.recordDelimiter] : (options.recordDelimiter ?? ['\r\n', '\n', '\r'])
  if (delimiter === '') throw usage('the delimiter is empty')
  if (recordDelimiter.length === 0 || recordDelimiter.includes('')) throw usage('the record delimiter is empty')
  if (recordDelimiter.includes(delimiter) || delimiter === quote) throw usage(`the delimiter ${JSON.stringify(delimiter)} is also ${delimiter === quote ? 'the quote' : 'a record delimiter'}`)
  if (quote === '') throw usage('the quote is empty', 'Pass quote: null when fields are not quoted.')
  if (!['auto', 'csv-parse'].includes(parser)) throw usage(`there is no parser ${describeValue(parser)}`, "Give 'auto' or 'csv-parse'.")
  if (thousands !== undefined && (thousands.length !== 1 || /[\w+\-\r\n]/.test(thousands) || thousands === (decimalComma ? ',' : '.'))) {
    throw usage(`${describeValue(thousands)} cannot separate thousands`, 'Give one character other than the decimal mark: a point with decimalComma, a comma, an apostrophe or a blank.')
  }
  requireCount(skipLines, 0, 'skipLines of readCsv')
  const batchRows = requireBatchRows(options.batchRows, 'readCsv')
  requirePackedText(options)
  if (options.encoding !== undefined) encodingName(options.encoding)
  if (Array.isArray(header) && new Set(header).size !== header.length) throw usage('the header that was given names a column twice')
  return {
    delimiter,
    quote,
    escape: options.escape === undefined ? quote : options.escape,
    recordDelimiter,
    comment: options.comment ?? null,
    trim: options.trim ?? false,
    header,
    columns: options.columns ?? {},
    encoding: options.encoding,
    packed: { compression: options.compression, maxInflation: options.maxInflation, maxInflatedBytes: options.maxInflatedBytes },
    nullTokens: new Set(options.nullTokens ?? ['']),
    decimalComma,
    thousands,
    skipLines,
    finalNewline: options.finalNewline ?? 'optional',
    onBadRecord: options.onBadRecord ?? 'fail',
    batchRows,
    maxRecordBytes,
    maxFieldLength: options.maxFieldLength ?? Infinity,
    maxFields: options.maxFields === Infinity ? Infinity : requireCount(options.maxFields ?? DEFAULT_MAX_FIELDS, 1, 'maxFields of readCsv'),
    parser,
  }
}

/** What of the options a plan shows: what was given, with functions left out, and the parser that was chosen. */
export const csvPlanOptions = (options: CsvOptions & { readonly schema?: Schema | undefined }, choice: object): Json =>
  JSON.parse(JSON.stringify({ ...options, schema: undefined, onBadRecord: undefined, partitions: undefined, ...choice })) as Json
