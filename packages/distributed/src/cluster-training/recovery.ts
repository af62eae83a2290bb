import { hasTag } from '@millrace/core'
import { isNotOneEach } from '../synchronous/synchronous.js'
import { isShutOut } from '../training-graph/step-fences.js'

/** How much training bears before it gives up. */
export interface RecoveryBounds {
  /** Times that one worker may lose its session in all. Default 100. */
  readonly maxRestarts?: number | undefined
  /** Longest time that one worker may be without a step that is done, once it has lost its session. Default 300,000. */
  readonly timeoutMs?: number | undefined
  /** Longest time for one step; a server that hangs answers none. Default 60,000. */
  readonly stepTimeoutMs?: number | undefined
  /** Wait before the first attempt to make a new session; it doubles up to 16 times this with each that fails. Default 250. */
  readonly backoffMs?: number | undefined
}

/**
 * What has happened to the cluster, as a client sees it:
 *
 * - `unreachable`: a server is gone, or the network to it
 * - `restarted`: a server lost its sessions, and perhaps its variables; or these were given other values, or a worker others began again
 * - `uninitialized`: variables have no values: their server was restarted
 * - `hung`: a server did not answer in time
 * - `repeated`: TensorFlow says that it got one request twice, as it sporadically does
 */
export type Fault = 'unreachable' | 'restarted' | 'uninitialized' | 'hung' | 'repeated'

const faults: Readonly<Record<string, Fault>> = {
  TF_UNAVAILABLE: 'unreachable',
  TF_CANCELLED: 'unreachable',
  TF_ABORTED: 'restarted',
  TF_FAILED_PRECONDITION: 'uninitialized',
  TF_DEADLINE_EXCEEDED: 'hung',
}

/** The fault that an error tells of; `undefined` for one that a new session would meet again. */
export const faultOf = (error: unknown): Fault | undefined => {
  if (!hasTag(error, 'Engine')) return undefined
  const { code, message } = error
  if (code === 'TF_ABORTED' && /request.*twice/i.test(message)) return 'repeated'
  // A connection that breaks in the middle of an answer has no code of its own.
  if ((code === 'TF_INTERNAL' || code === 'TF_UNKNOWN') && /RST_STREAM|stream removed|socket|connection|ECONN/i.test(message)) return 'unreachable'
  // Of files that are none; and of a server that is none of TensorFlow.
  if (code === 'TF_FAILED_PRECONDITION' && /; (Is|Not) a directory/.test(message)) return undefined
  if (code === 'TF_UNAVAILABLE' && /does not speak HTTP\/2/.test(message)) return undefined
  // What variables of a training refuse.
  if (code === 'TF_INVALID_ARGUMENT' && (isShutOut(message) || isNotOneEach(message))) return 'restarted'
  // A table or a queue of a server that was restarted.
  if (code === 'TF_NOT_FOUND' && /does not exist|could not find variable/i.test(message)) return 'uninitialized'
  return Object.hasOwn(faults, code) ? faults[code] : undefined
}

/** The end of the data that a graph reads itself. */
export const isEndOfData = (error: unknown): boolean => hasTag(error, 'Engine') && error.code === 'TF_OUT_OF_RANGE'

/**
 * How Node tells of a connection that was never made: of one address (`connect EHOSTUNREACH 10.0.0.1:2222`), of several (the code alone),
 * of a name; and how our client tells of one that takes too long. What fails on a connection that was made begins with `read` or `write`.
 */
const NO_CONNECTION = /\b(connect|getaddrinfo) E[A-Z_]+\b|(^|: )E(CONNREFUSED|HOSTUNREACH|NETUNREACH|TIMEDOUT)\.?$|\bno connection within\b/

/** True where a request never left this process, so that it can be sent again without being done twice. */
export const wasNotSent = (error: unknown): boolean => hasTag(error, 'Engine') && error.code === 'TF_UNAVAILABLE' && NO_CONNECTION.test(error.problem)

/** What a worker has been through. */
export interface RecoveryState {
  readonly restarts: number
  /** When the last step was done before the session was lost; `undefined` while all is well. Milliseconds. */
  readonly downSince: number | undefined
  /** Attempts since then. */
  readonly attempts: number
}

export const allWell: RecoveryState = { restarts: 0, downSince: undefined, attempts: 0 }

/** After a step that is done. */
export const recovered = (state: RecoveryState): RecoveryState => (state.downSince === undefined ? state : { ...state, downSince: undefined, attempts: 0 })

/** What to do about a fault. */
export type RecoveryDecision =
  | { readonly action: 'reconnect'; readonly afterMs: number }
  | { readonly action: 'give-up'; readonly reason: string }

const MAX_DOUBLINGS = 4
export const DEFAULT_TIMEOUT_MS = 300_000

/** After a fault: the new state, and what to do. `now` is in milliseconds since any fixed moment. */
export const faced = (state: RecoveryState, now: number, bounds: RecoveryBounds = {}): readonly [RecoveryState, RecoveryDecision] => {
  const { maxRestarts = 100, timeoutMs = DEFAULT_TIMEOUT_MS, backoffMs = 250 } = bounds
  const next: RecoveryState = { restarts: state.restarts + 1, downSince: state.downSince ?? now, attempts: state.attempts + 1 }
  if (next.restarts > maxRestarts) return [next, { action: 'give-up', reason: `it has lost its session more than ${maxRestarts} times` }]
  const left = (next.downSince ?? now) + timeoutMs - now
  if (left <= 0) return [next, { action: 'give-up', reason: `it has done no step for ${timeoutMs} ms` }]
  return [next, { action: 'reconnect', afterMs: Math.min(left, backoffMs * 2 ** Math.min(MAX_DOUBLINGS, state.attempts)) }]
}
