import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { registerStorage, run, storageFor, Tally, type Json } from '@millrace/core'
import { beforeAll, describe, expect, test } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { takenAtRest, takenBytes } from '../support/taken-bytes.js'
import { cellName, cellsOf, type Scheme } from './cells.js'
import { expectTyped, readAll, repeated } from './outcome.js'
import { badRows, readers, rows, type ReaderUnderTest } from './records.js'

/** A storage where readers are tested. */
export interface ReadersPlace {
  /** Its column of the table of formats: the readers of its cells are tested. */
  readonly scheme: Scheme
  /** Puts a file; gives its URL. */
  readonly put: (name: string, bytes: Uint8Array) => Promise<string>
  /** Files, or answers of servers, that readers have not let go of. */
  readonly held: () => number
  /** Whether `held` knows at once. A server hears a little later that a client has gone. */
  readonly knows: 'at once' | 'later'
  /** In how many places each file is cut. Default: at every byte. */
  readonly cuts?: number | undefined
  /** Has it say nothing any more, until what is given back is called. Absent where there is no server. */
  readonly silence?: (() => Promise<() => void>) | undefined
}

const LARGE_BYTES = 8 << 20
/** What a thread may take while nobody asks: two chunks of 1 MiB, the most that a storage gives at once, and a third that is inflated ahead. */
const HELD_BYTES = 3.5 * 2 ** 20
/** Of columns that workers have ready: less than a large file. */
const AHEAD_BYTES = 1 << 18

/** The ways in which a file is packed that stand for all: those who inflate it see bytes in chunks, whatever the storage was. */
const packings: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  plain: (bytes) => bytes,
  gzip: (bytes) => gzipSync(bytes),
  'gzip in two members': (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 100)), gzipSync(bytes.subarray(100))]),
}

/** So many lengths to which a file is cut, the shortest and the longest among them. */
const lengthsOf = (length: number, cuts = Infinity): readonly number[] => {
  const count = Math.min(cuts, length)
  return Array.from({ length: count }, (_, cut) => Math.round((cut * (length - 1)) / (count - 1)))
}

/** Has a storage give its files in chunks of so many bytes. Returns a function that undoes it. */
const inChunksOf = (chunkBytes: number, url: string): (() => void) => {
  const storage = storageFor(url)
  return registerStorage({ ...storage, read: (at, options) => storage.read(at, { ...options, chunkBytes }) })
}

