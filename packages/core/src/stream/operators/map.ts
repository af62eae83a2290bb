import { makeBuilder } from '../../columns/index.js'
import type { Column } from '../../columns/index.js'
import type { Row, Schema } from '../../schema/index.js'
import { makeBatch } from '../batch.js'
import { callbackError } from '../callback.js'
import { ownValue } from '../own-value.js'
import { lambda } from '../plan.js'
import { rowReaderOf } from '../row-reader.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'

/**
 * Makes one row of each row. Rows are plain objects; the new ones are checked against `schema`.
 *
 * Where columns can be worked on as a whole, {@link mapColumns} is many times faster.
 *
 * @throws `BadRecord` with the row's ordinal and the column, for a value that does not fit its field
 * @example
 * pipe(flights, map({ route: field.utf8() }, (row) => ({ route: `${row.origin}-${row.destination}` })))
 */
export const map = <S extends Schema, M extends Mode, T extends Schema>(schema: T, mapper: (row: Row<S>) => Row<T>): ((stream: Stream<S, M>) => Stream<T, M>) => (stream) => {
  const reader = rowReaderOf(stream)
  const names = Object.keys(schema)
  return transformBatches<S, T, M>(stream, {
    operator: 'map',
    options: { columns: names, mapper: lambda(mapper) },
    schema,
    transform: (batch, _context, firstRow) => {
      const rowAt = reader(batch)
      const builders = names.map((name) => makeBuilder(schema[name]!))
      for (let row = 0; row < batch.numRows; row++) {
        let column: string | undefined
        try {
          const made = mapper(rowAt(row)) as { readonly [name: string]: unknown }
          for (let i = 0; i < names.length; i++) {
            column = names[i]!
            builders[i]!.append(ownValue(made, column))
          }
        } catch (thrown) {
          throw callbackError('map', firstRow + row, thrown, column)
        }
      }
      const columns: { [name: string]: Column } = {}
      names.forEach((name, i) => (columns[name] = builders[i]!.finish()))
      return makeBatch(schema, columns, batch.numRows)
    },
  })
}
