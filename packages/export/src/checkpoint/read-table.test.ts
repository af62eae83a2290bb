import { expect, test } from 'vitest'
import { crc32c, maskCrc32c } from '@millrace/formats'
import { encodeTable, encodeVarint } from './encode-table.js'
import { parseCheckpointIndex } from './checkpoint-index.js'
import { readTable } from './read-table.js'

/** A block whose checksum holds. */
const sealed = (block: Uint8Array): Buffer => {
  const out = Buffer.concat([block, Buffer.alloc(5)])
  out.writeUInt32LE(maskCrc32c(crc32c(out, 0, block.length + 1)), block.length + 1)
  return out
}

const entry = (shared: number, key: Uint8Array, value: Uint8Array): Buffer => Buffer.concat([encodeVarint(shared), encodeVarint(key.length), encodeVarint(value.length), key, value])
const block = (...entries: readonly Uint8Array[]): Buffer => Buffer.concat([...entries, Buffer.from([0, 0, 0, 0, 1, 0, 0, 0])])

/** A table of one block, which its index names so many times. */
const table = (content: Buffer, times = 1): Buffer => {
  const handle = Buffer.concat([encodeVarint(0), encodeVarint(content.length)])
  const index = block(...Array.from({ length: times }, () => entry(0, Buffer.of(255), handle)))
  const foot = Buffer.alloc(48)
  Buffer.concat([encodeVarint(0), encodeVarint(0), encodeVarint(content.length + 5), encodeVarint(index.length)]).copy(foot)
  foot.writeBigUInt64LE(0xdb4775248b80fb57n, 40)
  return Buffer.concat([sealed(content), sealed(index), foot])
}

const count = (file: Uint8Array): number => [...readTable(file, 'x.index')].length

test('a block that the index names again and again is read once', () => {
  const content = block(entry(0, Buffer.from('a'), Buffer.of(1)), entry(1, Buffer.from('b'), Buffer.of(2)))
  expect(count(table(content))).toBe(2)
  expect(() => count(table(content, 2))).toThrow(expect.objectContaining({ _tag: 'Corrupt', code: 'CHECKPOINT_INDEX' }) as Error)
  expect(() => count(table(block(entry(0, Buffer.from('b'), Buffer.of(1)), entry(0, Buffer.from('a'), Buffer.of(2)))))).toThrow(/do not ascend/)
})

test('keys that share a long prefix do not take memory without bound', () => {
  expect(() => count(table(block(entry(0, Buffer.alloc(70_000, 97), Buffer.of(1)))))).toThrow(expect.objectContaining({ _tag: 'Limit', code: 'CHECKPOINT_KEYS' }) as Error)
  // 60 kB each, of which the file has three bytes.
  const many = Array.from({ length: 5000 }, (_, i) => entry(60_000, Buffer.of(i >> 8, i & 255), new Uint8Array(0)))
  expect(() => count(table(block(entry(0, Buffer.alloc(60_000, 97), Buffer.of(1)), ...many)))).toThrow(expect.objectContaining({ _tag: 'Limit', code: 'CHECKPOINT_KEYS' }) as Error)
})

test('a name that is longer than the arguments of a call is no error of ours', () => {
  const file = encodeTable([{ key: Buffer.alloc(65_000, 97), value: Buffer.of(255) }])
  expect(() => parseCheckpointIndex(file, 'x.index')).toThrow(expect.objectContaining({ _tag: 'Corrupt', code: 'CHECKPOINT_ENTRY' }) as Error)
})
