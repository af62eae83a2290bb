import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { field, fromRows, pipe, run, type Job, type MillraceError, type Position, type Row, type Schema, type Stream } from '@millrace/core'
import { skippableFrame, zstdFrame } from '../../../../test/support/zstd-frames.js'
import { writeArrow } from '../arrow/index.js'
import { readCsv, writeCsv } from '../csv/index.js'
import { inferSchema } from '../inference/index.js'
import { readJson, writeJson } from '../json/index.js'
import { writeParquet } from '../parquet/index.js'
import { writeTfRecords } from '../tfrecord/index.js'
import { inflated, type TextCompression } from '../compression/index.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-packed-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const schema = { id: field.int32(), name: field.utf8() }
type Rows = Row<typeof schema>[]
const rows: Rows = Array.from({ length: 500 }, (_, id) => ({ id, name: `name ${(id * 7919) % 1000}` }))
const csvText = `id,name\n${rows.map(({ id, name }) => `${id},${name}\n`).join('')}`

const file = async (name: string, ...parts: readonly (Uint8Array | string)[]): Promise<string> => {
  const path = join(folder, name)
  await writeFile(path, Buffer.concat(parts.map((part) => Buffer.from(part))))
  return path
}

/** Rows to the end, or to the error. */
const reading = async <S extends Schema>(stream: Stream<S>, from?: Position): Promise<{ rows: Row<S>[]; places: Position[]; error?: MillraceError }> => {
  const read: Row<S>[] = []
  const places: Position[] = []
  try {
    for await (const batch of stream.open(from === undefined ? {} : { from })) {
      for (let i = 0; i < batch.numRows; i++) read.push(batch.row(i))
      places.push(batch.position!)
    }
  } catch (error) {
    return { rows: read, places, error: error as MillraceError }
  }
  return { rows: read, places }
}

const blocksOf = (text: string, size: number): Buffer[] => Array.from({ length: Math.ceil(text.length / size) }, (_, i) => Buffer.from(text).subarray(i * size, (i + 1) * size))

const packers: readonly (readonly [TextCompression, string, (text: string) => Uint8Array])[] = [
  ['gzip', '.gz', (text) => zlib.gzipSync(text)],
  ['zlib', '.deflate', (text) => zlib.deflateSync(text)],
  ['br', '.br', (text) => zlib.brotliCompressSync(text)],
  ['zst', '.zst', (text) => zstdFrame(blocksOf(text, 1000))],
]

const readers = {
  csv: (path: string, options: object = {}) => readCsv(path, { schema, batchRows: 100, ...options }),
  lines: (path: string, options: object = {}) => readJson(path, { schema, batchRows: 100, ...options }),
  array: (path: string, options: object = {}) => readJson(path, { schema, batchRows: 100, ...options }),
}
const texts = { csv: csvText, lines: rows.map((row) => `${JSON.stringify(row)}\n`).join(''), array: JSON.stringify(rows) }

