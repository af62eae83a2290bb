import { failure, isMillraceError, shownUrl, type MillraceError } from '../errors/index.js'
import { fetchByProxy } from './http/fetch-by-proxy.js'
import { lengthIn, rangeHeader, readRanges } from './http/read-ranges.js'
import { retryAfter, TryAgain, tryRequest, worthRetrying, type RequestPlan } from './http/try-request.js'
import type { FileInfo, ReadOptions, Storage } from './storage.js'

/** Content coding would make byte positions meaningless. */
const PLAIN = { 'accept-encoding': 'identity' }

/** What to ask for, and with which header: user and password of a URL are sent as browsers do, once (RFC 7617). @throws `Usage` HTTP_BAD_URL */
const requested = (url: string): { readonly url: string; readonly headers: Readonly<Record<string, string>> } => {
  // Not with the cause, which quotes the URL.
  const bad = (problem: string): Error => failure({ tag: 'Usage', code: 'HTTP_BAD_URL', problem, remedy: 'Write it as https://host/path, with %-escapes where a part of it holds characters of its own.', position: { source: url } })
  if (!URL.canParse(url)) throw bad('this is no URL')
  const parsed = new URL(url)
  const { username, password } = parsed
  if (username === '' && password === '') return { url, headers: {} }
  parsed.username = parsed.password = ''
  try {
    return { url: parsed.href, headers: { authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}` } }
  } catch {
    throw bad('its user or password has a % that escapes nothing')
  }
}

const statusError = (url: string, status: number): MillraceError =>
  status === 404 || status === 410
    ? failure({ tag: 'NotFound', code: 'HTTP_NOT_FOUND', problem: `the server has no such file (status ${status})`, remedy: 'Check the URL.', position: { source: url } })
    : failure({
        tag: 'Storage',
        code: `HTTP_${status}`,
        problem: `the server answered with status ${status}`,
        remedy: status === 401 || status === 403 ? 'Check the credentials.' : 'Check the URL, or try again later.',
        position: { source: url },
      })

/** Says of what `fetch` throws when it is where a redirect leads to: no other try would mend that. */
const redirectError = (url: string, error: unknown): unknown => {
  const { message } = ((error as Error | undefined)?.cause ?? {}) as Partial<Error>
  if (message === undefined || !/redirect count|invalid url|scheme must be/i.test(message)) return error
  return failure({ tag: 'Storage', code: 'HTTP_BAD_REDIRECT', problem: 'the server redirects without end, or to what is no URL of http', remedy: 'Check the URL: the server does not serve it.', position: { source: url } })
}

interface Asked {
  readonly method?: string
  readonly headers: Readonly<Record<string, string>>
}

/** The answer to a request: one of success, or 416. */
const request = async (url: string, init: Asked, rest: Pick<RequestPlan<Response>, 'signal' | 'watch'>): Promise<Response> => {
  const asked = requested(url)
  return tryRequest({
    ...rest,
    source: shownUrl(url),
    send: (signal) =>
      fetchByProxy(asked.url, { ...init, headers: { ...init.headers, ...asked.headers }, signal }).catch((error: unknown) => {
        throw redirectError(url, error)
      }),
    handle: async (response) => {
      if (response.ok) return response
      await response.body?.cancel()
      if (response.status === 416) return response
      const problem = statusError(url, response.status)
      throw worthRetrying(response.status) ? new TryAgain(problem, retryAfter(response)) : problem
    },
  })
}

const readHttp = (url: string, options?: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> =>
  readRanges(
    {
      source: shownUrl(url),
      open: async ({ start, end, version, watch, signal }) => {
        const headers = { ...PLAIN, ...rangeHeader(start, end), ...(version?.startsWith('"') === true ? { 'if-range': version } : {}) }
        const response = await request(url, { headers }, { signal, watch })
        if (response.status !== 416) return response
        // Nothing is left at this place: a reader that resumes after the last byte, as a local file would have it.
        if (lengthIn(response) <= start) return undefined
        throw statusError(url, 416)
      },
      versionOf,
    },
    options,
  )

const strongTag = ({ headers }: Response): string | undefined => {
  const tag = headers.get('etag')
  return tag === null || tag.startsWith('W/') ? undefined : tag
}

/** What tells one state of a file from another while it is read: its ETag, else when it was changed. */
const versionOf = (response: Response): string | undefined => strongTag(response) ?? response.headers.get('last-modified') ?? undefined

/** Statuses of servers that do not know HEAD, and of links that are signed for GET. */
const REFUSED_HEAD = /^HTTP_(400|401|403|405|501)$/

/** What a server says of a file without sending it: to HEAD, or to a GET of its first byte where that is refused. */
const headOf = async (url: string, signal: AbortSignal | undefined): Promise<Response> => {
  try {
    return await request(url, { method: 'HEAD', headers: PLAIN }, { signal })
  } catch (error) {
    if (!isMillraceError(error) || !REFUSED_HEAD.test(error.code)) throw error
  }
  const response = await request(url, { headers: { ...PLAIN, range: 'bytes=0-0' } }, { signal })
  await response.body?.cancel()
  return response
}

/** The length of the file, where an answer to {@link headOf} tells it; packed on its way, it has another. */
const sizeIn = (response: Response): number | undefined => {
  if (response.status === 416) return Number.isFinite(lengthIn(response)) ? lengthIn(response) : undefined
  const length = response.status === 206 ? /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] : response.headers.get('content-length')
  return length === undefined || length === null || response.headers.has('content-encoding') ? undefined : Number(length)
}

const statHttp = async (url: string, signal?: AbortSignal): Promise<FileInfo> => {
  const response = await headOf(url, signal)
  const size = sizeIn(response)
  // Mirrors give the same file other times: these tell only where there is nothing better.
  const changed = size === undefined ? response.headers.get('last-modified') : null
  // Servers that know ranges say so; of the others most give the whole file whatever is asked for.
  const ranges = response.headers.get('accept-ranges') === 'bytes' || response.status === 206 ? {} : { ranges: false as const }
  return { url, size, version: strongTag(response) ?? changed ?? undefined, ...ranges }
}

const makeHttp = (scheme: string): Storage => ({ scheme, stat: statHttp, read: readHttp })

/** Read-only files over http(s): ranges, retries, reading on after a cut connection. */
export const httpStorage: Storage = makeHttp('http')
export const httpsStorage: Storage = makeHttp('https')
