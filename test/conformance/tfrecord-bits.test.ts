import { isMillraceError } from '@millrace/core'
import { afterAll, describe, expect, test } from 'vitest'
import { MemoryStorage } from './memory-storage.js'
import { readers, rows } from './records.js'

/** The first records of a file, by the lengths in their headers. */
const firstRecords = (bytes: Uint8Array, count: number): Uint8Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  let end = 0
  for (let record = 0; record < count; record++) end += 16 + Number(view.getBigUint64(end, true))
  return bytes.subarray(0, end)
}

/** The decoder's own test is in packages/formats/src/tfrecord/framing.test.ts; this is what users call. */
describe('every single-bit flip in a TFRecord is detected', () => {
  const storage = new MemoryStorage()
  afterAll(() => storage.close())

  test.each(readers.filter(({ format }) => format.startsWith('TFRecord')).map((reader) => [reader.name, reader] as const))('by %s', async (_, { read, file, extension }) => {
    const sound = firstRecords(file([]), 2)
    for (let bit = 0; bit < sound.length * 8; bit++) {
      const damaged = Uint8Array.from(sound)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      const url = storage.put(`bit.${extension}`, damaged)
      const found: unknown[] = []
      let error: unknown
      try {
        for await (const batch of read(url)) for (let row = 0; row < batch.numRows; row++) found.push(batch.row(row))
      } catch (thrown) {
        error = thrown
      }
      expect(isMillraceError(error) ? error.code : error, `bit ${bit}`).toMatch(/^TFRECORD_/)
      expect(found, `bit ${bit}`).toEqual(rows.slice(0, found.length))
    }
  })
})
