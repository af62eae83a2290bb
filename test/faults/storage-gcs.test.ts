import { gcsStorage, readBytes, registerStorage, withOutputSet, writeBytes, type GcsStorageOptions } from '@millrace/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { bytesOf, collect } from '../support/bytes.js'
import { errorOf } from '../support/error-of.js'
import { once, startFaultyProxy, type FaultyProxy, type PassingRequest } from '../support/faulty-proxy.js'
import { startGcsProtocol, type GcsProtocolServer } from '../support/gcs-protocol.js'

const PART = 256 * 1024

/** The first byte that a request sends of an object. */
const startOf = ({ method, headers }: PassingRequest): number | undefined => {
  const start = method === 'PUT' ? /^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1] : undefined
  return start === undefined ? undefined : Number(start)
}

describe('Google Cloud Storage that fails', () => {
  let server: GcsProtocolServer
  let proxy: FaultyProxy
  let undo: () => void
  const use = (options: GcsStorageOptions = {}): void => {
    undo = registerStorage(gcsStorage({ endpoint: proxy.endpoint, credentials: async () => ({ accessToken: 'a-token-that-nobody-may-see' }), partBytes: PART, tries: 4, ...options }))
  }
  beforeAll(async () => {
    server = await startGcsProtocol()
    proxy = await startFaultyProxy(server.endpoint)
  })
  afterAll(async () => {
    await proxy.close()
    await server.close()
  })
  beforeEach(() => {
    proxy.seen.length = 0
    proxy.fate = () => 'pass'
    use()
  })
  afterEach(() => {
    undo()
    server.keeps = Infinity
  })

  test('reads the same where answers are cut, lost and refused', async () => {
    const bytes = bytesOf(200_000)
    await writeBytes('gs://bucket/read', bytes)
    for (const length of [1, 4095, 65_536, 199_999]) {
      const first = once(({ method }) => method === 'GET')
      proxy.fate = (request) => (first(request) ? { cutAfter: length } : 'pass')
      expect((await collect(readBytes('gs://bucket/read'))).equals(bytes), `cut after ${length}`).toBe(true)
    }
    for (const fate of ['cut', 'lose answer', { status: 503 }, { status: 429 }, { status: 401 }] as const) {
      const first = once(() => true)
      proxy.fate = (request) => (first(request) ? fate : 'pass')
      expect((await collect(readBytes('gs://bucket/read'))).equals(bytes)).toBe(true)
    }
  })

  test('of an upload, only the part that failed is sent again', async () => {
    const bytes = bytesOf(3 * PART + 12_345)
    await writeBytes('gs://bucket/parts', bytes)
    expect(proxy.seen.map(startOf).filter((start) => start !== undefined)).toEqual([0, PART, 2 * PART, 3 * PART])
    for (const fate of ['cut', { status: 503 }] as const) {
      proxy.seen.length = 0
      const third = once((request) => startOf(request) === 2 * PART)
      proxy.fate = (request) => (third(request) ? fate : 'pass')
      await writeBytes('gs://bucket/parts', bytes.reverse(), { ifExists: 'replace' })
      expect(proxy.seen.map(startOf).filter((start) => start !== undefined)).toEqual([0, PART, 2 * PART, 2 * PART, 3 * PART])
      expect((await collect(readBytes('gs://bucket/parts'))).equals(bytes)).toBe(true)
    }
  })

  test('a part, and a commit, whose answers are lost are not sent twice', async () => {
    const bytes = bytesOf(2 * PART + 10)
    for (const lost of [PART, 2 * PART]) {
      proxy.seen.length = 0
      const one = once((request) => startOf(request) === lost)
      proxy.fate = (request) => (one(request) ? 'lose answer' : 'pass')
      await writeBytes(`gs://bucket/lost-${lost}`, bytes)
      expect(proxy.seen.map(startOf).filter((start) => start !== undefined)).toEqual([0, PART, 2 * PART])
      expect((await collect(readBytes(`gs://bucket/lost-${lost}`))).equals(bytes)).toBe(true)
    }
  })

  test('what the server keeps of a part is not sent again', async () => {
    server.keeps = 100_000
    const bytes = bytesOf(2 * PART + 10)
    await writeBytes('gs://bucket/kept', bytes)
    expect(proxy.seen.map(startOf).filter((start) => start !== undefined)).toEqual([0, 100_000, 200_000, PART, PART + 100_000, PART + 200_000, 2 * PART])
    expect((await collect(readBytes('gs://bucket/kept'))).equals(bytes)).toBe(true)
  })

  test('an object that is not what was written is taken back', async () => {
    const second = once((request) => startOf(request) === PART)
    proxy.fate = (request) => {
      if (!second(request)) return 'pass'
      const body = Buffer.from(request.body)
      body[1000]! ^= 1
      return { body }
    }
    expect(await errorOf(writeBytes('gs://bucket/flipped', bytesOf(2 * PART + 1)))).toMatchObject({ _tag: 'Storage' })
    expect(proxy.seen.some(({ headers }) => /^md5=[\w+/]{22}==$/.test(String(headers['x-goog-hash'])))).toBe(true)
    expect(await errorOf(collect(readBytes('gs://bucket/flipped')))).toMatchObject({ _tag: 'NotFound' })
  })

  test('an upload that is aborted, or that fails for good, leaves nothing, and is cancelled', async () => {
    const controller = new AbortController()
    proxy.fate = (request) => {
      if (startOf(request) === 2 * PART) controller.abort()
      return 'pass'
    }
    const piece = bytesOf(100_000)
    const writing = withOutputSet(['gs://bucket/aborted'], { signal: controller.signal }, async ([output]) => {
      for (let written = 0; written < 40; written++) await output!.write(piece)
    })
    expect(await errorOf(writing)).toMatchObject({ _tag: 'Aborted' })
    undo()
    use({ tries: 2 })
    proxy.fate = (request) => (startOf(request) === PART ? { status: 500 } : 'pass')
    expect(await errorOf(writeBytes('gs://bucket/failed', bytesOf(4 * PART)))).toMatchObject({ _tag: 'Storage', code: 'GCS_500' })
    proxy.fate = () => 'pass'
    for (const name of ['aborted', 'failed']) expect(await errorOf(collect(readBytes(`gs://bucket/${name}`)))).toMatchObject({ _tag: 'NotFound' })
    expect(server.sessions.size).toBe(0)
  })

  test('errors name the URL, the status, the reason and where the token came from, and never show it', async () => {
    const refusal = { status: 403, body: JSON.stringify({ error: { code: 403, message: 'a-token-that-nobody-may-see', errors: [{ reason: 'forbidden' }] } }) }
    proxy.fate = () => refusal
    const error = await errorOf(collect(readBytes('gs://bucket/read')))
    expect(error).toMatchObject({ _tag: 'Storage', code: 'GCS_403', position: { source: 'gs://bucket/read' } })
    expect(error.message).toMatch(/status 403, forbidden.*the function given in code/)
    expect(`${error.stack}${JSON.stringify(error)}`).not.toContain('nobody-may-see')
    expect(proxy.seen.every(({ headers }) => headers.authorization === 'Bearer a-token-that-nobody-may-see')).toBe(true)
  })
})
