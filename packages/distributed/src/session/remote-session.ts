import { job, type Job } from '@millrace/core'
import { callLimits, masterMessages, sessionOf, type CallOptions, type Device, type Session, type SessionConfig } from '@millrace/export'
import { MasterClient } from './master-client.js'
import { RemoteEngine } from './remote-engine.js'

const { encode, decode } = masterMessages

/** A session to make. */
export interface RemoteSessionOptions {
  /** The server whose master runs the steps: `grpc://host:port`. Any task of a cluster can be it; a worker's own is the nearest. */
  readonly target: string
  /** An encoded `GraphDef`: what `Graph.encode()` makes. */
  readonly graph: Uint8Array
  readonly config?: SessionConfig | undefined
  /** For calls that name none, and for making the session. Default 60,000. */
  readonly timeoutMs?: number | undefined
  /**
   * Silence, in milliseconds, after which a server that owes an answer is asked whether it lives; after as long again its calls end
   * with `TF_UNAVAILABLE`, however long they may take. Default 20,000; `Infinity` leaves it to the calls' own time.
   */
  readonly keepAliveMs?: number | undefined
}

const withClient = <A>(target: string, work: (client: MasterClient) => Promise<A>): Promise<A> => {
  const client = new MasterClient(target)
  return work(client).finally(() => client.close())
}

/**
 * A session on a TensorFlow server, of Python or of Node, by gRPC (`tensorflow.MasterService`). Nothing native is needed here. There
 * is no encryption and no authentication in this protocol: the network has to protect the servers.
 *
 * @throws `Engine` with TensorFlow's status: `TF_UNAVAILABLE` when no server answers at the address; `Model` for a graph that is no bytes
 * @example
 * const session = await run(remoteSession({ target: 'grpc://10.0.0.2:2222', graph: graph.encode() }))
 */
export const remoteSession = (options: RemoteSessionOptions): Job<Session> => job(async ({ signal }) => {
  const limits = callLimits({ timeoutMs: options.timeoutMs, signal })
  const client = new MasterClient(options.target, { keepAliveMs: options.keepAliveMs })
  try {
    const { handle, version } = decode.createSession(await client.call('CreateSession', encode.createSession(options.graph, options.config, ''), limits))
    return sessionOf(new RemoteEngine(client, handle, version, options.graph), limits.timeoutMs)
  } catch (thrown) {
    client.close()
    throw thrown
  }
})

/**
 * All devices of the cluster that a server is part of, its own first. A server answers when it has reached all others, so this also
 * tells when a cluster is up.
 */
export const listServerDevices = (target: string, options: CallOptions = {}): Job<readonly Device[]> => job(({ signal }) =>
  withClient(target, async (client) => {
    const limits = callLimits({ timeoutMs: options.timeoutMs, signal: options.signal ?? signal })
    return decode.listDevices(await client.call('ListDevices', encode.listDevices(''), limits))
  }))

/** What to reset. */
export interface ResetOptions extends CallOptions {
  /** Containers whose variables, tables and queues are deleted. Default: the default container, which is the job's name. */
  readonly containers?: readonly string[] | undefined
  /** As in a session's configuration. */
  readonly deviceFilters?: readonly string[] | undefined
}

/** Deletes what sessions have left on the servers of a cluster, and closes the sessions of this server. */
export const resetServer = (target: string, options: ResetOptions = {}): Job<void> => job(({ signal }) =>
  withClient(target, async (client) => {
    const limits = callLimits({ timeoutMs: options.timeoutMs, signal: options.signal ?? signal })
    await client.call('Reset', encode.reset(options.containers ?? [], options.deviceFilters ?? []), limits)
  }))
