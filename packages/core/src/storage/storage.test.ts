import { execFileSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { collect } from '../../../../test/support/bytes.js'
import { errorOf } from '../../../../test/support/error-of.js'
import { expandInputs, openOutputSet, readBytes, readWhole, schemeOf, shardGlob, shardNames, storageFor, withOutputSet, writeFolder, writeText } from './index.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-storage-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const names = async (): Promise<string[]> => (await readdir(folder)).sort()
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('arguments that the compiler would refuse', () => {
  it('ifExists and sources say what they take, and nothing is written', async () => {
    expect(await errorOf(() => openOutputSet([join(folder, 'sub', 'a')], { ifExists: 'overwrite' as 'replace' }))).toMatchObject({
      _tag: 'Usage', code: 'BAD_OPTION', message: `ifExists is "overwrite". Give one of 'fail', 'replace'.`,
    })
    expect(await names()).toEqual([])
    for (const [source, shown] of [[undefined, 'undefined'], [new URL('file:///a'), 'an object of type URL'], [{ path: 'a' }, 'an object of type Object'], [['a', 3], '3'], [['a', undefined], 'undefined']] as const) {
      expect(await errorOf(() => expandInputs(source as unknown as string))).toMatchObject({ _tag: 'Usage', code: 'BAD_SOURCE', problem: expect.stringContaining(`here is ${shown}`) as string })
    }
  })
})

describe('local files', () => {
  it.each(['fail', 'replace'] as const)('tells a file in the path from an output that is there (ifExists %s)', async (ifExists) => {
    await writeFile(join(folder, 'taken'), '')
    for (const path of ['taken/out', 'taken/deep/out']) {
      expect(await errorOf(() => writeText(join(folder, path), 'x', { ifExists }))).toMatchObject({
        _tag: 'Storage', code: 'ENOTDIR', problem: 'a part of the path is a file, not a folder', message: expect.not.stringContaining('ifExists') as string,
      })
    }
    expect(await names()).toEqual(['taken'])
  })

  it('reads ranges in chunks of the size asked for', async () => {
    const path = join(folder, 'digits')
    await writeFile(path, '0123456789')
    const chunks: string[] = []
    for await (const chunk of readBytes(path, { start: 2, end: 9, chunkBytes: 3 })) chunks.push(Buffer.from(chunk).toString())
    expect(chunks).toEqual(['234', '567', '8'])
  })

  it('reads the same into memory that it reuses, one chunk ahead', async () => {
    const path = join(folder, 'digits')
    await writeFile(path, '0123456789')
    const chunks: string[] = []
    const buffers = new Set<ArrayBufferLike>()
    for await (const chunk of readBytes(path, { start: 1, chunkBytes: 2, reuse: true })) {
      chunks.push(Buffer.from(chunk).toString())
      buffers.add(chunk.buffer)
    }
    expect(chunks).toEqual(['12', '34', '56', '78', '9'])
    expect(buffers.size).toBe(2)
    for await (const chunk of readBytes(path, { end: 7, chunkBytes: 4, reuse: true })) {
      expect(Buffer.from(chunk).toString()).toBe('0123')
      break
    }
  })

  it('keeps the memory of a reading that has ended for the next, and gives two at a time their own', async () => {
    const whole = ['a', 'b', 'c'].map((letter) => Buffer.alloc(5 * 1024 * 1024 + 7, letter))
    await Promise.all(whole.map((content, i) => writeFile(join(folder, `${i}`), content)))
    const buffers = new Set<ArrayBufferLike>()
    const read = async (i: number): Promise<boolean> => {
      const seen: Buffer[] = []
      for await (const chunk of readBytes(join(folder, `${i}`), { reuse: true })) {
        buffers.add(chunk.buffer)
        await stat(folder)
        seen.push(Buffer.from(chunk))
      }
      return Buffer.concat(seen).equals(whole[i]!)
    }
    for (let turn = 0; turn < 3; turn++) expect(await Promise.all([read(0), read(1)])).toEqual([true, true])
    expect(buffers.size).toBeLessThanOrEqual(4)
    const left = readBytes(join(folder, '2'), { reuse: true })[Symbol.asyncIterator]()
    const { value } = await left.next()
    expect(await Promise.all([read(0), read(1), read(2)])).toEqual([true, true, true])
    expect(Buffer.from(value as Uint8Array).equals(whole[2]!.subarray(0, 1024 * 1024))).toBe(true)
    await left.return?.()
    expect(await read(2)).toBe(true)
  })

  it('names a missing file', async () => {
    const path = join(folder, 'missing')
    const error = await errorOf(() => collect(readBytes(path)))
    expect(error).toMatchObject({ _tag: 'NotFound', code: 'ENOENT', position: { source: path } })
  })

  it('stops at the signal', async () => {
    const path = join(folder, 'file')
    await writeFile(path, Buffer.alloc(100))
    const controller = new AbortController()
    const error = await errorOf(async () => {
      for await (const chunk of readBytes(path, { chunkBytes: 10, signal: controller.signal })) if (chunk.length > 0) controller.abort()
    })
    expect(error._tag).toBe('Aborted')
  })

  it('refuses to read a file larger than the limit', async () => {
    const path = join(folder, 'file')
    await writeFile(path, Buffer.alloc(100))
    expect((await errorOf(() => readWhole(path, { limitBytes: 99 }))).code).toBe('FILE_TOO_LARGE')
    expect((await readWhole(path, { limitBytes: 100 })).length).toBe(100)
  })

  it('says which paths name no file, and which URLs are not of this machine', async () => {
    for (const url of ['', join(folder, 'out/')]) await expect(storageFor(url).create!(url, { ifExists: 'fail' })).rejects.toMatchObject({ _tag: 'Usage', code: 'NO_FILE_NAME' })
    for (const url of ['file://elsewhere/data.csv', 'file:///a%2Fb']) await expect(collect(readBytes(url))).rejects.toMatchObject({ _tag: 'Usage', code: 'FILE_BAD_URL', position: { source: url } })
  })

  it('knows no unknown scheme', () => {
    expect(() => storageFor('gopher://hole')).toThrow(/nothing here reads "gopher:"/)
  })
})

describe('what a file takes the place of', () => {
  const posix = it.runIf(process.platform !== 'win32')
  const replace = (name: string): Promise<void> => writeText(join(folder, name), 'new', { ifExists: 'replace' })

  posix('is where a link leads, with the permissions that it had', async () => {
    await mkdir(join(folder, 'real'))
    await writeFile(join(folder, 'real', 'private'), 'old', { mode: 0o600 })
    await chmod(join(folder, 'real', 'private'), 0o620)
    await symlink('real', join(folder, 'there'))
    await symlink(join('there', 'private'), join(folder, 'link'))
    await replace('link')
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true)
    expect(await readFile(join(folder, 'real', 'private'), 'utf8')).toBe('new')
    expect((await stat(join(folder, 'real', 'private'))).mode & 0o777).toBe(0o620)
    expect(await readdir(join(folder, 'real'))).toEqual(['private'])
    // What is left to the umask stays so where nothing was before.
    await replace('first')
    expect((await stat(join(folder, 'first'))).mode & 0o777).toBe(0o666 & ~process.umask())
    expect(await names()).toEqual(['first', 'link', 'real', 'there'])
  })

  posix('comes back where it was when another file of the set cannot have its name', async () => {
    await writeFile(join(folder, 'real'), 'old', { mode: 0o600 })
    await symlink('real', join(folder, 'link'))
    const set = await openOutputSet(['link', 'other'].map((name) => join(folder, name)), { ifExists: 'replace' })
    set.outputs[1]!.commit = () => Promise.reject(new Error('no'))
    await expect(set.commit()).rejects.toThrow('no')
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true)
    expect([await readFile(join(folder, 'real'), 'utf8'), (await stat(join(folder, 'real'))).mode & 0o777]).toEqual(['old', 0o600])
    expect(await names()).toEqual(['link', 'real'])
  })

  posix('is a file, and no pipe or link that leads nowhere', async () => {
    execFileSync('sh', ['-c', 'mkfifo "$1"', 'sh', join(folder, 'pipe')])
    await symlink('nowhere', join(folder, 'lost'))
    await symlink('pipe', join(folder, 'to-pipe'))
    await symlink('turns', join(folder, 'turns'))
    const before = await names()
    for (const name of before) expect(await errorOf(() => replace(name)), name).toMatchObject({ _tag: 'AlreadyExists', code: 'NOT_A_FILE', position: { source: join(folder, name) } })
    for (const name of before) expect(await errorOf(() => writeText(join(folder, name), 'new')), name).toMatchObject({ _tag: 'AlreadyExists' })
    expect(await names()).toEqual(before)
    expect((await lstat(join(folder, 'pipe'))).isFIFO()).toBe(true)
  })
})

