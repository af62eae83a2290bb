import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { batchFromRows, field, fromBatches, pipe, run, type Batch } from '@millrace/core'
import { afterAll, expect, it } from 'vitest'
import { readArrow, writeArrow } from './index.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-large-batches-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const schema = {
  id: field.int32(), wide: field.binary(), some: field.nullable(field.utf8()), even: field.bool(), price: field.decimal(20, 2), list: field.list(field.nullable(field.int64())), word: field.dictionary(),
}
const ROWS = 512

/** Rows that differ from batch to batch, of 18 kB. */
const batchOf = (at: number): Batch<typeof schema> =>
  batchFromRows(schema, Array.from({ length: ROWS }, (_, row) => ({
    id: at * ROWS + row, wide: new Uint8Array(18_000).fill(at + row), some: row % 3 === 0 ? null : `${at} ${row}`, even: (at + row) % 2 === 0, price: `${at}.${row % 90 + 10}`, list: [BigInt(at), null, BigInt(row)].slice(0, row % 4), word: `word ${(at + row) % 5}`,
  })))

// Record batches of 9 MB are read into one memory, or inflated: what was given of the one before stays as it was.
it.each(['none', 'lz4'] as const)('batches of large record batches (%s) keep their values while others are read', async (compression) => {
  const path = join(folder, compression)
  const batches = [0, 1, 2].map(batchOf)
  await run(pipe(fromBatches(schema, batches), writeArrow(path, { rowsPerBatch: ROWS, compression })))
  const read: Batch<typeof schema>[] = []
  for await (const batch of readArrow(path, { schema, batchRows: 200 })) read.push(batch)
  expect(read.map(({ numRows }) => numRows)).toEqual([200, 200, 112, 200, 200, 112, 200, 200, 112])
  const due = batches.flatMap((batch) => [[0, 200], [200, 400], [400, ROWS]].map(([start, end]) => batch.slice(start!, end!)))
  for (const [i, batch] of read.entries()) {
    for (const row of [0, 1, 2, 3, 57, batch.numRows - 1]) expect(batch.row(row)).toEqual(due[i]!.row(row))
    // No batch holds on to a whole record batch.
    expect(batch.columns.wide.bytes.buffer.byteLength).toBeLessThan(6e6)
  }
})
