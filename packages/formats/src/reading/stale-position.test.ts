import { mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, pipe, run, type Job, type Position, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../test/support/error-of.js'
import { readArrow, readCsv, readJson, readParquet, readTfRecords, writeArrow, writeCsv, writeJson, writeParquet, writeTfRecords } from '../index.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-stale-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const schema = { id: field.int32() }
type S = typeof schema
const replace = { ifExists: 'replace' } as const
const formats: { readonly [name: string]: readonly [write: (file: string) => (stream: Stream) => Job<unknown>, read: (file: string) => Stream<S>, file: (name: string) => string] } = {
  csv: [(file) => writeCsv(file, replace), (file) => readCsv(file, { schema, batchRows: 100 }), (name) => name],
  json: [(file) => writeJson(file, replace), (file) => readJson(file, { schema, batchRows: 100 }), (name) => name],
  parquet: [(file) => writeParquet(file, replace), (file) => readParquet(file, { schema, batchRows: 100 }), (name) => name],
  arrow: [(file) => writeArrow(file, replace), (file) => readArrow(file, { schema, batchRows: 100 }), (name) => name],
  tfrecord: [(file) => writeTfRecords(file, replace), (file) => readTfRecords(file, { schema, batchRows: 100 }), (name) => `${name}-00000-of-00001`],
}

const positionOf = async (stream: Stream): Promise<Position> => {
  for await (const batch of stream) return batch.position!
  throw new Error('there was no batch')
}

const restOf = async (stream: Stream<S>, from: Position): Promise<number> => {
  let rows = 0
  for await (const batch of stream.open({ from })) rows += batch.numRows
  return rows
}

describe.each(Object.entries(formats))('a position in a file of %s', (name, [write, read, fileOf]) => {
  const base = (): string => join(folder, name)
  const put = async (rows: number): Promise<string> => {
    await run(pipe(fromRows(schema, Array.from({ length: rows }, (_, id) => ({ id: 1000 + id }))), write(base())))
    return fileOf(base())
  }

  it.each([50, 500])('is refused once the file was written anew, with %i rows', async (rows) => {
    const position = await positionOf(read(await put(300)))
    expect(await restOf(read(fileOf(base())), position)).toBe(200)
    const stale = { _tag: 'Usage', code: 'STALE_POSITION', problem: expect.stringMatching(/ bytes, and it has \d+ bytes now/) as string }
    await expect(restOf(read(await put(rows)), position)).rejects.toMatchObject(stale)
  })

  it('goes on in a copy, which has another time', async () => {
    const file = await put(300)
    const position = await positionOf(read(file))
    utimesSync(file, 1, 1)
    expect(position).not.toHaveProperty('version')
    expect(await restOf(read(file), position)).toBe(200)
    // As positions of earlier versions are, and those of whoever knows better.
    const { size, ...old } = position as { readonly size: number }
    expect(await restOf(read(file), { ...old, size: size + 1 }).catch((error: unknown) => (error as { readonly code: string }).code)).toBe('STALE_POSITION')
    expect(await restOf(read(file), old)).toBe(200)
  })
})

describe('a position in a file on http', () => {
  const lines = `id\n${Array.from({ length: 300 }, (_, id) => 1000 + id).join('\n')}\n`

  it.each<readonly [what: string, before: object, after: object, outcome: unknown]>([
    ['is refused once its ETag is another', { etag: '"1"' }, { etag: '"2"' }, 'STALE_POSITION'],
    ['goes on at a mirror, which has another time', { 'last-modified': 'Mon, 02 Nov 2026 10:00:00 GMT' }, { 'last-modified': 'Tue, 03 Nov 2026 10:00:00 GMT' }, 200],
  ])('%s', async (_, before, after, outcome) => {
    let headers = before
    const server = createServer((request, response) => {
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      const body = Buffer.from(lines).subarray(start)
      const range = request.headers.range === undefined ? {} : { 'content-range': `bytes ${start}-${lines.length - 1}/${lines.length}` }
      response.writeHead(request.headers.range === undefined ? 200 : 206, { 'content-length': body.length, ...headers, ...range })
      response.end(request.method === 'HEAD' ? undefined : body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const stream = readCsv(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x.csv`, { schema, batchRows: 100 })
      const position = await positionOf(stream)
      expect(await restOf(stream, position)).toBe(200)
      headers = after
      expect(await restOf(stream, position).catch((error: unknown) => (error as { readonly code: string }).code)).toBe(outcome)
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  it('is of one link, signed anew or not, and holds nothing of its query', async () => {
    const server = createServer((request, response) => {
      const end = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '')
      const body = Buffer.from(lines).subarray(Number(end?.[1] ?? 0))
      response.writeHead(end === null ? 200 : 206, { 'content-length': body.length, 'accept-ranges': 'bytes', ...(end === null ? {} : { 'content-range': `bytes ${end[1]}-${lines.length - 1}/${lines.length}` }) })
      response.end(request.method === 'HEAD' ? undefined : body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const link = (query: string): Stream<S> => readCsv(`http://127.0.0.1:${(server.address() as AddressInfo).port}/export${query}`, { schema, batchRows: 100 })
      const signed = (file: string, signature: string): Stream<S> => link(`?file=${file}&X-Amz-Date=${signature}1&X-Amz-Signature=${signature}`)
      const position = await positionOf(signed('hush-a', 'hush-1'))
      expect(JSON.stringify(position)).not.toContain('hush')
      expect(await restOf(signed('hush-a', 'hush-2'), position)).toBe(200)
      for (const other of [signed('hush-b', 'hush-1'), link('?file=hush-b'), link('')]) {
        const error = await errorOf(restOf(other, position))
        expect(error.code).toBe('STALE_POSITION')
        expect(error.message).toContain('by the query of its link')
        expect(error.message).not.toContain('hush')
      }
      expect((await errorOf(restOf(signed('hush-a', 'hush-1'), await positionOf(link(''))))).code).toBe('STALE_POSITION')
      // As positions of earlier versions are.
      const { query: _query, ...old } = position as { readonly query: string }
      expect(await restOf(signed('hush-b', 'hush-1'), old)).toBe(200)
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })
})
