import { failure, type MillraceError } from '../errors/index.js'
import { lengthIn, rangeHeader, readRanges } from './http/read-ranges.js'
import { retryAfter, TryAgain, tryRequest, worthRetrying, type RequestPlan } from './http/try-request.js'
import type { FileInfo, ReadOptions, Storage } from './storage.js'

/** The URL as errors may show it: without user, password and query, where tokens live. */
const shown = (url: string): string => {
  try {
    const parsed = new URL(url)
    return `${parsed.origin}${parsed.pathname}`
  } catch {
    return url
  }
}

const statusError = (url: string, status: number): MillraceError =>
  status === 404 || status === 410
    ? failure({ tag: 'NotFound', code: 'HTTP_NOT_FOUND', problem: `the server has no such file (status ${status})`, remedy: 'Check the URL.', position: { source: shown(url) } })
    : failure({
        tag: 'Storage',
        code: `HTTP_${status}`,
        problem: `the server answered with status ${status}`,
        remedy: status === 401 || status === 403 ? 'Check the credentials.' : 'Check the URL, or try again later.',
        position: { source: shown(url) },
      })

/** The answer to a request: one of success, or 416. */
const request = (url: string, init: RequestInit, rest: Pick<RequestPlan<Response>, 'signal' | 'watch'>): Promise<Response> =>
  tryRequest({
    ...rest,
    source: shown(url),
    send: (signal) => fetch(url, { ...init, signal }),
    handle: async (response) => {
      if (response.ok) return response
      await response.body?.cancel()
      if (response.status === 416) return response
      const problem = statusError(url, response.status)
      throw worthRetrying(response.status) ? new TryAgain(problem, retryAfter(response)) : problem
    },
  })

const readHttp = (url: string, options?: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> =>
  readRanges(
    {
      source: shown(url),
      open: async ({ start, end, version, watch, signal }) => {
        // Content coding would make byte positions meaningless.
        const headers = { 'accept-encoding': 'identity', ...rangeHeader(start, end), ...(version === undefined ? {} : { 'if-range': version }) }
        const response = await request(url, { headers }, { signal, watch })
        if (response.status !== 416) return response
        // Nothing is left at this place: a reader that resumes after the last byte, as a local file would have it.
        if (lengthIn(response) <= start) return undefined
        throw statusError(url, 416)
      },
      versionOf: (response) => {
        const tag = response.headers.get('etag')
        return tag === null || tag.startsWith('W/') ? undefined : tag
      },
    },
    options,
  )

const statHttp = async (url: string, signal?: AbortSignal): Promise<FileInfo> => {
  const response = await request(url, { method: 'HEAD', headers: { 'accept-encoding': 'identity' } }, { signal })
  const length = response.headers.get('content-length')
  return { url, size: length === null ? undefined : Number(length) }
}

const makeHttp = (scheme: string): Storage => ({ scheme, stat: statHttp, read: readHttp })

/** Read-only files over http(s): ranges, retries, reading on after a cut connection. */
export const httpStorage: Storage = makeHttp('http')
export const httpsStorage: Storage = makeHttp('https')
