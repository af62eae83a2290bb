import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../test/support/error-of.js'
import { expandInputs, partitionFolder } from './index.js'
import { parsePartition } from './partition-path.js'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-folder-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

const put = (...names: readonly string[]): void => {
  for (const name of names) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), 'x')
  }
}
const namesOf = async (source: string, options = {}): Promise<readonly string[]> => (await expandInputs(join(root, source), undefined, options)).map(({ url }) => url.slice(join(root, '/').length))

describe('a folder as a source', () => {
  it('is its data in order of name, and nothing that jobs leave beside it', async () => {
    put('out/part-00001-u.c000.csv.gz', 'out/part-00000-u.c000.csv.gz', 'out/_SUCCESS', 'out/_committed_1', 'out/_started_1', 'out/.part-00000-u.c000.csv.gz.crc', 'out/part.crc',
      'out/_temporary/0/part-00009', 'out/.hidden', 'out/.spark-staging/part-00000', 'out/part-2._COPYING_')
    writeFileSync(join(root, 'out/part-00002-u.c000.csv.gz'), '')
    const data = ['out/part-00000-u.c000.csv.gz', 'out/part-00001-u.c000.csv.gz']
    expect(await namesOf('out')).toEqual(data)
    expect(await namesOf('out/')).toEqual(data)
    expect(await namesOf('o*')).toEqual(data)
    expect(await namesOf('out/*.gz')).toEqual(data)
    expect(await namesOf('**/part-*')).toEqual(await namesOf('out/part-*'))
    expect(await namesOf('out/_comm*')).toEqual(['out/_committed_1'])
  })

  it('leaves out no file for its name, nor for a link that leads nowhere', async () => {
    put('out/part-0', 'out/a\nb', 'out/date=1/a\nb')
    expect(await namesOf('out/date=1')).toEqual(['out/date=1/a\nb'])
    expect(await namesOf('out/**/a*')).toEqual(['out/a\nb', 'out/date=1/a\nb'])
    symlinkSync('part-0', join(root, 'out', 'part-1'))
    expect(await namesOf('out/part-*')).toEqual(['out/part-0', 'out/part-1'])
    symlinkSync('nothing', join(root, 'out', 'part-2'))
    for (const source of ['out', 'out/part-*']) await expect(namesOf(source)).rejects.toMatchObject({ _tag: 'NotFound', code: 'DANGLING_LINK', position: { source: join(root, 'out', 'part-2') } })
  })

  it('may have a name that looks like a pattern', async () => {
    put('a[1] {b}/part-0', 'a1/part-1')
    expect(await namesOf('a[1] {b}')).toEqual(['a[1] {b}/part-0'])
  })

  it('without data is told', async () => {
    put('out/_temporary/0/part-0')
    await expect(namesOf('out')).rejects.toMatchObject({ _tag: 'NotFound', code: 'NO_MATCH' })
    await expect(namesOf('nowhere')).rejects.toMatchObject({ _tag: 'NotFound', code: 'ENOENT' })
  })

  it('of a job without rows is refused, or none where that may be', async () => {
    put('done/_SUCCESS')
    mkdirSync(join(root, 'empty'))
    for (const name of ['part-0', 'x-00000-of-00002', 'x-00001-of-00002']) writeFileSync(join(root, 'empty', name), '')
    for (const source of ['done', 'empty', 'empty/*', 'empty/x@*']) {
      await expect(namesOf(source)).rejects.toMatchObject({ _tag: 'NotFound', code: 'NO_MATCH', message: expect.stringContaining('give the reader a schema') as string })
      expect(await namesOf(source, { mayBeEmpty: true }), source).toEqual([])
    }
    // Nobody has said that it is done.
    mkdirSync(join(root, 'new'))
    await expect(namesOf('new', { mayBeEmpty: true })).rejects.toMatchObject({ code: 'NO_MATCH' })
    await expect(namesOf('new/*', { mayBeEmpty: true })).rejects.toMatchObject({ code: 'NO_MATCH' })
    // Shards without rows are passed over, and not missed.
    put('empty/x-00000-of-00002')
    for (const source of ['empty', 'empty/*', 'empty/x@*']) expect(await namesOf(source)).toEqual(['empty/x-00000-of-00002'])
    expect(await namesOf('empty/x@2')).toEqual(['empty/x-00000-of-00002', 'empty/x-00001-of-00002'])
  })

  it('is refused while files get their names', async () => {
    put('out/day=1/part-0', 'out/_COMMITTING', 'out/_SUCCESS')
    // A folder of several sets is not whole where one of them is not.
    for (const source of ['', 'out', 'out/day=1', 'out/*/part-*', 'out/day=1/*']) await expect(namesOf(source)).rejects.toMatchObject({ _tag: 'Corrupt', code: 'SET_NOT_WHOLE', position: { source: join(root, 'out/_COMMITTING') } })
    expect(await namesOf('out/day=1/part-0')).toHaveLength(1)
  })

  it('is refused as one of several that a pattern matches', async () => {
    put('run-1/a.tfrecord', 'run-2/a.tfrecord', 'run-2/_COMMITTING', 'all/day=1/a', 'all/day=2/_COMMITTING', 'all/day=2/a')
    for (const source of ['run-*', 'run-*/*.tfrecord', '*/a.tfrecord', '**/a.tfrecord']) await expect(namesOf(source), source).rejects.toMatchObject({ code: 'SET_NOT_WHOLE', position: { source: join(root, 'run-2/_COMMITTING') } })
    await expect(namesOf('all/day=*/a')).rejects.toMatchObject({ code: 'SET_NOT_WHOLE', position: { source: join(root, 'all/day=2/_COMMITTING') } })
    expect(await namesOf('all/day=*/a', { choose: ({ day }: { day: string }) => day === '1' })).toContain('all/day=1/a')
    expect(await namesOf('run-[1]/*')).toEqual(['run-1/a.tfrecord'])
    rmSync(join(root, 'run-2/_COMMITTING'))
    writeFileSync(join(root, 'run-2/.manifest.json'), '{"format":"millrace.tfrecord","state":"committing"}')
    await expect(namesOf('run-*/*')).rejects.toMatchObject({ code: 'SET_NOT_WHOLE' })
    writeFileSync(join(root, 'run-2/.manifest.json'), '{"format":"millrace.tfrecord","shards":[{"file":"b.tfrecord"}]}')
    await expect(namesOf('run-*')).rejects.toMatchObject({ code: 'SET_MIXED' })
    writeFileSync(join(root, 'run-2/.manifest.json'), '{"format":"millrace.tfrecord","shards":[{"file":"a.tfrecord","bytes":1}]}')
    expect(await namesOf('run-*')).toEqual(['run-1/a.tfrecord', 'run-2/a.tfrecord'])
  })

  it('has the files that the manifest lists, where one is', async () => {
    const manifest = (name: string, text: string): void => writeFileSync(join(root, name), text)
    const listing = (shards: object): string => JSON.stringify({ format: 'millrace.tfrecord', version: 1, shards })
    put('x-00000-of-00002', 'x-00001-of-00002', 'out/day=1/part-0.tfrecord', 'out/day=2/part-0.tfrecord')
    const all = ['x@2', 'x@*', 'x-*', 'x-00001*']
    const folders = ['out', 'out/day=2', 'out/*/*']
    const refused = (sources: readonly string[], code: string): Promise<unknown> => Promise.all(sources.map((source) => expect(namesOf(source), source).rejects.toMatchObject({ _tag: 'Corrupt', code })))
    // What is none of ours is left alone, and earlier releases counted no bytes.
    for (const text of ['', 'no JSON', '[]', '{"format":"other","state":"committing"}', listing([{ file: 'x-00000-of-00002', rows: 1 }, { file: 'x-00001-of-00002', bytes: 1 }])]) {
      manifest('.x.manifest.json', text)
      for (const source of all) expect(await namesOf(source)).not.toEqual([])
    }
    manifest('.x.manifest.json', listing([{ file: 'x-00000-of-00002', bytes: 1 }, { file: 'x-00001-of-00002', bytes: 2 }]))
    await refused(all, 'SET_MIXED')
    expect(await namesOf('x-00000*')).toHaveLength(1)
    manifest('.x.manifest.json', listing([{ file: 'x-00000-of-00001', bytes: 1 }]))
    await refused(all, 'SET_MIXED')
    manifest('.x.manifest.json', '{"format":"millrace.tfrecord","state":"committing"}')
    await refused(all, 'SET_NOT_WHOLE')
    const [one, two] = [{ file: 'day=1/part-0.tfrecord', bytes: 1 }, { file: 'day=2/part-0.tfrecord', bytes: 1 }]
    manifest('out/.manifest.json', listing([one, two, { file: 'day=3/part-0.tfrecord', bytes: 0 }]))
    for (const source of folders) expect(await namesOf(source), source).not.toEqual([])
    manifest('out/.manifest.json', listing([one]))
    await refused(folders, 'SET_MIXED')
    manifest('out/.manifest.json', listing([one, two, { file: 'day=3/part-0.tfrecord', bytes: 1 }]))
    await expect(namesOf('out')).rejects.toMatchObject({ code: 'SET_MIXED', position: { source: `${join(root, 'out')}/day=3/part-0.tfrecord` } })
    expect(await namesOf('out/day=2')).toHaveLength(1)
  })

  it('has all the shards that their names speak of', async () => {
    put('out/x-00000-of-00003.tfrecord', 'out/x-00002-of-00003.tfrecord', 'out/y-00000-of-00001')
    for (const source of ['out', 'out/x-*', 'out/*', 'out/*-of-*']) {
      await expect(namesOf(source)).rejects.toMatchObject({ _tag: 'NotFound', code: 'MISSING_SHARD', position: { source: join(root, 'out/x-00001-of-00003.tfrecord') } })
    }
    // What was not asked for is not missed.
    expect(await namesOf('out/*-00000-of-*')).toEqual(['out/x-00000-of-00003.tfrecord', 'out/y-00000-of-00001'])
    expect(await namesOf('out/y-*')).toHaveLength(1)
    put('out/x-00001-of-00003.tfrecord')
    expect(await namesOf('out')).toHaveLength(4)
    put('huge/z-00000-of-99999999999999')
    await expect(namesOf('huge')).rejects.toMatchObject({ code: 'MISSING_SHARD' })
  })

  it('is refused while its job has not ended, if asked', async () => {
    put('out/day=1/part-0', 'out/day=2/part-0')
    for (const source of ['out', 'out/day=1', 'out/day=1/', 'out/day=*', 'out/day=1/part-*', 'out/day=1/part-0', 'out/**']) {
      await expect(namesOf(source, { requireSuccess: true })).rejects.toMatchObject({ _tag: 'NotFound', code: 'JOB_NOT_DONE' })
    }
    put('out/_SUCCESS')
    for (const source of ['out', 'out/day=1', 'out/day=1/', 'out/day=*', 'out/day=1/part-*', 'out/day=1/part-0', 'out/**']) expect((await namesOf(source, { requireSuccess: true })).length).toBeGreaterThan(0)
  })
})

