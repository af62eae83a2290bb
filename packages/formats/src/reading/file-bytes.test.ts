import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { field, fromRows, pipe, run, type Position, type Stream } from '@millrace/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCsv, readJson, readRawRecords, readTfRecords, writeCsv, writeTfRecords } from '../index.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-reading-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const schema = { a: field.int32() }

describe('a file that is cut while it is read', () => {
  const cutWithin = async (file: string, stream: Stream): Promise<unknown> => {
    try {
      for await (const batch of stream) if (batch.numRows > 0) truncateSync(file, 3_000_000)
      return undefined
    } catch (error) {
      return error
    }
  }

  it('is told, where its format would not show it', async () => {
    const csv = join(folder, 'big.csv')
    writeFileSync(csv, `a\n${'1234567\n'.repeat(1_000_000)}`)
    expect(await cutWithin(csv, readCsv(csv, { schema }))).toMatchObject({ _tag: 'Corrupt', code: 'FILE_SHRANK', position: { source: csv, byte: 3_000_000 } })
    const lines = join(folder, 'big.jsonl')
    writeFileSync(lines, '{"a":1}\n'.repeat(1_000_000))
    expect(await cutWithin(lines, readJson(lines, { schema }))).toMatchObject({ code: 'FILE_SHRANK' })
    const records = join(folder, 'big')
    const text = 'x'.repeat(1000 - 41)
    await run(pipe(fromRows({ text: field.utf8() }, Array.from({ length: 8000 }, () => ({ text }))), writeTfRecords(records)))
    expect(await cutWithin(`${records}-00000-of-00001`, readRawRecords(`${records}@1`))).toMatchObject({ _tag: 'Corrupt' })
  })
})

/** Files in the folder that this process holds open; only Linux tells. */
const openFiles = (): number =>
  readdirSync('/proc/self/fd').filter((entry) => {
    try {
      return readlinkSync(`/proc/self/fd/${entry}`).startsWith(folder)
    } catch {
      return false
    }
  }).length

describe.skipIf(!existsSync('/proc/self/fd'))(`a packed file that is left early${existsSync('/proc/self/fd') ? '' : ' [skipped: no /proc here]'}`, () => {
  it('is closed when the loop is', async () => {
    const rows = Array.from({ length: 50_000 }, (_, i) => ({ a: Math.imul(i, 2654435761) }))
    await run(pipe(fromRows(schema, rows), writeTfRecords(join(folder, 'packed'), { compression: 'gzip' })))
    await run(pipe(fromRows(schema, rows), writeCsv(join(folder, 'packed.csv.gz'))))
    for (let turn = 0; turn < 5; turn++) {
      for (const stream of [readTfRecords(join(folder, 'packed@1'), { schema, batchRows: 10 }), readCsv(join(folder, 'packed.csv.gz'), { schema, batchRows: 10 })]) {
        for await (const batch of stream) if (batch.numRows > 0) break
        expect(openFiles()).toBe(0)
        const controller = new AbortController()
        await expect(async () => {
          for await (const batch of stream.open({ signal: controller.signal })) if (batch.numRows > 0) controller.abort()
        }).rejects.toMatchObject({ _tag: 'Aborted' })
        expect(openFiles()).toBe(0)
      }
    }
  })
})

describe('a file over HTTP', () => {
  let server: Server
  let url: string
  beforeAll(async () => {
    const bytes = Buffer.from('a\n1\n2\n3\n')
    server = createServer((request, response) => {
      const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
      const start = Number(range?.[1] ?? 0)
      const part = bytes.subarray(start, range === null || range[2] === '' ? bytes.length : Number(range[2]) + 1)
      if (range !== null) response.setHeader('content-range', part.length === 0 ? `bytes */${bytes.length}` : `bytes ${start}-${start + part.length - 1}/${bytes.length}`)
      response.statusCode = range === null ? 200 : part.length === 0 ? 416 : 206
      response.setHeader('content-length', request.method === 'HEAD' ? bytes.length : part.length)
      response.end(request.method === 'HEAD' ? undefined : part)
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.csv`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  it('resumes from every position, the last included', async () => {
    const stream = readCsv(url, { schema, batchRows: 1 })
    const positions: Position[] = []
    for await (const batch of stream) positions.push(batch.position!)
    const rest: number[] = []
    for (const from of positions) {
      let rows = 0
      for await (const batch of stream.open({ from })) rows += batch.numRows
      rest.push(rows)
    }
    expect(rest).toEqual([2, 1, 0])
  })
})
