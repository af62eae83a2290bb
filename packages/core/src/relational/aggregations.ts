import { failure } from '../errors/index.js'
import { describeField, field, type Decimal, type Field, type Float64, type Int64, type Int64AsNumber, type Nullable, type Schema, type Uint64, type Uint64AsNumber } from '../schema/index.js'

/** What an aggregation does. */
export type AggregationName = 'count' | 'countDistinct' | 'sum' | 'mean' | 'min' | 'max' | 'stddev'

/** One value of {@link aggregate}: plain data. */
export interface Aggregation<out Name extends AggregationName = AggregationName, out Column extends string | undefined = string | undefined> {
  readonly aggregation: Name
  readonly column: Column
}

const of = <Name extends AggregationName, const Column extends string | undefined>(aggregation: Name, column: Column): Aggregation<Name, Column> => ({ aggregation, column })

/** Rows of the group; with a column, those where it is not null. */
export function count(): Aggregation<'count', undefined>
export function count<const C extends string>(column: C): Aggregation<'count', C>
export function count(column?: string): Aggregation<'count'> {
  return of('count', column)
}
/** Different values, nulls left out. */
export const countDistinct = <const C extends string>(column: C): Aggregation<'countDistinct', C> => of('countDistinct', column)
/** Sum: int64 (uint64) of integers and booleans, an error where it does not fit; float64 of floats; exact of decimals. Null where all are null. */
export const sum = <const C extends string>(column: C): Aggregation<'sum', C> => of('sum', column)
/** Arithmetic mean as float64, nulls left out; of booleans the share that is true. */
export const mean = <const C extends string>(column: C): Aggregation<'mean', C> => of('mean', column)
/** Least value, nulls left out: texts by their UTF-8 bytes, NaN above all numbers. */
export const min = <const C extends string>(column: C): Aggregation<'min', C> => of('min', column)
/** Greatest value, nulls left out: texts by their UTF-8 bytes, NaN above all numbers. */
export const max = <const C extends string>(column: C): Aggregation<'max', C> => of('max', column)
/** Standard deviation of the sample (divided by n - 1) as float64; null where fewer than two values are not null. */
export const stddev = <const C extends string>(column: C): Aggregation<'stddev', C> => of('stddev', column)

type AsNullable<F extends Field, Out extends Field> = F['nullable'] extends false ? Out : Nullable<Out>
type SumOf<F extends Field> = F['kind'] extends 'float32' | 'float64' ? Float64 : F['kind'] extends 'decimal' ? Decimal : F['kind'] extends 'uint64' ? (F['js'] extends number | null ? Uint64AsNumber : Uint64) : F['js'] extends bigint | boolean | null ? Int64 : Int64AsNumber

/** The field that an aggregation gives. */
export type AggregatedField<A extends Aggregation, S extends Schema> = A extends Aggregation<'count' | 'countDistinct', string | undefined>
  ? Int64AsNumber
  : A extends Aggregation<infer Name, infer C>
    ? C extends keyof S
      ? Name extends 'min' | 'max' ? S[C] : Name extends 'stddev' ? Nullable<Float64> : AsNullable<S[C], Name extends 'sum' ? SumOf<S[C]> : Float64>
      : never
    : never

/** How an aggregation is asked of the engine. */
export interface PlannedAggregation {
  /** Expression over the engine's column. */
  readonly sql: string
  readonly field: Field
}

const integers = ['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64']
const floats = ['float32', 'float64']

const numeric = (input: Field, name: string, column: string | undefined): void => {
  if (integers.includes(input.kind) || floats.includes(input.kind) || input.kind === 'decimal' || (input.kind === 'bool' && name !== 'stddev')) return
  throw failure({
    tag: 'Schema',
    code: 'NOT_NUMERIC',
    problem: `${name} needs numbers, and the column is ${describeField(input)}`,
    remedy: 'count, countDistinct, min and max take any scalar.',
    position: { column },
  })
}

/** Widened so that it can be added up: booleans count as 0 and 1. */
const addend = (input: Field, sql: string): string => (input.kind === 'bool' ? `${sql}::INTEGER` : floats.includes(input.kind) ? `${sql}::DOUBLE` : sql)

const sumField = ({ kind, params }: Field): { readonly sql: string; readonly field: Field } => {
  if (floats.includes(kind)) return { sql: 'DOUBLE', field: field.float64() }
  if (kind === 'decimal') return { sql: 'HUGEINT', field: field.decimal(38, params.scale ?? 0) }
  if (kind === 'uint64') return { sql: 'UBIGINT', field: params.as === 'number' ? field.uint64({ as: 'number' }) : field.uint64() }
  // Smaller integers are numbers in rows, and so is their sum.
  const asNumber = kind !== 'bool' && (kind !== 'int64' || params.as === 'number')
  return { sql: 'BIGINT', field: asNumber ? field.int64({ as: 'number' }) : field.int64() }
}

/** Plans one aggregation of `input`, which the engine knows as `sql`. @throws `Schema` when it does not take such columns */
export const planAggregation = ({ aggregation, column }: Aggregation, input: Field | undefined, sql: string): PlannedAggregation => {
  if (aggregation === 'count' || input === undefined) return { sql: input === undefined ? 'count(*)' : `count(${sql})`, field: field.int64({ as: 'number' }) }
  if (input.kind === 'list') throw failure({ tag: 'Schema', code: 'UNSUPPORTED_KIND', problem: `${aggregation} cannot take a ${describeField(input)}`, position: { column } })
  if (aggregation === 'countDistinct') return { sql: `count(DISTINCT ${sql})`, field: field.int64({ as: 'number' }) }
  if (aggregation === 'min' || aggregation === 'max') return { sql: `${aggregation}(${sql})`, field: input }
  numeric(input, aggregation, column)
  const nullable = <F extends Field>(of: F): Field => (input.nullable ? field.nullable(of) : of)
  if (aggregation === 'sum') {
    const { sql: type, field: out } = sumField(input)
    return { sql: `sum(${addend(input, sql)})::${type}`, field: nullable(out) }
  }
  const scaled = input.kind === 'decimal' ? ` / 1e${input.params.scale ?? 0}` : ''
  if (aggregation === 'mean') return { sql: `(avg(${addend(input, sql)})${scaled})::DOUBLE`, field: nullable(field.float64()) }
  return { sql: `(stddev_samp(${sql}::DOUBLE)${scaled})::DOUBLE`, field: field.nullable(field.float64()) }
}

