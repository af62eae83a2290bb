import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fromIterable, fromRows, hasTag, pipe, run, storageFor, type Json, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorOf } from '../support/error-of.js'
import { buildProgram } from '../support/program.js'
import { cellName, cellsOf, type Scheme } from './cells.js'
import { readAll } from './outcome.js'
import { readers, rows, schema, writers, type Record, type WriterUnderTest } from './records.js'

/** A storage where writers are tested. */
export interface WritersPlace {
  /** Its column of the table of formats: the writers of its cells are tested. */
  readonly scheme: Scheme
  /** URL of a folder, without a slash at its end, that is for the test that asks alone and has nothing in it. */
  readonly folder: () => Promise<string>
  /** Bytes that are sent at once: what is larger goes in parts. */
  readonly partBytes: number
  /** Files and uploads in a folder that have no final name. Absent where that cannot be seen. */
  readonly unfinished?: ((folder: string) => Promise<number>) | undefined
  /** The options by which a process of its own registers the storage. Default: it is built in. */
  readonly options?: (() => Json) | undefined
}

const LETTERS = 32 * 1024

/** A row of a text that packs to no less than half of it. */
const largeRow = (id: number): Record => ({ id, name: randomBytes(LETTERS / 2).toString('hex'), score: null })

/** So many rows that more than one part is full, at the size that texts have packed. */
const largeRows = ({ letterBytes }: WriterUnderTest, partBytes: number): number => Math.ceil((1.3 * partBytes) / (letterBytes * (LETTERS / 2)))

/** Rows of which some may do something before they are given. */
const doing = (given: readonly Record[], at: number, work: () => void | Promise<void>): Stream<typeof schema> =>
  fromIterable(schema, () => (async function* () {
    for (const [index, row] of given.entries()) {
      if (index === at) await work()
      yield row
    }
  })(), { batchRows: 4 })

const isHidden = (name: string): boolean => name.split('/').some((part) => part.startsWith('.'))

/** All files of a folder, hidden ones as well. */
export const allNames = async (folder: string): Promise<readonly string[]> => {
  const list = storageFor(folder).list!
  const found = await Promise.all(['**', '**/.*', '.*'].map((glob) => list(`${folder}/${glob}`)))
  return [...new Set(found.flat().map(({ url }) => url.slice(folder.length + 1)))].sort()
}

/** Files under temporary names. */
export const temporaryNames = async (folder: string): Promise<number> => (await allNames(folder)).filter((name) => name.endsWith('.tmp')).length

/** A process that writes in all formats at once, without an end, and says when all of them are at it. */
const endlessProgram = (scheme: Scheme): string => `
import { randomBytes } from 'node:crypto'
import { fromIterable, gcsStorage, hdfsStorage, pipe, registerStorage, run, s3Storage } from '@millrace/core'
import { schema, writers } from './test/conformance/records.js'

const [folder, bytes, options] = process.argv.slice(2)
const make = { s3: s3Storage, gs: gcsStorage, hdfs: hdfsStorage }['${scheme}']
if (make !== undefined && options !== '') registerStorage(make(JSON.parse(options)))
let waiting = writers.length
const rowsOf = function* ({ letterBytes }) {
  for (let id = 0, given = 0; ; id++) {
    yield { id, name: randomBytes(${LETTERS / 2}).toString('hex'), score: null }
    const before = given
    given += letterBytes * ${LETTERS / 2}
    if (before < Number(bytes) && given >= Number(bytes) && --waiting === 0) console.log('all write')
  }
}
await Promise.all(writers.map((writer, index) => run(pipe(fromIterable(schema, () => rowsOf(writer), { batchRows: 4 }), writer.write(folder + '/' + index)))))
`

/**
 * What every writer must do on every storage that can be written: its output is there whole or not at all, whatever stops it, be it one file
 * or several; nothing is left of one that was stopped; what is there is replaced when that is asked for, and then whole.
 *
 * Outputs are larger than a part, so that uploads in parts, and appended ones, are those of each writer.
 */
