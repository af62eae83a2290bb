import { createHash, createHmac } from 'node:crypto'

/** What requests are signed with. */
export interface SigningKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** A request to sign: its path and query are encoded already, by {@link encodePath} and {@link encodeQuery}. */
export interface UnsignedRequest {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
}

/** Where and when a signature holds. */
export interface SigningScope {
  readonly region: string
  readonly service: string
  readonly now: Date
}

const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')
const hmac = (key: Uint8Array | string, data: string): Buffer => createHmac('sha256', key).update(data).digest()

const encode = (text: string): string => encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)

/** A path as SigV4 has it: all but unreserved characters and slashes encoded. */
export const encodePath = (path: string): string => path.split('/').map(encode).join('/')

/** A query in the order of SigV4. */
export const encodeQuery = (query: Readonly<Record<string, string>>): string =>
  Object.entries(query)
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map((pair) => pair.join('='))
    .join('&')

/** Headers that proxies on the way may change, or that the client sets itself. */
const unsigned = new Set(['accept-encoding', 'content-length', 'user-agent'])

/**
 * The headers of a request with its signature (AWS Signature Version 4, the payload's hash included):
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export const signedHeaders = (request: UnsignedRequest, keys: SigningKeys, { region, service, now }: SigningScope): Record<string, string> => {
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '')
  const day = time.slice(0, 8)
  const payload = sha256(request.body ?? '')
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-date': time,
    'x-amz-content-sha256': payload,
    ...(keys.sessionToken === undefined ? {} : { 'x-amz-security-token': keys.sessionToken }),
  }
  const signed = Object.entries({ ...headers, host: request.host })
    .filter(([name]) => !unsigned.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const names = signed.map(([name]) => name).join(';')
  const canonical = [request.method, request.path, request.query, ...signed.map(([name, value]) => `${name}:${value.trim().replace(/\s+/g, ' ')}`), '', names, payload].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const key = [day, region, service, 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${keys.secretAccessKey}`)
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString('hex')
  return { ...headers, authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}` }
}
