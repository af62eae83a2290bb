import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, type Position } from '@millrace/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { encodeSnappy } from '../codecs/snappy.js'
import { encodeLevels } from './encode-runs.js'
import { readParquet } from './read-parquet.js'
import { thriftStruct, type ThriftStruct, type ThriftValue } from './thrift-writer.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-leaf-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** Items of a page, more bytes than are decoded together. */
const PAGE_ITEMS = 300_000

const dataPage = (items: Int32Array, repetition: Uint8Array, packed: boolean): Uint8Array => {
  const plain = Buffer.concat([encodeLevels(repetition, 1), encodeLevels(new Uint8Array(items.length).fill(1), 1), new Uint8Array(items.buffer, items.byteOffset, items.byteLength)])
  const bytes = packed ? encodeSnappy(plain) : plain
  const said: ThriftStruct = [[1, { i32: items.length }], [2, { i32: 0 }], [3, { i32: 3 }], [4, { i32: 3 }]]
  return Buffer.concat([thriftStruct([[1, { i32: 0 }], [2, { i32: plain.length }], [3, { i32: bytes.length }], [5, { struct: said }]]), bytes])
}

/** A file of one column of lists, whose pages of version 1 begin wherever they do. */
const fileOf = (lists: readonly number[], packed: boolean): Uint8Array => {
  const count = lists.reduce((sum, length) => sum + length, 0)
  const items = Int32Array.from({ length: count }, (_, i) => (i * 2654435761) >> 3)
  const repetition = new Uint8Array(count).fill(1)
  for (let row = 0, at = 0; row < lists.length; at += lists[row++]!) repetition[at] = 0
  const pages = Array.from({ length: Math.ceil(count / PAGE_ITEMS) }, (_, i) =>
    dataPage(items.slice(i * PAGE_ITEMS, (i + 1) * PAGE_ITEMS), repetition.subarray(i * PAGE_ITEMS, (i + 1) * PAGE_ITEMS), packed))
  const size = pages.reduce((sum, { length }) => sum + length, 0)
  const texts = (...names: string[]): ThriftValue => ({ list: names.map((binary) => ({ binary })) })
  const column: ThriftStruct = [
    [1, { i32: 1 }], [2, { list: [{ i32: 0 }, { i32: 3 }] }], [3, texts('l', 'list', 'element')], [4, { i32: packed ? 1 : 0 }], [5, { i64: count }], [6, { i64: size }], [7, { i64: size }], [9, { i64: 4 }],
  ]
  const elements: ThriftStruct[] = [
    [[4, { binary: 'schema' }], [5, { i32: 1 }]],
    [[3, { i32: 0 }], [4, { binary: 'l' }], [5, { i32: 1 }], [6, { i32: 3 }]],
    [[3, { i32: 2 }], [4, { binary: 'list' }], [5, { i32: 1 }]],
    [[1, { i32: 1 }], [3, { i32: 0 }], [4, { binary: 'element' }]],
  ]
  const group: ThriftStruct = [[1, { list: [{ struct: [[2, { i64: 4 }], [3, { struct: column }]] }] }], [2, { i64: size }], [3, { i64: lists.length }]]
  const footer = thriftStruct([[1, { i32: 1 }], [2, { list: elements.map((struct) => ({ struct })) }], [3, { i64: lists.length }], [4, { list: [{ struct: group }] }]])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([Buffer.from('PAR1'), ...pages, footer, length, Buffer.from('PAR1')])
}

const schema = { l: field.list(field.int32()) }

/** The first item and the length of each list. */
const seenIn = async (file: string, from?: Position): Promise<{ readonly lists: number[][]; readonly positions: Position[] }> => {
  const lists: number[][] = []
  const positions: Position[] = []
  for await (const batch of readParquet(file, { schema }).open({ from })) {
    for (let i = 0; i < batch.numRows; i++) {
      const list = batch.row(i).l
      lists.push([list[0]!, list.length])
    }
    positions.push(batch.position!)
  }
  return { lists, positions }
}

it.each([['plain', false], ['packed', true]])('lists go on in the next pages, however many, %s', async (name, packed) => {
  const file = join(folder, `${name}.parquet`)
  // Pages end within a list, with one, and within one that has whole pages.
  const lengths = [PAGE_ITEMS - 7, 20, PAGE_ITEMS - 13, 5, 2 * PAGE_ITEMS + 100, PAGE_ITEMS, 1, 1, 50, PAGE_ITEMS - 157, 40]
  writeFileSync(file, fileOf(lengths, packed))
  let at = 0
  const due = lengths.map((length) => [((at += length) - length) * 2654435761 >> 3, length])
  const { lists, positions } = await seenIn(file)
  expect(lists).toEqual(due)
  expect(positions.length).toBeGreaterThan(2)
  for (const position of positions.slice(0, -1)) expect((await seenIn(file, position)).lists).toEqual(due.slice((position as { at: { row: number } }).at.row))
})
