import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { errorOf } from '../../../../../test/support/error-of.js'
import { findAwsCredentials } from './s3-credentials.js'

interface Seen {
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly form: URLSearchParams
  readonly body: string
}

const config = `
[default]
aws_access_key_id = STATIC
aws_secret_access_key = hush-static
[profile role]
role_arn = arn:aws:iam::1:role/r
source_profile = default
external_id = partner
role_session_name = nightly
region = eu-west-1
[profile chained]
role_arn = arn:aws:iam::2:role/s
source_profile = role
[profile own]
role_arn = arn:aws:iam::1:role/own
source_profile = own
aws_access_key_id = OWN
aws_secret_access_key = hush-own
[profile env]
role_arn = arn:aws:iam::1:role/env
credential_source = Environment
[profile a]
role_arn = arn:aws:iam::1:role/a
source_profile = b
[profile b]
role_arn = arn:aws:iam::1:role/b
source_profile = a
[profile lost]
role_arn = arn:aws:iam::1:role/a
source_profile = nobody
[profile mfa]
role_arn = arn:aws:iam::1:role/a
source_profile = default
mfa_serial = arn:aws:iam::1:mfa/me
[profile program]
credential_process = /bin/true
[profile sso]
sso_session = corp
sso_account_id = 123
sso_role_name = reader
[profile old-sso]
sso_start_url = https://old.example/start
sso_region = eu-west-1
sso_account_id = 123
sso_role_name = reader
[sso-session corp]
sso_start_url = https://corp.example/start
sso_region = eu-central-1
`

