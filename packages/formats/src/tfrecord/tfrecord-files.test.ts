import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import { batchFromRows, field, fromBatches, fromRows, hasTag, makeStream, pipe, run, Tally, type MillraceError, type Position, type ProgressEvent, type Row, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RejectedRecord } from '../records/index.js'
import { encodeFrame, readRawRecords, readTfRecords, writeTfRecords, type Compression } from './index.js'

const schema = { id: field.int64({ as: 'number' }), name: field.nullable(field.utf8()), score: field.float32() }
type Rows = Row<typeof schema>[]
const makeRows = (count: number): Rows => Array.from({ length: count }, (_, id) => ({ id, name: id % 5 === 0 ? null : `name ${id}`, score: id / 2 }))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-tfrecord-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const collect = async <S extends typeof schema>(stream: Stream<S>, options: Parameters<Stream['open']>[0] = {}): Promise<Rows> => {
  const rows: Rows = []
  for await (const batch of stream.open(options)) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i) as unknown as Rows[number])
  return rows
}

/** The error that reading ends with, and the rows before it. */
const failing = async (stream: Stream<typeof schema>): Promise<{ error: MillraceError; rows: Rows }> => {
  const rows: Rows = []
  try {
    for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) rows.push(batch.row(i))
  } catch (error) {
    return { error: error as MillraceError, rows }
  }
  throw new Error('reading did not fail')
}

const write = async (name: string, rows: Rows, options: Parameters<typeof writeTfRecords>[1] = {}) =>
  run(pipe(fromRows(schema, rows, { batchRows: 64 }), writeTfRecords(join(folder, name), options)))

describe('writeTfRecords and readTfRecords', () => {
  it('know no other compression than their own, and write nothing', async () => {
    const wrong = { compression: 'gz' as Compression }
    const refusal = { _tag: 'Usage', code: 'BAD_OPTION', message: expect.stringContaining(`compression is "gz". Give one of `) as string }
    await expect(write('bad-compression/x', makeRows(3), wrong)).rejects.toMatchObject(refusal)
    expect(await readdir(folder)).not.toContain('bad-compression')
    expect(() => readTfRecords(join(folder, 'x'), { schema, ...wrong })).toThrow(expect.objectContaining(refusal) as Error)
    expect(() => readRawRecords(join(folder, 'x'), wrong)).toThrow(expect.objectContaining(refusal) as Error)
  })

  for (const compression of ['none', 'gzip', 'zlib'] as const satisfies readonly Compression[]) {
    it(`give back the rows (${compression})`, async () => {
      const rows = makeRows(1000)
      const report = await write(`back-${compression}`, rows, { shards: 3, compression })
      expect(report).toMatchObject({ rows: 1000, tally: { read: 1000, rejected: 0 } })
      expect(report.files.map((file) => file.slice(-14))).toEqual(['00000-of-00003', '00001-of-00003', '00002-of-00003'])
      let bytes = 0
      for (const file of report.files) bytes += (await stat(file)).size
      expect(report.bytes).toBe(bytes)
      const read = await collect(readTfRecords(join(folder, `back-${compression}-*`), { schema }))
      const expected = [0, 1, 2].flatMap((shard) => rows.filter((_, index) => index % 3 === shard))
      expect(read).toEqual(expected)
      expect(await collect(readTfRecords(join(folder, `back-${compression}@3`), { schema, compression }))).toEqual(expected)
    })
  }

  it('write the same bytes however the stream is cut into batches', async () => {
    const rows = makeRows(100)
    await run(pipe(fromRows(schema, rows, { batchRows: 7 }), writeTfRecords(join(folder, 'cut-a'), { shards: 4, compression: 'gzip' })))
    await run(pipe(fromRows(schema, rows, { batchRows: 100 }), writeTfRecords(join(folder, 'cut-b'), { shards: 4, compression: 'gzip' })))
    for (const shard of ['-00000-of-00004', '-00003-of-00004']) {
      expect(await readFile(join(folder, `cut-a${shard}`))).toEqual(await readFile(join(folder, `cut-b${shard}`)))
    }
  })

  it('write some of the columns, and empty shards where there are more shards than rows', async () => {
    await write('few', makeRows(2), { shards: 3, columns: ['id'] })
    const read = readTfRecords(join(folder, 'few@3'), { schema: { id: schema.id, name: schema.name, score: schema.score }, defaults: { score: 9 } })
    expect(await collect(read)).toEqual([{ id: 0, name: null, score: 9 }, { id: 1, name: null, score: 9 }])
  })

  it('take up reading after every position', async () => {
    await write('resume', makeRows(57), { shards: 2, compression: 'gzip' })
    await write('resume-plain', makeRows(57), { shards: 2 })
    for (const name of ['resume', 'resume-plain']) {
      const stream = readTfRecords(join(folder, `${name}@2`), { schema, batchRows: 5 })
      const all = await collect(stream)
      const positions: { rows: number; position: Position }[] = []
      let rows = 0
      for await (const batch of stream) {
        rows += batch.numRows
        positions.push({ rows, position: JSON.parse(JSON.stringify(batch.position)) as Position })
      }
      expect(positions).toHaveLength(12)
      for (const { rows: done, position } of positions) expect(await collect(stream, { from: position })).toEqual(all.slice(done))
    }
    const stream = readTfRecords(join(folder, 'resume@2'), { schema })
    await expect(collect(stream, { from: { file: 'elsewhere', byte: 0, record: 0 } })).rejects.toMatchObject({ code: 'BAD_POSITION' })
  })

  it('leave columns out that nobody looks at, unless bad records are skipped', async () => {
    await write('wide', makeRows(3))
    const file = join(folder, 'wide-00000-of-00001')
    const columnsOf = async (stream: Stream<typeof schema>): Promise<string[]> => {
      for await (const batch of stream.open({ columns: ['score'] })) return Object.keys(batch.columns)
      return []
    }
    expect(await columnsOf(readTfRecords(file, { schema }))).toEqual(['score'])
    expect(await columnsOf(readTfRecords(file, { schema, onBadRecord: 'skip' }))).toEqual(['id', 'name', 'score'])
  })

  it('stop early, and by a signal, and tell of progress', async () => {
    await write('stop', makeRows(5000), { shards: 2, compression: 'gzip' })
    const stream = readTfRecords(join(folder, 'stop@2'), { schema, batchRows: 100 })
    for await (const batch of stream) {
      expect(batch.numRows).toBe(100)
      break
    }
    const controller = new AbortController()
    let batches = 0
    await expect(async () => {
      for await (const batch of stream.open({ signal: controller.signal })) {
        batches += batch.numRows > 0 ? 1 : 0
        controller.abort()
      }
    }).rejects.toMatchObject({ _tag: 'Aborted' })
    expect(batches).toBe(1)
    const events: ProgressEvent[] = []
    await collect(stream, { progress: (event) => events.push(event) })
    const last = events.at(-1)!
    expect(last).toMatchObject({ unit: 'bytes', finished: true })
    expect(last.done).toBe(last.total)
  })

  it('end batches early when their records are large', async () => {
    const payload = new Uint8Array(3 * 1024 * 1024)
    const frame = encodeFrame(payload)
    await writeFile(join(folder, 'large'), Buffer.concat([frame, frame, frame, frame]))
    const sizes: number[] = []
    for await (const batch of readRawRecords(join(folder, 'large'))) sizes.push(batch.numRows)
    expect(sizes).toEqual([3, 1])
  })
})

