import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { field, fromRows, pipe, run } from '@millrace/core'
import { Graph, nativeSession, tensorNumbers, tensorTexts, type GraphNode, type Session, type Tensor } from '@millrace/export'
import { findServerShards, tfRecordSource, type BatchColumn, type BatchInput, type TfRecordSourceOptions } from '@millrace/distributed'
import { writeTfRecords } from '@millrace/formats'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const ROWS = 103
const schema = { id: field.int64(), price: field.float32(), name: field.utf8(), point: field.list(field.float32(), { size: 2 }) }
const rows = Array.from({ length: ROWS }, (_, id) => ({ id: BigInt(id), price: id / 4, name: `row ${id}`, point: [id, 0 - id] }))
const columns: readonly BatchColumn[] = [
  { name: 'price', dtype: 'float32', shape: [null] },
  { name: 'id', dtype: 'int32', shape: [null, 1] },
  { name: 'point', dtype: 'float32', shape: [null, 2] },
  { name: 'name', dtype: 'string', shape: [null] },
  { name: 'absent', dtype: 'int64', shape: [null], missing: 7 },
]

/** A source in a graph of its own, and what takes a batch of it. */
interface Reader {
  readonly session: Session
  readonly input: BatchInput
  next(): Promise<number[]>
  /** Ids of all batches to the end of the data. */
  rest(): Promise<number[]>
}

