import { fromUnknown, run, throwIfAborted } from '@millrace/core'
import { nativeSession, nativeStepsAtATime, type CallOptions, type Session } from '@millrace/export'
import { remoteSession } from '../session/index.js'
import { faultOf } from './recovery.js'
import { deviceOf, type Roles, type Trainer } from './roles.js'

/** How long a server in this process may take to make a session, once it has made one just before. */
const NATIVE_MS = 10_000

/** What the sessions of a worker are made of. */
export interface WorkerSessionOptions {
  readonly roles: Pick<Roles, 'ps'>
  readonly trainer: Pick<Trainer, 'task' | 'target'>
  /** Makes the graph of one more session. */
  readonly graph: () => Uint8Array
  readonly limits: CallOptions
  /** Target of the worker's server, where it runs in this process. */
  readonly hosted: string | undefined
  /** Of libtensorflow, as the server's. */
  readonly library: string | undefined
  /** Steps under way at the same time. */
  readonly inFlight: number
  /** Whether updates are made beside them, by the chief. */
  readonly inStep: boolean
  /** Hears how steps reach the server, whenever that changes. */
  readonly onWay: (way: SessionWay) => void
}

/** How steps reach a worker's server. */
export interface SessionWay {
  readonly kind: Session['runtime']['kind']
  /** Why they do not go natively to a server in this process. */
  readonly reason?: string | undefined
}

/**
 * Makes a worker's sessions, on its own server, that see the parameter servers and nobody else, so that it goes on when others die.
 *
 * A server in this process is called directly, by a native session, which takes an eighth to a fifth less of the processor's time than
 * gRPC. No time limit ends the making of a native session that waits for a parameter server, so a remote one is made first: where that
 * stands, the native one soon will, and where it does not, the remote one is taken.
 */
export const workerSessions = ({ roles: { ps }, trainer: { task, target }, graph: newGraph, limits, hosted, library, inFlight, inStep, onWay }: WorkerSessionOptions): (() => Promise<Session>) => {
  // In step the chief's update waits beside them.
  const underWay = inFlight + (inStep ? 1 : 0)
  const config = { deviceFilters: [...ps.map((index) => `/job:ps/task:${index}`), deviceOf(task)] }
  let last: string | undefined
  /** Native sessions that were lost while a server hung: closing one waits for that server, so it is closed when another one stands. */
  let hung: Session[] = []
  const tell = (way: SessionWay): void => {
    const now = `${way.kind} ${way.reason ?? ''}`
    if (now !== last) onWay(way)
    last = now
  }
  const watched = (session: Session): Session => {
    let isHung = false
    const seen = async <A>(call: Promise<A>): Promise<A> => {
      try {
        return await call
      } catch (thrown) {
        isHung ||= faultOf(thrown) === 'hung'
        throw thrown
      }
    }
    return {
      runtime: session.runtime,
      run: (step, options) => seen(session.run(step, options)),
      makeCallable: async (step, options) => {
        const callable = await seen(session.makeCallable(step, options))
        return { run: (values, limit) => seen(callable.run(values, limit)), release: () => callable.release() }
      },
      extend: (more, options) => seen(session.extend(more, options)),
      listDevices: (options) => seen(session.listDevices(options)),
      close: async () => {
        if (isHung) hung.push(session)
        else await session.close()
      },
    }
  }
  const whyRemote = (): string | undefined => {
    return underWay < nativeStepsAtATime() ? undefined : `${underWay} steps under way would take all threads; a larger UV_THREADPOOL_SIZE leaves some`
  }
  return async () => {
    const graph = newGraph()
    const remote = await run(remoteSession({ target, graph, config, timeoutMs: limits.timeoutMs }), { signal: limits.signal })
    if (hosted === undefined) {
      tell({ kind: 'remote' })
      return remote
    }
    const reason = whyRemote()
    if (reason !== undefined) {
      tell({ kind: 'remote', reason })
      return remote
    }
    try {
      const native = await run(nativeSession({ target: hosted, graph, config, library, timeoutMs: Math.min(NATIVE_MS, limits.timeoutMs ?? NATIVE_MS) }), { signal: limits.signal })
      tell({ kind: 'native' })
      await remote.close()
      for (const session of hung) session.close().catch(() => undefined)
      hung = []
      return watched(native)
    } catch (thrown) {
      throwIfAborted(limits.signal)
      tell({ kind: 'remote', reason: fromUnknown(thrown).problem })
      return remote
    }
  }
}
