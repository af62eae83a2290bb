import { failure } from '../../errors/index.js'
import type { Row, Schema } from '../../schema/index.js'
import { callbackError } from '../callback.js'
import { lambda } from '../plan.js'
import { rowReaderOf } from '../row-reader.js'
import { sameSchema } from '../schema-later.js'
import type { Mode, Stream } from '../stream.js'
import { transformBatches } from '../transform.js'

/**
 * Keeps the rows for which `predicate` is true. {@link filterColumns} does the same a batch at a time, much faster.
 *
 * @throws `Usage` with the row's ordinal when the predicate throws or gives no boolean
 * @example
 * pipe(flights, filter((row) => row.delay > 15))
 */
export const filter = <S extends Schema, M extends Mode>(predicate: (row: Row<S>) => boolean): ((stream: Stream<S, M>) => Stream<S, M>) => (stream) => {
  const reader = rowReaderOf(stream)
  return transformBatches<S, S, M>(stream, {
    operator: 'filter',
    options: { predicate: lambda(predicate) },
    schema: sameSchema(stream),
    transform: (batch, _context, firstRow) => {
      const rowAt = reader(batch)
      const kept = new Int32Array(batch.numRows)
      let count = 0
      let row = 0
      try {
        for (; row < batch.numRows; row++) {
          const keep: unknown = predicate(rowAt(row))
          if (keep === true) kept[count++] = row
          else if (keep !== false) throw notBoolean(keep)
        }
      } catch (thrown) {
        throw callbackError('filter', firstRow + row, thrown)
      }
      return count === batch.numRows ? batch : batch.take(kept.subarray(0, count))
    },
  })
}

// A promise, which an async predicate gives, would count as true for every row.
const notBoolean = (value: unknown): Error =>
  failure({
    tag: 'Usage',
    code: 'NOT_A_BOOLEAN',
    problem: `the predicate of filter gave ${value instanceof Promise ? 'a promise' : typeof value} where true or false is due`,
    remedy: 'Return a boolean; predicates are synchronous.',
  })
