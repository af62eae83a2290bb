import { failure } from '../../errors/index.js'
import { fetchByProxy } from '../http/fetch-by-proxy.js'
import type { IdleWatch } from '../http/idle-watch.js'
import { retryAfter, TryAgain, tryRequest } from '../http/try-request.js'
import { startMd5 } from '../objects/md5.js'
import { findAwsCredentials, type FoundCredentials, type S3Credentials } from './s3-credentials.js'
import { isPassing, s3Error, s3Problem, type S3Problem } from './s3-error.js'
import { isRegion, s3Settings, type S3Settings, type S3StorageOptions } from './s3-settings.js'
import { encodePath, encodeQuery, signedHeaders } from './sigv4.js'

/** Answers are waited for over some seconds: S3 asks its clients to slow down for so long. */
const DEFAULT_TRIES = 7
/** Credentials are fetched anew when they lapse within this time. */
const RENEWED_BEFORE_MS = 5 * 60_000
/** Those that do not say when they lapse are looked for again after this time: files change. */
const LOOKED_FOR_AGAIN_MS = 60_000

/** S3 refuses clocks that are off by a quarter of an hour. */
const TOLERATED_SKEW_MS = 5 * 60_000

/** One request to S3. */
export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** The URL as the user wrote it. */
  readonly source: string
  readonly bucket: string
  readonly key?: string | undefined
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array<ArrayBuffer> | undefined
  /** Codes that are answers: given back with the response, as `refused`. */
  readonly accept?: readonly string[] | undefined
  readonly signal?: AbortSignal | undefined
  readonly watch?: IdleWatch | undefined
}

/** What S3 answered. */
export interface S3Answer {
  readonly response: Response
  /** The code, where it is one of those accepted; the body is gone then. */
  readonly refused: string | undefined
  /** Which of the tries it answered. */
  readonly attempt: number
}

interface Sent {
  readonly settings: S3Settings
  readonly region: string
  readonly credentials: string
}

const md5Header = (body: Uint8Array | undefined): Record<string, string> => {
  const md5 = body === undefined ? undefined : startMd5()?.update(body).digest('base64')
  return md5 === undefined ? {} : { 'content-md5': md5 }
}

const askFor = async (fetchKeys: () => Promise<S3Credentials>): Promise<FoundCredentials> => {
  try {
    return { keys: await fetchKeys(), source: 'the function given in code' }
  } catch (cause) {
    throw failure({ tag: 'Usage', code: 'S3_BAD_CREDENTIALS', problem: 'the function given for credentials failed', remedy: 'Its own words are in the cause.', cause })
  }
}

/** Sends signed requests, to the region where a bucket is, again where that may help. */
export class S3Client {
  private found: { readonly credentials: FoundCredentials; readonly until: number } | undefined
  private readonly regions = new Map<string, string>()
  /** By how much the server's clock is ahead. */
  private skewMs = 0

  constructor(readonly options: S3StorageOptions) {}

  /** @param read - makes something of the answer; is tried again with the request */
  async request<A>(request: S3Request, read: (answer: S3Answer) => Promise<A>): Promise<A> {
    let sent: Sent | undefined
    let attempt = 0
    let corrections = 0
    return tryRequest({
      source: request.source,
      signal: request.signal,
      watch: request.watch,
      sending: request.body?.length,
      tries: this.options.tries ?? DEFAULT_TRIES,
      remedy: 'Check the endpoint (AWS_ENDPOINT_URL_S3), the region and the network.',
      send: async (signal) => {
        attempt++
        const tried = await this.send(request, signal)
        sent = tried.sent
        return tried.response
      },
      handle: async (response) => {
        if (response.ok) return read({ response, refused: undefined, attempt })
        const problem = await s3Problem(response)
        if (request.accept?.includes(problem.code) === true) return read({ response, refused: problem.code, attempt })
        const error = s3Error(problem, request.source, sent!.credentials)
        if (isPassing(problem)) throw new TryAgain(error, retryAfter(response))
        // Each of these mends what the answer complains of; an answer that goes on complaining ends it.
        if (corrections < 2 && this.correct(request.bucket, problem, response, sent!)) {
          corrections++
          throw new TryAgain(error)
        }
        throw error
      },
    })
  }

  /** The host and the path of a bucket or an object. */
  private place({ endpoint }: S3Settings, region: string, bucket: string, key: string): URL {
    const path = encodePath(key)
    const pathStyle = this.options.pathStyle ?? (endpoint !== undefined || !/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket))
    const base = endpoint ?? new URL(`https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`)
    const folder = base.pathname.replace(/\/+$/, '')
    return pathStyle ? new URL(`${base.origin}${folder}/${bucket}/${path}`) : new URL(`${base.protocol}//${bucket}.${base.host}${folder}/${path}`)
  }

  private async send(request: S3Request, signal: AbortSignal): Promise<{ readonly response: Response; readonly sent: Sent }> {
    const settings = await s3Settings(this.options)
    const region = this.regions.get(request.bucket) ?? settings.region
    const { keys, source } = await this.credentials(settings.region)
    const url = this.place(settings, region, request.bucket, request.key ?? '')
    const query = encodeQuery(request.query ?? {})
    const headers = { ...request.headers, ...md5Header(request.body) }
    const signed =
      keys === undefined
        ? headers
        : signedHeaders({ method: request.method, host: url.host, path: url.pathname, query, headers, body: request.body }, keys, { region, service: 's3', now: new Date(Date.now() + this.skewMs) })
    const response = await fetchByProxy(query === '' ? url : `${url.href}?${query}`, {
      method: request.method, headers: { ...signed, 'accept-encoding': 'identity' }, body: request.body ?? null, redirect: 'manual', signal,
    })
    return { response, sent: { settings, region, credentials: source } }
  }

  private async credentials(region: string): Promise<FoundCredentials> {
    const { credentials: given, profile } = this.options
    if (given === 'anonymous') return { keys: undefined, source: 'nobody (anonymous)' }
    if (typeof given === 'object') return { keys: given, source: 'the credentials given in code' }
    if (this.found !== undefined && this.found.until > Date.now()) return this.found.credentials
    const credentials = given === undefined ? await findAwsCredentials(profile, region) : await askFor(given)
    const lapse = credentials.keys?.expiresAt?.getTime()
    // What the environment holds is looked up each time: it costs nothing.
    const until = credentials.source.startsWith('AWS_') ? 0 : lapse === undefined ? Date.now() + LOOKED_FOR_AGAIN_MS : lapse - RENEWED_BEFORE_MS
    this.found = { credentials, until }
    return credentials
  }

  /** Learns from an answer what was wrong with the request; true where there is something to be learned. */
  private correct(bucket: string, { code, region, status }: S3Problem, response: Response, sent: Sent): boolean {
    // The host is made of the region by us: no server says where credentials go.
    const isElsewhere = status === 301 || status === 307 || status === 400
    if (isElsewhere && region !== undefined && isRegion(region) && region !== sent.region) {
      this.regions.set(bucket, region)
      return true
    }
    // An answer to HEAD has no code.
    const theirs = Date.parse(response.headers.get('date') ?? '')
    const ahead = theirs - Date.now()
    if (status === 403 && Math.abs(ahead - this.skewMs) > TOLERATED_SKEW_MS) {
      this.skewMs = ahead
      return true
    }
    if ((code !== 'ExpiredToken' && code !== 'Unknown') || status !== 400 || typeof this.options.credentials === 'object') return false
    this.found = undefined
    return true
  }
}
