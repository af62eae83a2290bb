import { batchFromRows, field, type Batch } from '@millrace/core'

/** A table as databases have it: integers, floats, a text, an instant, nulls among them. */
export const sqlSchema = { id: field.int64(), n: field.int32(), x: field.float64(), word: field.nullable(field.utf8()), at: field.timestamp() }

/** Rows of the full form. */
const ROWS = 100_000
const BATCH_ROWS = 4096

/** Bytes of a row as columns hold it, its text of 24 characters; with the nulls, of the mean one. */
export const ROW_BYTES = 8 + 4 + 8 + 8 + (24 * 9) / 10

/** The rows in memory, the same each time. */
export const sqlBatches = (scale: number): readonly Batch<typeof sqlSchema>[] => {
  let seed = 7
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0)
  const rows = Math.max(1, Math.round(ROWS * scale))
  const batches: Batch<typeof sqlSchema>[] = []
  for (let at = 0; at < rows; at += BATCH_ROWS) {
    const count = Math.min(BATCH_ROWS, rows - at)
    batches.push(batchFromRows(sqlSchema, Array.from({ length: count }, (_, i) => ({
      id: 2n ** 53n + BigInt(at + i), n: random() | 0, x: random() / 1000, word: random() % 10 === 0 ? null : `word ${random()}`.padEnd(24, '-'), at: new Date(1_700_000_000_000 + (random() % 1_000_000_000)),
    }))))
  }
  return batches
}
