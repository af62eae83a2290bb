import { BytesColumn, ListColumn, type Column } from '../../columns/index.js'
import type { Schema } from '../../schema/index.js'
import { concatBatches, type Batch, type ColumnMap } from '../../stream/batch.js'

/** Text bytes of a window, about: the columns of a window are joined into one, whose offsets are signed 32-bit. */
const MAX_WINDOW_BYTES = 268_435_456

const variableBytes = (column: Column): number => {
  if (column instanceof BytesColumn) return column.offsets[column.length]! - column.offsets[0]!
  if (column instanceof ListColumn) return variableBytes(column.items)
  return 0
}

/** The batches joined to some of at least `rows` rows (the last one excepted), fewer where texts are long. */
export async function* windows(batches: AsyncIterable<Batch>, schema: Schema, rows: number): AsyncGenerator<Batch, void, undefined> {
  let parts: Batch[] = []
  let count = 0
  let bytes = 0
  for await (const batch of batches) {
    parts.push(batch)
    count += batch.numRows
    for (const name in schema) bytes += variableBytes((batch.columns as ColumnMap)[name]!)
    if (count < rows && bytes < MAX_WINDOW_BYTES) continue
    yield concatBatches(schema, parts)
    parts = []
    count = 0
    bytes = 0
  }
  if (count > 0) yield concatBatches(schema, parts)
}