describe.each(packers)('text packed with %s', (compression, ending, pack) => {
  it.each(Object.keys(readers) as (keyof typeof readers)[])('is read by its name, by option and from every position (%s)', async (kind) => {
    const packed = pack(texts[kind])
    const path = await file(`named-${kind}.txt${ending}`, packed)
    const { rows: read, places, error } = await reading(readers[kind](path))
    expect(error).toBeUndefined()
    expect(read).toEqual(rows)
    for (const [i, place] of places.entries()) expect((await reading(readers[kind](path), place)).rows).toEqual(rows.slice(100 * (i + 1)))
    const plain = await file(`unnamed-${kind}-${compression}`, packed)
    expect((await reading(readers[kind](plain, { compression }))).rows).toEqual(rows)
    // Brotli has no mark.
    if (compression !== 'br') expect((await reading(readers[kind](plain))).rows).toEqual(rows)
  })

  it.each(Object.keys(readers) as (keyof typeof readers)[])('that is cut gives the rows before, and says how far it was readable (%s)', async (kind) => {
    const packed = pack(texts[kind])
    let most = 0
    for (let length = 5; length < packed.length; length += Math.ceil(packed.length / 20)) {
      const { rows: read, error } = await reading(readers[kind](await file(`cut-${kind}.x`, packed.subarray(0, length)), { compression }))
      expect(error).toMatchObject({ _tag: 'Corrupt', code: 'COMPRESSED_TRUNCATED' })
      expect(error!.message).toContain(`at byte ${length} of the file`)
      expect(error!.message).toMatch(error!.position.byte === 0 ? /none of what it inflates to/ : new RegExp(`the bytes before ${error!.position.byte} were read`))
      expect(read).toEqual(rows.slice(0, read.length))
      // Whole records only, and all of those that were readable.
      expect(read.length).toBeLessThanOrEqual(texts[kind].slice(0, error!.position.byte).split('name ').length)
      expect(read.length).toBeGreaterThanOrEqual(texts[kind].slice(0, error!.position.byte).split('name ').length - 3)
      most = Math.max(most, read.length)
    }
    if (compression === 'zst') expect(most).toBeGreaterThan(300)
  })

  it('is refused where bits are flipped, or gives the same rows', async () => {
    const packed = pack(csvText)
    let refused = 0
    for (let bit = 0; bit < packed.length * 8; bit += Math.ceil(packed.length / 20) * 8 + 3) {
      const damaged = Buffer.from(packed)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      const { rows: read, error } = await reading(readers.csv(await file('flipped', damaged), { compression, maxInflatedBytes: 1e6 }))
      if (error === undefined && compression !== 'br') expect(read).toEqual(rows)
      if (error !== undefined) {
        refused++
        expect(['Corrupt', 'BadRecord', 'Limit', 'Schema']).toContain(error._tag)
      }
    }
    // Brotli has no checksum: what it inflates to may be anything.
    expect(refused).toBeGreaterThan(compression === 'br' ? 5 : 15)
  })

  it('is written by the name and by the option', async () => {
    const write = (path: string, options: object = {}): Promise<unknown> => run(pipe(fromRows(schema, rows), writeCsv(path, { ifExists: 'replace', ...options })))
    const named = join(folder, `written.csv${ending}`)
    await write(named)
    expect((await readFile(named)).length).toBeLessThan(csvText.length / 2)
    expect((await reading(readers.csv(named))).rows).toEqual(rows)
    await write(join(folder, 'written'), { compression })
    expect((await reading(readers.csv(join(folder, 'written'), { compression }))).rows).toEqual(rows)
    await run(pipe(fromRows(schema, rows), writeJson(join(folder, `parts-${compression}`), { partitionBy: [], compression })))
    expect((await reading(readJson(join(folder, `parts-${compression}`), { schema }))).rows).toEqual(rows)
    expect((await reading(readJson(join(folder, `parts-${compression}`, `part-00000.json${ending}`), { schema }))).rows).toEqual(rows)
  })

  it('has a schema that can be inferred', async () => {
    const found = await run(inferSchema(await file(`inferred.csv${ending}`, pack(csvText)), { format: 'csv' }))
    expect(Object.keys(found.schema)).toEqual(['id', 'name'])
  })

  it('is refused beyond the limits', async () => {
    const path = await file(`limits.csv${ending}`, pack(csvText))
    expect((await reading(readers.csv(path, { maxInflatedBytes: csvText.length }))).error).toBeUndefined()
    expect((await reading(readers.csv(path, { maxInflatedBytes: csvText.length - 1 }))).error).toMatchObject({ _tag: 'Limit', code: 'INFLATED_TOO_LONG' })
    expect(() => readers.csv(path, { maxInflatedBytes: 0 })).toThrow(/maxInflatedBytes/)
    expect(() => readers.csv(path, { compression: 'gz' })).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'BAD_OPTION' }) as Error)
  })
})