describe('expandInputs', () => {
  beforeEach(async () => {
    await mkdir(join(folder, 'deep/er'), { recursive: true })
    for (const name of ['b.json', 'a.json', 'c.csv', 'odd[1].json', '.hidden.json', 'deep/d.json', 'deep/er/e.json', ...shardNames('train', 3)]) {
      await writeFile(join(folder, name), name)
    }
  })
  const expand = async (pattern: string): Promise<string[]> => (await expandInputs(join(folder, pattern))).map((file) => file.url.slice(folder.length + 1))

  it.each([
    ['*.json', ['a.json', 'b.json', 'odd[1].json']],
    ['{a,c}.*', ['a.json', 'c.csv']],
    ['*/*.json', ['deep/d.json']],
    ['**/*.json', ['a.json', 'b.json', 'deep/d.json', 'deep/er/e.json', 'odd[1].json']],
    ['odd[1].json', ['odd[1].json']],
    ['train@3', ['train-00000-of-00003', 'train-00001-of-00003', 'train-00002-of-00003']],
    ['train@*', ['train-00000-of-00003', 'train-00001-of-00003', 'train-00002-of-00003']],
  ])('%s', async (pattern, expected) => {
    expect(await expand(pattern)).toEqual(expected)
  })

  it('says when nothing matches, and when a shard is missing', async () => {
    expect(await errorOf(() => expand('*.parquet'))).toMatchObject({ _tag: 'NotFound', code: 'NO_MATCH' })
    expect(await errorOf(() => expand('train@4'))).toMatchObject({ _tag: 'NotFound' })
  })
})

