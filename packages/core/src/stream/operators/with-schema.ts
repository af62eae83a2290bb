import type { FixedColumn} from '../../columns/index.js';
import { DictionaryColumn, makeBuilder, withField, type Column } from '../../columns/index.js'
import { ConversionError, describeField, requireColumn, showValue, type Field, type Schema } from '../../schema/index.js'
import { makeBatch, type ColumnMap } from '../batch.js'
import { callbackError } from '../callback.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'
import { failure } from '../../errors/index.js'

const perSecond = { s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n } as const

/**
 * Brings rows into a schema that the compiler knows. Columns of the field's kind pass without a copy; the values of others
 * are converted one by one, and must fit: texts are parsed as a CSV reader would, numbers go to any kind that holds them.
 * Columns that the schema does not name are left out.
 *
 * @throws `Schema` for a column that is not there (at once, or with the first batch where the stream does not know its columns yet); `BadRecord` with row and column for a value that does not fit
 */
export const withSchema = <T extends Schema>(schema: T) => <M extends Mode>(stream: Stream<Schema, M>): Stream<T, M> => {
  const names = Object.keys(schema)
  const check = (given: Schema): void => {
    for (const name of names) requireConvertible(requireColumn(given, name, 'withSchema'), schema[name]!, name)
  }
  // Readers without a schema know their columns only when they have opened a file: theirs is checked with each batch.
  const isKnown = stream.knownSchema !== undefined
  if (isKnown) check(stream.schema)
  return transformBatches<Schema, T, M>(stream, {
    operator: 'withSchema',
    options: { columns: Object.fromEntries(names.map((name) => [name, describeField(schema[name]!)])) },
    schema,
    needs: () => names,
    transform: (batch, _context, firstRow) => {
      if (!isKnown) check(batch.schema)
      const columns: { [name: string]: Column } = {}
      for (const name of names) columns[name] = convert((batch.columns as ColumnMap)[name]!, schema[name]!, name, firstRow)
      return makeBatch(schema, columns, batch.numRows)
    },
  })
}

const requireConvertible = (from: Field, to: Field, name: string): void => {
  const nested = (field: Field): boolean => field.kind === 'list' || (field.kind === 'dictionary' && field.params.item!.kind === 'list')
  if (nested(from) === nested(to)) return
  throw failure({
    tag: 'Schema',
    code: 'KIND_MISMATCH',
    problem: `withSchema cannot make ${describeField(to)} of ${describeField(from)}`,
    position: { column: name },
  })
}

const sameLayout = (from: Field, to: Field): boolean =>
  from.kind === to.kind &&
  from.params.unit === to.params.unit &&
  from.params.scale === to.params.scale &&
  (to.params.precision ?? 0) >= (from.params.precision ?? 0) &&
  (to.params.as !== 'number' || from.params.as === 'number') &&
  (to.params.size === undefined || to.params.size === from.params.size) &&
  (from.params.item === undefined || (sameLayout(from.params.item, to.params.item!) && (to.params.item!.nullable || !from.params.item.nullable)))

const convert = (column: Column, field: Field, name: string, firstRow: number): Column => {
  if (sameLayout(column.field, field) && (field.nullable || column.nullCount === 0)) return withField(column, field)
  const source = column instanceof DictionaryColumn && field.kind !== 'dictionary' ? column.expand() : column
  const builder = makeBuilder(field)
  const isText = source.field.kind === 'utf8' && field.kind !== 'utf8' && field.kind !== 'dictionary'
  const value = valueReader(source, field)
  let row = 0
  try {
    for (; row < source.length; row++) {
      if (!source.isValid(row)) builder.appendNull()
      else if (isText) builder.appendText(source.get(row) as string)
      else builder.append(value(row))
    }
  } catch (thrown) {
    throw callbackError('withSchema', firstRow + row, thrown, name)
  }
  return builder.finish()
}

/** Timestamps change their unit by exact integers: a `Date` would lose what is below a millisecond. */
const valueReader = (column: Column, field: Field): ((row: number) => unknown) => {
  if (column.field.kind !== 'timestamp' || field.kind !== 'timestamp') return (row) => column.get(row)
  const { values } = column as FixedColumn<unknown, BigInt64Array>
  const from = perSecond[column.field.params.unit ?? 'ms']
  const to = perSecond[field.params.unit ?? 'ms']
  return (row) => {
    const scaled = values[row]! * to
    if (scaled % from !== 0n) throw new ConversionError('OUT_OF_RANGE', `${showValue(values[row])} ${column.field.params.unit} is no whole number of ${field.params.unit}`)
    return scaled / from
  }
}
