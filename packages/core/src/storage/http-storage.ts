import { setTimeout as sleep } from 'node:timers/promises'
import { failure, fromUnknown, isMillraceError, throwIfAborted, type MillraceError } from '../errors/index.js'
import type { FileInfo, ReadOptions, Storage } from './storage.js'

/** Tries of one request, the first included: a restart of a server or a load balancer takes seconds. */
const TRIES = 4
const FIRST_PAUSE_MS = 200
/** Servers that accept a connection and then say nothing are given up after this long. */
const IDLE_TIMEOUT_MS = 60_000

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

const worthRetrying = (status: number): boolean => status === 408 || status === 429 || status >= 500

/** Fires when nothing was heard for {@link IDLE_TIMEOUT_MS}, or with the caller's signal. */
class IdleWatch {
  private readonly controller = new AbortController()
  private timer: NodeJS.Timeout | undefined
  readonly signal: AbortSignal

  constructor(caller: AbortSignal | undefined) {
    this.signal = caller === undefined ? this.controller.signal : AbortSignal.any([caller, this.controller.signal])
  }

  /** Something was heard: the clock starts again. */
  touch(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.controller.abort(new Error(`nothing was heard for ${IDLE_TIMEOUT_MS / 1000} s`)), IDLE_TIMEOUT_MS)
  }

  /** Stops the clock: the consumer, not the server, is at work. */
  rest(): void {
    clearTimeout(this.timer)
  }
}

const request = async (url: string, init: RequestInit, signal: AbortSignal | undefined, watch = new IdleWatch(signal)): Promise<Response> => {
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal)
    let problem: unknown
    try {
      watch.touch()
      const response = await fetch(url, { ...init, signal: watch.signal })
      watch.rest()
      if (response.ok) return response
      await response.body?.cancel()
      if (response.status === 416) return response
      problem = statusError(url, response.status)
      if (!worthRetrying(response.status)) throw problem
    } catch (error) {
      watch.rest()
      throwIfAborted(signal)
      if (isMillraceError(error)) throw error
      problem = failure({
        tag: 'Storage', code: 'HTTP_UNREACHABLE', problem: 'the server could not be reached', remedy: 'Check the URL and the network.', position: { source: shown(url) }, cause: error,
      })
    }
    if (attempt === TRIES) throw problem
    await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined)
  }
}

const rangeHeader = (start: number, end: number | undefined): Record<string, string> =>
  start === 0 && end === undefined ? {} : { range: `bytes=${start}-${end === undefined ? '' : end - 1}` }

/** The length of the file as an answer 416 tells it (`content-range: bytes * /12`, without the blank); infinite where it does not. */
const lengthIn = (response: Response): number => Number(/^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Infinity)

/** Reads on after a cut connection from the byte where it was cut, as long as the file is still the same (ETag). */
async function* readHttp(url: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const { start = 0, end, signal } = options
  if (end !== undefined && end <= start) return
  let at = start
  let tag: string | null = null
  for (let cuts = 0; ; ) {
    // Content coding would make byte positions meaningless.
    const headers: Record<string, string> = { 'accept-encoding': 'identity', ...rangeHeader(at, end), ...(tag === null ? {} : { 'if-range': tag }) }
    const watch = new IdleWatch(signal)
    const response = await request(url, { headers }, signal, watch)
    // Nothing is left at this place: a reader that resumes after the last byte, as a local file would have it.
    if (response.status === 416 && lengthIn(response) <= at) return
    if (response.status === 416) throw statusError(url, 416)
    if (at > 0 && response.status !== 206) {
      await response.body?.cancel()
      throw failure({
        tag: 'Storage', code: 'HTTP_NO_RANGES', problem: 'the server does not serve ranges, or the file changed while it was read', remedy: 'Copy the file to this machine first.', position: { source: shown(url), byte: at },
      })
    }
    const strong = response.headers.get('etag')
    tag = strong !== null && !strong.startsWith('W/') ? strong : null
    const reader = response.body?.getReader()
    if (reader === undefined) return
    try {
      for (;;) {
        watch.touch()
        const { done, value } = await reader.read()
        watch.rest()
        if (done) return
        const chunk = end !== undefined && at + value.length > end ? value.subarray(0, end - at) : value
        at += chunk.length
        cuts = 0
        yield chunk
        if (end !== undefined && at >= end) return
      }
    } catch (error) {
      throwIfAborted(signal)
      if (isMillraceError(error)) throw error
      if (++cuts >= TRIES) throw fromUnknown(error, { source: shown(url), byte: at })
    } finally {
      watch.rest()
      await reader.cancel().catch(() => undefined)
    }
  }
}

const statHttp = async (url: string, signal?: AbortSignal): Promise<FileInfo> => {
  const response = await request(url, { method: 'HEAD', headers: { 'accept-encoding': 'identity' } }, signal)
  const length = response.headers.get('content-length')
  return { url, size: length === null ? undefined : Number(length) }
}

const makeHttp = (scheme: string): Storage => ({ scheme, stat: statHttp, read: readHttp })

/** Read-only files over http(s): ranges, retries, reading on after a cut connection. */
export const httpStorage: Storage = makeHttp('http')
export const httpsStorage: Storage = makeHttp('https')
