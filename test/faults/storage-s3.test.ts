import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expandInputs, field, readBytes, registerStorage, s3Storage, withOutputSet, writeBytes, type S3StorageOptions } from '@millrace/core'
import { readCsv } from '@millrace/formats'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { bytesOf, collect } from '../support/bytes.js'
import { errorOf } from '../support/error-of.js'
import { once, startFaultyProxy, type FaultyProxy, type PassingRequest } from '../support/faulty-proxy.js'
import { describeObjectServer, s3Keys, s3Uploads, startS3, type ObjectServer } from '../support/object-servers.js'

const PART = 5 << 20

const partOf = ({ method, url }: PassingRequest): string | undefined => (method === 'PUT' ? /partNumber=(\d+)/.exec(url)?.[1] : undefined)
const isCompletion = ({ method, url }: PassingRequest): boolean => method === 'POST' && url.includes('uploadId=')
const slowDown = { status: 503, body: '<?xml version="1.0"?>\n<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>' }

describeObjectServer('S3 that fails', 's3', () => {
  let server: ObjectServer
  let proxy: FaultyProxy
  let undo: () => void
  const use = (options: S3StorageOptions = {}): void => {
    undo = registerStorage(s3Storage({ endpoint: proxy.endpoint, credentials: s3Keys, partBytes: PART, tries: 4, ...options }))
  }
  beforeAll(async () => {
    server = await startS3()
    proxy = await startFaultyProxy(server.endpoint)
  })
  afterAll(async () => {
    await proxy.close()
    await server.stop()
  })
  beforeEach(() => {
    proxy.seen.length = 0
    proxy.fate = () => 'pass'
    use()
  })
  afterEach(() => undo())

  test('reads the same where answers are cut, lost and refused', async () => {
    const bytes = bytesOf(200_000)
    await writeBytes('s3://bucket/read', bytes)
    for (const length of [1, 2, 4095, 65_536, 131_072, 199_999]) {
      const first = once(({ method }) => method === 'GET')
      proxy.fate = (request) => (first(request) ? { cutAfter: length } : 'pass')
      expect((await collect(readBytes('s3://bucket/read'))).equals(bytes), `cut after ${length}`).toBe(true)
    }
    for (const fate of ['cut', 'lose answer', slowDown, { status: 500 }] as const) {
      const first = once(() => true)
      proxy.fate = (request) => (first(request) ? fate : 'pass')
      expect((await collect(readBytes('s3://bucket/read'))).equals(bytes)).toBe(true)
    }
  })

  test('says so when the object is replaced between two pieces, and when the server goes on failing', async () => {
    await writeBytes('s3://bucket/changing', bytesOf(100_000))
    let gets = 0
    proxy.fate = ({ method }) => (method === 'GET' && ++gets === 1 ? { cutAfter: 50_000 } : 'pass')
    let replaced = false
    const replace = async (): Promise<void> => {
      if (replaced) return
      replaced = true
      await writeBytes('s3://bucket/changing', bytesOf(70_000).reverse(), { ifExists: 'replace' })
    }
    const reading = (async () => {
      for await (const chunk of readBytes('s3://bucket/changing', { chunkBytes: 1000 })) if (chunk.length > 0 && gets === 1) await replace()
    })()
    expect(await errorOf(reading)).toMatchObject({ _tag: 'Storage', code: 'S3_CHANGED' })
    undo()
    use({ tries: 2 })
    proxy.fate = () => slowDown
    const error = await errorOf(collect(readBytes('s3://bucket/changing')))
    expect(error).toMatchObject({ _tag: 'Storage', code: 'S3_SLOW_DOWN', position: { source: 's3://bucket/changing' } })
    expect(error.message).toMatch(/status 503 \(SlowDown\)/)
  })

  test('an object of several parts is sent in parts, each once, and a part that fails again', async () => {
    const bytes = bytesOf(3 * PART + 12_345)
    await writeBytes('s3://bucket/parts', bytes)
    expect(proxy.seen.map(partOf).filter((part) => part !== undefined).sort()).toEqual(['1', '2', '3', '4'])
    expect((await collect(readBytes('s3://bucket/parts'))).equals(bytes)).toBe(true)
    for (const fate of ['cut', 'lose answer', slowDown] as const) {
      proxy.seen.length = 0
      const third = once((request) => partOf(request) === '3')
      proxy.fate = (request) => (third(request) ? fate : 'pass')
      await writeBytes('s3://bucket/parts', bytes.reverse(), { ifExists: 'replace' })
      expect(proxy.seen.map(partOf).filter((part) => part !== undefined).sort()).toEqual(['1', '2', '3', '3', '4'])
      expect((await collect(readBytes('s3://bucket/parts'))).equals(bytes)).toBe(true)
    }
    expect(await s3Uploads(server)).toBe(0)
  })

  test('a part that is changed on its way is refused by the server, and sent again', async () => {
    const bytes = bytesOf(2 * PART + 1)
    const second = once((request) => partOf(request) === '2')
    proxy.fate = (request) => {
      if (!second(request)) return 'pass'
      const body = Buffer.from(request.body)
      body[1000]! ^= 1
      return { body }
    }
    await writeBytes('s3://bucket/flipped', bytes)
    expect((await collect(readBytes('s3://bucket/flipped'))).equals(bytes)).toBe(true)
    expect(proxy.seen.filter((request) => partOf(request) === '2')).toHaveLength(2)
    expect(proxy.seen.find((request) => partOf(request) === '2')!.headers['content-md5']).toMatch(/^[\w+/]{22}==$/)
  })

  test('a commit whose answer is lost is one all the same', async () => {
    const completion = once(isCompletion)
    proxy.fate = (request) => (completion(request) ? 'lose answer' : 'pass')
    await writeBytes('s3://bucket/lost-large', bytesOf(2 * PART))
    const put = once(({ method }) => method === 'PUT')
    proxy.fate = (request) => (put(request) ? 'lose answer' : 'pass')
    await writeBytes('s3://bucket/lost-small', bytesOf(10))
    proxy.fate = () => 'pass'
    expect(await collect(readBytes('s3://bucket/lost-large'))).toHaveLength(2 * PART)
    expect(await collect(readBytes('s3://bucket/lost-small'))).toHaveLength(10)
  })

  test('a completion that fails within an answer of status 200 is none', async () => {
    undo()
    use({ tries: 2 })
    proxy.fate = (request) => (isCompletion(request) ? { status: 200, body: `   ${slowDown.body.slice(21).trim().replace('SlowDown', 'InternalError')}` } : 'pass')
    expect(await errorOf(writeBytes('s3://bucket/late', bytesOf(2 * PART)))).toMatchObject({ _tag: 'Storage', code: 'S3_INTERNAL_ERROR' })
    proxy.fate = () => 'pass'
    expect(await errorOf(collect(readBytes('s3://bucket/late')))).toMatchObject({ _tag: 'NotFound', code: 'S3_NO_SUCH_KEY' })
    expect(await s3Uploads(server)).toBe(0)
  })

  test('an upload that is aborted, or that fails for good, leaves neither an object nor parts', async () => {
    const controller = new AbortController()
    let parts = 0
    proxy.fate = (request) => {
      if (partOf(request) !== undefined && ++parts === 2) controller.abort()
      return 'pass'
    }
    const piece = bytesOf(1 << 20)
    const writing = withOutputSet(['s3://bucket/aborted'], { signal: controller.signal }, async ([output]) => {
      for (let written = 0; written < 40; written++) await output!.write(piece)
    })
    expect(await errorOf(writing)).toMatchObject({ _tag: 'Aborted' })
    expect(parts).toBeGreaterThan(1)
    expect(await s3Uploads(server)).toBe(0)
    undo()
    use({ tries: 2 })
    proxy.fate = (request) => (partOf(request) === '2' ? { status: 500 } : 'pass')
    expect(await errorOf(writeBytes('s3://bucket/failed', bytesOf(3 * PART)))).toMatchObject({ _tag: 'Storage' })
    expect(await s3Uploads(server)).toBe(0)
    proxy.fate = () => 'pass'
    for (const name of ['aborted', 'failed']) expect(await errorOf(collect(readBytes(`s3://bucket/${name}`)))).toMatchObject({ _tag: 'NotFound' })
  })

  test('an upload aborted while it begins is aborted too', async () => {
    const controller = new AbortController()
    proxy.fate = ({ method }) => {
      if (method === 'POST') controller.abort()
      return 'pass'
    }
    expect(await errorOf(writeBytes('s3://bucket/begun', bytesOf(2 * PART), { signal: controller.signal }))).toMatchObject({ _tag: 'Aborted' })
    expect(await s3Uploads(server)).toBe(0)
  })

  test('lists more keys than a page has', async () => {
    const folder = join(server.folder, 'bucket', 'many')
    mkdirSync(folder)
    for (let index = 0; index < 1100; index++) writeFileSync(join(folder, `key ${String(index).padStart(4, '0')}.csv`), `id\n${index}\n`)
    const files = await expandInputs('s3://bucket/many/*.csv')
    expect(files.map(({ url }) => url)).toEqual(readdirSync(folder).sort().map((name) => `s3://bucket/many/${name}`))
    expect(proxy.seen.filter(({ url }) => url.includes('list-type=2')).length).toBeGreaterThanOrEqual(2)
    const ids: number[] = []
    for await (const batch of readCsv('s3://bucket/many/key 00*.csv', { schema: { id: field.int32() } })) for (let row = 0; row < batch.numRows; row++) ids.push(batch.row(row).id)
    expect(ids).toEqual(Array.from({ length: 100 }, (_, id) => id))
  })

  test('a wrong secret is told by its source, and never shown', async () => {
    const secret = 'wrong-secret-that-nobody-may-see'
    for (const [credentials, code] of [[{ ...s3Keys, secretAccessKey: secret }, 'S3_SIGNATURE_DOES_NOT_MATCH'], [{ accessKeyId: 'NOBODY', secretAccessKey: secret }, 'S3_XADMIN_USER_NOT_FOUND']] as const) {
      undo()
      use({ credentials })
      const error = await errorOf(collect(readBytes('s3://bucket/read')))
      expect(error).toMatchObject({ _tag: 'Storage', code })
      expect(error.message).toContain('s3://bucket/read')
      expect(error.message).toMatch(/status 40[34] \((SignatureDoesNotMatch|XAdminUserNotFound)\)/)
      expect(error.message).toContain('the credentials given in code')
      expect(`${error.stack}${JSON.stringify(error)}${String(error.cause)}`).not.toContain(secret)
    }
    undo()
    use()
    expect(await errorOf(collect(readBytes('s3://nowhere/read')))).toMatchObject({ _tag: 'NotFound' })
  })

  test('a stream does not tell its plan the credentials', async () => {
    const stream = readCsv('s3://bucket/many/*.csv', { schema: { id: field.int32() } })
    expect(JSON.stringify(stream.plan)).not.toContain(s3Keys.secretAccessKey)
  })
})