describe('writeTfRecords leaves nothing half-written', () => {
  it('when the stream fails', async () => {
    const broken = makeStream<typeof schema, 'cold'>({
      schema, mode: 'cold', plan: { operator: 'broken', options: {}, inputs: [] }, stableOrder: true, positions: 'replay',
      open: async function* () {
        yield batchFromRows(schema, makeRows(50))
        throw new Error('the source broke')
      },
    })
    await expect(run(pipe(broken, writeTfRecords(join(folder, 'broken'), { shards: 2, compression: 'gzip' })))).rejects.toThrow('the source broke')
    expect((await readdir(folder)).filter((name) => name.includes('broken'))).toEqual([])
  })

  it('when it is aborted', async () => {
    const controller = new AbortController()
    const stream = fromBatches(schema, Array.from({ length: 20 }, () => batchFromRows(schema, makeRows(10))))
    const work = writeTfRecords(join(folder, 'aborted'))(stream)
    await expect(run(work, { signal: controller.signal, progress: () => controller.abort() })).rejects.toMatchObject({ _tag: 'Aborted' })
    expect((await readdir(folder)).filter((name) => name.includes('aborted'))).toEqual([])
  })

  it('and replaces only when told, old shards of another count included', async () => {
    await write('again', makeRows(10), { shards: 3 })
    await expect(write('again', makeRows(5), { shards: 3 })).rejects.toMatchObject({ _tag: 'AlreadyExists' })
    await expect(write('again', makeRows(5), { shards: 2 })).rejects.toMatchObject({ _tag: 'AlreadyExists' })
    expect(await collect(readTfRecords(join(folder, 'again@3'), { schema }))).toHaveLength(10)
    await write('again', makeRows(5), { shards: 2, ifExists: 'replace' })
    expect((await readdir(folder)).filter((name) => name.startsWith('again'))).toEqual(['again-00000-of-00002', 'again-00001-of-00002'])
    expect(await collect(readTfRecords(join(folder, 'again-*'), { schema }))).toHaveLength(5)
  })

  it('and refuses a number of shards that makes no sense', async () => {
    await expect(write('none', makeRows(1), { shards: 0 })).rejects.toMatchObject({ code: 'BAD_SHARDS' })
  })
})

