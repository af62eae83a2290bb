import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { run, Tally, type Batch, type Json, type ProgressEvent } from '@millrace/core'
import { quarantine, readQuarantine, type RejectedRecord } from '@millrace/formats'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MemoryStorage } from './memory-storage.js'
import { expectTyped, readAll, repeated } from './outcome.js'
import { badRows, rows, type ReaderUnderTest } from './records.js'

/** Long enough for a reader that reads ahead of its user to do so. */
const idle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Small deterministic random numbers, printed with what fails. */
const randoms = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/**
 * What every reader must do, whatever its format, with files in memory, where every byte and every chunk is in the suite's hand: all that readers
 * make of bytes. What they do on a real storage is in `reading.ts`. A reader passes when it gives the same rows in whatever pieces the bytes
 * come, says with a typed error what is wrong with a file, never gives a row that is not in the file, lets go of what it holds,
 * and can go on from wherever it was.
 */
export const conformance = (reader: ReaderUnderTest): void => {
  describe(`${reader.name} conforms`, () => {
    let storage: MemoryStorage
    const step = reader.sampled ?? 1
    const sound = reader.file([])
    const flawed = reader.file(badRows)
    let url: string
    let flawedUrl: string

    beforeAll(() => {
      storage = new MemoryStorage()
      url = storage.put(`sound.${reader.extension}`, sound)
      flawedUrl = storage.put(`flawed.${reader.extension}`, flawed)
    })
    beforeEach(() => {
      storage.chunkBytes = 1 << 20
    })
    afterAll(() => {
      storage.close()
    })

    test('reads its rows, and again when it is read again', async () => {
      const stream = reader.read(url)
      expect(await readAll(stream)).toMatchObject({ rows, error: undefined })
      expect(await readAll(stream)).toMatchObject({ rows, error: undefined })
      expect(storage.open).toBe(0)
    })

    test.each([1, 2, 3, 7, 64])('gives the same rows in chunks of %i bytes', async (chunkBytes) => {
      storage.chunkBytes = chunkBytes
      expect(await readAll(reader.read(url))).toMatchObject({ rows, error: undefined })
      const { rows: kept } = await readAll(reader.read(flawedUrl, { onBadRecord: 'skip' }))
      expect(kept).toEqual(rows.filter(({ id }) => !badRows.includes(id)))
    })

    test.each([1, 2, 3, 4, 10, 1000])('gives the same rows in batches of %i', async (batchRows) => {
      const { rows: read, sizes } = await readAll(reader.read(url, { batchRows }))
      expect(read).toEqual(rows)
      expect(Math.max(...sizes)).toBeLessThanOrEqual(batchRows)
      expect((await readAll(reader.read(flawedUrl, { batchRows, onBadRecord: 'skip' }))).rows).toEqual(rows.filter(({ id }) => !badRows.includes(id)))
    })

    test('cut short at any byte, gives an error or fewer rows, never others', async () => {
      for (let length = 0; length < sound.length; length += step) {
        const cut = storage.put(`cut.${reader.extension}`, sound.subarray(0, length))
        const { rows: read, error } = await readAll(reader.read(cut, { batchRows: 1 }))
        expect(read, `cut to ${length} bytes`).toEqual(rows.slice(0, read.length))
        if (error !== undefined) expectTyped(error)
        expect(storage.open).toBe(0)
      }
    })

    if (reader.gzip) test('cut short at any byte of its gzip, gives an error', async () => {
      const packed = gzipSync(sound)
      const whole = storage.put(`packed.${reader.extension}.gz`, packed)
      expect(await readAll(reader.read(whole))).toMatchObject({ rows, error: undefined })
      for (let length = 1; length < packed.length; length += step) {
        const cut = storage.put(`cut.${reader.extension}.gz`, packed.subarray(0, length))
        const { rows: read, error } = await readAll(reader.read(cut))
        expect(read, `cut to ${length} bytes`).toEqual(rows.slice(0, read.length))
        expectTyped(error)
      }
      expect(storage.open).toBe(0)
    })

    test('damaged anywhere, never crashes, and never gives more rows than there are', async () => {
      for (let seed = 1; seed <= 300; seed += step) {
        const random = randoms(seed)
        const damaged = Uint8Array.from(sound)
        for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips--) damaged[Math.floor(random() * damaged.length)]! ^= 1 << Math.floor(random() * 8)
        const { rows: read, error } = await readAll(reader.read(storage.put(`damaged.${reader.extension}`, damaged)))
        if (error !== undefined) expectTyped(error)
        expect(read.length, `seed ${seed}`).toBeLessThanOrEqual(3 * rows.length)
        expect(storage.open, `seed ${seed}`).toBe(0)
      }
    })

    test('left early, closes its file', async () => {
      storage.chunkBytes = 16
      for await (const batch of reader.read(url, { batchRows: 1 })) {
        expect(batch.numRows).toBe(1)
        break
      }
      expect(storage.open).toBe(0)
      const iterator = reader.read(url).open()
      await iterator.return()
      expect(storage.open).toBe(0)
    })

    if (reader.gzip) test('left early or aborted within gzip, closes its file before it says so', async () => {
      const packed = storage.put(`left.${reader.extension}.gz`, gzipSync(repeated(reader, sound, 500)))
      storage.chunkBytes = 16
      for await (const batch of reader.read(packed, { batchRows: 1 })) {
        expect(batch.numRows).toBe(1)
        break
      }
      expect(storage.open).toBe(0)
      const controller = new AbortController()
      const reading = (async () => {
        for await (const batch of reader.read(packed, { batchRows: 1 }).open({ signal: controller.signal })) if (batch.numRows > 0) controller.abort()
      })()
      await expect(reading).rejects.toMatchObject({ _tag: 'Aborted' })
      expect(storage.open).toBe(0)
    })

    test('aborted, before or within, says so and closes its file', async () => {
      storage.chunkBytes = 16
      const before = AbortSignal.abort()
      expect(() => reader.read(url).open({ signal: before })).toThrow(/aborted/)
      const controller = new AbortController()
      const seen: Batch[] = []
      const reading = (async () => {
        for await (const batch of reader.read(url, { batchRows: 1 }).open({ signal: controller.signal })) {
          seen.push(batch)
          controller.abort()
        }
      })()
      await expect(reading).rejects.toMatchObject({ _tag: 'Aborted' })
      expect(seen).toHaveLength(1)
      expect(storage.open).toBe(0)
    })

    test('resumes from every position, in every file', async () => {
      const files = [url, storage.put(`more.${reader.extension}`, flawed), storage.put(`third.${reader.extension}`, sound)]
      for (const batchRows of [1, 3, 1000]) {
        const stream = reader.read(files, { batchRows, onBadRecord: 'skip' })
        const whole = await readAll(stream)
        expect(whole.error).toBeUndefined()
        let read = 0
        for (const [i, position] of whole.positions.entries()) {
          read += whole.sizes[i]!
          const tally = new Tally()
          const rest = await readAll(stream, { from: JSON.parse(JSON.stringify(position)) as Json, tally })
          expect(rest.error).toBeUndefined()
          expect(rest.rows).toEqual(whole.rows.slice(read))
          expect(tally.summary().delivered).toBe(rest.rows.length)
        }
      }
      await expect(readAll(reader.read(url), { from: { no: 'position' } })).resolves.toMatchObject({ error: { _tag: 'Usage' } })
    })

    if (reader.gzip) test('resumes within gzip', async () => {
      const stream = reader.read(storage.put(`resumed.${reader.extension}.gz`, gzipSync(sound)), { batchRows: 4 })
      const { positions } = await readAll(stream)
      expect((await readAll(stream, { from: positions[0]! })).rows).toEqual(rows.slice(4))
    })

    test('says which file is missing, and which pattern matches nothing', async () => {
      expect((await readAll(reader.read('mem:nowhere'))).error).toMatchObject({ _tag: 'NotFound', message: expect.stringMatching(/mem:nowhere/) })
      expect((await readAll(reader.read('mem:nothing-*'))).error).toMatchObject({ _tag: 'NotFound', message: expect.stringMatching(/mem:nothing-\*/) })
      expect((await readAll(reader.read([]))).error).toMatchObject({ _tag: 'Usage' })
    })

    test('takes an empty file for what it is', async () => {
      const { rows: read, error } = await readAll(reader.read(storage.put(`empty.${reader.extension}`, '')))
      expect(read).toEqual([])
      if (reader.empty === 'no rows') expect(error).toBeUndefined()
      else {
        expectTyped(error)
        expect((error as Error).message).toContain(`mem:empty.${reader.extension}`)
      }
    })

    test('fails at a bad record, with its place, after the rows before it', async () => {
      const { rows: read, error } = await readAll(reader.read(flawedUrl))
      expect(read).toEqual(rows.slice(0, badRows[0]))
      expect(error).toMatchObject({ _tag: 'BadRecord', position: { source: flawedUrl, record: badRows[0], column: 'id' } })
    })

    test('skips bad records, and counts them', async () => {
      const tally = new Tally()
      const { rows: read, error } = await readAll(reader.read(flawedUrl, { onBadRecord: 'skip' }), { tally })
      expect(error).toBeUndefined()
      expect(read).toEqual(rows.filter(({ id }) => !badRows.includes(id)))
      expect(tally.summary()).toMatchObject({ read: rows.length, delivered: rows.length - badRows.length, rejected: badRows.length })
    })

    test('hands bad records to a quarantine, one by one', async () => {
      const rejected: RejectedRecord[] = []
      const tally = new Tally()
      const keep = async (record: RejectedRecord): Promise<void> => {
        await Promise.resolve()
        rejected.push(record)
      }
      await readAll(reader.read(flawedUrl, { onBadRecord: { quarantine: keep }, batchRows: 2 }), { tally })
      expect(rejected.map(({ source, record, column }) => ({ source, record, column }))).toEqual(badRows.map((record) => ({ source: flawedUrl, record, column: 'id' })))
      expect(tally.summary()).toMatchObject({ read: rows.length, delivered: rows.length - badRows.length, rejected: badRows.length })
      const failing = reader.read(flawedUrl, { onBadRecord: { quarantine: () => Promise.reject(new Error('the quarantine is full')) } })
      expect(String((await readAll(failing)).error)).toMatch(/the quarantine is full/)
      expect(storage.open).toBe(0)
    })

    test('writes bad records to a quarantine file, which adds up and can be read back', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-quarantine-'))
      try {
        const target = join(folder, 'bad.jsonl')
        const tally = new Tally()
        const stream = reader.read(flawedUrl, { onBadRecord: quarantine(target), batchRows: 2 })
        const { rows: read, error } = await readAll(stream, { tally })
        expect(error).toBeUndefined()
        expect(read).toEqual(rows.filter(({ id }) => !badRows.includes(id)))
        const rejected: RejectedRecord[] = []
        for await (const record of readQuarantine(target)) rejected.push(record)
        expect(rejected.map(({ source, record, column }) => ({ source, record, column }))).toEqual(badRows.map((record) => ({ source: flawedUrl, record, column: 'id' })))
        expect(tally.summary()).toMatchObject({ read: rows.length, rejected: rejected.length })
        expect(rejected.every(({ reason }) => reason.includes('onBadRecord'))).toBe(true)
        // A reading that is left early keeps what it found, and nothing lies beside it.
        for await (const batch of stream) if (batch.numRows > 0) break
        expect(readdirSync(folder)).toEqual(['bad.jsonl'])
        // A quarantine that cannot be written ends the reading.
        expect((await readAll(reader.read(flawedUrl, { onBadRecord: quarantine(folder) }))).error).toMatchObject({ _tag: 'AlreadyExists', code: 'OUTPUT_IS_FOLDER' })
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

    test('refuses positions of other streams, and counts that are none', async () => {
      const at = [null, 5, 'x', [], {}, { byte: -1, record: 0, line: 1, format: 'lines', rowGroup: 0, batch: 0, row: -1 }, { byte: '7', record: 0, line: 1, format: 'lines', rowGroup: '0', row: 1 }]
      for (const place of at) expect((await readAll(reader.read(url), { from: { file: 0, url, at: place } })).error).toMatchObject({ _tag: 'Usage', code: 'BAD_POSITION' })
      for (const from of [null, 3, 'x', [], { file: 1.5, url, at: {} }, { file: 0, url }]) expect((await readAll(reader.read(url), { from })).error).toMatchObject({ _tag: 'Usage', code: 'BAD_POSITION' })
      for (const batchRows of [0, -1, 1.5, NaN]) expect(() => reader.read(url, { batchRows })).toThrow(/batchRows/)
    })

    test('resumes in a file that is named twice', async () => {
      const stream = reader.read([url, url], { batchRows: 4 })
      const { positions, sizes } = await readAll(stream)
      let read = 0
      for (const [i, from] of positions.entries()) {
        read += sizes[i]!
        expect((await readAll(stream, { from })).rows).toEqual([...rows, ...rows].slice(read))
      }
    })

    test('reads the same rows whichever columns are looked at', async () => {
      for (const columns of [['name'], ['score', 'id'], []]) {
        const seen: unknown[] = []
        let count = 0
        for await (const batch of reader.read(flawedUrl, { onBadRecord: 'skip', batchRows: 4 }).open({ columns })) {
          count += batch.numRows
          for (let row = 0; row < batch.numRows; row++) seen.push(Object.fromEntries(columns.map((name) => [name, (batch.row(row) as { [name: string]: unknown })[name]])))
        }
        const due = rows.filter(({ id }) => !badRows.includes(id))
        expect(count).toBe(due.length)
        expect(seen).toEqual(due.map((row) => Object.fromEntries(columns.map((name) => [name, (row as { [name: string]: unknown })[name]]))))
      }
    })

    test('reads the files of a pattern one after another', async () => {
      for (const name of ['b', 'c', 'a']) storage.put(`part-${name}.${reader.extension}`, sound)
      const { rows: read, positions } = await readAll(reader.read(`mem:part-*.${reader.extension}`))
      expect(read).toEqual([...rows, ...rows, ...rows])
      expect(positions.length).toBeGreaterThan(0)
    })

    test('reports bytes as progress, never backwards, to the last', async () => {
      const events: ProgressEvent[] = []
      await readAll(reader.read([url, url], { batchRows: 2 }), { progress: (event) => events.push(event) })
      expect(events.every(({ unit, stage }) => unit === 'bytes' && stage.includes('reading'))).toBe(true)
      expect(events.map(({ done }) => done)).toEqual(events.map(({ done }) => done).sort((a, b) => a - b))
      expect(events[events.length - 1]).toMatchObject({ finished: true })
    })

    if (reader.streams) test('takes no more of a file than its rows need, however long its reader waits', async () => {
      const many = storage.put(`many.${reader.extension}`, repeated(reader, sound, 20_000))
      storage.chunkBytes = 64 * 1024
      storage.served = 0
      for await (const batch of reader.read(many, { batchRows: 10 })) {
        expect(batch.numRows).toBe(10)
        await idle()
        break
      }
      expect(storage.served).toBeLessThanOrEqual(4 * storage.chunkBytes)
    })

    if (reader.parts !== undefined) test('takes a part of a file at a time, however long its reader waits', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-parts-'))
      try {
        const target = join(folder, `many.${reader.extension}`)
        await run(reader.parts!(target, 100))
        const bytes = readFileSync(target)
        const many = storage.put(`many.${reader.extension}`, bytes)
        storage.chunkBytes = 4096
        storage.served = 0
        for await (const batch of reader.read(many, { batchRows: 10 })) {
          expect(batch.numRows).toBe(10)
          await idle()
          break
        }
        // What says where the parts are, and a few of them.
        expect(storage.served).toBeLessThanOrEqual(bytes.length / 2)
        expect(storage.open).toBe(0)
        let count = 0
        for await (const batch of reader.read(many)) count += batch.numRows
        expect(count).toBe(100 * 100 * rows.length)
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  })
}
