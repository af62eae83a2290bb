import { failure } from '../../errors/index.js'
import type { Schema } from '../../schema/index.js'
import type { Batch } from '../batch.js'
import { callbackError } from '../callback.js'
import { lambda } from '../plan.js'
import { sameSchema } from '../schema-later.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'

/**
 * Keeps the rows whose element of `mask` is true, or not 0.
 *
 * @param mask - gives one element for each row of the batch: a `Uint8Array`, or an array of booleans
 * @example
 * filterColumns(({ columns, numRows }) => Uint8Array.from({ length: numRows }, (_, i) => +(columns.delay.values[i]! > 15)))
 */
export const filterColumns = <S extends Schema, M extends Mode>(mask: (batch: Batch<S>) => ArrayLike<boolean | number>): ((stream: Stream<S, M>) => Stream<S, M>) => (stream) =>
  transformBatches<S, S, M>(stream, {
    operator: 'filterColumns',
    options: { mask: lambda(mask) },
    schema: sameSchema(stream),
    transform: (batch, _context, firstRow) => {
      const kept = new Int32Array(batch.numRows)
      let count = 0
      try {
        const keep = mask(batch)
        if (keep.length !== batch.numRows) {
          throw failure({ tag: 'Usage', code: 'LENGTH_MISMATCH', problem: `the mask of filterColumns has ${keep.length} elements for a batch of ${batch.numRows} rows` })
        }
        for (let row = 0; row < batch.numRows; row++) if (Boolean(keep[row])) kept[count++] = row
      } catch (thrown) {
        throw callbackError('filterColumns', firstRow, thrown)
      }
      return count === batch.numRows ? batch : batch.take(kept.subarray(0, count))
    },
  })
