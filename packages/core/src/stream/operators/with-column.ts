import { makeBuilder } from '../../columns/index.js'
import type { Field, Row, Schema } from '../../schema/index.js'
import type { Batch } from '../batch.js'
import { callbackError } from '../callback.js'
import { extendBatch } from '../extend-batch.js'
import { lambda } from '../plan.js'
import { rowReaderOf } from '../row-reader.js'
import { derivedSchema } from '../schema-later.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'
import { withColumnsSchema, type WithColumns } from './with-columns.js'

/**
 * Adds a column computed of each row, or replaces the one of that name. The other columns stay, without a copy.
 *
 * @throws `BadRecord` with the row's ordinal for a value that does not fit the field
 * @example
 * pipe(flights, withColumn('late', field.bool(), (row) => row.delay > 15))
 */
export const withColumn = <S extends Schema, M extends Mode, const Name extends string, F extends Field>(
  name: Name,
  field: F,
  value: (row: Row<S>) => F['js'],
): ((stream: Stream<S, M>) => Stream<WithColumns<S, { readonly [K in Name]: F }>, M>) => (stream) => {
  const reader = rowReaderOf(stream)
  const added = { [name]: field } as { readonly [K in Name]: F }
  return transformBatches<S, WithColumns<S, { readonly [K in Name]: F }>, M>(stream, {
    operator: 'withColumn',
    options: { column: name, kind: field.kind, value: lambda(value) },
    schema: derivedSchema([stream], () => withColumnsSchema(stream.schema, added)),
    transform: (batch, _context, firstRow) => {
      const rowAt = reader(batch)
      const builder = makeBuilder(field)
      let row = 0
      try {
        for (; row < batch.numRows; row++) builder.append(value(rowAt(row)))
      } catch (thrown) {
        throw callbackError('withColumn', firstRow + row, thrown, name)
      }
      return extendBatch(batch, added, { [name]: builder.finish() }) as unknown as Batch<WithColumns<S, { readonly [K in Name]: F }>>
    },
  })
}
