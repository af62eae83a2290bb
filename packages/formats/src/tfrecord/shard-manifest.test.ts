import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { collect, expandInputs, features, field, fromRows, pipe, run, select, standardize } from '@millrace/core'
import { manifestName, parseManifest, readTfRecords, writeTfRecords } from '../index.js'

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

  test('counts rows by shard, and says what they are and how they are packed', async () => {
    await run(pipe(stream, writeTfRecords(join(folder, 'raw'), { shards: 3, compression: 'gzip', columns: ['price'] })))
    expect(await manifestOf('raw')).toEqual({
      format: 'millrace.tfrecord', version: 1, holds: 'raw', compression: 'gzip', rows: 7,
      shards: [{ file: 'raw-00000-of-00003', rows: 3 }, { file: 'raw-00001-of-00003', rows: 2 }, { file: 'raw-00002-of-00003', rows: 2 }],
      columns: { price: { kind: 'float32', nullable: false, params: {} } },
    })
  })

  test('knows rows that features were applied to, whatever comes after', async () => {
    const fitted = await run(features({ price: standardize() }).fit(stream))
    await run(pipe(stream, fitted.apply, select('price'), writeTfRecords(join(folder, 'train'))))
    expect(await manifestOf('train')).toMatchObject({ holds: 'transformed', rows: 7 })
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
