import { describeValue, failure, field, requireColumn, requireOneOf, type Field, type OptionRules, type Schema } from '@millrace/core'
import { typingRules, type TypingOptions } from './value-evidence.js'
import { schemaReport, type ColumnReport, type SchemaReport } from './schema-report.js'

/** Options of `inferSchema` that all formats share. */
export interface SampleOptions extends TypingOptions {
  /** Records to look at: the first so many (default 1,000), or `all`. */
  readonly rows?: number | 'all' | undefined
  /** Fields of columns that are known better. */
  readonly overrides?: Schema | undefined
  /** Which columns may hold nulls: those in which some were `seen` (default), or `all`. */
  readonly nullable?: 'seen' | 'all' | undefined
}

export const sampleRules: OptionRules<SampleOptions> = { ...typingRules, rows: 'any', overrides: 'any', nullable: 'any' }

export const DEFAULT_SAMPLE_ROWS = 1000

/** Records to look at. @throws `Usage` for a number of rows that is none, and for words that there are not */
export const sampleRows = ({ rows = DEFAULT_SAMPLE_ROWS, nullable = 'seen', decimals = 'float64' }: SampleOptions): number => {
  requireOneOf('nullable of inferSchema', nullable, ['seen', 'all'])
  requireOneOf('decimals of inferSchema', decimals, ['float64', 'decimal'])
  if (rows === 'all') return Infinity
  if (Number.isSafeInteger(rows) && rows > 0) return rows
  throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `rows of inferSchema is ${describeValue(rows)}`, remedy: "Give a whole number above 0, or 'all'." })
}

/** A column before overrides. */
export type FoundColumn = ColumnReport

/** The schema and the report of columns that were found. @throws `Schema` for an override of a column that is not there */
export const concluded = (found: readonly FoundColumn[], rows: number, isWhole: boolean, notes: readonly string[], options: SampleOptions): { readonly schema: Schema; readonly report: SchemaReport } => {
  const { overrides = {}, nullable = 'seen' } = options
  const known = Object.fromEntries(found.map((column) => [column.name, column.field]))
  for (const name of Object.keys(overrides)) requireColumn(known, name, 'overrides of inferSchema')
  const columns = found.map((column): ColumnReport => {
    if (Object.hasOwn(overrides, column.name)) return { ...column, field: overrides[column.name]!, evidence: 'given', ambiguous: [] }
    return { ...column, field: withNulls(column.field, column.nulls > 0 || nullable === 'all') }
  })
  return { schema: Object.fromEntries(columns.map(({ name, field: of }) => [name, of])), report: schemaReport(rows, isWhole, columns, notes) }
}

const withNulls = (of: Field, isNullable: boolean): Field => (isNullable && !of.nullable ? field.nullable(of) : of)
