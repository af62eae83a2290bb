import { writeFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  committingName, expandInputs, field, fromRows, hasTag, manifestName, openOutputSet, pendingManifest, pipe, readBytes, readWhole, run, storageFor, withOutputSet, writeBytes, writeFolder, writeText,
  type Stream,
} from '@millrace/core'
import { readCsv, readTfRecords, writeCsv, writeParquet, readParquet, writeTfRecords } from '@millrace/formats'
import { describe, expect, test } from 'vitest'
import { collect } from '../support/bytes.js'
import { errorOf } from '../support/error-of.js'

/** A storage, and a place of its for tests. */
export interface StorageUnderTest {
  readonly name: string
  /** URL of a folder, without a slash at its end, that is for the test that asks alone and has nothing in it. */
  readonly folder: () => Promise<string>
  /** Names that the storage does not take, or that mean something else there. */
  readonly refused?: readonly string[] | undefined
}

const oddNames = ['with space', 'plus+sign', 'percent%20', 'ünïcödé 日本 😀', "quote's \"and\"", 'hash#mark', 'question?mark', 'amp&and=equals', '(paren)', 'semi;colon,comma', 'tilde~!$@', 'trailing.', 'a%2Fb']

const namesIn = async (folder: string): Promise<readonly string[]> => (await storageFor(folder).list!(`${folder}/**`)).map(({ url }) => url.slice(folder.length + 1))

const textAt = async (url: string): Promise<string> => Buffer.from(await readWhole(url)).toString('utf8')

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 31) % 251)

/**
 * What every storage that can be written and listed must do: files appear whole or not at all, ranges are those of a local file,
 * names are taken as they are, globs find what they would find here, and all readers and writers work on it.
 */