describe('readTfRecords and damaged files', () => {
  it('a damaged payload is one bad record, failed, skipped or put aside', async () => {
    const rows = makeRows(20)
    await write('bad', rows)
    const file = join(folder, 'bad-00000-of-00001')
    const bytes = await readFile(file)
    const frames: number[] = []
    for (let at = 0; at < bytes.length; at += 16 + bytes.readUInt32LE(at)) frames.push(at)
    bytes[frames[7]! + 15]! ^= 4
    await writeFile(file, bytes)

    const { error, rows: before } = await failing(readTfRecords(file, { schema }))
    expect(error).toMatchObject({ _tag: 'BadRecord', code: 'TFRECORD_DATA_CRC', position: { source: file, record: 7, byte: frames[7] } })
    expect(before).toEqual(rows.slice(0, 7))

    const tally = new Tally()
    const rest = rows.filter((_, index) => index !== 7)
    expect(await collect(readTfRecords(file, { schema, onBadRecord: 'skip' }), { tally })).toEqual(rest)
    expect(tally.summary()).toEqual({ read: 20, delivered: 19, rejected: 1, rejectedByCode: { TFRECORD_DATA_CRC: 1 } })

    const rejected: RejectedRecord[] = []
    expect(await collect(readTfRecords(file, { schema, onBadRecord: { quarantine: (record) => void rejected.push(record) } }))).toEqual(rest)
    expect(rejected).toMatchObject([{ source: file, record: 7, byte: frames[7], code: 'TFRECORD_DATA_CRC' }])
    expect(rejected[0]!.raw).toEqual(new Uint8Array(bytes.subarray(frames[7]! + 12, frames[8]! - 4)))
  })

  it('a record that does not fit the schema names file, record, byte and feature', async () => {
    await write('misfit', makeRows(3))
    const file = join(folder, 'misfit-00000-of-00001')
    const narrow = readTfRecords(file, { schema: { ...schema, name: field.utf8() } })
    const { error } = await failing(narrow as unknown as Stream<typeof schema>)
    expect(error).toMatchObject({ _tag: 'BadRecord', code: 'EXAMPLE_MISSING', position: { source: file, record: 0, byte: 0, column: 'name' } })
    const tally = new Tally()
    const rows: unknown[] = []
    for await (const batch of readTfRecords(file, { schema: { name: field.utf8() }, onBadRecord: 'skip' }).open({ tally })) rows.push(...batch.columns.name.toArray())
    expect(rows).toEqual(['name 1', 'name 2'])
    expect(tally.summary().rejectedByCode).toEqual({ EXAMPLE_MISSING: 1 })
  })

  it('tells of truncated plain, gzip and zlib files, after the records before it', async () => {
    const rows = makeRows(4)
    for (const compression of ['none', 'gzip', 'zlib'] as const) {
      await write(`cut-${compression}`, rows, { compression })
      const file = join(folder, `cut-${compression}-00000-of-00001`)
      const bytes = await readFile(file)
      const starts = new Set([0])
      for (let at = 0; compression === 'none' && at < bytes.length; at += 16 + bytes.readUInt32LE(at)) starts.add(at)
      // A packed file of no byte or of one cannot be told from a plain one; none at all is an empty plain file.
      // The decoder's own tests try every length; each file here costs milliseconds.
      for (let length = 1; length < bytes.length; length += 5) {
        if (starts.has(length)) continue
        await writeFile(join(folder, 'cut'), bytes.subarray(0, length))
        const { error, rows: before } = await failing(readTfRecords(join(folder, 'cut'), { schema }))
        expect(hasTag(error, 'Corrupt')).toBe(true)
        expect(error.position.source).toBe(join(folder, 'cut'))
        expect(error.position.byte).toBeTypeOf('number')
        expect(before).toEqual(rows.slice(0, before.length))
        if (compression !== 'none' && length > 12) {
          expect(error.code).toBe('COMPRESSED_TRUNCATED')
          expect(error.message).toContain(`at byte ${length} of the file`)
        }
      }
    }
  })

  it('detects flipped bits of packed files that change a record', async () => {
    const rows = makeRows(4)
    for (const compression of ['gzip', 'zlib'] as const) {
      await write(`flip-${compression}`, rows, { compression })
      const bytes = await readFile(join(folder, `flip-${compression}-00000-of-00001`))
      const file = join(folder, 'flip')
      let detected = 0
      // Each flip costs milliseconds, so only every eleventh is tried: all positions in a byte come up.
      const step = 11
      for (let bit = 0; bit < bytes.length * 8; bit += step) {
        const damaged = Buffer.from(bytes)
        damaged[bit >> 3]! ^= 1 << (bit & 7)
        await writeFile(file, damaged)
        let read: Rows | undefined
        try {
          read = await collect(readTfRecords(file, { schema }))
        } catch (error) {
          expect(hasTag(error, 'Corrupt', 'BadRecord', 'Limit')).toBe(true)
          detected++
        }
        // The time stamp and the name of the operating system in a gzip header mean nothing to the records.
        if (read !== undefined) expect(read).toEqual(rows)
      }
      expect(detected).toBeGreaterThan((bytes.length * 8 * 0.8) / step)
    }
  }, 60_000)

  it('refuses bytes after packed data, but for zeros after gzip, and reads several gzip parts as one', async () => {
    const file = join(folder, 'parts')
    await write('part', makeRows(3))
    const plain = await readFile(join(folder, 'part-00000-of-00001'))
    await writeFile(file, Buffer.concat([gzipSync(plain), gzipSync(plain)]))
    expect(await collect(readTfRecords(file, { schema }))).toHaveLength(6)
    for (const zeros of [1, 3_000_000]) {
      await writeFile(file, Buffer.concat([gzipSync(plain), gzipSync(plain), Buffer.alloc(zeros)]))
      expect(await collect(readTfRecords(file, { schema }))).toHaveLength(6)
    }
    for (const [packed, tail] of [[gzipSync(plain), 'text'], [gzipSync(plain), '\0\0\0\0x'], [gzipSync(plain), `${'\0'.repeat(3_000_000)}x`], [deflateSync(plain), 'text'], [deflateSync(plain), '\0']] as const) {
      await writeFile(file, Buffer.concat([packed, Buffer.from(tail)]))
      const { error, rows } = await failing(readTfRecords(file, { schema }))
      expect(error).toMatchObject({ _tag: 'Corrupt', code: tail === 'text' && packed[0] === 0x1f ? 'COMPRESSED_CORRUPT' : 'COMPRESSED_TRAILING' })
      if (error.code === 'COMPRESSED_TRAILING') expect(rows).toEqual(makeRows(3))
    }
  })

  it('refuses a file that inflates beyond measure', async () => {
    const file = join(folder, 'bomb')
    const zeros = encodeFrame(new Uint8Array(20 * 1024 * 1024))
    await writeFile(file, gzipSync(Buffer.concat([zeros, zeros, zeros, zeros])))
    const codes: string[] = []
    try {
      for await (const batch of readRawRecords(file)) codes.push(String(batch.numRows))
    } catch (error) {
      codes.push((error as MillraceError).code)
    }
    expect(codes.at(-1)).toBe('INFLATION_LIMIT')
  })

  it('knows a plain file whose first record looks like packed data', async () => {
    // 376 = 0x0178 and 35615 = 0x8b1f begin like a zlib and a gzip stream.
    for (const size of [376, 35615]) {
      await writeFile(join(folder, 'lookalike'), encodeFrame(new Uint8Array(size).fill(8)))
      const sizes: number[] = []
      for await (const batch of readRawRecords(join(folder, 'lookalike'))) sizes.push(batch.columns.record.get(0).length)
      expect(sizes).toEqual([size])
    }
  })

  it('says so when the file is no TFRecord file, is empty, or is not there', async () => {
    await writeFile(join(folder, 'text'), 'origin,delay\nJFK,5\n')
    expect((await failing(readTfRecords(join(folder, 'text'), { schema }))).error).toMatchObject({ code: 'TFRECORD_LENGTH_CRC', position: { byte: 0, record: 0 }, problem: expect.stringMatching(/bytes 0 to \d+ are not read$/) as string })
    await writeFile(join(folder, 'empty'), '')
    expect(await collect(readTfRecords(join(folder, 'empty'), { schema }))).toEqual([])
    expect((await failing(readTfRecords(join(folder, 'absent'), { schema }))).error).toMatchObject({ _tag: 'NotFound' })
    expect((await failing(readTfRecords(join(folder, 'absent-*'), { schema }))).error).toMatchObject({ _tag: 'NotFound' })
  })
})