describe('output sets', () => {
  const urls = (): string[] => shardNames(join(folder, 'out'), 2).slice()

  it('appear together at the end', async () => {
    const set = await openOutputSet(urls())
    await set.outputs[0]!.write(bytes('zero'))
    await set.outputs[1]!.write(bytes('one'))
    expect((await names()).filter((name) => !name.startsWith('.'))).toEqual([])
    await set.commit()
    expect(await names()).toEqual(['out-00000-of-00002', 'out-00001-of-00002'])
    expect(await readFile(urls()[1]!, 'utf8')).toBe('one')
  })

  it('leave nothing when the writer fails', async () => {
    const writing = withOutputSet(urls(), {}, async ([first]) => {
      await first!.write(bytes('half'))
      throw new Error('the writer failed')
    })
    await expect(writing).rejects.toThrow('the writer failed')
    expect(await names()).toEqual([])
  })

  it('fail on an output that exists, and replace it when asked', async () => {
    await writeText(urls()[1]!, 'before')
    expect(await errorOf(() => openOutputSet(urls()))).toMatchObject({ _tag: 'AlreadyExists', code: 'OUTPUT_EXISTS' })
    await withOutputSet(urls(), { ifExists: 'replace' }, async (outputs) => {
      for (const output of outputs) await output.write(bytes('after'))
    })
    expect(await readFile(urls()[1]!, 'utf8')).toBe('after')
    expect(await names()).toHaveLength(2)
  })

  it('are never without the file that is replaced', async () => {
    await writeText(urls()[0]!, 'before')
    await writeText(urls()[1]!, 'before')
    const set = await openOutputSet(urls(), { ifExists: 'replace' })
    for (const output of set.outputs) await output.write(bytes('after'))
    const second = set.outputs[1]!
    const commit = second.commit.bind(second)
    const seen: string[] = []
    second.commit = async () => {
      for (const url of urls()) seen.push(await readFile(url, 'utf8'))
      await commit()
    }
    await set.commit()
    expect(seen).toEqual(['after', 'before'])
    expect(await names()).toHaveLength(2)
    const failing = await openOutputSet(urls(), { ifExists: 'replace' })
    failing.outputs[0]!.commit = () => Promise.reject(new Error('no'))
    await expect(failing.commit()).rejects.toThrow('no')
    expect(await readFile(urls()[0]!, 'utf8')).toBe('after')
    expect(await names()).toHaveLength(2)
  })

  it('fail when another writer took the name meanwhile', async () => {
    const set = await openOutputSet(urls())
    await writeFile(urls()[1]!, 'the other')
    expect((await errorOf(() => set.commit()))._tag).toBe('AlreadyExists')
    expect(await names()).toEqual(['out-00001-of-00002'])
    expect(await readFile(urls()[1]!, 'utf8')).toBe('the other')
  })

  it('bring back what was there when one output cannot take its name', async () => {
    await writeText(urls()[0]!, 'before')
    const set = await openOutputSet(urls(), { ifExists: 'replace' })
    // A folder that is not empty cannot be replaced by a file, nor set aside when it is busy: put one in the way after setting aside.
    await set.outputs[0]!.write(bytes('after'))
    const second = set.outputs[1]!
    const commit = second.commit.bind(second)
    second.commit = async () => {
      await mkdir(join(urls()[1]!, 'in the way'), { recursive: true })
      await commit()
    }
    await errorOf(() => set.commit())
    expect(await readFile(urls()[0]!, 'utf8')).toBe('before')
    expect(await names()).toEqual(['out-00000-of-00002', 'out-00001-of-00002'])
  })

  it('have their markers last, and those of before back when they cannot be', async () => {
    const [first, second] = urls() as [string, string]
    const [done, list, busy] = ['_DONE', '.list', '_BUSY'].map((name) => join(folder, name)) as [string, string, string]
    for (const url of [first, second, done, list]) await writeText(url, 'before')
    const markers = [{ url: done }, { url: list, pending: 'wait' }, { url: busy, pending: 'busy' }]
    const seen = (): Promise<(string | undefined)[]> => Promise.all([first, second, done, list, busy].map((url) => readFile(url, 'utf8').catch(() => undefined)))
    const before = ['before', 'before', undefined, 'wait', 'busy']
    for (const fails of [0, 1, 2, 3]) {
      // Whatever their place is.
      const set = await openOutputSet([done, list, first, second], { ifExists: 'replace', markers })
      for (const output of set.outputs) await output.write(bytes('after'))
      const all: unknown[] = []
      for (const [index, output] of set.outputs.entries()) {
        const commit = output.commit.bind(output)
        output.commit = async () => {
          all.push(await seen())
          if (index === [2, 3, 0, 1][fails]) throw new Error('no')
          await commit()
        }
      }
      await expect(set.commit()).rejects.toThrow('no')
      expect(all[0]).toEqual(before)
      expect(await seen()).toEqual(['before', 'before', 'before', 'before', undefined])
    }
    await withOutputSet([list, first, second], { ifExists: 'replace', markers }, async (outputs) => {
      for (const output of outputs) await output.write(bytes('after'))
    })
    expect(await seen()).toEqual(['after', 'after', undefined, 'after', undefined])
    expect(await names()).toEqual(['.list', 'out-00000-of-00002', 'out-00001-of-00002'])
  })

  it('may have a marker that is too large to be kept', async () => {
    const [url] = urls() as [string, string]
    const done = join(folder, '_DONE')
    const put = async (fails: boolean): Promise<void> => {
      await writeText(done, '', { ifExists: 'replace' })
      await truncate(done, 2 ** 28 + 1)
      await withOutputSet([url, done], { ifExists: 'replace', markers: [{ url: done }] }, async ([output]) => {
        if (fails) output!.commit = () => Promise.reject(new Error('no'))
        await output!.write(bytes('after'))
      })
    }
    await put(false)
    expect([await readFile(url, 'utf8'), (await stat(done)).size]).toEqual(['after', 0])
    await expect(put(true)).rejects.toThrow('no')
    expect(await names()).toEqual([basename(url)])
  })

  it('leave the marker of another job that is at work', async () => {
    const busy = join(folder, '_BUSY')
    const set = await openOutputSet(urls(), { markers: [{ url: busy, pending: 'ours', ifExists: 'fail' }] })
    await writeText(busy, 'theirs')
    await expect(set.commit()).rejects.toMatchObject({ _tag: 'Corrupt', code: 'SET_NOT_WHOLE', position: { source: busy } })
    expect(await names()).toEqual(['_BUSY'])
    expect(await readFile(busy, 'utf8')).toBe('theirs')
  })

  it('remove the shards of an earlier count', async () => {
    for (const name of shardNames(join(folder, 'out'), 3)) await writeFile(name, 'old')
    const options = { stale: shardGlob(join(folder, 'out')) }
    expect((await errorOf(() => openOutputSet(urls(), options))).code).toBe('OUTPUT_EXISTS')
    await withOutputSet(urls(), { ...options, ifExists: 'replace' }, async () => undefined)
    expect(await names()).toEqual(['out-00000-of-00002', 'out-00001-of-00002'])
  })
})

