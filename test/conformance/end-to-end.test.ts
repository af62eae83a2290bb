import { createServer, type Server } from 'node:http'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { collect, field, fromRows, pipe, run, statistics, take, type Stream } from '@millrace/core'
import { quarantine, readCsv, readJson, readParquet, readQuarantine, readTfRecords, writeCsv, writeJson, writeTfRecords, type RejectedRecord } from '@millrace/formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const schema = { id: field.int32(), name: field.utf8(), score: field.float32() }
const rows = Array.from({ length: 500 }, (_, id) => ({ id, name: `näme, "${id}"`, score: id / 4 }))
const flights = fileURLToPath(new URL('../../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url))

let folder: string
let server: Server
let base: string
/** Bytes of bodies. */
let served = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-end-to-end-'))
  server = createServer((request, response) => {
    const path = request.url === '/flights.parquet' ? flights : join(folder, request.url!.slice(1))
    void readFile(path).then(
      (bytes) => {
        const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '')
        const start = range === null ? 0 : Number(range[1])
        const end = range === null || range[2] === '' ? bytes.length : Math.min(bytes.length, Number(range[2]) + 1)
        const placed = range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }
        response.writeHead(range === null ? 200 : 206, { 'content-length': end - start, etag: '"1"', ...placed })
        if (request.method === 'GET') served += end - start
        response.end(request.method === 'HEAD' ? undefined : bytes.subarray(start, end))
      },
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const stream = fromRows(schema, rows)
  await run(pipe(stream, writeCsv(join(folder, 'rows.csv'))))
  await run(pipe(stream, writeJson(join(folder, 'rows.jsonl'))))
  await run(pipe(stream, writeTfRecords(join(folder, 'rows'), { compression: 'gzip' })))
})
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true, force: true })
})

describe('over http', () => {
  it.each<[string, () => Stream<typeof schema>]>([
    ['CSV', () => readCsv(`${base}/rows.csv`, { schema })],
    ['JSON lines', () => readJson(`${base}/rows.jsonl`, { schema })],
    ['TFRecord, gzip', () => readTfRecords(`${base}/rows-00000-of-00001`, { schema })],
  ])('%s reads what it reads from a file', async (_, stream) => {
    expect(await run(pipe(stream(), collect()))).toEqual(rows)
  })

  it('Parquet fetches the ranges it needs, and no more', async () => {
    served = 0
    const columns = { origin: field.utf8(), delay: field.int32() }
    const read = async (source: string) => run(pipe(readParquet(source, { schema: columns }), take(5), collect()))
    expect(await read(`${base}/flights.parquet`)).toEqual(await read(flights))
    // Two columns of one row group; the file has 13.5 MB.
    expect(served).toBeGreaterThan(0)
    expect(served).toBeLessThan(2_000_000)
  })

  it('names what is not there', async () => {
    await expect(run(pipe(readCsv(`${base}/missing.csv`, { schema }), collect()))).rejects.toMatchObject({ _tag: 'NotFound', position: { source: `${base}/missing.csv` } })
  })
})

describe('a quarantine file', () => {
  const text = ['id,name,score', '1,a,1', 'x,b,2', '3,c,3', '4,d', '5,e,5'].join('\n') + '\n'
  const lines = ['{"id":1,"name":"a","score":1}', '{"id":"x","name":"b","score":2}', '{"id":3,"name":"c","score":3}', '{"id":99999999999,"name":"d","score":4}', '{"id":5,"name":"e","score":5}'].join('\n') + '\n'

  it.each<[string, string, (source: string, options: { readonly schema: typeof schema; readonly onBadRecord: ReturnType<typeof quarantine> }) => Stream<typeof schema>]>([
    ['readCsv', text, readCsv],
    ['readJson', lines, readJson],
  ])('%s sets bad records aside whole, as they stand in the source', async (name, content, read) => {
    const source = join(folder, `${name}.txt`)
    const aside = join(folder, `${name}.rejected.jsonl`)
    await writeFile(source, content)
    const stream = read(source, { schema, onBadRecord: quarantine(aside) })
    for (let reading = 0; reading < 2; reading++) {
      const { rows: good, tally } = await run(pipe(stream, statistics()))
      expect([good, tally.read, tally.delivered, tally.rejected]).toEqual([3, 5, 3, 2])
      const records: RejectedRecord[] = []
      for await (const record of readQuarantine(aside)) records.push(record)
      expect(records.map(({ record }) => record)).toEqual([1, 3])
      const all = content.trim().split('\n').slice(name === 'readCsv' ? 1 : 0)
      expect(records.map(({ raw }) => Buffer.from(raw!).toString().trim())).toEqual([all[1], all[3]])
      for (const { source: from, reason, byte } of records) {
        expect(from).toBe(source)
        expect(reason).toContain(source)
        expect(content.slice(byte!)).toMatch(/^x,b|^4,d|^\{"id":"x"|^\{"id":99/)
      }
    }
  })
})

