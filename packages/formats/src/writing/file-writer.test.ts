import { expect, it } from 'vitest'
import { batchFromRows, field, makeBatch, bytesColumn, type Batch } from '@millrace/core'
import { GroupingWriter, MOST_GROUP_BYTES } from './file-writer.js'

const grouping = (groupRows: number): { readonly writer: GroupingWriter; readonly groups: number[] } => {
  const groups: number[] = []
  const sink = { bytes: 0, write: (batch: Batch) => Promise.resolve(void groups.push(batch.numRows)), end: () => Promise.resolve() }
  return { writer: new GroupingWriter(sink, groupRows), groups }
}

it('groups rows by their number, across batches', async () => {
  const { writer, groups } = grouping(5)
  for (let i = 0; i < 4; i++) await writer.write(batchFromRows({ n: field.int32() }, [{ n: 1 }, { n: 2 }, { n: 3 }]))
  expect([groups, writer.held, writer.heldBytes]).toEqual([[5, 5], 2, 8])
  await writer.end()
  expect([groups, writer.heldBytes]).toEqual([[5, 5, 2], 0])
})

it('ends groups of wide rows before they take more memory than a group may', async () => {
  const schema = { wide: field.binary(), list: field.list(field.float64()) }
  // One buffer for all rows of all batches: only what would be put together counts.
  const [rows, width] = [64, MOST_GROUP_BYTES / 256]
  const lists = batchFromRows({ list: schema.list }, Array.from({ length: rows }, () => ({ list: [] }))).columns.list
  const wide = bytesColumn(schema.wide, Int32Array.from({ length: rows + 1 }, (_, row) => row * width), new Uint8Array(rows * width), undefined)
  const batch = makeBatch(schema, { wide, list: lists })
  const { writer, groups } = grouping(1_000_000)
  for (let i = 0; i < 9; i++) await writer.write(batch)
  await writer.end()
  expect(groups).toEqual([255, 255, 66])
})