describe('URLs with what slips in around them', () => {
  it.each([' http://h/x?t=TOK', '"https://h/x?t=TOK"', '\ufeffs3://KEY:SECRET@b/x', '\tfile:///x', 'http://h/x?t=TOK\n', 'https://h/x ', 'http://h/\0x'])('are refused: %j', async (url) => {
    const before = await readdir('.')
    for (const work of [() => readWhole(url), () => writeText(url, 'x'), () => expandInputs(url), () => writeFolder(url, {}, async () => undefined)]) {
      const error = await errorOf(work)
      expect([error._tag, error.code, error.remedy]).toEqual(['Usage', 'BAD_URL', expect.stringContaining('trim()')])
      expect(JSON.stringify(error) + error.stack!).not.toMatch(/TOK|SECRET/)
    }
    expect(await readdir('.')).toEqual(before)
  })

  it('leave paths and keys alone that have blanks', async () => {
    const path = join(folder, ' a ')
    await writeText(path, 'x')
    expect(Buffer.from(await readWhole(path)).toString()).toBe('x')
    for (const url of [' a', 'a b', 's3://b/a ', 'http://h/a b_(1)']) expect(() => schemeOf(url)).not.toThrow()
  })

  it('show no tokens of schemes that nobody knows', async () => {
    for (const url of ['htps://b/f.csv?X-Amz-Signature=SECRET', 'abfss://c@acc.dfs.core.windows.net/x.csv?sig=SECRET']) {
      for (const work of [() => readWhole(url), () => writeText(url, 'x'), () => expandInputs(url)]) {
        const error = await errorOf(work)
        expect(error.code).toBe('UNKNOWN_SCHEME')
        expect(JSON.stringify(error) + error.stack!).not.toContain('SECRET')
      }
    }
  })
})

