import { failure, type MillraceError } from '../../errors/index.js'
import { fetchByProxy } from '../http/fetch-by-proxy.js'
import type { IdleWatch } from '../http/idle-watch.js'
import { jsonFields } from '../http/small-answer.js'
import { readStart, retryAfter, TryAgain, tryRequest, worthRetrying } from '../http/try-request.js'
import { gcsToken, type FoundToken, type GcsCredentialSource } from './gcs-credentials.js'

/** Options of `gcsStorage`. What is left out comes from where Google's tools look. */
export interface GcsStorageOptions {
  /** Scheme of the URLs. Default `gs`. */
  readonly scheme?: string | undefined
  /** URL of the service. Default: `STORAGE_EMULATOR_HOST`, which is asked without credentials, else Google's. */
  readonly endpoint?: string | undefined
  /** Default: the file of `GOOGLE_APPLICATION_CREDENTIALS`, gcloud's application default credentials, the metadata server, in this order. */
  readonly credentials?: GcsCredentialSource | undefined
  /** Project that pays for requests to buckets whose requester pays. */
  readonly userProject?: string | undefined
  /** Bytes that are sent by one request: a multiple of 256 KiB. Default 8 MiB. */
  readonly partBytes?: number | undefined
  /** Requests that send at once, over all files. Default 4. */
  readonly parallelParts?: number | undefined
  /** Tries of one request, the first included, with pauses that grow from 0.2 s. Default 7. */
  readonly tries?: number | undefined
}

const DEFAULT_TRIES = 7
const GOOGLE = 'https://storage.googleapis.com'
/** Tokens are fetched anew when they lapse within this time. */
const RENEWED_BEFORE_MS = 60_000
const LOOKED_FOR_AGAIN_MS = 60_000

/** One request to Google Cloud Storage. */
export interface GcsRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** The URL as the user wrote it. */
  readonly source: string
  /** Path, its segments encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array<ArrayBuffer> | undefined
  /** Statuses that are answers. */
  readonly accept?: readonly number[] | undefined
  readonly signal?: AbortSignal | undefined
  readonly watch?: IdleWatch | undefined
}

/** How often, and by what, a request is sent; see {@link GcsClient.run}. */
export interface GcsPlan<A> {
  readonly request: Pick<GcsRequest, 'source' | 'accept' | 'signal' | 'watch'> & { readonly sending?: number | undefined }
  /** Sends one try. */
  readonly send: (signal: AbortSignal) => Promise<Response>
  readonly read: (response: Response) => Promise<A>
}

/** What an answer says is wrong: the reason alone, since messages may repeat what was sent. */
const reasonIn = (body: string): string | undefined => {
  const error = jsonFields(body)['error']
  const errors = typeof error === 'object' && error !== null ? (error as { readonly errors?: unknown }).errors : undefined
  const reason: unknown = Array.isArray(errors) ? (errors[0] as { readonly reason?: unknown } | undefined)?.reason : undefined
  return typeof reason === 'string' && /^[A-Za-z0-9]{1,64}$/.test(reason) ? reason : undefined
}

const gcsError = (status: number, reason: string | undefined, source: string, credentials: string): MillraceError => {
  const shown = reason === undefined ? `status ${status}` : `status ${status}, ${reason}`
  if (status === 404) return failure({ tag: 'NotFound', code: 'GCS_NOT_FOUND', problem: `there is no such object or bucket (${shown})`, remedy: 'Check the bucket and the key.', position: { source } })
  const isRefused = status === 401 || status === 403
  const remedy = isRefused ? `Check what is allowed to ${credentials}, with which it was asked.` : worthRetrying(status) ? 'Try again later.' : 'Check the URL and the endpoint.'
  return failure({ tag: 'Storage', code: `GCS_${status}`, problem: `Google Cloud Storage answered with ${shown}`, remedy, position: { source } })
}

const endpointOf = (given: string | undefined, env: NodeJS.ProcessEnv): { readonly base: string; readonly isEmulator: boolean } => {
  const emulator = env['STORAGE_EMULATOR_HOST']
  const isEmulator = given === undefined && emulator !== undefined && emulator !== ''
  const url = given ?? (isEmulator ? (/^https?:/.test(emulator) ? emulator : `http://${emulator}`) : GOOGLE)
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.search === '') return { base: parsed.href.replace(/\/+$/, ''), isEmulator }
  throw failure({ tag: 'Usage', code: 'GCS_BAD_ENDPOINT', problem: 'the endpoint of Google Cloud Storage is no plain http(s) URL', remedy: "Write it as 'https://host:port', without user, password and query." })
}

/** Sends requests with a bearer token, again where that may help. */
export class GcsClient {
  private found: { readonly token: FoundToken; readonly until: number } | undefined
  private credentials = 'no credentials'

  constructor(readonly options: GcsStorageOptions) {}

  /** @param read - makes something of the answer; is tried again with the request */
  request<A>(request: GcsRequest, read: (response: Response) => Promise<A>): Promise<A> {
    return this.run({ request: { ...request, sending: request.body?.length }, send: (signal) => this.send(request, signal), read })
  }

  /** As {@link request}, with a way to send that may differ from try to try. */
  run<A>({ request, send, read }: GcsPlan<A>): Promise<A> {
    let renewed = false
    return tryRequest({
      ...request,
      tries: this.options.tries ?? DEFAULT_TRIES,
      remedy: 'Check the endpoint and the network.',
      send,
      handle: async (response) => {
        if (response.ok || request.accept?.includes(response.status) === true) return read(response)
        const reason = reasonIn(Buffer.from(await readStart(response)).toString('utf8'))
        const error = gcsError(response.status, reason, request.source, this.credentials)
        if (worthRetrying(response.status)) throw new TryAgain(error, retryAfter(response))
        if (response.status === 401 && !renewed) {
          // A token may lapse before its time.
          renewed = true
          this.found = undefined
          throw new TryAgain(error)
        }
        throw error
      },
    })
  }

  /** Sends a request once. */
  async send(request: GcsRequest, signal: AbortSignal): Promise<Response> {
    const { base, isEmulator } = endpointOf(this.options.endpoint, process.env)
    const { token, source } = await this.token(isEmulator)
    this.credentials = source
    const { userProject } = this.options
    const query = new URLSearchParams({ ...request.query, ...(userProject === undefined ? {} : { userProject }) }).toString()
    return fetchByProxy(`${base}${request.path}${query === '' ? '' : `${request.path.includes('?') ? '&' : '?'}${query}`}`, {
      method: request.method,
      headers: { ...request.headers, 'accept-encoding': 'identity', ...(token === undefined ? {} : { authorization: `Bearer ${token.accessToken}` }) },
      body: request.body ?? null,
      // Whoever a redirect names would get the token.
      redirect: 'manual',
      signal,
    })
  }

  private async token(isEmulator: boolean): Promise<FoundToken> {
    const { credentials } = this.options
    if (isEmulator && credentials === undefined) return { token: undefined, source: 'nobody (STORAGE_EMULATOR_HOST)' }
    if (this.found !== undefined && this.found.until > Date.now()) return this.found.token
    const token = await gcsToken(credentials)
    const lapse = token.token?.expiresAt?.getTime()
    this.found = { token, until: lapse === undefined ? Date.now() + LOOKED_FOR_AGAIN_MS : lapse - RENEWED_BEFORE_MS }
    return token
  }
}