describe('profiles', () => {
  let server: Server
  let base: string
  let home: string
  let seen: Seen[] = []
  let status = 200
  let tokenStatus = 200
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'millrace-aws-'))
    await mkdir(join(home, '.aws', 'sso', 'cache'), { recursive: true })
    await writeFile(join(home, 'config'), config)
    server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text)).on('end', () => {
        const form = new URLSearchParams(body)
        seen.push({ url: request.url!, headers: request.headers, form, body })
        if (request.url === '/token') return void response.writeHead(tokenStatus).end(tokenStatus === 200 ? JSON.stringify({ accessToken: 'hush-new', expiresIn: 3600, refreshToken: 'hush-refresh-2', tokenType: 'Bearer' }) : '{"error":"invalid_grant"}')
        if (status !== 200) return void response.writeHead(status).end('<Error><Message>hush-static</Message></Error>')
        if (request.url!.startsWith('/federation')) return void response.end(JSON.stringify({ roleCredentials: { accessKeyId: 'SSO', secretAccessKey: 'hush-sso', sessionToken: 'T', expiration: 1924992000000 } }))
        const role = form.get('RoleArn')!.split('/')[1]!
        response.end(`<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AS-${role}</AccessKeyId><SecretAccessKey>hush-${role}</SecretAccessKey><SessionToken>token-${role}</SessionToken><Expiration>2031-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await rm(home, { recursive: true, force: true })
  })
  beforeEach(() => {
    seen = []
    status = tokenStatus = 200
  })

  const find = (profile: string, env: Record<string, string> = {}): ReturnType<typeof findAwsCredentials> =>
    findAwsCredentials(profile, 'us-east-1', { HOME: home, AWS_CONFIG_FILE: join(home, 'config'), AWS_SHARED_CREDENTIALS_FILE: '/nowhere', AWS_EC2_METADATA_DISABLED: 'true', AWS_ENDPOINT_URL_STS: base, AWS_ENDPOINT_URL_SSO: base, AWS_ENDPOINT_URL_SSO_OIDC: base, ...env })
  const cache = (key: string): string => join(home, '.aws', 'sso', 'cache', `${createHash('sha1').update(key).digest('hex')}.json`)
  const keep = (token: object): Promise<void> => writeFile(cache('corp'), JSON.stringify(token))
  const signOn = (key: string, expiresAt: string): Promise<void> => writeFile(cache(key), JSON.stringify({ accessToken: 'hush-bearer', expiresAt, region: 'eu-central-1' }))

  it('take on a role with the keys of another profile, also in turn', async () => {
    expect(await find('role')).toEqual({ keys: { accessKeyId: 'AS-r', secretAccessKey: 'hush-r', sessionToken: 'token-r', expiresAt: new Date('2031-01-01T00:00:00Z') }, source: 'the profile "role" of ~/.aws' })
    expect(Object.fromEntries(seen[0]!.form)).toEqual({ Action: 'AssumeRole', Version: '2011-06-15', RoleArn: 'arn:aws:iam::1:role/r', RoleSessionName: 'nightly', ExternalId: 'partner' })
    expect(seen[0]!.headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=STATIC\/\d{8}\/eu-west-1\/sts\/aws4_request, SignedHeaders=content-type;host;/)
    expect((await find('chained')).keys).toMatchObject({ accessKeyId: 'AS-s' })
    expect(seen.at(-1)!.headers).toMatchObject({ 'x-amz-security-token': 'token-r', authorization: expect.stringContaining('Credential=AS-r/') as string })
    expect((await find('own')).keys).toMatchObject({ accessKeyId: 'AS-own' })
    expect(seen.at(-1)!.headers.authorization).toContain('Credential=OWN/')
    expect((await find('env', { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 'hush-env' })).keys).toMatchObject({ accessKeyId: 'AS-env' })
    expect(seen.at(-1)!.headers.authorization).toContain('Credential=ENV/')
  })

  it('say what is wrong with them, and no secret', async () => {
    const problems: readonly (readonly [string, object, number?])[] = [
      ['a', { code: 'S3_BAD_CREDENTIALS', message: expect.stringContaining('a, b, a') as string }], ['lost', { code: 'S3_BAD_CREDENTIALS' }], ['env', { code: 'S3_BAD_CREDENTIALS' }],
      ['mfa', { code: 'S3_PROFILE_NEEDS_CLI' }], ['program', { code: 'S3_PROFILE_NEEDS_CLI' }], ['role', { code: 'CREDENTIALS_REFUSED' }, 403],
    ]
    for (const [profile, expected, answer = 200] of problems) {
      status = answer
      const error = await errorOf(find(profile))
      expect(error).toMatchObject(expected)
      expect(JSON.stringify([error, error.message, String(error.cause)])).not.toContain('hush')
    }
  })

  it('sign on by the token that the CLI keeps, as long as it holds', async () => {
    await rm(cache('corp'), { force: true })
    expect(await errorOf(find('sso'))).toMatchObject({ _tag: 'Usage', code: 'S3_SIGN_ON', message: expect.stringContaining('aws sso login --profile "sso"') as string })
    await signOn('corp', '2020-01-01T00:00:00Z')
    expect(await errorOf(find('sso'))).toMatchObject({ code: 'S3_SIGN_ON' })
    expect(seen).toEqual([])
    await signOn('corp', '2031-01-01T00:00:00Z')
    await signOn('https://old.example/start', '2031-01-01T00:00:00Z')
    for (const profile of ['sso', 'old-sso']) {
      expect(await find(profile)).toEqual({ keys: { accessKeyId: 'SSO', secretAccessKey: 'hush-sso', sessionToken: 'T', expiresAt: new Date(1924992000000) }, source: `the profile "${profile}" of ~/.aws` })
      expect(seen.at(-1)).toMatchObject({ url: '/federation/credentials?role_name=reader&account_id=123', headers: { 'x-amz-sso_bearer_token': 'hush-bearer' } })
    }
    status = 403
    const refused = await errorOf(find('sso'))
    expect(refused.code).toBe('CREDENTIALS_REFUSED')
    status = 401
    const ended = await errorOf(find('sso'))
    expect(ended.code).toBe('S3_SIGN_ON')
    expect(ended.message).toContain('Run: aws sso login --profile "sso"')
    expect(refused.message + ended.message).not.toContain('hush')
  })

  it('renew the token of a session before it lapses, once, and keep it for the AWS tools', async () => {
    const soon = new Date(Date.now() + 60_000).toISOString()
    const renewable = { accessToken: 'hush-old', expiresAt: soon, region: 'eu-central-1', clientId: 'client', clientSecret: 'hush-secret', registrationExpiresAt: '2031-01-01T00:00:00Z', refreshToken: 'hush-refresh-1' }
    await keep(renewable)
    expect((await Promise.all([find('sso'), find('sso')])).map(({ keys }) => keys?.accessKeyId)).toEqual(['SSO', 'SSO'])
    expect(seen.filter(({ url }) => url === '/token').map(({ body }) => JSON.parse(body) as unknown)).toEqual([{ clientId: 'client', clientSecret: 'hush-secret', refreshToken: 'hush-refresh-1', grantType: 'refresh_token' }])
    expect(seen.filter(({ url }) => url !== '/token').map(({ headers }) => headers['x-amz-sso_bearer_token'])).toEqual(['hush-new', 'hush-new'])
    const kept = JSON.parse(await readFile(cache('corp'), 'utf8')) as typeof renewable
    expect(kept).toEqual({ ...renewable, accessToken: 'hush-new', refreshToken: 'hush-refresh-2', expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string })
    expect(Date.parse(kept.expiresAt)).toBeGreaterThan(Date.now() + 3_000_000)
    expect((await stat(cache('corp'))).mode & 0o777).toBe(0o600)
    expect(await readdir(join(home, '.aws', 'sso', 'cache'))).not.toContainEqual(expect.stringContaining('.tmp'))
    // The new one holds.
    seen = []
    await find('sso')
    expect(seen.map(({ url }) => url)).toEqual(['/federation/credentials?role_name=reader&account_id=123'])
  })

  it('sign on again where a token cannot be renewed, and use one to its end', async () => {
    const renewable = { accessToken: 'hush-old', expiresAt: '2020-01-01T00:00:00UTC', clientId: 'client', clientSecret: 'hush-secret', registrationExpiresAt: '2031-01-01T00:00:00Z', refreshToken: 'hush-refresh-1' }
    for (const lapsed of [{ ...renewable, registrationExpiresAt: '2020-01-01T00:00:00Z' }, { ...renewable, refreshToken: undefined }, { ...renewable, clientSecret: '' }]) {
      await keep(lapsed)
      expect((await errorOf(find('sso'))).code).toBe('S3_SIGN_ON')
    }
    expect(seen).toEqual([])
    tokenStatus = 400
    await keep(renewable)
    const refused = await errorOf(find('sso'))
    expect(refused.message).toContain('Run: aws sso login --profile "sso"')
    expect(JSON.stringify([refused, refused.message, String(refused.cause)])).not.toContain('hush')
    await keep({ ...renewable, expiresAt: new Date(Date.now() + 60_000).toISOString().replace('Z', 'UTC') })
    await find('sso')
    expect(seen.at(-1)!.headers['x-amz-sso_bearer_token']).toBe('hush-old')
  })
})