describe('a file that is something else', () => {
  it.each([
    ['plain.csv.gz', csvText, /is not gzip.*it does not begin so/, /compression: 'none'/],
    ['other.csv.gz', zstdFrame([Buffer.from(csvText)]), /is not gzip.*it begins as zstd does/, /compression: 'zst'/],
    ['plain.csv.zst', csvText, /is not zstd/, /compression: 'none'/],
    ['plain.csv.deflate', csvText, /is not zlib/, /compression: 'none'/],
  ])('%s is read as its option says, and else told', async (name, content, problem, remedy) => {
    const path = await file(name, content)
    const { rows: read, error } = await reading(readers.csv(path))
    expect(read).toEqual([])
    expect(error).toMatchObject({ _tag: 'Corrupt', code: 'NOT_PACKED', problem: expect.stringMatching(problem) as string, remedy: expect.stringMatching(remedy) as string })
    expect((await reading(readers.csv(path, { compression: /compression: '(\w+)'/.exec(error!.remedy!)![1] }))).rows).toEqual(rows)
  })

  const columns = { a: field.int32() }
  const binary: readonly (readonly [string, () => Promise<Uint8Array | string>, RegExp])[] = [
    ['parquet', async () => written('x.parquet', writeParquet), /Parquet/],
    ['arrow', async () => written('x.arrow', writeArrow), /Arrow/],
    ['tfrecord', async () => written('x', writeTfRecords, '-00000-of-00001'), /TFRecord/],
    ['xlsx', async () => Buffer.from('PK\x03\x04\x14\0\0\0', 'latin1'), /zip archive/],
    ['bz2', async () => Buffer.from('BZh91AY&SY\x01\0', 'latin1'), /bzip2/],
  ]
  const written = async (name: string, write: (url: string) => (stream: Stream<typeof columns, 'cold'>) => Job<unknown>, suffix = ''): Promise<Uint8Array> => {
    await run(pipe(fromRows(columns, [{ a: 1 }]), write(join(folder, name))))
    return readFile(join(folder, name + suffix))
  }
  it.each(binary)('of %s is told by the readers of text, packed or not', async (name, content, kind) => {
    const bytes = await content()
    for (const path of [await file(`${name}.csv`, bytes), await file(`${name}.csv.gz`, zlib.gzipSync(bytes))]) {
      for (const stream of [readCsv(path, { schema: columns }), readJson(path, { schema: columns }), readJson(path, { schema: columns, format: 'lines', onBadRecord: 'skip' })]) {
        expect((await reading(stream)).error).toMatchObject({ _tag: 'Corrupt', code: 'NOT_TEXT', problem: expect.stringMatching(kind) as string })
      }
      await expect(run(inferSchema(path, { format: 'csv' }))).rejects.toMatchObject({ code: 'NOT_TEXT' })
    }
  })

  it('but begins like one is text', async () => {
    for (const head of ['PAR1,ORC', 'BZh9', 'ORC', '%PDF', 'SQLite format 3']) {
      const [name] = head.split(',')
      expect((await reading(readCsv(await file('like.csv', `${head}\n${head.replace(/[^,]+/g, '1')}\n`), { schema: { [name!]: field.int32() } }))).rows).toEqual([{ [name!]: 1 }])
    }
  })

  it('has its names printed as text', async () => {
    const { error } = await reading(readCsv(await file('odd.csv', 'a\0\u001b[2J,c\n1,2\n'), { schema: columns }))
    expect(error).toMatchObject({ code: 'CSV_NO_SUCH_COLUMN', remedy: expect.stringContaining(String.raw`a\u0000\u001b[2J, c`) as string })
  })
})