describePeer('records read inside TensorFlow', 'tensorflow', () => {
  let folder: string
  const sessions: Session[] = []
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-input-'))
    await run(pipe(fromRows(schema, rows), writeTfRecords(join(folder, 'many'), { shards: 5 })))
    await run(pipe(fromRows(schema, rows), writeTfRecords(join(folder, 'packed'), { shards: 2, compression: 'gzip' })))
    await run(pipe(fromRows(schema, rows.slice(0, 40)), writeTfRecords(join(folder, 'one'))))
  })
  afterAll(async () => {
    await Promise.all(sessions.map((session) => session.close()))
    await rm(folder, { recursive: true, force: true })
  })

  const open = async (options: Omit<TfRecordSourceOptions, 'files'> & { readonly files: string }, more?: (graph: Graph, input: BatchInput) => void, wanted = columns): Promise<Reader> => {
    const graph = new Graph()
    const input = tfRecordSource({ ...options, files: join(folder, options.files) }).open(graph, wanted)
    const batch = input.next([])
    more?.(graph, input)
    const session = await run(nativeSession({ graph: graph.encode(), library: peerLibrary() }))
    sessions.push(session)
    await session.run({ targets: [input.initialize.name] })
    const next = async (): Promise<number[]> => {
      const fetches = Object.fromEntries(wanted.map(({ name }) => [name, batch[name]!.name]))
      const got = await session.run({ fetches })
      const ids = tensorNumbers(got['id']!).map(Number)
      expect(tensorNumbers(got['price']!)).toEqual(ids.map((id) => id / 4))
      expect(tensorNumbers(got['point']!)).toEqual(ids.flatMap((id) => [id, 0 - id]))
      expect(tensorTexts(got['name']!)).toEqual(ids.map((id) => `row ${id}`))
      if ('absent' in got) expect(tensorNumbers(got['absent']!).map(Number)).toEqual(ids.map(() => 7))
      return ids
    }
    const rest = async (): Promise<number[]> => {
      const all: number[] = []
      for (;;) {
        try {
          all.push(...await next())
        } catch (thrown) {
          expect(thrown).toMatchObject({ _tag: 'Engine', code: 'TF_OUT_OF_RANGE' })
          return all
        }
      }
    }
    return { session, input, next, rest }
  }
  const everyId = Array.from({ length: ROWS }, (_, id) => id)
  const sorted = (ids: readonly number[]): number[] => [...ids].sort((a, b) => a - b)

  test('every column of every record, in order, a short batch at the end', async () => {
    const { rest } = await open({ files: 'one-*', batchSize: 16, epochs: 1 })
    expect(await rest()).toEqual(everyId.slice(0, 40))
  })

  test.each([['by file', 'many-*', 'none'], ['by record', 'packed-*', 'gzip']] as const)('workers share the records %s', async (_, files, compression) => {
    const shares = await Promise.all([0, 1, 2].map(async (index) => (await open({ files, compression, shard: { index, count: 3 }, batchSize: 8, epochs: 1 })).rest()))
    expect(sorted(shares.flat())).toEqual(everyId)
    for (const share of shares) expect(share.length).toBeGreaterThan(ROWS / 6)
  })

  test('shuffled anew in each epoch, from the seed', async () => {
    const options = { files: 'many-*', batchSize: 10, epochs: 2, shuffle: { records: 50, seed: 3 } }
    const [all, again, other] = await Promise.all([options, options, { ...options, shuffle: { records: 50, seed: 4 } }].map(async (one) => (await open(one)).rest()))
    expect(sorted(all!)).toEqual(everyId.flatMap((id) => [id, id]))
    expect(sorted(all!.slice(0, ROWS))).toEqual(everyId)
    expect(all!.slice(0, ROWS)).not.toEqual(all!.slice(ROWS))
    expect(again).toEqual(all)
    expect(other).not.toEqual(all)
  })

  test('for ever, in whole batches', async () => {
    const { next } = await open({ files: 'one-*', batchSize: 16 })
    const ids: number[] = []
    for (let batch = 0; batch < 10; batch += 1) ids.push(...await next())
    expect(ids).toEqual(Array.from({ length: 160 }, (_, at) => at % 40))
  })

  test('goes on from a saved position, in another session, with exactly what was left', async () => {
    const options = { files: 'many-*', batchSize: 10, epochs: 2, shuffle: { records: 30, seed: 5 } }
    let nodes: { save?: GraphNode; restore?: GraphNode; prefix?: Tensor } = {}
    const withPosition = (graph: Graph, input: BatchInput): void => {
      const prefix = graph.placeholder('prefix', 'string', [])
      const names = [graph.vector('string', ['input']), graph.vector('string', [''])]
      const save = graph.add('SaveV2', [prefix, ...names, [input.position.saved]])
      const restored = graph.one('RestoreV2', [prefix, ...names], { dtypes: ['variant'] })
      nodes = { prefix, save, restore: input.position.restore(restored) }
    }
    const first = await open(options, withPosition)
    for (let batch = 0; batch < 6; batch += 1) await first.next()
    const feeds = { [nodes.prefix!.name]: join(folder, 'position') }
    await first.session.run({ feeds, targets: [nodes.save!.name] })
    const left = await first.rest()

    const second = await open({ ...options, name: 'other' }, withPosition)
    await second.next()
    await second.session.run({ feeds, targets: [nodes.restore!.name] })
    expect(await second.rest()).toEqual(left)
    expect(left.length).toBeGreaterThan(ROWS)
  })

  test('says which pattern matches nothing, and what is wrong with a record', async () => {
    await expect(open({ files: 'nothing-*' })).rejects.toMatchObject({ code: 'TF_INVALID_ARGUMENT', message: expect.stringContaining('nothing-*') as string })
    const { next } = await open({ files: 'one-*' }, undefined, [...columns, { name: 'gone', dtype: 'float32', shape: [null] }])
    await expect(next()).rejects.toMatchObject({ code: 'TF_INVALID_ARGUMENT', message: expect.stringContaining('gone') as string })
    await writeFile(join(folder, 'bad-0'), Buffer.from('this is no TFRecord file at all'))
    const bad = await open({ files: 'bad-*' })
    await expect(bad.next()).rejects.toMatchObject({ code: 'TF_DATA_LOSS' })
  })

  test('finds shards where the server is, and what their manifests say', async () => {
    const find = (...names: string[]) => run(findServerShards((graph) => nativeSession({ graph, library: peerLibrary() }), names.map((name) => join(folder, name))))
    const many = await find('many-*')
    expect(many.files).toEqual([0, 1, 2, 3, 4].map((shard) => join(folder, `many-0000${shard}-of-00005`)))
    expect(many.described).toMatchObject({ holds: 'raw', compression: 'none', rows: ROWS })
    expect((await find('many-00001*', 'one-*')).described).toMatchObject({ holds: 'raw', compression: 'none', rows: 21 + 40 })
    await writeFile(join(folder, 'foreign-0'), '')
    expect((await find('foreign-*', 'one-*')).described).toBeUndefined()
    await expect(find('many-*', 'packed-*')).rejects.toMatchObject({ _tag: 'Schema', code: 'MIXED_SHARDS' })
    await expect(find('nothing-*')).rejects.toMatchObject({ _tag: 'Storage', code: 'NOT_FOUND' })
  })

  test('refuses what cannot be', () => {
    expect(() => tfRecordSource({ files: [] })).toThrow(/no files/)
    expect(() => tfRecordSource({ files: 'x', shard: { index: 2, count: 2 } })).toThrow(/of 2/)
    expect(() => tfRecordSource({ files: 'x' }).open(new Graph(), [{ name: 'x', dtype: 'float32', shape: [null, null] }])).toThrow(/is not known before/)
  })
})