export const writersConformAt = (place: WritersPlace): void => {
  const unfinished = async (folder: string): Promise<number> => (place.unfinished === undefined ? 0 : place.unfinished(folder))
  const visible = async (folder: string): Promise<readonly string[]> => (await allNames(folder)).filter((name) => !isHidden(name))
  describe.each(cellsOf(place.scheme, 'write').map((format) => [cellName(format, 'write', place.scheme), writers.find((writer) => writer.format === format)!] as const))('%s', (_, writer) => {
    const reader = readers.find(({ format }) => format === writer.format)!
    const read = async (url: string): Promise<readonly Record[]> => {
      const { rows: found, error } = await readAll(reader.read(url))
      if (error !== undefined) throw error
      return found
    }
    let large: readonly Record[] = []
    const last = largeRows(writer, place.partBytes) - 2
    beforeAll(() => {
      large = Array.from({ length: last + 2 }, (_, id) => largeRow(id))
    })
    afterAll(() => {
      large = []
    })

    test('is there when it is whole, in several parts, and not before', async () => {
      const folder = await place.folder()
      const seen: (readonly string[])[] = []
      let parts = 0
      const source = doing(large, last, async () => {
        seen.push(await visible(folder))
        parts = await unfinished(folder)
      })
      await run(pipe(source, writer.write(folder)))
      expect(seen).toEqual([[]])
      // Else the test would see nothing of what it is about.
      if (place.unfinished !== undefined && writer.streams) expect(parts).toBeGreaterThan(0)
      expect(await read(`${folder}/${writer.file}`)).toEqual(large)
      expect(await unfinished(folder)).toBe(0)
    })

    test('aborted, or left by its source, leaves nothing', async () => {
      const folder = await place.folder()
      const controller = new AbortController()
      const aborted = errorOf(run(pipe(doing(large, last, () => controller.abort()), writer.write(folder)), { signal: controller.signal }))
      expect(await aborted).toMatchObject({ _tag: 'Aborted' })
      const broken = doing(large, last, () => {
        throw new Error('the source broke')
      })
      await expect(run(pipe(broken, writer.write(folder)))).rejects.toThrow('the source broke')
      expect(await allNames(folder)).toEqual([])
      expect(await unfinished(folder)).toBe(0)
    })

    test('takes the place of what is there when it is asked to, whole or not at all', async () => {
      const folder = await place.folder()
      const url = `${folder}/${writer.file}`
      await run(pipe(fromRows(schema, rows, { batchRows: 4 }), writer.write(folder)))
      const before = await allNames(folder)
      let asked = false
      const unasked = doing(rows, 0, () => {
        asked = true
      })
      expect(await errorOf(run(pipe(unasked, writer.write(folder))))).toMatchObject({ _tag: 'AlreadyExists' })
      expect(asked).toBe(false)
      const broken = doing(large, last, () => {
        throw new Error('the source broke')
      })
      await expect(run(pipe(broken, writer.write(folder, { ifExists: 'replace' })))).rejects.toThrow('the source broke')
      expect(await read(url)).toEqual(rows)
      expect(await allNames(folder)).toEqual(before)
      await run(pipe(fromRows(schema, rows.slice(3)), writer.write(folder, { ifExists: 'replace' })))
      expect(await read(url)).toEqual(rows.slice(3))
      expect(await allNames(folder)).toEqual(before)
      expect(await unfinished(folder)).toBe(0)
    })

    test('in several files, is there with all of them or none', async () => {
      const folder = await place.folder()
      const ids = async (): Promise<readonly number[]> => (await read(`${folder}/${writer.set}`)).map(({ id }) => id).sort((a, b) => a - b)
      const broken = doing(rows, 8, () => {
        throw new Error('the source broke')
      })
      await expect(run(pipe(broken, writer.writeSet(folder, { shards: 3 })))).rejects.toThrow('the source broke')
      expect(await allNames(folder)).toEqual([])
      let seen: readonly string[] = ['none was looked for']
      await run(pipe(doing(rows, 8, async () => void (seen = await visible(folder))), writer.writeSet(folder, { shards: 3 })))
      expect(seen).toEqual([])
      const before = await allNames(folder)
      expect(before.filter((name) => /part-|-of-/.test(name))).toHaveLength(3)
      expect(await ids()).toEqual(rows.map(({ id }) => id))
      expect(await errorOf(run(pipe(fromRows(schema, rows), writer.writeSet(folder, { shards: 2 }))))).toMatchObject({ _tag: 'AlreadyExists' })
      await expect(run(pipe(broken, writer.writeSet(folder, { shards: 2, ifExists: 'replace' })))).rejects.toThrow('the source broke')
      expect(await allNames(folder)).toEqual(before)
      if (writer.appends) {
        await expect(run(pipe(broken, writer.writeSet(folder, { shards: 2, ifExists: 'append' })))).rejects.toThrow('the source broke')
        expect(await allNames(folder)).toEqual(before)
        await run(pipe(fromRows(schema, rows.slice(0, 1)), writer.writeSet(folder, { shards: 1, ifExists: 'append' })))
        expect(await ids()).toEqual([0, ...rows.map(({ id }) => id)])
      }
      await run(pipe(fromRows(schema, rows.slice(4)), writer.writeSet(folder, { shards: 2, ifExists: 'replace' })))
      expect(await ids()).toEqual(rows.slice(4).map(({ id }) => id))
      expect((await allNames(folder)).filter((name) => /part-|-of-/.test(name))).toHaveLength(2)
    })
  })

  // One process for all: what it is about is a process, and each costs more than all that it writes.
  describe(cellName('every format', 'write', place.scheme), () => {
    test('whose process is killed, leaves nothing that is seen, and can be written again', async () => {
      const folder = await place.folder()
      const program = await buildProgram(endlessProgram(place.scheme), `endless-${place.scheme}`)
      try {
        const child = spawn(process.execPath, [program, folder, `${1.3 * place.partBytes}`, place.options === undefined ? '' : JSON.stringify(place.options())], { stdio: ['ignore', 'pipe', 'pipe'] })
        const ended = once(child, 'exit')
        let said = ''
        child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
        const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
        if (value !== 'all write') throw new Error(`the writers ended: ${said}`)
        child.kill('SIGKILL')
        await ended
      } finally {
        rmSync(program, { force: true })
      }
      expect(await visible(folder)).toEqual([])
      if (place.unfinished !== undefined) expect(await unfinished(folder)).toBeGreaterThan(0)
      for (const [index, writer] of writers.entries()) {
        const reader = readers.find(({ format }) => format === writer.format)!
        const url = `${folder}/${index}/${writer.file}`
        expect(hasTag((await readAll(reader.read(url))).error, 'NotFound'), writer.name).toBe(true)
        await run(pipe(fromRows(schema, rows), writer.write(`${folder}/${index}`)))
        expect((await readAll(reader.read(url))).rows, writer.name).toEqual(rows)
      }
    })
  })
}
