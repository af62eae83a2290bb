import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, pipe, run, type Position, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../../../test/conformance/random.js'
import { crc32c } from '../tfrecord/crc32c.js'
import { encodeFrame, writeWord } from '../tfrecord/frame.js'
import { writeTfRecords } from '../tfrecord/index.js'
import { FrameScanner } from './frame-scanner.js'
import { indexTfRecords } from './index.js'
import { decodeIndex, encodeIndex } from './index-file.js'

const schema = { id: field.int32(), text: field.nullable(field.utf8()) }
const rowOf = (id: number): { id: number; text: string | null } => ({ id, text: id % 4 === 0 ? null : 'x'.repeat(id % 300) })
const count = 5000
/** Rows in the order of the files: row `r` is in shard `r mod 3`. */
const inFiles = [0, 1, 2].flatMap((shard) => Array.from({ length: Math.ceil((count - shard) / 3) }, (_, i) => 3 * i + shard))

let folder: string
let source: string
let server: Server
let url: string
const requests: string[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-index-'))
  source = join(folder, 'train@3')
  await run(pipe(fromRows(schema, Array.from({ length: count }, (_, id) => rowOf(id))), writeTfRecords(join(folder, 'train'), { shards: 3 })))
  const bytes = await readFile(join(folder, 'train-00001-of-00003'))
  server = createServer((request, response) => {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    requests.push(`${request.method} ${request.headers.range ?? ''}`)
    const start = Number(range?.[1] ?? 0)
    const part = bytes.subarray(start, range === null || range[2] === '' ? bytes.length : Number(range[2]) + 1)
    if (range !== null) response.setHeader('content-range', `bytes ${start}-${start + part.length - 1}/${bytes.length}`)
    response.statusCode = range === null ? 200 : 206
    response.setHeader('content-length', request.method === 'HEAD' ? bytes.length : part.length)
    response.end(request.method === 'HEAD' ? undefined : part)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/train.tfrecord?key=1`
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true, force: true })
})

const ids = async (stream: Stream<typeof schema>, from?: Position): Promise<number[]> => {
  const out: number[] = []
  for await (const batch of stream.open({ from })) out.push(...batch.columns.id.values)
  return out
}

describe('indexTfRecords', () => {
  it('gives any row, any rows, and the bytes of any record', async () => {
    const index = await run(indexTfRecords(source, { schema }))
    expect(index.rows).toBe(count)
    for (const row of [0, 1, 1666, 1667, 3333, 3334, count - 1]) expect(await index.row(row)).toEqual(rowOf(inFiles[row]!))
    const random = new Random(3)
    const wanted = [...Array.from({ length: 700 }, () => random.below(count)), 5, 5, 4]
    const batch = await index.batch(wanted)
    expect(Array.from({ length: batch.numRows }, (_, i) => batch.row(i))).toEqual(wanted.map((row) => rowOf(inFiles[row]!)))
    expect((await index.batch([])).numRows).toBe(0)
    expect(Buffer.from(await index.record(1)).toString('latin1')).toContain('xxx')
    for (const row of [-1, count, 0.5, NaN]) await expect(index.row(row)).rejects.toMatchObject({ _tag: 'Usage', code: 'NO_SUCH_ROW' })
  })

  it('gives all rows in one seeded order, and the rest of them from every position', async () => {
    const index = await run(indexTfRecords(source, { schema }))
    const stream = index.shuffled({ seed: 9, batchRows: 700 })
    const all = await ids(stream)
    expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
    expect(await ids(stream)).toEqual(all)
    expect(await ids(index.shuffled({ seed: 9, batchRows: 33 }))).toEqual(all)
    expect(await ids(index.shuffled({ seed: 10 }))).not.toEqual(all)
    // Rows of the first file come late and early alike: nothing of the order of the files is left.
    const early = all.slice(0, count / 2).filter((id) => id % 3 === 0).length
    expect(early / (count / 2)).toBeCloseTo(1 / 3, 1)
    let given = 0
    for await (const batch of stream) {
      given += batch.numRows
      expect(await ids(stream, JSON.parse(JSON.stringify(batch.position)) as Position)).toEqual(all.slice(given))
    }
    expect(given).toBe(count)
    for await (const batch of stream.open({ columns: ['id'] })) expect(Object.keys(batch.columns)).toEqual(['id'])
  })

  it('keeps the index beside each file, and makes it anew when the file is another', async () => {
    const file = join(folder, 'kept')
    const write = (values: readonly string[]): Promise<void> => writeFile(file, Buffer.concat(values.map((value) => encodeFrame(Buffer.from(value)))))
    const events = async (): Promise<number> => {
      let read = 0
      const index = await run(indexTfRecords(file, { schema: {} }), { progress: ({ done }) => (read = done) })
      expect(read).toBe((await stat(file)).size)
      return index.rows
    }
    await write(['', '', ''])
    expect(await events()).toBe(3)
    const kept = join(folder, '.kept.index')
    const first = await readFile(kept)
    expect(await events()).toBe(3)
    expect(await readFile(kept)).toEqual(first)
    expect((await stat(kept)).size).toBeLessThan(64)
    await write(['', ''])
    expect(await events()).toBe(2)
    expect(await readFile(kept)).not.toEqual(first)
    // A file of the same size.
    await write(['\n\0\n\0\n\0\n\0\n\0\n\0\n\0\n\0'])
    expect(await events()).toBe(1)
    for (let at = 0; at < first.length; at += 3) {
      const damaged = await readFile(kept)
      damaged[at % damaged.length]! ^= 16
      await writeFile(kept, damaged)
      expect(await events()).toBe(1)
    }
    expect((await readdir(folder)).filter((name) => name.includes('kept')).sort()).toEqual(['.kept.index', 'kept'])
    await rm(kept)
    await run(indexTfRecords(file, { schema: {}, keep: 'none' }))
    expect(existsSync(kept)).toBe(false)
  })

  it('says so when a file changes after it was indexed, and when a record is damaged', async () => {
    const file = join(folder, 'changing')
    const original = await readFile(join(folder, 'train-00000-of-00003'))
    await writeFile(file, original)
    const index = await run(indexTfRecords(file, { schema }))
    const damaged = Buffer.from(original)
    damaged[20]! ^= 1
    await writeFile(file, damaged)
    await expect(index.row(0)).rejects.toMatchObject({ _tag: 'BadRecord', code: 'TFRECORD_DATA_CRC', position: { source: file, byte: 0, record: 0 } })
    expect(await index.row(1)).toEqual(rowOf(3))
    await writeFile(file, original.subarray(16))
    await expect(index.row(1)).rejects.toMatchObject({ _tag: 'Corrupt', code: 'INDEX_STALE', position: { source: file, record: 1 } })
    await writeFile(file, '')
    await expect(index.batch([0, 1, 2])).rejects.toMatchObject({ code: 'INDEX_STALE' })
    const other = await run(indexTfRecords(join(folder, 'train-00000-of-00003'), { schema: { text: field.nullable(field.int64()) } }))
    await expect(other.batch([0, 1])).rejects.toMatchObject({ _tag: 'BadRecord', code: 'EXAMPLE_WRONG_KIND', position: { record: 1, column: 'text' } })
    expect((await other.batch([0])).numRows).toBe(1)
  })

  it('refuses packed files, damaged lengths and files that are cut short', async () => {
    for (const compression of ['gzip', 'zlib'] as const) {
      await run(pipe(fromRows(schema, [rowOf(1)]), writeTfRecords(join(folder, compression), { compression })))
      await expect(run(indexTfRecords(join(folder, `${compression}@1`), { schema }))).rejects.toMatchObject({ _tag: 'Usage', code: 'INDEX_PACKED', message: expect.stringContaining("compression: 'none'") as string })
    }
    const good = await readFile(join(folder, 'train-00000-of-00003'))
    const file = join(folder, 'bad')
    const size = 16 + good.readUInt32LE(0)
    const bad = Buffer.from(good)
    bad[size + 3]! ^= 1
    await writeFile(file, bad)
    await expect(run(indexTfRecords(file, { schema }))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'TFRECORD_LENGTH_CRC', position: { source: file, byte: size, record: 1 } })
    for (const cut of [size + 1, size + 12, size + 20]) {
      await writeFile(file, good.subarray(0, cut))
      await expect(run(indexTfRecords(file, { schema }))).rejects.toMatchObject({ _tag: 'Corrupt', code: 'TFRECORD_TRUNCATED', position: { byte: size, record: 1 } })
    }
    await expect(run(indexTfRecords(join(folder, 'train@3'), { schema, maxRecordBytes: 40, keep: 'none' }))).rejects.toMatchObject({ _tag: 'Limit', code: 'TFRECORD_TOO_LONG' })
    expect(existsSync(join(folder, '.bad.index'))).toBe(false)
  })

  it('reads parts of files over http, and keeps their index in a folder', async () => {
    const options = { schema, keep: { folder: join(folder, 'indexes') } }
    const index = await run(indexTfRecords(url, options))
    requests.length = 0
    expect(await index.row(700)).toEqual(rowOf(2101))
    expect(requests.every((request) => request.startsWith('GET bytes='))).toBe(true)
    const all = await ids(index.shuffled({ seed: 1, batchRows: 500 }))
    expect([...all].sort((a, b) => a - b)).toEqual(inFiles.filter((id) => id % 3 === 1))
    requests.length = 0
    const again = await run(indexTfRecords(url, options))
    expect(again.rows).toBe(index.rows)
    // Its ends, not the whole file.
    expect(requests.filter((request) => request.startsWith('GET')).every((request) => request.includes('='))).toBe(true)
    expect((await readdir(join(folder, 'indexes'))).length).toBe(1)
  })

  it('ends by a signal', async () => {
    const index = await run(indexTfRecords(source, { schema }))
    const controller = new AbortController()
    await expect(async () => {
      for await (const batch of index.shuffled({ seed: 1, batchRows: 100 }).open({ signal: controller.signal })) if (batch.numRows > 0) controller.abort()
    }).rejects.toMatchObject({ _tag: 'Aborted' })
  })
})

describe('FrameScanner', () => {
  it.each([1, 5, 12, 13, 64, 100_000])('finds frames in chunks of %i bytes', (size) => {
    const lengths = [0, 1, 100, 3, 0, 5000, 20]
    const bytes = Buffer.concat(lengths.map((length) => encodeFrame(new Uint8Array(length))))
    const scanner = new FrameScanner('x', 10_000)
    for (let at = 0; at < bytes.length; at += size) scanner.push(bytes.subarray(at, at + size))
    const due = [0]
    for (const length of lengths) due.push(due.at(-1)! + length + 16)
    expect([...scanner.finish()]).toEqual(due)
    expect([...new FrameScanner('x', 1).finish()]).toEqual([0])
  })
})

describe('an index file', () => {
  it('gives back the offsets, of this very file only, and nothing when it is damaged', () => {
    const starts = Float64Array.of(0, 16, 16 + 143, 16 + 143 + 16 + 300_000, 16 + 143 + 16 + 300_000 + 16 + 2 ** 31 - 100)
    const identity = { size: starts.at(-1)!, fingerprint: 0xfedcba98 }
    const bytes = encodeIndex(identity, starts)
    expect(decodeIndex(bytes, identity)).toEqual(starts)
    expect(decodeIndex(bytes, { ...identity, size: identity.size + 1 })).toBeUndefined()
    expect(decodeIndex(bytes, { ...identity, fingerprint: 1 })).toBeUndefined()
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(decodeIndex(damaged, identity)).toBeUndefined()
    }
    for (let cut = 0; cut < bytes.length; cut++) expect(decodeIndex(bytes.subarray(0, cut), identity)).toBeUndefined()
  })

  it('that was made up ends within its bytes, also where its checksum holds', () => {
    const identity = { size: 32, fingerprint: 7 }
    const bytes = encodeIndex(identity, Float64Array.of(0, 16, 32))
    const end = bytes.length - 4
    // Lengths that go on for ever.
    bytes.fill(0xff, end - 2, end)
    writeWord(bytes, end, crc32c(bytes, 0, end))
    expect(decodeIndex(bytes, identity)).toBeUndefined()
  })
})