describe('folders', () => {
  it('appear whole, and are replaced whole', async () => {
    const target = join(folder, 'model')
    await writeFolder(target, {}, (at) => writeFile(join(at, 'a'), '1'))
    expect((await errorOf(() => writeFolder(target, {}, async () => undefined))).code).toBe('OUTPUT_EXISTS')
    await writeFolder(target, { ifExists: 'replace' }, (at) => writeFile(join(at, 'b'), '2'))
    expect(await readdir(target)).toEqual(['b'])
    await expect(writeFolder(target, { ifExists: 'replace' }, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await names()).toEqual(['model'])
    expect(await readdir(target)).toEqual(['b'])
  })

  it('written by several at once are one of theirs, whole', async () => {
    const target = join(folder, 'model')
    const write = (ifExists: 'fail' | 'replace') => (name: string) =>
      writeFolder(target, { ifExists }, async (at) => {
        await writeFile(join(at, name), '')
        await writeFile(join(at, 'both'), '')
      })
    const writers = ['a', 'b', 'c', 'd', 'e', 'f']
    const first = await Promise.allSettled(writers.map(write('fail')))
    expect(first.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of first) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'OUTPUT_EXISTS' })
    expect((await Promise.allSettled(writers.map(write('replace')))).map(({ status }) => status)).toEqual(writers.map(() => 'fulfilled'))
    expect(await names()).toEqual(['model'])
    expect(await readdir(target)).toHaveLength(2)
  })

  it('are not replaced by files, nor files by folders', async () => {
    const target = join(folder, 'model')
    await writeFolder(target, {}, (at) => writeFile(join(at, 'a'), '1'))
    expect(await errorOf(() => writeText(target, 'text', { ifExists: 'replace' }))).toMatchObject({ _tag: 'AlreadyExists', code: 'OUTPUT_IS_FOLDER' })
    expect(await readdir(target)).toEqual(['a'])
    const file = join(folder, 'text')
    await writeText(file, 'text')
    expect(await errorOf(() => writeFolder(file, { ifExists: 'replace' }, async () => undefined))).toMatchObject({ _tag: 'AlreadyExists', code: 'OUTPUT_IS_FILE' })
    expect(await names()).toEqual(['model', 'text'])
  })
})

