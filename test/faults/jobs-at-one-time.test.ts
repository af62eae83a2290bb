import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { collect, failure, field, fromIterable, fromRows, pipe, run, type IfExists, type Job, type Output, type Stream } from '@millrace/core'
import { readArrow, readCsv, readJson, readParquet, readTfRecords, writeArrow, writeCsv, writeJson, writeParquet, writeTfRecords, type FolderOptions, type WriteReport } from '@millrace/formats'
import { MemoryStorage } from '../conformance/memory-storage.js'
import { errorOf } from '../support/error-of.js'

/** A storage that lets something else happen just before a file has its name, once. */
class Interrupted extends MemoryStorage {
  private readonly at = new Map<string, () => Promise<unknown>>()

  before(name: string, work: () => Promise<unknown>): void {
    this.at.set(name, work)
  }

  async create(url: string, { ifExists }: { readonly ifExists: IfExists }): Promise<Output> {
    const check = (): void => {
      if (ifExists === 'fail' && this.files.has(url)) throw failure({ tag: 'AlreadyExists', code: 'OUTPUT_EXISTS', problem: 'the output exists already', position: { source: url } })
    }
    check()
    const chunks: Uint8Array[] = []
    return {
      url,
      write: async (bytes) => void chunks.push(bytes.slice()),
      close: async () => undefined,
      commit: async () => {
        const name = url.slice(url.lastIndexOf('/') + 1)
        const work = this.at.get(name)
        this.at.delete(name)
        await work?.()
        check()
        this.files.set(url, Buffer.concat(chunks))
      },
      abort: async () => undefined,
    }
  }

  override async list(glob: string): ReturnType<MemoryStorage['list']> {
    return (await super.list(glob)).filter(({ url }) => !url.slice(url.lastIndexOf('/') + 1).startsWith('.'))
  }

  async remove(url: string): Promise<void> {
    this.files.delete(url)
  }
}

let storage: Interrupted
beforeEach(() => {
  storage = new Interrupted()
})
afterEach(() => storage.close())

const schema = { id: field.int32(), kind: field.utf8() }
interface Format {
  readonly write: (url: string, options: FolderOptions) => (stream: Stream) => Job<WriteReport>
  readonly read: (url: string) => Stream<typeof schema>
}
const formats: { readonly [name: string]: Format } = {
  csv: { write: writeCsv, read: (url) => readCsv(url, { schema }) },
  json: { write: writeJson, read: (url) => readJson(url, { schema }) },
  arrow: { write: writeArrow, read: (url) => readArrow(url, { schema }) },
  parquet: { write: writeParquet, read: (url) => readParquet(url, { schema }) },
  tfrecord: { write: writeTfRecords, read: (url) => readTfRecords(url, { schema }) },
}
const out = 'mem:/out'
const rows = (...ids: readonly number[]): Stream => fromRows(schema, ids.map((id) => ({ id, kind: `k${id}` }))) as unknown as Stream
const idsOf = async (stream: Stream<typeof schema>): Promise<readonly number[]> => (await run(pipe(stream, collect()))).map(({ id }) => id).sort((a, b) => a - b)

describe.each(Object.entries(formats))('two jobs that write a folder of %s', (_name, { write, read }) => {
  const put = (ids: readonly number[], options: FolderOptions): Promise<WriteReport> => run(pipe(rows(...ids), write(out, { partitionBy: [], ...options })))

  test('add to it both, when one ends just before the other gives names', async () => {
    storage.before('_COMMITTING', () => put([3], { ifExists: 'append' }))
    await put([1, 2], { ifExists: 'append' })
    expect(await idsOf(read(out))).toEqual([1, 2, 3])
  })

  test('replace it wholly, each', async () => {
    storage.before('_COMMITTING', () => put([3, 4, 5], { ifExists: 'replace', shards: 3 }))
    await put([1, 2], { ifExists: 'replace' })
    expect(await idsOf(read(out))).toEqual([1, 2])
  })

  test('are not both new, whatever their files are called', async () => {
    const partitioned = { partitionBy: ['kind'] }
    storage.before('_COMMITTING', () => put([3], partitioned))
    expect(await errorOf(() => put([1, 2], partitioned))).toMatchObject({ _tag: 'AlreadyExists', code: 'OUTPUT_EXISTS' })
    expect(await idsOf(read(out))).toEqual([3])
  })

  test('do not give names at one time, and the later one changes nothing', async () => {
    await put([0], {})
    for (const ifExists of ['append', 'replace'] as const) {
      let go: () => void = () => undefined
      const gate = new Promise<void>((resolve) => (go = resolve))
      // It looks at the folder first, and is ready to give names when the other one does.
      const waiting = fromIterable(schema, async function* () {
        await gate
        yield { id: 9, kind: 'k9' }
      }) as unknown as Stream
      const later = errorOf(run(pipe(waiting, write(out, { partitionBy: [], ifExists }))))
      storage.before('_SUCCESS', () => {
        go()
        return later
      })
      await put([1, 2], { ifExists: 'replace' })
      expect(await later).toMatchObject({ _tag: 'Corrupt', code: 'SET_NOT_WHOLE', position: { source: `${out}/_COMMITTING` } })
      expect(await idsOf(read(out))).toEqual([1, 2])
    }
  })

  test('write over what a killed one left', async () => {
    await put([0], {})
    storage.put('/out/_COMMITTING', 'left')
    expect(await errorOf(() => put([1], { ifExists: 'append' }))).toMatchObject({ code: 'SET_NOT_WHOLE' })
    await put([1, 2], { ifExists: 'replace' })
    expect(await idsOf(read(out))).toEqual([1, 2])
    expect([...storage.files.keys()].filter((url) => url.includes('COMMITTING'))).toEqual([])
  })
})

describe('two jobs that replace shards', () => {
  const put = (ids: readonly number[], shards: number): Promise<WriteReport> => run(pipe(rows(...ids), writeTfRecords(out, { shards, ifExists: 'replace' })))

  test('replace them wholly, each', async () => {
    storage.before('.out.manifest.json', () => put([3, 4, 5], 3))
    await put([1, 2], 2)
    expect(await idsOf(readTfRecords(`${out}@*`, { schema }))).toEqual([1, 2])
    expect([...storage.files.keys()].sort()).toEqual(['mem:/.out.manifest.json', 'mem:/out-00000-of-00002', 'mem:/out-00001-of-00002'])
  })

  test('do not give names at one time', async () => {
    await put([0], 2)
    let go: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    const waiting = fromIterable(schema, async function* () {
      await gate
      yield { id: 9, kind: 'k9' }
    })
    const later = errorOf(run(pipe(waiting, writeTfRecords(out, { shards: 2, ifExists: 'replace' }))))
    storage.before('out-00001-of-00002', () => {
      go()
      return later
    })
    await put([1, 2], 2)
    expect(await later).toMatchObject({ _tag: 'Corrupt', code: 'SET_NOT_WHOLE' })
    expect(await idsOf(readTfRecords(`${out}@*`, { schema }))).toEqual([1, 2])
  })
})