export const storageConformance = (storage: StorageUnderTest): void => {
  describe(`${storage.name} conforms`, () => {
    test('a file appears when it is committed, and not before', async () => {
      const folder = await storage.folder()
      const url = `${folder}/deep/er/file`
      const bytes = bytesOf(100_000)
      const set = await openOutputSet([url])
      await set.outputs[0]!.write(bytes.subarray(0, 70_000))
      await set.outputs[0]!.write(bytes.subarray(70_000))
      expect(await namesIn(folder)).toEqual([])
      await set.outputs[0]!.close()
      expect(await namesIn(folder)).toEqual([])
      expect(await errorOf(() => storageFor(url).stat(url))).toMatchObject({ _tag: 'NotFound', message: expect.stringContaining(url.slice(-12)) as string })
      await set.commit()
      expect(await storageFor(url).stat(url)).toMatchObject({ url, size: bytes.length })
      expect((await collect(readBytes(url))).equals(bytes)).toBe(true)
      expect(await namesIn(folder)).toEqual(['deep/er/file'])
    })

    test('ranges are those of a local file', async () => {
      const url = `${await storage.folder()}/file`
      const bytes = bytesOf(1000)
      await writeBytes(url, bytes)
      for (const [start, end] of [[0, 1], [0, 1000], [10, 20], [999, 1000], [990, 2000], [1000, 1001], [1000, undefined], [5000, undefined], [7, 7], [500, undefined]] as const) {
        expect((await collect(readBytes(url, { start, end }))).equals(bytes.subarray(start, end)), `${start} to ${end}`).toBe(true)
      }
      for await (const chunk of readBytes(url, { chunkBytes: 100 })) expect(chunk.length).toBeLessThanOrEqual(100)
    })

    test('a file without bytes is a file', async () => {
      const url = `${await storage.folder()}/empty`
      await writeBytes(url, new Uint8Array(0))
      expect(await storageFor(url).stat(url)).toMatchObject({ url, size: 0 })
      for (const range of [{}, { start: 0, end: 4 }, { start: 3 }]) expect(await collect(readBytes(url, range))).toHaveLength(0)
    })

    test('names are taken as they are', async () => {
      const folder = await storage.folder()
      const names = oddNames.filter((name) => storage.refused?.includes(name) !== true)
      for (const name of names) {
        await writeText(`${folder}/${name}`, name)
        expect(await textAt(`${folder}/${name}`), name).toBe(name)
      }
      expect(await namesIn(folder)).toEqual([...names].sort())
      for (const name of names) {
        expect((await expandInputs(`${folder}/${name}`)).map(({ url }) => url)).toEqual([`${folder}/${name}`])
        await storageFor(folder).remove!(`${folder}/${name}`)
      }
      expect(await namesIn(folder)).toEqual([])
      // Nothing is there any more, which is no error.
      await storageFor(folder).remove!(`${folder}/${names[0]!}`)
    })

    test('what is there is replaced when asked, and only then', async () => {
      const folder = await storage.folder()
      const url = `${folder}/file`
      await writeText(url, 'old')
      expect(await errorOf(() => writeText(url, 'new'))).toMatchObject({ _tag: 'AlreadyExists' })
      expect(await textAt(url)).toBe('old')
      await writeText(url, 'new', { ifExists: 'replace' })
      expect(await textAt(url)).toBe('new')
      await writeText(`${folder}/other`, 'first', { ifExists: 'replace' })
      expect(await namesIn(folder)).toEqual(['file', 'other'])
    })

    test('of two writers of one new name, one is told', async () => {
      const url = `${await storage.folder()}/file`
      const sets = [await openOutputSet([url]), await openOutputSet([url])]
      for (const [index, set] of sets.entries()) await set.outputs[0]!.write(Buffer.from(`${index}`))
      await sets[0]!.commit()
      expect(await errorOf(() => sets[1]!.commit())).toMatchObject({ _tag: 'AlreadyExists' })
      expect(await textAt(url)).toBe('0')
    })

    test('a writer that fails, or is aborted, leaves nothing', async () => {
      const folder = await storage.folder()
      const urls = [`${folder}/a`, `${folder}/b`]
      await expect(
        withOutputSet(urls, {}, async ([output]) => {
          await output!.write(bytesOf(1000))
          throw new Error('the source broke')
        }),
      ).rejects.toThrow('the source broke')
      const controller = new AbortController()
      const aborted = errorOf(() =>
        withOutputSet(urls, { signal: controller.signal }, async ([output]) => {
          await output!.write(bytesOf(1000))
          controller.abort()
          await output!.write(bytesOf(1000))
        }),
      )
      expect(await aborted).toMatchObject({ _tag: 'Aborted' })
      expect(await namesIn(folder)).toEqual([])
    })

    test('globs find what they find here', async () => {
      const folder = await storage.folder()
      const names = ['a.json', 'b.json', 'c.csv', 'deep/d.json', 'deep/er/e.json', 'train-00000-of-00002', 'train-00001-of-00002', 'other/train.json']
      for (const name of names) await writeText(`${folder}/${name}`, name)
      const expand = async (pattern: string): Promise<readonly string[]> => (await expandInputs(`${folder}/${pattern}`)).map(({ url }) => url.slice(folder.length + 1))
      expect(await expand('*.json')).toEqual(['a.json', 'b.json'])
      expect(await expand('{a,c}.*')).toEqual(['a.json', 'c.csv'])
      expect(await expand('[bc].*')).toEqual(['b.json', 'c.csv'])
      expect(await expand('*/*.json')).toEqual(['deep/d.json', 'other/train.json'])
      expect(await expand('**/*.json')).toEqual(['a.json', 'b.json', 'deep/d.json', 'deep/er/e.json', 'other/train.json'])
      expect(await expand('de*/er/?.json')).toEqual(['deep/er/e.json'])
      expect(await expand('train@2')).toEqual(['train-00000-of-00002', 'train-00001-of-00002'])
      expect(await expand('train@*')).toEqual(['train-00000-of-00002', 'train-00001-of-00002'])
      expect((await expandInputs(`${folder}/c.csv`))[0]).toMatchObject({ url: `${folder}/c.csv`, size: 5 })
      expect(await errorOf(() => expand('*.parquet'))).toMatchObject({ _tag: 'NotFound', code: 'NO_MATCH' })
      expect(await errorOf(() => expand('nothing'))).toMatchObject({ _tag: 'NotFound' })
    })

    test('writers write to it, and take the place of what they wrote', async () => {
      const folder = await storage.folder()
      const fields = { id: field.int32(), name: field.utf8() }
      const data = fromRows(fields, Array.from({ length: 1000 }, (_, id) => ({ id, name: `row ${id}` })))
      const ids = async (stream: Stream<typeof fields, 'cold'>): Promise<readonly number[]> => {
        const read: number[] = []
        for await (const batch of stream) for (let row = 0; row < batch.numRows; row++) read.push(batch.row(row).id)
        return read.sort((a, b) => a - b)
      }
      const all = Array.from({ length: 1000 }, (_, id) => id)
      await run(pipe(data, writeTfRecords(`${folder}/train`, { shards: 4, compression: 'gzip' })))
      expect(await ids(readTfRecords(`${folder}/train@4`, { schema: fields }))).toEqual(all)
      expect(await errorOf(() => run(pipe(data, writeTfRecords(`${folder}/train`, { shards: 2 }))))).toMatchObject({ _tag: 'AlreadyExists' })
      await run(pipe(data, writeTfRecords(`${folder}/train`, { shards: 2, ifExists: 'replace' })))
      expect(await ids(readTfRecords(`${folder}/train@*`, { schema: fields }))).toEqual(all)
      await run(pipe(data, writeCsv(`${folder}/rows.csv`)))
      expect(await ids(readCsv(`${folder}/rows.csv`, { schema: fields }))).toEqual(all)
      await run(pipe(data, writeParquet(`${folder}/rows.parquet`)))
      expect(await ids(readParquet(`${folder}/rows.parquet`, { schema: fields }))).toEqual(all)
      expect((await namesIn(folder)).filter((name) => name.startsWith('train'))).toEqual(['train-00000-of-00002', 'train-00001-of-00002'])
    })

    test('a set whose writer stops when some of its files have their names is refused, and replaced whole', async () => {
      const folder = await storage.folder()
      const fields = { job: field.utf8() }
      const data = (job: string): Stream<typeof fields, 'cold'> => fromRows(fields, [{ job }, { job }])
      const jobs = async (stream: Stream<typeof fields, 'cold'>): Promise<readonly string[]> => {
        const read: string[] = []
        for await (const batch of stream) for (let row = 0; row < batch.numRows; row++) read.push(batch.row(row).job)
        return read
      }
      /** Commits as far as a process that is killed does: what it left is not taken back. */
      const stopBefore = async (urls: readonly string[], markers: readonly { readonly url: string; readonly pending?: string }[]): Promise<void> => {
        const set = await openOutputSet(urls, { ifExists: 'replace', markers })
        const stopped = new Promise<void>((resolve) => {
          set.outputs[1]!.commit = () => {
            resolve()
            return new Promise(() => undefined)
          }
        })
        void set.commit()
        await stopped
      }
      const train = `${folder}/train`
      await run(pipe(data('one'), writeTfRecords(train, { shards: 2 })))
      const manifest = manifestName(train)
      await stopBefore([`${train}-00000-of-00002`, `${train}-00001-of-00002`, manifest], [{ url: manifest, pending: pendingManifest('millrace.tfrecord') }])
      for (const source of [`${train}@2`, `${train}@*`, `${train}-*`, folder]) expect(await errorOf(() => jobs(readTfRecords(source, { schema: fields }))), source).toMatchObject({ _tag: 'Corrupt', code: 'SET_NOT_WHOLE' })
      await run(pipe(data('two'), writeTfRecords(train, { shards: 2, ifExists: 'replace' })))
      expect(await jobs(readTfRecords(`${train}@2`, { schema: fields }))).toEqual(['two', 'two'])
      await writeText(`${train}-00001-of-00002`, 'another one', { ifExists: 'replace' })
      expect(await errorOf(() => jobs(readTfRecords(`${train}@2`, { schema: fields })))).toMatchObject({ _tag: 'Corrupt', code: 'SET_MIXED' })
      const out = `${folder}/out`
      await run(pipe(data('one'), writeCsv(out, { partitionBy: [], shards: 2 })))
      const done = { url: `${out}/_SUCCESS` }
      await stopBefore([`${out}/part-00000.csv`, `${out}/part-00001.csv`, done.url], [{ url: committingName(out), pending: pendingManifest('millrace.folder') }, done])
      expect(await namesIn(out)).toEqual(['_COMMITTING', 'part-00000.csv', 'part-00001.csv'])
      for (const source of [out, `${out}/part-*`]) expect(await errorOf(() => jobs(readCsv(source, { schema: fields }))), source).toMatchObject({ _tag: 'Corrupt', code: 'SET_NOT_WHOLE' })
      await run(pipe(data('two'), writeCsv(out, { partitionBy: [], ifExists: 'replace' })))
      expect(await namesIn(out)).toEqual(['_SUCCESS', 'part-00000.csv'])
      expect(await jobs(readCsv(out, { schema: fields, requireSuccess: true }))).toEqual(['two', 'two'])
    })

    test('folders are written whole, replaced whole, and not at all when their writer fails', async () => {
      const url = `${await storage.folder()}/model [1]`
      const write = (files: Readonly<Record<string, string>>) => async (at: string): Promise<void> => {
        for (const [name, text] of Object.entries(files)) {
          await mkdir(dirname(join(at, name)), { recursive: true })
          await writeFile(join(at, name), text)
        }
      }
      const options = { last: 'saved_model.pb', isReplaceable: (names: readonly string[]) => names.includes('saved_model.pb') }
      const failed = writeFolder(url, options, async (at) => {
        await write({ half: '1' })(at)
        throw new Error('it broke')
      })
      await expect(failed).rejects.toThrow('it broke')
      expect(await namesIn(url.replace(/\/[^/]*$/, ''))).toEqual([])
      await writeFolder(url, options, write({ 'saved_model.pb': 'one', 'variables/index': 'i', 'assets/old': 'o' }))
      expect(await textAt(`${url}/variables/index`)).toBe('i')
      expect(await errorOf(() => writeFolder(url, options, write({ a: '1' })))).toMatchObject({ _tag: 'AlreadyExists' })
      await writeFolder(url, { ...options, ifExists: 'replace' }, write({ 'saved_model.pb': 'two', 'variables/index': 'j' }))
      const above = url.replace(/\/[^/]*$/, '')
      expect(await namesIn(above)).toEqual(['model [1]/saved_model.pb', 'model [1]/variables/index'])
      expect(await textAt(`${url}/saved_model.pb`)).toBe('two')
      expect(await errorOf(() => writeFolder(above, { ...options, ifExists: 'replace' }, write({ 'saved_model.pb': 'x' })))).toMatchObject({ code: 'OUTPUT_IS_OTHER' })
    })

    test('reading stops at the signal, and when it is left', async () => {
      const url = `${await storage.folder()}/file`
      await writeBytes(url, bytesOf(300_000))
      const controller = new AbortController()
      const reading = (async () => {
        for await (const chunk of readBytes(url, { chunkBytes: 1000, signal: controller.signal })) if (chunk.length > 0) controller.abort()
      })()
      await expect(reading.catch((error: unknown) => hasTag(error, 'Aborted'))).resolves.toBe(true)
      for await (const chunk of readBytes(url, { chunkBytes: 1000 })) if (chunk.length > 0) break
    })
  })
}
