import { gzipSync } from 'node:zlib'
import { readBytes, storageFor } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesOf, collect } from '../support/bytes.js'
import { errorOf } from '../support/error-of.js'
import { startFileServer, type FileServer, type Serving } from '../support/file-server.js'
import { readAll } from './outcome.js'
import { readersConformAt } from './reading.js'
import { readers, rows, type ReaderUnderTest } from './records.js'

describe('http', () => {
  let server: FileServer
  beforeAll(async () => {
    server = await startFileServer()
  })
  afterAll(() => server.close())

  readersConformAt({
    scheme: 'http(s)', held: () => server.held(), knows: 'later', cuts: 24, silence: async () => server.silence(),
    put: async (name, bytes) => server.put(name, bytes),
  })

  const allLetGo = async (): Promise<void> => expect.poll(server.held, { timeout: 10_000, interval: 5 }).toBe(0)
  const putBoth = (reader: ReaderUnderTest, name: string, serving: Serving): readonly string[] => {
    const sound = reader.file([])
    return [server.put(`${name}.${reader.extension}`, sound, serving), ...(reader.gzip ? [server.put(`${name}.${reader.extension}.gz`, gzipSync(sound), serving)] : [])]
  }

  describe.each(readers.map((reader) => [reader.name, reader] as const))('%s', (_, reader) => {
    test('reads what comes a byte at a time', async () => {
      for (const url of putBoth(reader, 'slow', { pieceBytes: 1 })) expect(await readAll(reader.read(url))).toMatchObject({ rows, error: undefined })
    })

    test('reads all, in parts or not, and goes on from every position, where a server knows no ranges', async () => {
      for (const url of putBoth(reader, 'whole', { ranges: 'ignored' })) {
        for (const workers of [0, 2]) {
          const stream = reader.read(url, { workers, splitBytes: 100, batchRows: 3 })
          const whole = await readAll(stream)
          expect(whole).toMatchObject({ rows, error: undefined })
          let read = 0
          for (const [at, from] of whole.positions.entries()) expect((await readAll(stream, { from })).rows).toEqual(rows.slice((read += whole.sizes[at]!)))
        }
      }
      await allLetGo()
    })

    // That it reads on is the storage's doing, the same for all: each reader sees some of the places, together they see all of a file.
    test('reads all where connections are cut, wherever they are', async () => {
      const sound = reader.file([])
      const points = Array.from({ length: sound.length }, (_, at) => at).filter((at) => at % readers.length === readers.indexOf(reader))
      const cutOnce = points.map((cutAfter) => server.put(`cut-${cutAfter}.${reader.extension}`, sound, { cutAfter, cuts: 1 }))
      for (const outcome of await Promise.all(cutOnce.map((url) => readAll(reader.read(url))))) expect(outcome).toMatchObject({ rows, error: undefined })
      const again = [...putBoth(reader, 'cuts', { cutAfter: Math.ceil(sound.length / 3) }), ...putBoth(reader, 'cut-whole', { ranges: 'ignored', cutAfter: 50, cuts: 2 })]
      for (const workers of [0, 1]) for (const url of again) expect(await readAll(reader.read(url, { workers })), url).toMatchObject({ rows, error: undefined })
      await allLetGo()
    })

    test.each([0, 1])('aborted with %i workers while nothing more comes, does not wait', async (workers) => {
      for (const url of putBoth(reader, 'stops', { stopAfter: 40 })) {
        const controller = new AbortController()
        setTimeout(() => controller.abort(), 50)
        const { rows: read, error } = await readAll(reader.read(url, { workers, batchRows: 1 }), { signal: controller.signal })
        expect(error).toMatchObject({ _tag: 'Aborted' })
        expect(read).toEqual([])
        await allLetGo()
      }
    })
  })

  test('a server that knows no ranges gives the bytes from any one on, within reason', async () => {
    const bytes = bytesOf(70 * 2 ** 20)
    const url = server.put('large', bytes, { ranges: 'ignored' })
    expect(await storageFor(url).stat(url)).toMatchObject({ size: bytes.length, ranges: false })
    const start = 64 * 2 ** 20
    for (const [from, to] of [[1000, 2000], [start, start + 10], [start - 1, undefined]] as const) expect((await collect(readBytes(url, { start: from, end: to }))).equals(bytes.subarray(from, to))).toBe(true)
    expect(await errorOf(collect(readBytes(url, { start: start + 1 })))).toMatchObject({ _tag: 'Storage', code: 'HTTP_NO_RANGES', position: { byte: start + 1 } })
    // One that never gets so far is given up.
    const cut = server.put('cut', bytes, { ranges: 'ignored', cutAfter: 1000 })
    expect(await errorOf(collect(readBytes(cut, { start: 2000 })))).toMatchObject({ _tag: 'Storage', code: 'HTTP_CUT' })
  })
})
