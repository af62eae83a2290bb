import { columnFrom, fixedColumn, type Column, type Values } from '../../columns/index.js'
import type { Field, Schema } from '../../schema/index.js'
import { makeBatch, type Batch, type ColumnMap } from '../batch.js'
import { callbackError } from '../callback.js'
import { ownValue } from '../own-value.js'
import { lambda } from '../plan.js'
import { derivedSchema } from '../schema-later.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'
import { withColumnsSchema, type WithColumns } from './with-columns.js'

/**
 * What {@link mapColumns} takes as the new column of a field: a column; a typed array of the kind's element type, one
 * element a row, which becomes the column without a copy; or an array of row values.
 */
export type NewColumn<F extends Field> = Column | Values | readonly F['js'][]

const columnOf = (field: Field, made: Column | Values | readonly unknown[]): Column => {
  if (Array.isArray(made)) return columnFrom(field, made as readonly unknown[])
  return ArrayBuffer.isView(made) ? fixedColumn(field, made as Values) : (made as Column)
}

/**
 * Adds columns, or replaces columns of the same name, a batch at a time; the other columns stay as they are, without a copy.
 * New columns come after the old ones, replaced ones keep their place.
 *
 * @param schema - fields of the new columns
 * @param mapper - makes the new columns of a batch, each as long as the batch
 * @throws `Schema` when a column is missing, too long or too short, or of another kind than its field
 * @example
 * mapColumns({ km: field.float32() }, ({ columns, numRows }) => {
 *   const km = new Float32Array(numRows)
 *   for (let i = 0; i < numRows; i++) km[i] = columns.distance.values[i]! * 1.609
 *   return { km }
 * })
 */
export const mapColumns = <S extends Schema, M extends Mode, T extends Schema>(
  schema: T,
  mapper: (batch: Batch<S>) => { readonly [K in keyof T]: NewColumn<T[K]> },
): ((stream: Stream<S, M>) => Stream<WithColumns<S, T>, M>) => (stream) => {
  return transformBatches<S, WithColumns<S, T>, M>(stream, {
    operator: 'mapColumns',
    options: { columns: Object.keys(schema), mapper: lambda(mapper) },
    schema: derivedSchema([stream], () => withColumnsSchema(stream.schema, schema)),
    transform: (batch, _context, firstRow) => {
      const columns: { [name: string]: Column } = { ...(batch.columns as ColumnMap) }
      let column: string | undefined
      try {
        const made = mapper(batch) as { readonly [name: string]: Column | Values | readonly unknown[] | undefined }
        for (column in schema) {
          const found = ownValue(made, column) as Column | Values | readonly unknown[] | undefined
          if (found === undefined) delete columns[column]
          else columns[column] = columnOf(schema[column]!, found)
        }
      } catch (thrown) {
        throw callbackError('mapColumns', firstRow, thrown, column)
      }
      return makeBatch(withColumnsSchema(batch.schema, schema) as Schema, columns, batch.numRows) as unknown as Batch<WithColumns<S, T>>
    },
  })
}
