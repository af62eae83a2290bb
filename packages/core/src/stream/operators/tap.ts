import type { Row, Schema } from '../../schema/index.js'
import type { Batch } from '../batch.js'
import { callbackError } from '../callback.js'
import { lambda } from '../plan.js'
import { rowReaderOf } from '../row-reader.js'
import { sameSchema } from '../schema-later.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'

/** Shows each row to `see` as it passes; the stream stays as it is. */
export const tap = <S extends Schema, M extends Mode>(see: (row: Row<S>) => void): ((stream: Stream<S, M>) => Stream<S, M>) => (stream) => {
  const reader = rowReaderOf(stream)
  return transformBatches<S, S, M>(stream, {
    operator: 'tap',
    options: { see: lambda(see) },
    schema: sameSchema(stream),
    transform: (batch, _context, firstRow) => {
      const rowAt = reader(batch)
      let row = 0
      try {
        for (; row < batch.numRows; row++) see(rowAt(row))
      } catch (thrown) {
        throw callbackError('tap', firstRow + row, thrown)
      }
      return batch
    },
  })
}

/** Shows each batch to `see`, and waits for it, as it passes; the stream stays as it is. */
export const tapBatches = <S extends Schema, M extends Mode>(see: (batch: Batch<S>) => unknown): ((stream: Stream<S, M>) => Stream<S, M>) => (stream) =>
  transformBatches<S, S, M>(stream, {
    operator: 'tapBatches',
    options: { see: lambda(see) },
    schema: sameSchema(stream),
    transform: async (batch, _context, firstRow) => {
      try {
        await see(batch)
      } catch (thrown) {
        throw callbackError('tapBatches', firstRow, thrown)
      }
      return batch
    },
  })
