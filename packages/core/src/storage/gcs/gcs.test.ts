import { createVerify, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../../test/support/error-of.js'
import { gcsToken } from './gcs-credentials.js'
import { gcsStorage } from './gcs-storage.js'

let server: Server
let base: string
let seen: { readonly url: string; readonly headers: IncomingMessage['headers']; readonly body: string }[]
let answer: (response: ServerResponse, url: string) => void
let folder: string
beforeEach(async () => {
  seen = []
  server = createServer((request, response) => {
    const chunks: Uint8Array[] = []
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk)).on('end', () => {
      seen.push({ url: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString() })
      answer(response, request.url!)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  folder = await mkdtemp(join(tmpdir(), 'millrace-gcloud-'))
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true, force: true })
})

const json = (value: object) => (response: ServerResponse) => void response.end(JSON.stringify(value))

describe('tokens', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })

  it('are asked for by a service account with a signed assertion', async () => {
    answer = json({ access_token: 'T', expires_in: 3600 })
    const path = join(folder, 'key.json')
    await writeFile(path, JSON.stringify({ type: 'service_account', client_email: 'me@x.iam', private_key: privateKey, token_uri: `${base}/token` }))
    const { token, source } = await gcsToken(undefined, { GOOGLE_APPLICATION_CREDENTIALS: path })
    expect(token?.accessToken).toBe('T')
    expect(token!.expiresAt!.getTime()).toBeGreaterThan(Date.now() + 3_500_000)
    expect(source).toBe('the file that GOOGLE_APPLICATION_CREDENTIALS names')
    const body = new URLSearchParams(seen[0]!.body)
    expect(body.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const [header, claims, signature] = body.get('assertion')!.split('.')
    expect(createVerify('RSA-SHA256').update(`${header}.${claims}`).verify(publicKey, signature!, 'base64url')).toBe(true)
    expect(JSON.parse(Buffer.from(claims!, 'base64url').toString())).toMatchObject({ iss: 'me@x.iam', aud: `${base}/token` })
  })

  it("are asked for by gcloud's user, and by the metadata server where there is no file", async () => {
    answer = json({ access_token: 'T', expires_in: 3600 })
    expect((await gcsToken(undefined, { CLOUDSDK_CONFIG: folder, GCE_METADATA_HOST: base.slice(7) })).source).toBe('the service account of the machine')
    expect(seen[0]).toMatchObject({ url: '/computeMetadata/v1/instance/service-accounts/default/token', headers: { 'metadata-flavor': 'Google' } })
    await writeFile(join(folder, 'application_default_credentials.json'), JSON.stringify({ type: 'authorized_user', client_id: 'I', client_secret: 'S', refresh_token: 'R', token_uri: base }))
    expect((await gcsToken(undefined, { CLOUDSDK_CONFIG: folder })).source).toBe("gcloud's application default credentials")
    expect(Object.fromEntries(new URLSearchParams(seen[1]!.body))).toEqual({ grant_type: 'refresh_token', client_id: 'I', client_secret: 'S', refresh_token: 'R' })
  })

  it('that are not to be had are told by their source, without a word of the key', async () => {
    answer = (response) => void response.writeHead(400).end('{"error":"invalid_grant SECRET"}')
    for (const key of [{ client_email: 'me', private_key: 'SECRET', token_uri: base }, { type: 'external_account', secret: 'SECRET' }, { client_id: 'I', client_secret: 'SECRET', refresh_token: 'R', token_uri: base }]) {
      const error = await errorOf(gcsToken({ key }))
      expect(error.message).toContain('the key given in code')
      expect(`${error.stack}${JSON.stringify(error)}${String(error.cause)}`).not.toContain('SECRET')
    }
    expect(await errorOf(gcsToken({ keyFile: join(folder, 'none.json') }))).toMatchObject({ code: 'GCS_BAD_CREDENTIALS' })
    expect(await errorOf(gcsToken(undefined, { CLOUDSDK_CONFIG: folder, GCE_METADATA_HOST: '127.0.0.1:1' }))).toMatchObject({ code: 'GCS_NO_CREDENTIALS' })
  })
})

describe('a server that is hostile', () => {
  const storage = (): ReturnType<typeof gcsStorage> => gcsStorage({ endpoint: base, tries: 2, credentials: async () => ({ accessToken: 'SECRET' }) })

  it('is not followed to another host', async () => {
    const stolen: unknown[] = []
    const other = createServer((request, response) => {
      stolen.push(request.headers)
      response.end('{}')
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/x`
    answer = (response) => void response.writeHead(307, { location }).end()
    expect(await errorOf(storage().stat('gs://bucket/key'))).toMatchObject({ _tag: 'Storage', code: 'GCS_307' })
    expect(stolen).toEqual([])
    await new Promise((resolve) => other.close(resolve))
  })

  it('gives listings of many pages, and some that do not end or are none', async () => {
    answer = (response, url) => {
      const from = Number(new URL(url, base).searchParams.get('pageToken') ?? 0)
      json({ items: Array.from({ length: 500 }, (_, index) => ({ name: `data/${String(from * 500 + index).padStart(5, '0')}.csv`, size: '7' })), ...(from < 4 ? { nextPageToken: `${from + 1}` } : {}) })(response)
    }
    const files = await storage().list!('gs://bucket/data/*.csv')
    expect(files).toHaveLength(2500)
    expect(files.at(-1)).toEqual({ url: 'gs://bucket/data/02499.csv', size: 7 })
    answer = json({ items: [], nextPageToken: 'same' })
    expect(await errorOf(storage().list!('gs://bucket/**'))).toMatchObject({ code: 'BAD_LISTING' })
    for (const page of [{ items: [null] }, { items: [{ name: 1, size: '1' }] }, { items: [{ name: 'a', size: '-1' }] }, { items: {} }]) {
      answer = json(page)
      expect(await errorOf(storage().list!('gs://bucket/**'))).toMatchObject({ code: 'GCS_STRANGE_ANSWER' })
    }
  })

  it('gives no place to send an upload to', async () => {
    answer = (response, url) => void response.writeHead(url.startsWith('/upload') ? 200 : 404).end('{}')
    const output = await storage().create!('gs://bucket/key', { ifExists: 'fail' })
    await output.write(Buffer.from('x'))
    expect(await errorOf(output.commit())).toMatchObject({ code: 'GCS_STRANGE_ANSWER' })
    await output.abort()
  })
})

describe('the emulator', () => {
  it('is the one that STORAGE_EMULATOR_HOST names, asked without a token', async () => {
    const before = process.env['STORAGE_EMULATOR_HOST']
    process.env['STORAGE_EMULATOR_HOST'] = base.slice(7)
    try {
      answer = json({ size: '3' })
      expect(await gcsStorage().stat('gs://bucket/a b/c')).toEqual({ url: 'gs://bucket/a b/c', size: 3 })
      expect(seen[0]!.url).toBe('/storage/v1/b/bucket/o/a%20b%2Fc?fields=size%2Cgeneration')
      expect(seen[0]!.headers.authorization).toBeUndefined()
    } finally {
      if (before === undefined) delete process.env['STORAGE_EMULATOR_HOST']
      else process.env['STORAGE_EMULATOR_HOST'] = before
    }
  })
})
