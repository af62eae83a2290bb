import type { Schema } from '../schema/index.js'
import { makeBatch, type Batch, type ColumnMap } from './batch.js'

/**
 * The batch with more columns, which come after its own. A reading that wants few columns may have batches narrower than its
 * stream's schema: the result is as narrow, and has all that is added.
 *
 * @throws `Schema` when added columns are missing or their lengths differ
 */
export const extendBatch = <S extends Schema, T extends Schema>(batch: Batch<S>, added: T, columns: ColumnMap): Batch<S & T> =>
  makeBatch({ ...batch.schema, ...added } as S & T, { ...(batch.columns as ColumnMap), ...columns }, batch.numRows)
