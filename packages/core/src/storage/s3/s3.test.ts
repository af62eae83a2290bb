import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../../test/support/error-of.js'
import { findAwsCredentials } from './s3-credentials.js'
import { s3Storage } from './s3-storage.js'
import { encodePath, encodeQuery, signedHeaders } from './sigv4.js'
import { childrenOf, parseXml, textOf, xmlText } from './xml.js'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

let server: Server
let base: string
let seen: Seen[]
let answer: (request: Seen, response: ServerResponse) => void
let folder: string
beforeEach(async () => {
  seen = []
  server = createServer((request, response) => {
    const chunks: Uint8Array[] = []
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk)).on('end', () => {
      const whole = { method: request.method!, url: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString() }
      seen.push(whole)
      answer(whole, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  folder = await mkdtemp(join(tmpdir(), 'millrace-aws-'))
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true, force: true })
})

const keys = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }

describe('signatures', () => {
  const scope = { region: 'us-east-1', service: 's3', now: new Date('2013-05-24T00:00:00Z') }
  const host = 'examplebucket.s3.amazonaws.com'

  // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
  it.each([
    ['GET', '/test.txt', {}, { range: 'bytes=0-9' }, undefined, 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41'],
    ['PUT', 'test$file.text', {}, { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' }, 'Welcome to Amazon S3.', '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd'],
    ['GET', '/', { lifecycle: '' }, {}, undefined, 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
    ['GET', '/', { 'max-keys': '2', prefix: 'J' }, {}, undefined, '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  ] as const)('are those of the examples of AWS: %s %s', (method, path, query, headers, body, signature) => {
    const signed = signedHeaders({ method, host, path: encodePath(path.startsWith('/') ? path : `/${path}`), query: encodeQuery(query), headers, body: body === undefined ? undefined : Buffer.from(body) }, keys, scope)
    expect(signed['authorization']).toContain(`Signature=${signature}`)
  })

  it('cover the session token', () => {
    const request = { method: 'GET', host, path: '/', query: '', headers: {}, body: undefined }
    const signed = signedHeaders(request, { ...keys, sessionToken: 'token' }, scope)
    expect(signed['x-amz-security-token']).toBe('token')
    expect(signed['authorization']).toMatch(/SignedHeaders=[^,]*x-amz-security-token/)
  })
})

describe('XML', () => {
  it('is read as far as S3 uses it', () => {
    const root = parseXml('<?xml version="1.0"?>\n<R xmlns="x"><A>1 &amp; 2</A><!-- no --><A>&#x41;&#66;&quot;</A><E/></R>')
    expect(childrenOf(root, 'A').map(({ text }) => text)).toEqual(['1 & 2', 'AB"'])
    expect(textOf(root, 'E')).toBe('')
    expect(parseXml(`<R>${xmlText('<&">')}</R>`)?.text).toBe('<&">')
  })

  it.each([
    '', '<R>', '<R></S>', '</R>', '<R/><R/>', 'text', '<R>&bomb;</R>', '<R>&#99999999;</R>', '<R>& </R>', '<R a=b/>', '<R',
    '<!DOCTYPE r [<!ENTITY a "b">]><R>&a;</R>', '<!DOCTYPE r SYSTEM "file:///etc/passwd"><R/>', '<R>'.repeat(100) + '</R>'.repeat(100), '<R><![CDATA[x]]></R>', '<R>&__proto__;</R>',
  ])('that is none, or brings entities, is refused: %s', (text) => {
    expect(parseXml(text)).toBeUndefined()
  })
})

describe('a server that is hostile', () => {
  const storage = (tries = 2): ReturnType<typeof s3Storage> => s3Storage({ endpoint: base, credentials: { ...keys, sessionToken: 'session-token' }, tries })
  const xml = (text: string) => (_: Seen, response: ServerResponse) => void response.writeHead(200).end(text)

  it('is not followed to another host, whatever it answers', async () => {
    const elsewhere: string[] = []
    const other = createServer((request, response) => {
      elsewhere.push(JSON.stringify(request.headers))
      response.end('stolen')
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const target = `http://127.0.0.1:${(other.address() as AddressInfo).port}/bucket/key`
    for (const status of [301, 302, 307, 308]) {
      answer = (_, response) => void response.writeHead(status, { location: target, 'x-amz-bucket-region': 'evil.example/' }).end()
      expect(await errorOf(storage().stat('s3://bucket/key'))).toMatchObject({ _tag: 'Storage' })
    }
    expect(elsewhere).toEqual([])
    await new Promise((resolve) => other.close(resolve))
  })

  it('is asked again in the region that it names', async () => {
    answer = ({ headers }, response) => {
      if (headers.authorization!.includes('/eu-west-3/s3/')) return void response.writeHead(200, { 'content-length': 5 }).end()
      response.writeHead(400, { 'x-amz-bucket-region': 'eu-west-3' }).end('<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>')
    }
    const one = storage()
    expect((await one.stat('s3://bucket/key')).size).toBe(5)
    expect(seen).toHaveLength(2)
    await one.stat('s3://bucket/key')
    expect(seen).toHaveLength(3)
  })

  it('whose clock differs is asked by its own', async () => {
    const theirs = new Date('2031-01-02T03:04:05Z')
    answer = ({ headers }, response) => {
      if (String(headers['x-amz-date']).startsWith('20310102')) return void response.writeHead(200, { 'content-length': 5 }).end()
      response.writeHead(403, { date: theirs.toUTCString() }).end('<Error><Code>RequestTimeTooSkewed</Code></Error>')
    }
    expect((await storage().stat('s3://bucket/key')).size).toBe(5)
    expect(seen).toHaveLength(2)
  })

  it('gives listings that do not end, or are none, or are too large', async () => {
    answer = xml('<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></ListBucketResult>')
    expect(await errorOf(storage().list!('s3://bucket/**'))).toMatchObject({ code: 'BAD_LISTING' })
    for (const text of ['<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>', '<html/>', 'no', '<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>']) {
      answer = xml(text)
      expect(await errorOf(storage().list!('s3://bucket/**'))).toMatchObject({ code: 'S3_STRANGE_ANSWER' })
    }
    answer = (_, response) => {
      response.writeHead(200)
      const more = (): void => {
        if (response.destroyed) return
        response.write('<ListBucketResult>'.padEnd(1 << 20), () => setImmediate(more))
      }
      more()
    }
    expect(await errorOf(storage().list!('s3://bucket/**'))).toMatchObject({ code: 'S3_STRANGE_ANSWER' })
  })

  it('gives keys beside the prefix, or other bytes than were asked for, which are not taken', async () => {
    answer = xml('<ListBucketResult><Contents><Key>other/a.csv</Key><Size>1</Size></Contents><Contents><Key>data/a.csv</Key><Size>1</Size></Contents></ListBucketResult>')
    expect(await storage().list!('s3://bucket/data/*.csv')).toEqual([{ url: 's3://bucket/data/a.csv', size: 1 }])
    answer = (_, response) => void response.writeHead(206, { 'content-range': 'bytes 0-3/10' }).end('0123')
    const reading = (async () => {
      for await (const chunk of storage().read('s3://bucket/key', { start: 5 })) expect(chunk).toBeUndefined()
    })()
    expect(await errorOf(reading)).toMatchObject({ code: 'HTTP_NO_RANGES' })
  })

  it('that repeats what it was sent is not quoted', async () => {
    answer = ({ headers }, response) => void response.writeHead(403).end(`<Error><Code>Access Denied ${String(headers['x-amz-security-token'])}</Code><Message>${String(headers['x-amz-security-token'])}</Message></Error>`)
    const reading = (async () => {
      for await (const chunk of storage().read('s3://bucket/key')) expect(chunk).toBeUndefined()
    })()
    const error = await errorOf(reading)
    expect(error).toMatchObject({ _tag: 'Storage', code: 'S3_ACCESS_DENIED' })
    expect(`${error.stack}${JSON.stringify(error)}`).not.toContain('session-token')
  })
})

describe('names', () => {
  it('that no bucket has, that hold credentials, or that HTTP changes, are refused', async () => {
    const storage = s3Storage({ endpoint: base, credentials: keys })
    for (const url of ['s3://', 's3:///key', 's3://bucket:80/key', 's3://b%2e/key', 's3://bucket/a/../b', 's3://bucket/.', 's3://bucket/./a']) expect(await errorOf(storage.stat(url))).toMatchObject({ code: 'BAD_OBJECT_URL' })
    const error = await errorOf(storage.stat('s3://KEY:SECRET@bucket/key'))
    expect(error.code).toBe('CREDENTIALS_IN_URL')
    expect(error.message).not.toContain('SECRET')
    for (const url of ['s3://bucket', 's3://bucket/', 's3://bucket/folder/']) expect(await errorOf(storage.stat(url))).toMatchObject({ code: 'EISDIR' })
    expect(seen).toEqual([])
    for (const endpoint of ['ftp://x', 'http://user:secret@host', 'nonsense']) {
      const refused = await errorOf(s3Storage({ endpoint, credentials: keys }).stat('s3://bucket/key'))
      expect(refused.code).toBe('S3_BAD_ENDPOINT')
      expect(refused.message).not.toContain('secret')
    }
    expect(() => s3Storage({ partBytes: 1000 })).toThrow(/partBytes is 1000/)
  })
})

describe('credentials', () => {
  const nothing = { AWS_CONFIG_FILE: '/nowhere', AWS_SHARED_CREDENTIALS_FILE: '/nowhere', AWS_EC2_METADATA_DISABLED: 'true' }
  const find = (env: Record<string, string>, profile?: string): ReturnType<typeof findAwsCredentials> => findAwsCredentials(profile, 'us-east-1', { ...nothing, ...env })
  const json = { AccessKeyId: 'ID', SecretAccessKey: 'SECRET', Token: 'TOKEN', Expiration: '2031-01-01T00:00:00Z' }
  const expected = { accessKeyId: 'ID', secretAccessKey: 'SECRET', sessionToken: 'TOKEN', expiresAt: new Date('2031-01-01T00:00:00Z') }

  it('come from the environment, then from the profile', async () => {
    await writeFile(join(folder, 'credentials'), '[default]\naws_access_key_id = A\naws_secret_access_key=B # mine\n[team]\naws_access_key_id=C\naws_secret_access_key=D\naws_session_token=E\n')
    await writeFile(join(folder, 'config'), '[profile team]\nregion = eu-west-1\ns3 =\n  addressing_style = path\n[profile sso]\nsso_start_url = x\n')
    const files = { AWS_CONFIG_FILE: join(folder, 'config'), AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') }
    expect((await find({ ...files, AWS_ACCESS_KEY_ID: 'X', AWS_SECRET_ACCESS_KEY: 'Y', AWS_SESSION_TOKEN: 'Z' })).keys).toMatchObject({ accessKeyId: 'X', secretAccessKey: 'Y', sessionToken: 'Z' })
    expect((await find(files)).keys).toMatchObject({ accessKeyId: 'A', secretAccessKey: 'B' })
    expect(await find({ ...files, AWS_PROFILE: 'team' })).toMatchObject({ keys: { accessKeyId: 'C', secretAccessKey: 'D', sessionToken: 'E' }, source: 'the profile "team" of ~/.aws' })
    expect((await find({ ...files, AWS_ACCESS_KEY_ID: 'X', AWS_SECRET_ACCESS_KEY: 'Y' }, 'team')).keys).toMatchObject({ accessKeyId: 'C' })
    expect(await errorOf(find({ ...files, AWS_PROFILE: 'sso' }))).toMatchObject({ code: 'S3_BAD_CREDENTIALS' })
  })

  it('come from a container, with its token, and not from a strange host without TLS', async () => {
    answer = (_, response) => void response.end(JSON.stringify(json))
    expect((await find({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${base}/role`, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'mine' })).keys).toEqual(expected)
    expect(seen[0]).toMatchObject({ url: '/role', headers: { authorization: 'mine' } })
    expect(await errorOf(find({ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://evil.example/role' }))).toMatchObject({ code: 'S3_BAD_CREDENTIALS' })
    answer = (_, response) => void response.writeHead(307, { location: 'http://evil.example/' }).end()
    expect(await errorOf(find({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${base}/role` }))).toMatchObject({ code: 'CREDENTIALS_REFUSED' })
  })

  it('come from the instance, by its token', async () => {
    answer = ({ method, url, headers }, response) => {
      if (method === 'PUT') return void response.end('imds')
      if (headers['x-aws-ec2-metadata-token'] !== 'imds') return void response.writeHead(401).end()
      response.end(url.endsWith('/security-credentials/') ? 'my-role\n' : JSON.stringify(json))
    }
    expect((await find({ AWS_EC2_METADATA_DISABLED: 'false', AWS_EC2_METADATA_SERVICE_ENDPOINT: base })).keys).toEqual(expected)
    expect(seen.map(({ url }) => url)).toEqual(['/latest/api/token', '/latest/meta-data/iam/security-credentials/', '/latest/meta-data/iam/security-credentials/my-role'])
  })

  it('come from a web identity, by STS', async () => {
    await writeFile(join(folder, 'token'), 'jwt\n')
    answer = (_, response) =>
      void response.end('<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ID</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey><SessionToken>TOKEN</SessionToken><Expiration>2031-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>')
    const found = await find({ AWS_ROLE_ARN: 'arn:aws:iam::1:role/r', AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'), AWS_ENDPOINT_URL_STS: base })
    expect(found.keys).toEqual(expected)
    expect(Object.fromEntries(new URLSearchParams(seen[0]!.body))).toMatchObject({ Action: 'AssumeRoleWithWebIdentity', RoleArn: 'arn:aws:iam::1:role/r', WebIdentityToken: 'jwt' })
  })

  it('that are nowhere are told, with what to do', async () => {
    expect(await errorOf(find({}))).toMatchObject({ _tag: 'Usage', code: 'S3_NO_CREDENTIALS' })
  })

  it('that lapsed are fetched anew', async () => {
    let given = 0
    answer = ({ headers }, response) => {
      if (headers.authorization!.includes('Credential=ID2/')) return void response.writeHead(206, { 'content-range': 'bytes 1-4/5' }).end('1234')
      response.writeHead(400).end('<Error><Code>ExpiredToken</Code></Error>')
    }
    const storage = s3Storage({ endpoint: base, tries: 3, credentials: async () => ({ accessKeyId: `ID${++given}`, secretAccessKey: 'S', expiresAt: new Date(Date.now() + 3_600_000) }) })
    const chunks: Uint8Array[] = []
    for await (const chunk of storage.read('s3://bucket/key', { start: 1 })) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('1234')
    expect(given).toBe(2)
  })
})
