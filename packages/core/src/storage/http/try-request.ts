import { setTimeout as sleep } from 'node:timers/promises'
import { failure, isMillraceError, throwIfAborted, type MillraceError } from '../../errors/index.js'
import { IdleWatch } from './idle-watch.js'

/** Tries of one request, the first included: a restart of a server or a load balancer takes seconds. */
export const TRIES = 4
const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 20_000
/** What is left of an answer that nobody reads is fetched to this length, so that its connection serves again. */
const DRAINED_BYTES = 64 * 1024

/** Says that a request which failed may fare better: thrown by {@link RequestPlan.handle}. */
export class TryAgain extends Error {
  /** @param afterMs - how long the server asks to wait */
  constructor(
    readonly problem: MillraceError,
    readonly afterMs?: number,
  ) {
    super(problem.message)
  }
}

/** One request, which may be sent several times. */
export interface RequestPlan<A> {
  /** The URL as errors show it. */
  readonly source: string
  /** Sends it; called anew for each try, since signatures and tokens age. */
  readonly send: (signal: AbortSignal) => Promise<Response>
  /** Makes something of the answer. @throws {@link TryAgain}, and errors that no other try would mend */
  readonly handle: (response: Response) => Promise<A>
  /** Bytes of the request's body. Default 0. */
  readonly sending?: number | undefined
  /** Tries, the first included. Default 4. */
  readonly tries?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly watch?: IdleWatch | undefined
  /** What to do about a server that cannot be reached. */
  readonly remedy?: string | undefined
}

/** Statuses of servers that are overloaded, or start again. */
export const worthRetrying = (status: number): boolean => status === 408 || status === 429 || (status >= 500 && status !== 501)

/** How long the answer asks to wait: `retry-after`, where it is in seconds. */
export const retryAfter = (response: Response): number | undefined => {
  const seconds = Number(response.headers.get('retry-after') ?? NaN)
  return seconds >= 0 ? seconds * 1000 : undefined
}

const pauseBefore = (attempt: number, asked: number | undefined): number => {
  // Not all clients at once.
  const own = FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.75 + Math.random() / 2)
  return Math.min(LONGEST_PAUSE_MS, Math.max(own, asked ?? 0))
}

/** An error as a cause, unless it or what lies under it quotes a URL, which may be signed. */
const discreet = (error: unknown): unknown => {
  for (let under = error; under instanceof Error; under = under.cause) {
    const { message, input } = under as Error & { readonly input?: unknown }
    if (/:\/\/|[?&]\w+=/.test(`${message} ${String(input)}`)) return new Error('what was said of it quotes a URL, and is left out')
  }
  return error
}

/**
 * Sends a request until its answer can be handled: again, after pauses that grow, where the connection fails or the answer says that
 * it is worth it.
 *
 * @throws what {@link RequestPlan.handle} does, `Storage` HTTP_UNREACHABLE, `Aborted`
 */
export const tryRequest = async <A>(plan: RequestPlan<A>): Promise<A> => {
  const { source, signal, watch = new IdleWatch(signal), tries = TRIES } = plan
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal)
    let problem: MillraceError
    let asked: number | undefined
    try {
      watch.touch(plan.sending)
      const response = await plan.send(watch.signal)
      watch.touch()
      return await plan.handle(response)
    } catch (error) {
      throwIfAborted(signal)
      if (isMillraceError(error)) throw error.position.source === undefined ? error.at({ source }) : error
      asked = error instanceof TryAgain ? error.afterMs : undefined
      problem =
        error instanceof TryAgain
          ? error.problem.at({ source })
          : failure({ tag: 'Storage', code: 'HTTP_UNREACHABLE', problem: 'the server could not be reached', remedy: plan.remedy ?? 'Check the URL and the network.', position: { source }, cause: discreet(error) })
    } finally {
      watch.rest()
    }
    if (attempt >= tries || watch.signal.aborted) throw problem
    await sleep(pauseBefore(attempt, asked), undefined, { signal }).catch(() => undefined)
  }
}

/** The beginning of an answer's body, of at most `limit` bytes; the rest is not read. */
export const readStart = async (response: Response, limit = DRAINED_BYTES): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  let total = 0
  if (response.body !== null) {
    // Leaving the loop cancels the body.
    for await (const chunk of response.body) {
      chunks.push(chunk)
      total += chunk.length
      if (total >= limit) break
    }
  }
  return Buffer.concat(chunks).subarray(0, limit)
}