describe('packed text', () => {
  it('may be several members, or frames, in a row', async () => {
    const [first, second] = [csvText.slice(0, 700), csvText.slice(700)]
    const frames = [zstdFrame(blocksOf(first, 100)), skippableFrame(Buffer.from('a note')), zstdFrame([Buffer.alloc(0)]), zstdFrame([Buffer.from(second)], { checksum: false }), skippableFrame(Buffer.alloc(0))]
    for (const parts of [[zlib.gzipSync(first), zlib.gzipSync(''), zlib.gzipSync(second)], frames]) {
      const { rows: read, error } = await reading(readers.csv(await file('members', ...parts)))
      expect(error).toBeUndefined()
      expect(read).toEqual(rows)
    }
    for (const [packed, tail] of [[zlib.brotliCompressSync(csvText), zlib.brotliCompressSync('x')], [zlib.deflateSync(csvText), zlib.deflateSync('x')]] as const) {
      const compression = packed[0] === 0x78 ? 'zlib' : 'br'
      const { rows: read, error } = await reading(readers.csv(await file('tail', packed, tail), { compression }))
      expect(error).toMatchObject({ _tag: 'Corrupt', code: 'COMPRESSED_TRAILING' })
      expect(read).toEqual(rows)
    }
  })

  it('larger than the buffers that are read into comes through whole', async () => {
    // Random hex digits: they pack to half, so that the packed file is several chunks.
    let seed = 1
    const random = (): string => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0).toString(16)
    const lines = Array.from({ length: 120_000 }, (_, id) => `{"id":${id},"name":"${random()}${random()}${random()}${random()}"}\n`)
    const path = await file('large.jsonl.gz', zlib.gzipSync(lines.join(''), { level: 1 }))
    expect((await readFile(path)).length).toBeGreaterThan(2.1 * 1024 * 1024)
    let at = 0
    for await (const batch of readJson(path, { schema })) {
      for (let i = 0; i < batch.numRows; i++) if (`${JSON.stringify(batch.row(i))}\n` !== lines[at++]) throw new Error(`row ${at - 1} differs`)
    }
    expect(at).toBe(lines.length)
  })

  it('that inflates beyond measure is refused', async () => {
    // 128 KiB for four bytes: 80 MiB in less than 3 kB.
    const zstd = zstdFrame(Array.from({ length: 640 }, () => ({ byte: 10, times: 128 * 1024 })), { checksum: false })
    const brotli = zlib.brotliCompressSync(Buffer.alloc(80 * 1024 * 1024), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })
    for (const [kind, bytes] of [['zst', zstd], ['br', brotli]] as const) {
      const packed = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes
      }
      const size = async (options: object): Promise<number> => {
        let inflatedBytes = 0
        for await (const chunk of inflated(packed(), kind, 'bomb', options)) inflatedBytes += chunk.length
        return inflatedBytes
      }
      await expect(size({ maxInflation: 2000 })).rejects.toMatchObject({ _tag: 'Limit', code: 'INFLATION_LIMIT' })
      expect(await size({ maxInflation: Infinity })).toBe(80 * 1024 * 1024)
    }
  })

  it('in zstd is refused where its frames are not as they should be', async () => {
    const text = Buffer.from('id,name\n1,x\n')
    const refused = async (bytes: Uint8Array): Promise<string> => {
      const { error } = await reading(readers.csv(await file('refused.zst', bytes)))
      expect(error).toMatchObject({ _tag: 'Corrupt', code: 'COMPRESSED_CORRUPT' })
      return error!.message
    }
    expect(await refused(zstdFrame([text], { damage: 1 }))).toContain('checksum')
    // 2^(10 + 18): 256 MiB.
    expect(await refused(zstdFrame([text], { window: 18 << 3 }))).toContain('a window of 268435456 bytes')
    const dictionary = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 0x38, 7]), zstdFrame([text], { checksum: false }).subarray(6)])
    expect(await refused(dictionary)).toContain('dictionary')
    expect(await refused(Buffer.concat([zstdFrame([text]), Buffer.from('more text')]))).toContain('no frame begins')
    // Each frame of 9 bytes asks for 128 MiB.
    const greedy = zstdFrame([Buffer.alloc(0)], { checksum: false, window: 17 << 3 })
    expect(await refused(Buffer.concat(Array.from({ length: 50 }, () => greedy)))).toContain('far beyond their sizes')
  })
})
