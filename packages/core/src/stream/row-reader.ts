import type { Row, Schema } from '../schema/index.js'
import type { Batch, ColumnMap } from './batch.js'
import type { Stream } from './stream.js'

/** Kinds whose stored element is the row's value. */
const plainKinds = new Set(['int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32', 'float32', 'float64'])

/** Gives the rows of a batch as plain objects. */
export type RowReader<S extends Schema> = (batch: Batch<S>) => (row: number) => Row<S>

/** The row reader of a stream: of its batches, where its columns are not known before. Make it once a stream. */
export const rowReaderOf = <S extends Schema>(stream: Stream<S>): RowReader<S> => {
  let schema: S | undefined
  let reader: RowReader<S> | undefined
  return (batch) => {
    const found = stream.knownSchema ?? batch.schema
    if (reader === undefined || found !== schema) reader = rowReader((schema = found))
    return reader(batch)
  }
}

/**
 * The row reader of a schema: it is compiled to one object literal whose numbers are read straight
 * from the typed arrays, several times faster than a loop over column names.
 */
const rowReader = <S extends Schema>(schema: S): RowReader<S> => {
  const compiled = compile(schema)
  if (compiled === undefined) return (batch) => (row) => batch.row(row)
  return (batch) => compiled(batch.columns as ColumnMap) as (row: number) => Row<S>
}

const compile = (schema: Schema): ((columns: ColumnMap) => (row: number) => unknown) | undefined => {
  const setUp: string[] = []
  const properties: string[] = []
  Object.entries(schema).forEach(([name, field], i) => {
    const text = JSON.stringify(name)
    setUp.push(`const c${i} = columns[${text}]`)
    if (plainKinds.has(field.kind)) {
      setUp.push(`const v${i} = c${i}.values, b${i} = c${i}.validity`)
      properties.push(`${text}: b${i} === undefined || (b${i}[r >> 3] >> (r & 7)) & 1 ? v${i}[r] : null`)
    } else properties.push(`${text}: c${i}.get(r)`)
  })
  try {
    // Names enter the source as JSON string literals only.
    return new Function('columns', `${setUp.join('\n')}\nreturn (r) => ({ ${properties.join(', ')} })`) as never
  } catch {
    // Node can be started with --disallow-code-generation-from-strings.
    return undefined
  }
}
