import type { FixedColumn} from '../../columns/index.js';
import { type Column } from '../../columns/index.js'
import { failure } from '../../errors/index.js'
import { describeField, requireColumn, type Field, type Schema } from '../../schema/index.js'
import type { ColumnMap } from '../batch.js'
import type { OpenContext, Stream } from '../stream.js'
import { Tally } from '../tally.js'

/** The exact quantile takes all values of the column in memory, 8 bytes each: 1.6 GB at this many. */
const MAX_ROWS = 200_000_000
const FIRST_CAPACITY = 65_536

/** Kinds with an order of numbers, and the arrays that hold all their values. */
const timeKinds: { readonly [kind: string]: new (length: number) => BigInt64Array | BigUint64Array | Float64Array } = {
  timestamp: BigInt64Array, int64: BigInt64Array, uint64: BigUint64Array,
  date: Float64Array, int8: Float64Array, int16: Float64Array, int32: Float64Array, uint8: Float64Array, uint16: Float64Array,
  uint32: Float64Array, float32: Float64Array, float64: Float64Array,
}

/** First value of each part but the earliest; parts follow each other in time. */
export type Cuts = readonly (number | bigint)[]

/** Checks that a column has a time, or another number, to cut by. @throws `Schema` */
export const requireTime = (schema: Schema, name: string): Field => {
  const field = requireColumn(schema, name, 'split')
  if (timeKinds[field.kind] !== undefined) return field
  throw failure({
    tag: 'Schema',
    code: 'NOT_A_TIME',
    problem: `split by time needs a timestamp, a date or a number, and the column is ${describeField(field)}`,
    remedy: 'Read the column as field.timestamp({ format }).',
    position: { column: name },
  })
}

/** The stored values of a column to cut by. @throws `BadRecord` where a row has none */
export const timesOf = (column: Column, firstRow: number): ArrayLike<number | bigint> => {
  const { values } = column as FixedColumn
  for (let row = 0; row < values.length; row++) {
    if (column.isValid(row) && !Number.isNaN(values[row])) continue
    throw failure({
      tag: 'BadRecord',
      code: 'NO_TIME',
      problem: 'split by time found a row without a time',
      remedy: 'Filter such rows out before.',
      position: { record: firstRow + row },
    })
  }
  return values
}

/** Reads the column of the whole stream and finds the exact cuts at the cumulative fractions. */
export const fitCuts = async (stream: Stream, name: string, cumulative: readonly number[], context: OpenContext): Promise<Cuts> => {
  const Times = timeKinds[stream.schema[name]!.kind]!
  let values = new Times(FIRST_CAPACITY)
  let rows = 0
  // These rows are counted by nobody: the parts read them again.
  for await (const batch of stream.open({ signal: context.signal, progress: context.progress, tally: new Tally(), columns: [name] })) {
    if (rows + batch.numRows > MAX_ROWS) {
      throw failure({ tag: 'Limit', code: 'TOO_MANY_ROWS', problem: `split by time was given more than ${MAX_ROWS} rows`, remedy: 'Split by key, or filter by a date that you know.' })
    }
    if (rows + batch.numRows > values.length) {
      const grown = new Times(Math.max(values.length * 2, rows + batch.numRows))
      grown.set(values.subarray(0, rows) as never)
      values = grown
    }
    values.set(timesOf((batch.columns as ColumnMap)[name]!, rows) as never, rows)
    rows += batch.numRows
  }
  const sorted = values.subarray(0, rows).sort()
  // 0.1 + 0.2 is a little more than 0.3: a count that is a whole number but for rounding is that number.
  return cumulative.slice(0, -1).map((fraction) => sorted[Math.min(rows - 1, Math.ceil(fraction * rows - 1e-6))] ?? 0)
}