describe('folders that hold something else', () => {
  it('are not replaced, unless empty', async () => {
    const target = join(folder, 'models')
    const options = { ifExists: 'replace', isReplaceable: (names: readonly string[]) => names.includes('a') } as const
    const write = (at: string): Promise<void> => writeFile(join(at, 'a'), '1')
    await mkdir(join(target, 'somebody'), { recursive: true })
    expect(await errorOf(() => writeFolder(target, options, write))).toMatchObject({ _tag: 'AlreadyExists', code: 'OUTPUT_IS_OTHER' })
    expect(await readdir(target)).toEqual(['somebody'])
    await rm(join(target, 'somebody'), { recursive: true })
    for (let time = 0; time < 2; time++) await writeFolder(target, options, write)
    expect(await readdir(target)).toEqual(['a'])
    expect(await names()).toEqual(['models'])
  })
})

describe('http', () => {
  const body = Buffer.from(Array.from({ length: 50_000 }, (_, i) => i % 251))
  let server: Server
  let base: string
  const seen: string[] = []

  beforeEach(async () => {
    seen.length = 0
    let flaky = 2
    server = createServer((request, response) => {
      const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '')
      seen.push(`${request.method} ${request.url} ${request.headers.range ?? ''}`)
      if (request.url?.startsWith('/missing')) return void response.writeHead(404).end()
      if (request.url === '/flaky' && flaky-- > 0) return void response.writeHead(503).end()
      const start = range === null ? 0 : Number(range[1])
      const end = range === null || range[2] === '' ? body.length : Number(range[2]) + 1
      const part = body.subarray(start, end)
      const placed = range === null ? {} : { 'content-range': `bytes ${start}-${start + part.length - 1}/${body.length}` }
      response.writeHead(range === null ? 200 : 206, { 'content-length': part.length, etag: '"v1"', ...placed })
      if (request.method === 'HEAD') return void response.end()
      if (request.url === '/cut' && seen.length < 3) return void response.write(part.subarray(0, 20_000), () => setTimeout(() => response.destroy(), 20))
      response.end(part)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  })
  afterEach(() => new Promise((resolve) => server.close(resolve)))

  it('reads whole files, ranges and sizes', async () => {
    expect((await collect(readBytes(`${base}/file`))).equals(body)).toBe(true)
    expect((await collect(readBytes(`${base}/file`, { start: 10, end: 300 }))).equals(body.subarray(10, 300))).toBe(true)
    expect((await storageFor(base).stat(`${base}/file`)).size).toBe(body.length)
  })

  it('reads on where the connection was cut', async () => {
    expect((await collect(readBytes(`${base}/cut`))).equals(body)).toBe(true)
    expect(seen).toHaveLength(3)
    expect(seen[1]).toMatch(/bytes=\d+-$/)
  })

  it('tries again after a 503, and not after a 404', async () => {
    expect((await collect(readBytes(`${base}/flaky`))).length).toBe(body.length)
    seen.length = 0
    const error = await errorOf(() => collect(readBytes(`${base}/missing?token=secret`)))
    expect(error._tag).toBe('NotFound')
    expect(seen).toHaveLength(1)
    expect(error.message).not.toContain('secret')
  })
})
