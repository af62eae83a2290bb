import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { batchFromRows, field, fromBatches, run, type Stream } from '@millrace/core'
import { readTfRecords, writeTfRecords } from '@millrace/formats'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'millrace-workers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const schema = { id: field.int64(), name: field.utf8(), score: field.nullable(field.float32()) }

const rowsOf = async (stream: Stream): Promise<unknown[]> => {
  const out: unknown[] = []
  for await (const batch of stream) for (let row = 0; row < batch.numRows; row++) out.push(batch.row(row))
  return out
}

test('reads', async () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => ({ id: BigInt(i), name: `row ${i}`, score: i % 3 === 0 ? null : i / 2 }))
  await run(writeTfRecords(join(folder, 'a'))(fromBatches(schema, [batchFromRows(schema, rows)])))
  const glob = join(folder, 'a-*')
  const due = await rowsOf(readTfRecords(glob, { schema }))
  expect(await rowsOf(readTfRecords(glob, { schema, workers: 2 }))).toEqual(due)
  expect(await rowsOf(readTfRecords(glob, { schema, workers: 2, splitBytes: 10_000 }))).toEqual(due)
})