describe('a list of sources', () => {
  it('gives once what patterns and folders have in common, and twice what is named twice', async () => {
    put('g/1', 'g/2', 'g/3')
    const listed = async (...sources: readonly string[]): Promise<readonly string[]> => (await expandInputs(sources.map((source) => join(root, source)))).map(({ url }) => url.slice(-1))
    expect(await listed('g/*', 'g/1')).toEqual(['1', '2', '3'])
    expect(await listed('g/2', 'g/*')).toEqual(['2', '1', '3'])
    expect(await listed('g/[12]', 'g', 'g/*')).toEqual(['1', '2', '3'])
    expect(await listed('g/2', 'g/1', 'g/2')).toEqual(['2', '1', '2'])
    expect((await expandInputs([join(root, 'g/*'), `file://${join(root, 'g/1')}`, `${root}/g/../g/2`])).length).toBe(3)
  })
})

describe('folders of partitions', () => {
  it('give each key once', async () => {
    put('out/k=1/k=2/a')
    for (const source of ['out', 'out/**']) expect(await errorOf(() => namesOf(source))).toMatchObject({ _tag: 'Schema', code: 'PARTITION_TWICE', position: { source: 'k=1/k=2' } })
    expect(await namesOf('out/k=1')).toEqual(['out/k=1/k=2/a'])
  })

  const partitionsOf = async (source: string): Promise<unknown> => (await expandInputs(join(root, source))).map(({ partition }) => partition)

  it('tell the values of their keys below what was asked for', async () => {
    put('out/date=2026-11-24/country=de/part-0', 'out/date=2026-11-25/country=__HIVE_DEFAULT_PARTITION__/part-0')
    const both = [{ date: '2026-11-24', country: 'de' }, { date: '2026-11-25', country: null }]
    expect(await partitionsOf('out')).toEqual(both)
    expect(await partitionsOf('out/date=*/**')).toEqual(both)
    expect(await partitionsOf('out/date=2026-11-24')).toEqual([{ country: 'de' }])
    expect(await partitionsOf('out/date=2026-11-24/country=de/part-0')).toEqual([undefined])
    expect(await partitionsOf('out/date=2026-11-24/country=d*')).toEqual([{ country: 'de' }])
  })

  it('are escaped as Spark does', () => {
    expect(partitionFolder('at', '2026-11-24 10:30:00')).toBe('at=2026-11-24 10%3A30%3A00')
    expect(partitionFolder('a=b', '50%/x{y}')).toBe('a%3Db=50%25%2Fx%7By}')
    expect([partitionFolder('a', null), partitionFolder('a', '')]).toEqual(['a=__HIVE_DEFAULT_PARTITION__', 'a=__HIVE_DEFAULT_PARTITION__'])
    for (const value of ['ä/ö', '%', '100%25', "it's", '\u0001\u007f', 'a=b=c', '…']) expect(parsePartition([partitionFolder('k e=y', value)])).toEqual({ 'k e=y': value })
    // pyarrow escapes the bytes of UTF-8; what is no escape stands for itself.
    expect(parsePartition(['x', '=y', 'a=caf%C3%A9', 'b=%zz%4', 'c=%E9'])).toEqual({ a: 'café', b: '%zz%4', c: 'é' })
    expect(parsePartition(['x', '=y'])).toBeUndefined()
  })
})
