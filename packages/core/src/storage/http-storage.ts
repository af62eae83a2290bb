import { failure, shownUrl, type MillraceError } from '../errors/index.js'
import { lengthIn, rangeHeader, readRanges } from './http/read-ranges.js'
import { retryAfter, TryAgain, tryRequest, worthRetrying, type RequestPlan } from './http/try-request.js'
import type { FileInfo, ReadOptions, Storage } from './storage.js'

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

/** The answer to a request: one of success, or 416. */
const request = async (url: string, init: { readonly method?: string; readonly headers: Readonly<Record<string, string>> }, rest: Pick<RequestPlan<Response>, 'signal' | 'watch'>): Promise<Response> => {
  const asked = requested(url)
  return tryRequest({
    ...rest,
    source: shownUrl(url),
    send: (signal) => fetch(asked.url, { ...init, headers: { ...init.headers, ...asked.headers }, signal }),
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
        // Content coding would make byte positions meaningless.
        const headers = { 'accept-encoding': 'identity', ...rangeHeader(start, end), ...(version === undefined ? {} : { 'if-range': version }) }
        const response = await request(url, { headers }, { signal, watch })
        if (response.status !== 416) return response
        // Nothing is left at this place: a reader that resumes after the last byte, as a local file would have it.
        if (lengthIn(response) <= start) return undefined
        throw statusError(url, 416)
      },
      versionOf: strongTag,
    },
    options,
  )

const strongTag = ({ headers }: Response): string | undefined => {
  const tag = headers.get('etag')
  return tag === null || tag.startsWith('W/') ? undefined : tag
}

const statHttp = async (url: string, signal?: AbortSignal): Promise<FileInfo> => {
  const response = await request(url, { method: 'HEAD', headers: { 'accept-encoding': 'identity' } }, { signal })
  const length = response.headers.get('content-length')
  const size = length === null ? undefined : Number(length)
  // Mirrors give the same file other times: these tell only where there is nothing better.
  const changed = size === undefined ? response.headers.get('last-modified') : null
  // Servers that know ranges say so; of the others most give the whole file whatever is asked for.
  const ranges = response.headers.get('accept-ranges') === 'bytes' ? {} : { ranges: false as const }
  return { url, size, version: strongTag(response) ?? changed ?? undefined, ...ranges }
}

const makeHttp = (scheme: string): Storage => ({ scheme, stat: statHttp, read: readHttp })

/** Read-only files over http(s): ranges, retries, reading on after a cut connection. */
export const httpStorage: Storage = makeHttp('http')
export const httpsStorage: Storage = makeHttp('https')
