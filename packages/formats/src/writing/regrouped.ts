import { concatBatches, type Batch } from '@millrace/core'

/** The same rows in batches of `size` rows, the last one of what is left. */
export async function* regrouped(batches: AsyncIterable<Batch>, size: number): AsyncGenerator<Batch, void, undefined> {
  let held: Batch[] = []
  let rows = 0
  for await (const batch of batches) {
    for (let at = 0; at < batch.numRows; ) {
      const end = Math.min(batch.numRows, at + size - rows)
      held.push(at === 0 && end === batch.numRows ? batch : batch.slice(at, end))
      rows += end - at
      at = end
      if (rows < size) continue
      yield concatBatches(held[0]!.schema, held)
      held = []
      rows = 0
    }
  }
  if (rows > 0) yield concatBatches(held[0]!.schema, held)
}