/** A file of the reader's that is large: rows over and over, or many parts. */
const largeFile = async (reader: ReaderUnderTest): Promise<Uint8Array> => {
  const sound = reader.file([])
  if (reader.parts === undefined) return repeated(reader, sound, Math.ceil(LARGE_BYTES / sound.length))
  const folder = mkdtempSync(join(tmpdir(), 'millrace-large-'))
  try {
    await run(reader.parts(join(folder, 'large'), 350))
    return readFileSync(join(folder, 'large'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * What every reader must do on every storage: the same rows in whatever chunks, on any number of threads; an error or fewer rows of
 * a file that was cut; nothing left open when it is left, aborted or at its end; no more taken than it needs while nobody asks; the rest from every
 * position.
 *
 * Only what storages may do differently is here: what lies there is found, comes whole and in order, is let go of, is asked for from some byte on.
 * What readers make of bytes (damage, bad records, projection) they cannot do differently for bytes of another storage: it is tested in
 * memory (`conformance.ts`), at each byte and with more chunkings. For the same reason `cuts` may be a sample where each file costs a
 * request or more: the storage says a size and gives so many bytes, whatever they mean.
 *
 * Workers ask built-in storages by themselves. Those of `inChunksOf` are not built-in: there the main thread reads for them.
 */
export const readersConformAt = (place: ReadersPlace): void => {
  describe.each(cellsOf(place.scheme, 'read').map((format) => [cellName(format, 'read', place.scheme), readers.find((reader) => reader.format === format)!] as const))('%s', (_, reader) => {
    const sound = reader.file([])
    const kinds = Object.keys(packings).filter((packing) => packing === 'plain' || reader.gzip)
    const nameOf = (name: string, packing: string): string => `${name}.${reader.extension}${packing === 'plain' ? '' : '.gz'}`
    const urls: Record<string, string> = {}
    const large: Record<string, string> = {}
    let flawed = ''
    let largeBytes = 0

    beforeAll(async () => {
      for (const packing of kinds) urls[packing] = await place.put(nameOf(packing.replaceAll(' ', '-'), packing), packings[packing]!(sound))
      flawed = await place.put(nameOf('flawed', 'plain'), reader.file(badRows))
      const bytes = await largeFile(reader)
      largeBytes = bytes.length
      large['plain'] = await place.put(nameOf('large', 'plain'), bytes)
      // Stored as it is, so that it is as large.
      if (reader.gzip) large['gzip'] = await place.put(nameOf('large', 'gzip'), gzipSync(bytes, { level: 0 }))
    })

    const allLetGo = async (): Promise<void> => {
      if (place.knows === 'at once') expect(place.held()).toBe(0)
      else await expect.poll(place.held, { timeout: 10_000, interval: 5 }).toBe(0)
    }

    test.each([
      { chunkBytes: 1, workers: 0 }, { chunkBytes: 1, workers: 2, splitBytes: 100 }, { chunkBytes: 64, workers: 1 },
      { workers: 0 }, { workers: 1 }, { workers: 2 }, { workers: 2, splitBytes: 100 },
    ])('gives the same rows, packed or not, read by $workers workers, in chunks of $chunkBytes bytes and parts of $splitBytes', async ({ chunkBytes, ...options }) => {
      const undo = chunkBytes === undefined ? () => undefined : inChunksOf(chunkBytes, urls['plain']!)
      try {
        for (const packing of kinds) {
          expect(await readAll(reader.read([urls[packing]!, urls['plain']!], { ...options, batchRows: 4 })), packing).toMatchObject({ rows: [...rows, ...rows], error: undefined })
          await allLetGo()
        }
      } finally {
        undo()
      }
    })

    test('cut short, gives an error or fewer rows, never others', async () => {
      for (const packing of kinds.slice(0, 2)) {
        const bytes = packings[packing]!(sound)
        for (const [at, length] of lengthsOf(bytes.length, place.cuts).entries()) {
          const cut = await place.put(nameOf(`cut-${length}`, packing), bytes.subarray(0, length))
          const { rows: read, error } = await readAll(reader.read(cut, { batchRows: 1, workers: at % 8 === 7 ? 1 : 0 }))
          expect(read, `cut to ${length} bytes, ${packing}`).toEqual(rows.slice(0, read.length))
          if (error !== undefined || (packing === 'gzip' && length > 0)) expectTyped(error)
        }
        await allLetGo()
      }
    })

    test('without a byte, is what it is elsewhere', async () => {
      const { rows: read, error } = await readAll(reader.read(await place.put(nameOf('empty', 'plain'), new Uint8Array(0))))
      expect(read).toEqual([])
      if (reader.empty === 'no rows') expect(error).toBeUndefined()
      else expectTyped(error)
      await allLetGo()
    })

    test('not there, is said by its name', async () => {
      const nowhere = urls['plain']!.replace(/[^/]+$/, 'nowhere')
      for (const workers of [0, 1]) expect((await readAll(reader.read(nowhere, { workers }))).error).toMatchObject({ _tag: 'NotFound', position: { source: nowhere } })
      await allLetGo()
    })

    test('found by a pattern, is read with the others, where the storage lists files', async () => {
      const [first] = await Promise.all(['one', 'two'].map((name) => place.put(nameOf(`pattern-${name}`, 'plain'), sound)))
      const found = await readAll(reader.read(first!.replace('-one', '-*')))
      if (storageFor(first!).list === undefined) expect(found).toMatchObject({ rows: [], error: { _tag: 'NotFound' } })
      else expect(found).toMatchObject({ rows: [...rows, ...rows], error: undefined })
      await allLetGo()
    })

    test.each([0, 2])('left early with %i workers, lets go of what it holds', async (workers) => {
      for (const url of Object.values(large)) {
        for (let time = 0; time < 2; time++) {
          let seen = 0
          for await (const batch of reader.read(url, { batchRows: 10, workers, readAheadBytes: AHEAD_BYTES })) {
            // Else it would show nothing that nothing is held later. Parts of files are asked for one by one, and over when they are there.
            if (reader.streams && workers === 0) expect(place.held()).toBeGreaterThan(0)
            seen += batch.numRows
            break
          }
          expect(seen).toBe(10)
          await allLetGo()
        }
      }
      const unread = reader.read(large['plain']!, { workers }).open()
      await unread.return()
      await allLetGo()
    })

    test.each([0, 2])('aborted with %i workers, says so and lets go of what it holds', async (workers) => {
      for (const url of Object.values(large)) {
        expect(() => reader.read(url, { workers }).open({ signal: AbortSignal.abort() })).toThrow(/aborted/)
        const controller = new AbortController()
        let batches = 0
        const reading = errorOf(async () => {
          for await (const batch of reader.read(url, { batchRows: 10, workers, readAheadBytes: AHEAD_BYTES }).open({ signal: controller.signal })) {
            batches++
            if (batch.numRows > 0) controller.abort()
          }
        })
        expect(await reading).toMatchObject({ _tag: 'Aborted' })
        expect(batches).toBe(1)
        await allLetGo()
      }
    })

    const { silence } = place
    if (silence !== undefined) test.each([0, 1])('aborted with %i workers while the storage says nothing, does not wait for it', async (workers) => {
      // Threads are there, and connections.
      await readAll(reader.read(urls['plain']!, { workers }))
      const speak = await silence()
      try {
        const controller = new AbortController()
        setTimeout(() => controller.abort(), 50)
        const reading = errorOf(async () => {
          for await (const batch of reader.read(urls['plain']!, { workers }).open({ signal: controller.signal })) expect(batch).toBeUndefined()
        })
        expect(await Promise.race([reading, pause(20_000)])).toMatchObject({ _tag: 'Aborted' })
      } finally {
        speak()
      }
      await allLetGo()
    })

    test.each([0, 2])('takes little more than its rows need with %i workers, however long it has to wait', async (workers) => {
      const options = { batchRows: 10, workers, readAheadBytes: AHEAD_BYTES, splitBytes: LARGE_BYTES / 4 }
      const bound = Math.min(Math.max(1, workers) * HELD_BYTES, 0.8 * largeBytes)
      for (const [packing, url] of Object.entries(large)) {
        // What is loaded when it is first needed is not counted.
        await readAll(reader.read(urls[packing]!, options))
        const before = takenBytes()
        for await (const batch of reader.read(url, options)) {
          expect(batch.numRows).toBe(10)
          expect((await takenAtRest()) - before, packing).toBeLessThan(bound)
          break
        }
      }
    })

    test('goes on from every position, with as many workers or others', async () => {
      const files = [flawed, ...(reader.gzip ? [urls['gzip']!] : []), urls['plain']!]
      for (const workers of [0, 2]) {
        const options = { batchRows: 3, onBadRecord: 'skip' } as const
        const whole = await readAll(reader.read(files, { ...options, workers }))
        expect(whole).toMatchObject({ rows: [...rows.filter(({ id }) => !badRows.includes(id)), ...files.slice(1).flatMap(() => rows)], error: undefined })
        let read = 0
        for (const [at, position] of whole.positions.entries()) {
          read += whole.sizes[at]!
          const tally = new Tally()
          const rest = await readAll(reader.read(files, { ...options, workers: (at + workers) % 3, splitBytes: 200 }), { from: JSON.parse(JSON.stringify(position)) as Json, tally })
          expect(rest).toMatchObject({ rows: whole.rows.slice(read), error: undefined })
          expect(tally.summary().delivered).toBe(rest.rows.length)
        }
        await allLetGo()
      }
    })
  })
}
