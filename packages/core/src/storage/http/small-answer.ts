import { failure } from '../../errors/index.js'
import { fetchByProxy } from './fetch-by-proxy.js'
import { readStart, TryAgain, tryRequest, worthRetrying, retryAfter } from './try-request.js'

/** Credentials are some kilobytes. */
const MAX_BYTES = 256 * 1024

/** Options of {@link askSmall}. */
export interface SmallRequest {
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | undefined
  /** The whole of it has to be there by then, try by try. */
  readonly timeoutMs: number
  readonly tries?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The text of a short answer of a server that hands out credentials. Redirects are not followed, and nothing of the answer is in
 * errors.
 *
 * @param what - the server, as errors name it
 */
export const askSmall = (what: string, url: string, request: SmallRequest): Promise<string> =>
  tryRequest({
    source: what,
    signal: request.signal,
    tries: request.tries ?? 2,
    send: (signal) =>
      fetchByProxy(url, {
        method: request.method ?? 'GET', headers: request.headers ?? {}, body: request.body ?? null, redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(request.timeoutMs)]),
      }),
    handle: async (response) => {
      if (response.ok) return Buffer.from(await readStart(response, MAX_BYTES)).toString('utf8')
      await response.body?.cancel()
      const problem = failure({ tag: 'Storage', code: 'CREDENTIALS_REFUSED', problem: `the server that hands out credentials answered with status ${response.status}`, remedy: 'Check what the environment says of it.', position: { source: what } })
      throw worthRetrying(response.status) ? new TryAgain(problem, retryAfter(response)) : problem
    },
  })

/** The fields of a JSON object; none for what is no such thing. */
export const jsonFields = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
  } catch {
    return {}
  }
}
