import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { collect, expandInputs, features, field, fromRows, pipe, run, select, standardize } from '@millrace/core'
import { manifestName, parseManifest, readTfRecords, writeCsv, writeTfRecords, type WriteTfRecordsOptions } from '../index.js'

const rows = Array.from({ length: 7 }, (_, id) => ({ id: BigInt(id), price: id / 2 }))
const stream = fromRows({ id: field.int64(), price: field.float32() }, rows)

describe('the manifest of shards', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-manifest-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))
  const manifestOf = async (prefix: string) => {
    const file = manifestName(join(folder, prefix))
    return parseManifest(await readFile(file, 'utf8'), file)
  }

  const entry = async (file: string, count: number) => ({ file, rows: count, bytes: (await stat(join(folder, file))).size })

  test('counts rows by shard, and says what they are and how they are packed', async () => {
    await run(pipe(stream, writeTfRecords(join(folder, 'raw'), { shards: 3, compression: 'gzip', columns: ['price'] })))
    expect(await manifestOf('raw')).toEqual({
      format: 'millrace.tfrecord', version: 1, holds: 'raw', compression: 'gzip', rows: 7,
      shards: await Promise.all([3, 2, 2].map((count, i) => entry(`raw-0000${i}-of-00003`, count))),
      columns: { price: { kind: 'float32', nullable: false, params: {} } },
    })
  })

  test('knows rows that features were applied to, whatever comes after', async () => {
    const fitted = await run(features({ price: standardize() }).fit(stream))
    await run(pipe(stream, fitted.apply, select('price'), writeTfRecords(join(folder, 'train'))))
    expect(await manifestOf('train')).toMatchObject({ holds: 'transformed', rows: 7 })
  })

  test('of partitions names all their files, is added to and replaced with them', async () => {
    const out = join(folder, 'parts')
    const kinds = fromRows({ id: field.int64(), kind: field.utf8() }, rows.map(({ id }) => ({ id, kind: id % 2n === 0n ? 'even' : 'odd' })))
    const put = (options: WriteTfRecordsOptions = {}) => run(pipe(kinds, writeTfRecords(out, { partitionBy: ['kind'], ...options })))
    await put()
    const first = {
      format: 'millrace.tfrecord', version: 1, holds: 'raw', compression: 'none', rows: 7,
      shards: [{ file: 'kind=even/part-00000.tfrecord', rows: 4, bytes: 124 }, { file: 'kind=odd/part-00000.tfrecord', rows: 3, bytes: 93 }],
      columns: { id: { kind: 'int64', nullable: false, params: { as: 'bigint' } } },
    }
    expect(await manifestOf('parts/')).toEqual(first)
    const { files } = await put({ ifExists: 'append', rowsPerFile: 3 })
    const added = await manifestOf('parts/')
    expect(added).toEqual({ ...first, rows: 14, shards: [...first.shards, ...files.map((file, i) => ({ file: file.slice(out.length + 1), rows: [3, 1, 3][i], bytes: [93, 31, 93][i] }))] })
    await expect(put({ ifExists: 'append', compression: 'gzip' })).rejects.toMatchObject({ _tag: 'Schema', code: 'APPEND_DIFFERS' })
    await expect(run(pipe(stream, writeTfRecords(out, { partitionBy: [], ifExists: 'append' })))).rejects.toMatchObject({ _tag: 'Schema', code: 'APPEND_DIFFERS' })
    expect(await manifestOf('parts/')).toEqual(added)
    expect(added.shards.map(({ file }) => file).sort()).toEqual((await expandInputs(out)).map(({ url }) => url.slice(out.length + 1)))
    await put({ ifExists: 'replace' })
    expect(await manifestOf('parts/')).toEqual(first)
    // Files of another format do not keep it, and what has none is not given half of one.
    await run(pipe(kinds, writeCsv(out, { partitionBy: ['kind'], ifExists: 'replace' })))
    expect((await readdir(out)).sort()).toEqual(['_SUCCESS', 'kind=even', 'kind=odd'])
    await put({ ifExists: 'append' })
    expect((await readdir(out)).sort()).toEqual(['_SUCCESS', 'kind=even', 'kind=odd'])
  })

  test('of partitions: their files are those that would be written alone', async () => {
    const schema = { kind: field.int32(), id: field.int64(), text: field.nullable(field.utf8()), list: field.list(field.float32()) }
    const many = Array.from({ length: 3000 }, (_, i) => ({ kind: i % 3, id: BigInt(i) ** 4n, text: i % 7 === 0 ? null : 'x'.repeat(i % 200), list: [i, i / 2] }))
    // Of batches of 20 some partitions have too few rows for the kernel, of those of 500 all have enough.
    for (const batchRows of [20, 500]) {
      const out = join(folder, `files-${batchRows}`)
      await run(pipe(fromRows(schema, many, { batchRows }), writeTfRecords(out, { partitionBy: ['kind'] })))
      for (const kind of [0, 1, 2]) {
        const alone = join(folder, `alone-${batchRows}-${kind}`)
        const { files } = await run(pipe(fromRows(schema, many.filter((row) => row.kind === kind)), writeTfRecords(alone, { columns: ['id', 'text', 'list'] })))
        expect((await readFile(join(out, `kind=${kind}`, 'part-00000.tfrecord'))).equals(await readFile(files[0]!))).toBe(true)
      }
    }
  })

  test('is no shard: neither a glob nor a spec of shards finds it', async () => {
    await run(pipe(stream, writeTfRecords(join(folder, 'train'), { shards: 2 })))
    expect(await readdir(folder)).toContain('.train.manifest.json')
    expect(await expandInputs(join(folder, '*'))).toHaveLength(2)
    expect(await run(collect()(readTfRecords(join(folder, 'train@*'), { schema: stream.schema })))).toHaveLength(7)
  })

  test('appears with the shards, or not at all', async () => {
    const controller = new AbortController()
    controller.abort()
    await expect(run(pipe(stream, writeTfRecords(join(folder, 'train'))), { signal: controller.signal })).rejects.toMatchObject({ _tag: 'Aborted' })
    expect(await readdir(folder)).toEqual([])
  })

  test.each([
    ['no JSON', '{'], ['something else', '{"format":"x"}'], ['a later version', '{"format":"millrace.tfrecord","version":2}'],
    ['no content', '{"format":"millrace.tfrecord","version":1}'],
    ['no shards', '{"format":"millrace.tfrecord","version":1,"holds":"raw","compression":"none","rows":1,"shards":[{"file":1}],"columns":{}}'],
  ])('%s is refused', (_, text) => {
    expect(() => parseManifest(text, 'x.json')).toThrow(/no manifest of TFRecord shards/)
  })
})
