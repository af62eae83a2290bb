import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { batchFromRows, collect, field, fromBatches, pipe, run, Tally, type Json, type OpenOptions, type Stream } from '@millrace/core'
import { readCsv, readJson, readTfRecords, writeTfRecords, type RejectedRecord, type WorkerOptions } from '@millrace/formats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'millrace-workers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const schema = { id: field.int64(), name: field.utf8(), score: field.nullable(field.float32()), tags: field.list(field.utf8()), on: field.bool() }
const rows = Array.from({ length: 5000 }, (_, i) => ({ id: BigInt(i), name: `row ${i}`, score: i % 3 === 0 ? null : i / 2, tags: i % 2 === 0 ? [] : [`${i}`, 'ü'], on: i % 5 === 0 }))
const glob = join(folder, 'a-*')
const lines = join(folder, 'lines.jsonl')
const bad = [7, 1234, 4999]

beforeAll(async () => {
  await run(writeTfRecords(join(folder, 'a'), { shards: 3 })(fromBatches(schema, [batchFromRows(schema, rows)])))
  writeFileSync(lines, rows.map(({ id }, i) => `{"n":${bad.includes(i) ? '"no number"' : id}}\n`).join(''))
})

const read = async (stream: Stream, options: OpenOptions = {}): Promise<{ rows: unknown[]; positions: Json[]; ends: number[] }> => {
  const out = { rows: [] as unknown[], positions: [] as Json[], ends: [] as number[] }
  for await (const batch of stream.open(options)) {
    for (let row = 0; row < batch.numRows; row++) out.rows.push(batch.row(row))
    out.positions.push(batch.position ?? null)
    out.ends.push(out.rows.length)
  }
  return out
}

const records = (options: WorkerOptions = {}) => readTfRecords(glob, { schema, batchRows: 200, ...options })
const numbers = (options: WorkerOptions & { readonly onBadRecord?: 'fail' | { readonly quarantine: (record: RejectedRecord) => void } } = {}) =>
  readJson(lines, { schema: { n: field.int32() }, batchRows: 300, ...options })

