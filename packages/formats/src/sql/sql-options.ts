import { describeValue, failure, requireCount, requireOptions, type Json, type OptionRules, type Schema } from '@millrace/core'
import { requirePolicy, type OnBadRecord } from '../records/index.js'
import { requireBatchRows } from '../reading/batch-assembler.js'
import { describeSource, type SqlParameter, type SqlSource } from './sql-statement.js'

/** How a reading is cut into ranges of a column, which are read at the same time. */
export interface SqlPartition {
  /** A column of integers, decimals, dates or timestamps. It need not be unique, and may hold nulls: they go with the first range. */
  readonly column: string
  /** Number of ranges. */
  readonly count: number
  /** Where the first range would begin and the last end, if they were not open: they only say how to cut. Default: the column's least and greatest value. */
  readonly lower?: number | bigint | string | Date | undefined
  readonly upper?: number | bigint | string | Date | undefined
  /** How many are read at once, each on its own connection. Default: all, but at most 8. */
  readonly parallel?: number | undefined
}

/** Options of `readSql`. */
export interface SqlOptions<S extends Schema = Schema> {
  /** Columns to take, by name, and their kinds; checked against the result before a row is read. Default: all, typed as the server says. */
  readonly schema?: S | undefined
  /** Values for the placeholders of the query (`$1`, `$2` in PostgreSQL, `?` in MySQL); they are bound, never put into its text. */
  readonly parameters?: readonly SqlParameter[] | undefined
  /**
   * Columns that together are different in every row and never null: the rows come in their order, texts by their bytes, and the
   * stream has positions from which it resumes. An index on the columns makes both fast.
   */
  readonly orderBy?: string | readonly string[] | undefined
  /** Reads ranges of a column at the same time; rows come in no particular order, and the stream has no positions. */
  readonly partition?: SqlPartition | undefined
  /** What happens to a row with a value that its column cannot hold. Default `fail`. */
  readonly onBadRecord?: OnBadRecord | undefined
  /** Most rows in a batch. Default 4,096; fewer when rows are wide. */
  readonly batchRows?: number | undefined
}

const rules: OptionRules<SqlOptions> = { schema: 'any', parameters: 'any', orderBy: 'any', partition: 'any', onBadRecord: 'any', batchRows: 'any' }
export const parameterRules: OptionRules<Pick<SqlOptions, 'parameters'>> = { parameters: 'any' }
const partitionRules: OptionRules<SqlPartition> = { column: 'text', count: 'any', lower: 'any', upper: 'any', parallel: 'any' }

/** {@link SqlOptions} with defaults. */
export interface ResolvedSqlOptions {
  readonly schema: Schema | undefined
  readonly parameters: readonly SqlParameter[]
  readonly orderBy: readonly string[]
  readonly partition: (SqlPartition & { readonly parallel: number }) | undefined
  readonly onBadRecord: OnBadRecord | undefined
  readonly batchRows: number
}

/** Connections that one reading opens unless told otherwise: servers have about a hundred for everybody. */
const MOST_PARALLEL = 8

/** Checks the options of a reader. @throws `Usage` */
export const resolveSqlOptions = (use: string, options: SqlOptions): ResolvedSqlOptions => {
  requireOptions(use, options, rules)
  requireOptions(`the partition of ${use}`, options.partition, partitionRules)
  const { schema, parameters = [], partition, onBadRecord } = options
  const orderBy = options.orderBy === undefined ? [] : typeof options.orderBy === 'string' ? [options.orderBy] : options.orderBy
  requirePolicy(onBadRecord)
  const batchRows = requireBatchRows(options.batchRows, use)
  if (!Array.isArray(parameters)) {
    throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `the parameters of ${use} are ${describeValue(parameters)}`, remedy: 'Give an array of values, in the order of the placeholders.' })
  }
  if (partition !== undefined) {
    requireCount(partition.count, 1, `count of the partition of ${use}`)
    if (partition.parallel !== undefined) requireCount(partition.parallel, 1, `parallel of the partition of ${use}`)
    if (orderBy.length > 0) {
      throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `${use} was given both orderBy and partition`, remedy: 'Ranges that are read at the same time have no order: leave one of the two out.' })
    }
  }
  return {
    schema, parameters, orderBy, onBadRecord, batchRows,
    partition: partition === undefined ? undefined : { ...partition, parallel: Math.min(partition.count, partition.parallel ?? MOST_PARALLEL) },
  }
}

/** The options as a plan shows them: parameters may be secrets, and are only counted. */
export const sqlPlanOptions = (source: SqlSource, { parameters, orderBy, partition, batchRows, onBadRecord }: ResolvedSqlOptions): { readonly [name: string]: Json } => ({
  source: describeSource(source), ...(parameters.length === 0 ? {} : { parameters: parameters.length }), ...(orderBy.length === 0 ? {} : { orderBy }),
  ...(partition === undefined ? {} : { partition: { column: partition.column, count: partition.count } }), batchRows,
  onBadRecord: typeof onBadRecord === 'object' ? 'quarantine' : (onBadRecord ?? 'fail'),
})
