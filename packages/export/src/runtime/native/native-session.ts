import { failure, job, type Job } from '@millrace/core'
import { tensorflow, toInt64 } from '../../proto/index.js'
import { configProto, type SessionConfig } from '../session-config.js'
import { callLimits, DEFAULT_TIMEOUT_MS, sessionOf, type CallLimits, type Session } from '../session.js'
import { deadlineFailure } from '../status.js'
import { loadLibrary, offLoop, type Address, type TensorFlowLibrary } from './bindings.js'
import { withStatus, withStatusAsync } from './held.js'
import { NativeEngine } from './native-engine.js'
import { NativeGraph } from './native-graph.js'
import { takeSlot, within } from './thread-slots.js'

/** What all native sessions may be told. */
export interface NativeOptions {
  /** Path of libtensorflow or of a folder that holds it. Default: the environment's `LIBTENSORFLOW`, then an installed tfjs-node, then Python's TensorFlow. */
  readonly library?: string | undefined
  readonly config?: SessionConfig | undefined
  /** For calls that name none. Default 60,000. */
  readonly timeoutMs?: number | undefined
  /**
   * Runs steps on the calling thread: short ones take two thirds of the time, and while one runs, nothing else does in this process,
   * not even the signal that would abort it. For programs that only wait for their steps, and for steps that wait for no other one
   * of this process (a queue's). With a `target`, a step that a server loses blocks for good: TensorFlow waits for it even after its
   * time is over (`WaitForNotification` of local_master.cc), and no deadline of ours can fire. Default false: steps run on other threads.
   */
  readonly blocking?: boolean | undefined
}

/** A session to make. */
export interface NativeSessionOptions extends NativeOptions {
  /** An encoded `GraphDef`: what `Graph.encode()` makes. */
  readonly graph: Uint8Array
  /**
   * `grpc://host:port` of a TensorFlow server that runs it. TensorFlow's client calls it when there is a first step to run, so that one
   * that is not there is noticed then. Default: this process.
   */
  readonly target?: string | undefined
}

/** Gives `work` a `TF_SessionOptions`. */
export const withSessionOptions = async <R>(library: TensorFlowLibrary, options: NativeOptions, target: string, work: (address: Address) => Promise<R>): Promise<R> => {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  // Making a session on a server takes no time limit of its own.
  const ofServer = target !== '' && Number.isFinite(timeoutMs) ? { operationTimeoutInMs: toInt64(Math.ceil(timeoutMs)) } : {}
  const config = tensorflow.ConfigProto.encode({ ...configProto(options.config), ...ofServer }).finish()
  const address = library.TF_NewSessionOptions()
  try {
    if (target !== '') library.TF_SetTarget(address, target)
    withStatus(library, (status) => library.TF_SetConfig(address, config, config.length, status))
    return await work(address)
  } finally {
    library.TF_DeleteSessionOptions(address)
  }
}

/**
 * A session in libtensorflow, loaded into this process: on this machine's devices, or, with a target, on a server by TensorFlow's own
 * client. Needs the package koffi and a libtensorflow (see {@link NativeOptions.library}).
 *
 * @throws `MissingPeer` when one of them is not there, `Engine` for what TensorFlow refuses
 * @example
 * const session = await run(nativeSession({ graph: graph.encode() }))
 * const [y] = await session.run({ feeds: { x: [[1, 2]] }, fetches: ['y'] })
 */
export const nativeSession = (options: NativeSessionOptions): Job<Session> => job(async ({ signal }) => {
  const target = options.target ?? ''
  if (target !== '' && !/^grpc:\/\/\S+$/.test(target)) throw failure({ tag: 'Usage', code: 'TARGET', problem: `"${target}" is no target`, remedy: 'Write grpc://host:port.' })
  const library = await loadLibrary(options.library)
  const graph = new NativeGraph(library)
  try {
    await graph.extend(options.graph)
    const engineOf = (session: Address): NativeEngine => new NativeEngine(library, graph, session, { target, blocking: options.blocking })
    const make = (): Promise<Address | null> => withSessionOptions(library, options, target, (address) =>
      withStatusAsync(library, (status) => offLoop(library.TF_NewSession, graph.address, address, status), target))
    const engine = target === '' ? engineOf((await make())!) : await onServer(make, { engineOf, free: () => graph.free() }, target, callLimits({ timeoutMs: options.timeoutMs, signal }))
    return sessionOf(engine, options.timeoutMs)
  } catch (thrown) {
    if (!(thrown instanceof Late)) graph.free()
    throw thrown instanceof Late ? thrown.cause : thrown
  }
})

/** A session that was not made in time, and may be yet: its graph is still in use. */
class Late extends Error {}

/** A server waits for all that a session is to see, and no time limit ends that: so it is given up here. A session that is made later is closed. */
const onServer = async (
  make: () => Promise<Address | null>, { engineOf, free }: { engineOf(session: Address): NativeEngine; free(): void }, target: string, limits: CallLimits,
): Promise<NativeEngine> => {
  const slot = await takeSlot(limits, target)
  const making = make().then((session) => engineOf(session!)).finally(slot.release)
  let isSettled = false
  making.then(() => { isSettled = true }, () => { isSettled = true })
  try {
    return await within(making, { timeoutMs: slot.timeoutMs, signal: limits.signal }, () => deadlineFailure(limits.timeoutMs, target, 'making the session'))
  } catch (thrown) {
    if (isSettled) throw thrown
    making.then((engine) => engine.close(), free).catch(() => undefined)
    throw new Late('', { cause: thrown })
  }
}
