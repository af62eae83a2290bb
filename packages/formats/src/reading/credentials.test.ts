import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { field, fromRows, pipe, quarantine, readWordVectors, run, type Position, type Stream } from '@millrace/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { csvSchema, indexTfRecords, inferSchema, readArrow, readCsv, readJson, readParquet, readRawRecords, readTfRecords, writeCsv } from '../index.js'

const schema = { id: field.int32() }
const QUERY = '?X-Amz-Signature=SIGNED&token=TOKEN'
const SECRETS = /SIGNED|TOKEN|s3cr3t|czNjcjN0/
const LINES = 'id\n1\nbad\n2\n3\n'

let folder: string
let server: Server
let host: string
let authorization: (string | undefined)[] = []
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-credentials-'))
  server = createServer((request, response) => {
    authorization.push(request.headers.authorization)
    if (request.url!.startsWith('/gone')) return void response.writeHead(403).end(`<Code>AccessDenied</Code>${request.url}`)
    if (request.url!.startsWith('/away')) return void response.writeHead(302, { location: `http://[SIGNED/${QUERY}` }).end()
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const body = Buffer.from(LINES).subarray(start)
    const range = request.headers.range === undefined ? {} : { 'content-range': `bytes ${start}-${LINES.length - 1}/${LINES.length}` }
    response.writeHead(request.headers.range === undefined ? 200 : 206, { 'content-length': body.length, etag: '"1"', ...range })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

const signed = (name = 'x.csv', user = ''): string => `http://${user}${host}/${name}${QUERY}`

it('plans, progress, positions, quarantine files and streams show no token', async () => {
  const file = join(folder, 'bad.jsonl')
  const stream = readCsv(signed(), { schema, batchRows: 1, onBadRecord: quarantine(file) })
  const told: unknown[] = [stream.explain(), stream.plan, stream, readCsv([signed(), signed()], { schema }).plan]
  for await (const batch of stream.open({ progress: (event) => told.push(event) })) told.push(batch.position)
  told.push(readFileSync(file, 'utf8'))
  const text = inspect(told, { depth: 9, maxStringLength: null })
  expect(text).toContain(`http://${host}/x.csv`)
  expect(text).not.toMatch(SECRETS)
})

const failsOf = async (fail: () => Promise<unknown>): Promise<{ readonly code: string; readonly text: string }> => {
  try {
    await fail()
  } catch (error) {
    return { code: (error as { readonly code: string }).code, text: `${inspect(error, { depth: 9 })}${JSON.stringify(error)}` }
  }
  throw new Error('it did not fail')
}

const drain = (stream: Stream, from?: Position): Promise<unknown> =>
  (async () => {
    for await (const batch of stream.open({ from })) void batch
  })()

it.each<readonly [code: string, fail: () => Promise<unknown>]>([
  ['BAD_TEXT', () => drain(readCsv(signed(), { schema }))],
  ['BAD_TEXT', () => drain(readCsv(signed(), { schema, workers: 1 }))],
  ['BAD_TEXT', () => drain(readCsv(signed('x.csv', 'bob:s3cr3t@'), { schema }))],
  ['JSON_NOT_JSON', () => drain(readJson(signed(), { schema }))],
  ['TFRECORD_LENGTH_CRC', () => drain(readTfRecords(signed(), { schema }))],
  ['TFRECORD_LENGTH_CRC', () => drain(readRawRecords(signed()))],
  ['NOT_PARQUET', () => drain(readParquet(signed(), { schema }))],
  ['NOT_ARROW', () => drain(readArrow(signed(), { schema }))],
  ['STALE_POSITION', () => drain(readCsv(signed('y.csv'), { schema }), { file: 0, url: signed(), at: 0 })],
  ['BAD_POSITION', () => drain(readCsv(signed(), { schema }), { file: 0, url: signed() })],
  ['HTTP_403', () => drain(readCsv(signed('gone.csv'), { schema }))],
  ['HTTP_403', () => drain(readCsv(signed('gone.csv', 'bob:s3cr3t@'), { schema }))],
  ['HTTP_BAD_REDIRECT', () => drain(readCsv(signed('away.csv'), { schema }))],
  ['HTTP_UNREACHABLE', () => drain(readCsv(`https://bob:s3cr3t@127.0.0.1:1/x.csv${QUERY}`, { schema }))],
  ['HTTP_BAD_URL', () => drain(readCsv(`http://bob:s3cr3t@host:port/x.csv${QUERY}`, { schema }))],
  ['HTTP_BAD_URL', () => drain(readCsv(signed('x.csv', 'bob:%s3cr3t@'), { schema }))],
  ['NO_SUCH_PARTITION', () => drain(readCsv(signed(), { schema, partitions: { zz: { eq: 1 } } as never }))],
  ['READ_ONLY_STORAGE', () => run(pipe(fromRows(schema, []), writeCsv(signed())))],
  ['UNKNOWN_FORMAT', () => run(inferSchema(signed('x')))],
  ['TFRECORD_LENGTH_CRC', () => run(indexTfRecords(signed(), { schema }))],
  ['NO_VECTOR', () => run(readWordVectors(signed()))],
  ['CREDENTIALS_IN_URL', () => drain(readCsv(`s3://KEY:s3cr3t@bucket/x.csv`, { schema }))],
  ['CREDENTIALS_IN_URL', () => drain(readCsv(`gs://KEY:s3cr3t@bucket/x.csv`, { schema }))],
  ['HDFS_BAD_URL', () => drain(readCsv(`hdfs://bob:s3cr3t@name-node/x.csv`, { schema }))],
  ['HDFS_BAD_URL', () => drain(readCsv(`webhdfs://bob:s3cr3t@name-node/x.csv`, { schema }))],
  ['UNKNOWN_SCHEME', () => drain(readCsv(`ftp://bob:s3cr3t@host/x.csv`, { schema }))],
])('the error %s shows no token, nor do its causes', async (code, fail) => {
  const { code: found, text } = await failsOf(fail)
  expect(text).not.toMatch(SECRETS)
  expect(found).toBe(code)
}, 20_000)

it('sends the user and password of a URL as a header', async () => {
  authorization = []
  expect(await run(csvSchema(signed('x.csv', 'bob:s3cr3t%20%40@')))).toMatchObject({ id: { kind: 'utf8' } })
  expect(new Set(authorization)).toEqual(new Set([`Basic ${Buffer.from('bob:s3cr3t @').toString('base64')}`]))
})

it('resumes by a link that was signed anew', async () => {
  const read = (url: string): Stream<typeof schema> => readCsv(url, { schema, batchRows: 1, onBadRecord: 'skip' })
  const positions: Position[] = []
  for await (const batch of read(signed())) positions.push(batch.position!)
  const rest: unknown[] = []
  for await (const batch of read(signed().replace('SIGNED', 'ANEW')).open({ from: positions[0] })) {
    for (let row = 0; row < batch.numRows; row++) rest.push(batch.row(row))
  }
  expect(rest).toEqual([{ id: 2 }, { id: 3 }])
})
