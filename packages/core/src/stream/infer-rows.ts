import { failure, fromUnknown, requireOptions, type OptionRules } from '../errors/index.js'
import { job, type Job } from '../job/index.js'
import { field, type Field } from '../schema/index.js'
import { outsideError } from './callback.js'
import { fromIterable, fromIterableRules, type FromIterableOptions } from './from-iterable.js'
import type { FurtherKeys } from './row-batcher.js'
import { requireCount } from './operators/counts.js'
import { isSync, requireRows, valuesOf, type ObjectSource } from './row-source.js'
import type { Mode, Stream } from './stream.js'

const DEFAULT_SAMPLE_ROWS = 100

/** The schema that objects of a type have: {@link schemaOfRows} says its kinds. */
export type SchemaOf<T extends object> = { readonly [K in keyof T & string as K]: Field<T[K]> }

/**
 * The schema of objects, by all of their values: numbers are `float64` (an `int32` that a later row breaks is no use), bigints `int64`,
 * booleans `bool`, texts `utf8`, `Date`s `timestamp`, `Uint8Array`s `binary`, `Float32Array`s lists of `float32`, arrays lists. A column is nullable
 * where a row lacks it or has `null` in it. Columns come in the order in which they are met.
 *
 * @throws `Schema` for no rows, for a column without a value, for values of two kinds in one column, and for other objects
 */
export const schemaOfRows = <T extends object>(rows: readonly T[]): SchemaOf<T> => {
  if (rows.length === 0) throw cannotInfer('there are no rows to infer a schema from')
  const found = new Map<string, { kind: Field | undefined; values: number }>()
  for (const [record, row] of (rows as readonly { readonly [name: string]: unknown }[]).entries()) {
    for (const [name, value] of Object.entries(row)) {
      const column = found.get(name) ?? { kind: undefined, values: 0 }
      found.set(name, column)
      if (value === null || value === undefined) continue
      column.kind = inRow(record, () => merged(name, column.kind, kindOf(name, value)))
      column.values++
    }
  }
  const schema: { [name: string]: Field } = {}
  for (const [name, { kind, values }] of found) {
    if (kind === undefined || isOpen(kind)) throw cannotInfer('all of its values are null or empty', name)
    schema[name] = values === rows.length ? kind : field.nullable(kind)
  }
  return schema as SchemaOf<T>
}

/** Says which row it was that gave no kind. */
const inRow = <A>(record: number, work: () => A): A => {
  try {
    return work()
  } catch (error) {
    throw fromUnknown(error, { record })
  }
}

/** An empty list says nothing of its items. */
const openItem: Field = { ...field.utf8(), kind: 'unknown' } as Field
const isOpen = ({ kind, params }: Field): boolean => kind === 'unknown' || (params.item !== undefined && isOpen(params.item))

const kindOf = (name: string, value: unknown): Field => {
  switch (typeof value) {
    case 'number': return field.float64()
    case 'bigint': return field.int64()
    case 'boolean': return field.bool()
    case 'string': return field.utf8()
    default:
  }
  if (value instanceof Date) return field.timestamp()
  if (value instanceof Uint8Array) return field.binary()
  if (value instanceof Float32Array) return field.list(field.float32())
  if (value instanceof Float64Array) return field.list(field.float64())
  if (Array.isArray(value)) return field.list(itemOf(name, value))
  throw cannotInfer('it holds values that are no numbers, texts, booleans, dates, bytes or lists of them', name)
}

const itemOf = (name: string, items: readonly unknown[]): Field => {
  let kind: Field | undefined
  let nulls = false
  for (const item of items) {
    if (item === null || item === undefined) nulls = true
    else kind = merged(name, kind, kindOf(name, item))
  }
  return nulls ? field.nullable(kind ?? openItem) : (kind ?? openItem)
}

const merged = (name: string, before: Field | undefined, now: Field): Field => {
  if (before === undefined || before.kind === 'unknown') return before?.nullable === true ? field.nullable(now) : now
  if (now.kind === 'unknown') return now.nullable ? field.nullable(before) : before
  if (before.kind !== now.kind) throw cannotInfer(`it holds values of kind ${before.kind} and of kind ${now.kind}`, name)
  const both = before.params.item === undefined ? before : field.list(merged(name, before.params.item, now.params.item!))
  return before.nullable || now.nullable ? field.nullable(both) : both
}

const cannotInfer = (problem: string, column?: string): Error =>
  failure({ tag: 'Schema', code: 'CANNOT_INFER', problem, remedy: 'Give the schema.', position: { column } })

/** Options of {@link inferRows}. */
export interface InferRowsOptions extends FromIterableOptions {
  /** What becomes of a column that only rows after the sample have: the rows are bad (`reject`, the default), or it is left out. */
  readonly furtherKeys?: FurtherKeys | undefined
  /** What quarantined rows and errors name as their source. Default `inferRows`. */
  readonly name?: string | undefined
  /** Rows to look at. Default 100. */
  readonly sampleRows?: number | undefined
}

const rules: OptionRules<InferRowsOptions> = { ...fromIterableRules, sampleRows: 'any' }

/**
 * Looks at the first rows of a source, and gives a stream of all of its rows with the schema that {@link schemaOfRows} finds. Later rows
 * that do not fit it, or have further columns, are bad records. A source that can be read once stays open until the stream is read or left.
 *
 * @throws `Schema` CANNOT_INFER; `Usage` for what is no source of rows, and with the row's ordinal for what the source throws
 * @example
 * const trades = await run(inferRows(() => fetchTrades(), { onBadRecord: 'skip' }))
 */
export function inferRows<T extends object>(source: () => ObjectSource<T>, options?: InferRowsOptions): Job<Stream<SchemaOf<T>, 'cold'>>
export function inferRows<T extends object>(source: ObjectSource<T>, options?: InferRowsOptions): Job<Stream<SchemaOf<T>, 'once'>>
export function inferRows<T extends object>(source: ObjectSource<T> | (() => ObjectSource<T>), options: InferRowsOptions = {}): Job<Stream<SchemaOf<T>, Mode>> {
  requireOptions('inferRows', options, rules)
  const { sampleRows, ...given } = options
  const name = given.name ?? 'inferRows'
  const rest = { furtherKeys: 'reject', ...given, name } as const
  const count = requireCount(sampleRows ?? DEFAULT_SAMPLE_ROWS, 1, 'sampleRows of inferRows')
  return job<Stream<SchemaOf<T>, Mode>>(async ({ signal }) => {
    const sample: T[] = []
    const rows = iterate(() => requireRows(typeof source === 'function' ? source() : source, name), signal)
    try {
      while (sample.length < count) {
        const next = await rows.next()
        if (next.done === true) break
        sample.push(next.value)
      }
      const schema = schemaOfRows(sample)
      // The rows of one type are those of its schema, which the compiler cannot see for a T it does not know.
      if (typeof source !== 'function') return fromIterable(schema, chained(sample, rows) as never, rest)
      await rows.return()
      return fromIterable(schema, source as never, rest) as Stream<SchemaOf<T>, Mode>
    } catch (error) {
      await rows.return()
      throw outsideError(`the source given to ${name}`, error, { source: name, record: sample.length })
    }
  })
}

async function* iterate<T>(open: () => ObjectSource<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  const source = open()
  if (isSync(source)) yield* source
  else yield* valuesOf(source, signal)
}

async function* chained<T>(first: readonly T[], rest: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  try {
    yield* first
    yield* rest
  } finally {
    await rest.return()
  }
}