describe('worker threads', () => {
  test('give the rows, batches and positions of the main thread where files are read whole', async () => {
    const due = await read(records())
    expect(due.rows).toHaveLength(rows.length)
    for (const workers of [1, 2, 3]) expect(await read(records({ workers }))).toEqual(due)
  })

  test('give its rows in parts too, and positions that any number of workers goes on from', async () => {
    const due = await read(records())
    const parts = await read(records({ workers: 2, splitBytes: 20_000, readAheadBytes: 1 }))
    expect(parts.rows).toEqual(due.rows)
    for (const at of [0, 5, parts.positions.length - 2]) {
      for (const workers of [0, 2]) expect((await read(records({ workers, splitBytes: 30_000 }), { from: parts.positions[at]! })).rows).toEqual(due.rows.slice(parts.ends[at]))
    }
    const third = Math.floor(due.positions.length / 3)
    expect((await read(records({ workers: 2, splitBytes: 20_000 }), { from: due.positions[third]! })).rows).toEqual(due.rows.slice(due.ends[third]))
  })

  test('in any order, give each row once, and cannot be resumed', async () => {
    const stream = records({ workers: 2, order: 'any' })
    const ids = (await run(pipe(stream, collect()))).map(({ id }) => Number(id))
    expect(ids.sort((a, b) => a - b)).toEqual(rows.map((_, i) => i))
    expect(stream.stableOrder).toBe(false)
    await expect(read(stream, { from: { file: 0 } })).rejects.toMatchObject({ _tag: 'Usage', code: 'UNSTABLE_ORDER' })
    for await (const batch of stream) if (batch.numRows > 0) break
  })

  test('report bad records of all parts with their places in the file, in order, and totals that add up', async () => {
    const rejectedBy = async (options: WorkerOptions): Promise<{ rejected: RejectedRecord[]; rows: unknown[]; tally: Tally }> => {
      const rejected: RejectedRecord[] = []
      const tally = new Tally()
      const { rows } = await read(numbers({ ...options, onBadRecord: { quarantine: (record) => void rejected.push(record) } }), { tally })
      return { rejected, rows, tally }
    }
    const due = await rejectedBy({})
    const parts = await rejectedBy({ workers: 2, splitBytes: 4000 })
    expect(due.rejected.map(({ record }) => record)).toEqual(bad)
    expect(parts.rejected).toEqual(due.rejected)
    expect(parts.rows).toEqual(due.rows)
    expect(parts.tally.summary()).toEqual({ ...due.tally.summary(), read: rows.length })
    const failing = await read(numbers()).catch((error: unknown) => error)
    expect(await read(numbers({ workers: 2, splitBytes: 4000 })).catch((error: unknown) => error)).toMatchObject({ message: (failing as Error).message, position: { record: 7, line: 8 } })
  })

  test('read parts of CSV: rows, positions and bad records are those of one thread, wherever parts begin within quotes', async () => {
    const file = join(folder, 'texts.csv')
    // Some texts look like records themselves, and parts begin within them.
    const texts = Array.from({ length: 600 }, (_, i) => (i % 4 === 0 ? `"7,x\n${'8,"y"\n'.replaceAll('"', '""').repeat(i % 40)}9,z"` : `text ${i}`))
    writeFileSync(file, `n,text\r\n${texts.map((text, i) => `${i % 97 === 50 ? 'none' : i},${text}${i % 3 === 0 ? '\r\n' : '\n'}`).join('')}`)
    const readParts = async (options: WorkerOptions, from?: Json): Promise<Awaited<ReturnType<typeof read>> & { rejected: RejectedRecord[] }> => {
      const rejected: RejectedRecord[] = []
      const stream = readCsv(file, { schema: { n: field.int32(), text: field.utf8() }, batchRows: 50, onBadRecord: { quarantine: (record) => void rejected.push(record) }, ...options })
      return { ...(await read(stream, from === undefined ? {} : { from })), rejected }
    }
    const due = await readParts({})
    expect(due.rows.length + due.rejected.length).toBe(texts.length)
    for (const splitBytes of [100, 1000, 7000]) {
      const parts = await readParts({ workers: 2, splitBytes })
      expect(parts.rows).toEqual(due.rows)
      expect(parts.rejected).toEqual(due.rejected)
      const middle = Math.floor(parts.positions.length / 2)
      for (const workers of [0, 2]) expect((await readParts({ workers, splitBytes }, parts.positions[middle]!)).rows).toEqual(due.rows.slice(parts.ends[middle]))
    }
  })

  describe('read parts of text that does not begin with its records:', () => {
    const many = Array.from({ length: 1500 }, (_, i) => ({ n: i, text: i % 5 === 0 ? `é "${i}", }, {"n": 1}\n` : `text ${i}` }))
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
    const csv = `n,text\n${many.map(({ n, text }) => `${n % 700 === 650 ? 'none' : n},${quoted(text)}\n`).join('')}`
    const object = ({ n, text }: (typeof many)[number], more: object = {}): string => JSON.stringify({ n: n % 700 === 650 ? 'none' : n, text, ...more })
    const array = (more: (n: number) => object = () => ({}), between = ',\n'): string => `[${many.map((one) => object(one, more(one.n))).join(between)}]`
    /** Nested lists whose objects look like records. */
    const nested = (n: number): object => ({ items: Array.from({ length: n % 4 }, (_, i) => ({ n: i, text: `item ${i}` })) })
    const nullable = { n: field.int32(), text: field.utf8() }
    const mark = '\uFEFF'
    const skipped = `# one\r\n# "two\n${'#'.repeat(5000)}\n`
    type Options = WorkerOptions & { readonly onBadRecord: { readonly quarantine: (record: RejectedRecord) => void } }
    const cases: readonly (readonly [string, string, (file: string, options: Options) => Stream])[] = [
      ['CSV with a byte order mark', mark + csv, (file, options) => readCsv(file, { schema: nullable, batchRows: 70, ...options })],
      ['CSV after lines that are skipped', skipped + csv, (file, options) => readCsv(file, { schema: nullable, batchRows: 70, skipLines: 3, ...options })],
      ['CSV with both, and without a header', mark + skipped + csv.slice(csv.indexOf('\n') + 1), (file, options) => readCsv(file, { schema: nullable, header: ['n', 'text'], batchRows: 70, skipLines: 3, ...options })],
      ['CSV that names its columns itself', skipped + csv.replaceAll('none', '7'), (file, options) => readCsv(file, { batchRows: 70, skipLines: 3, ...options })],
      ['JSON lines with a byte order mark', `${mark}${many.map((one) => `${object(one)}\n`).join('')}`, (file, options) => readJson(file, { schema: nullable, batchRows: 70, ...options })],
      ['a JSON array', array(), (file, options) => readJson(file, { schema: nullable, batchRows: 70, ...options })],
      ['a JSON array in one line, with a byte order mark', `${mark} ${array(undefined, ' , ')}\n`, (file, options) => readJson(file, { schema: nullable, batchRows: 70, ...options })],
      ['a JSON array of records that hold some like them', array(nested), (file, options) => readJson(file, { schema: nullable, batchRows: 70, ...options })],
      ['an array within an object', `{"head": [{"n": 1, "text": "none"}, {"n": 2}], "data": {"rows": ${array(nested)}, "rest": [{"n": 5}, {"n": 6}]}}`, (file, options) => readJson(file, { schema: nullable, batchRows: 70, records: 'data.rows', ...options })],
      ['an array after much else', `{"head": [${'{"n": 1}, '.repeat(500)}{}], "rows": ${array()}}`, (file, options) => readJson(file, { schema: nullable, batchRows: 70, records: 'rows', parser: 'stream-json', ...options })],
    ]
    test.each(cases)('%s', async (name, text, open) => {
      const file = join(folder, `${name.replaceAll(' ', '-')}.txt`)
      writeFileSync(file, text)
      const readParts = async (options: WorkerOptions, from?: Json): Promise<Awaited<ReturnType<typeof read>> & { rejected: RejectedRecord[]; parts: number }> => {
        const rejected: RejectedRecord[] = []
        const out = await read(open(file, { ...options, onBadRecord: { quarantine: (record) => void rejected.push(record) } }), from === undefined ? {} : { from })
        // Batches end with parts, and with the memory for rows.
        return { ...out, rejected, parts: out.ends.filter((end, i) => end - (out.ends[i - 1] ?? 0) < 70).length }
      }
      const due = await readParts({})
      expect(due.rows.length + due.rejected.length).toBe(many.length)
      for (const splitBytes of [1000, 20_000]) {
        const parts = await readParts({ workers: 2, splitBytes })
        expect(parts.rows).toEqual(due.rows)
        expect(parts.rejected).toEqual(due.rejected)
        expect(parts.parts).toBeGreaterThan(due.parts)
        for (const at of [0, Math.floor(parts.positions.length / 2), parts.positions.length - 1]) {
          for (const workers of [0, 2]) expect((await readParts({ workers, splitBytes: 7000 }, parts.positions[at]!)).rows).toEqual(due.rows.slice(parts.ends[at]))
        }
      }
    })
  })

  test('believe the option compression where lines are cut into parts', async () => {
    const packed = join(folder, 'packed.jsonl')
    writeFileSync(packed, brotliCompressSync(readFileSync(lines)))
    const plain = join(folder, 'plain.jsonl.gz')
    writeFileSync(plain, readFileSync(lines))
    const options = { schema: { n: field.int32() }, onBadRecord: { quarantine: () => undefined }, workers: 2, splitBytes: 500 } as const
    for (const [file, compression] of [[packed, 'br'], [plain, 'none']] as const) {
      expect((await read(readJson(file, { ...options, compression }))).rows).toHaveLength(rows.length - bad.length)
    }
  })

  test('say what cannot be sent, and refuse numbers that make no sense', async () => {
    const odd = { ...schema, name: { ...field.utf8(), params: { odd: () => 1 } } } as unknown as typeof schema
    await expect(read(readTfRecords(glob, { schema: odd, workers: 1 }))).rejects.toMatchObject({ _tag: 'Usage', code: 'OPTIONS_NOT_SENT' })
    for (const workers of [-1, 1.5, 1000]) expect(() => records({ workers })).toThrow(expect.objectContaining({ _tag: 'Usage' }) as Error)
    expect(records({ workers: 2 }).explain()).toContain('"workers":2')
  })

  test('that run out of memory end the reading with an error that names the file', async () => {
    const long = join(folder, 'long.jsonl')
    writeFileSync(long, `{"a":[${'[1,2,3],'.repeat(1_500_000)}[4]]}\n`)
    const reading = read(readJson(long, { schema: { a: field.list(field.list(field.int32())) }, parser: 'stream-json', workers: 1, workerHeapMiB: 16 }))
    await expect(reading).rejects.toMatchObject({ _tag: 'Limit', code: 'WORKER_OUT_OF_MEMORY', position: { source: long } })
    // The next reading has a thread of its own.
    expect((await read(numbers({ workers: 1, onBadRecord: { quarantine: () => undefined } }))).rows).toHaveLength(rows.length - bad.length)
  })
})
