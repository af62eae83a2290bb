import { failure, fromUnknown, job, type Job, type MillraceError } from '@millrace/core'
import { encodeServerDef, type ServerDefinition } from '../server-def.js'
import { loadLibrary, offLoop } from './bindings.js'
import { withStatusAsync } from './held.js'

/** A TensorFlow server in this process. It has no way to stop but the end of the process: TensorFlow has no clean shutdown of one. */
export interface NativeServer {
  /** `grpc://host:port` */
  readonly target: string
  readonly version: string
}

/**
 * Starts a TensorFlow server in this process (`TF_NewServer`). It serves on threads of its own until the process ends.
 *
 * @throws `MissingPeer`; `Engine` with code `SERVER_NOT_STARTED` when its port is taken or the definition does not make sense to
 *   TensorFlow; `Usage` with code `SERVER_PROTOCOL` for a protocol that it does not speak
 */
export const startNativeServer = (definition: ServerDefinition, options: { readonly library?: string | undefined } = {}): Job<NativeServer> => job(async () => {
  const library = await loadLibrary(options.library)
  const bytes = encodeServerDef(definition)
  try {
    const server = await withStatusAsync(library, (status) => offLoop(library.TF_NewServer, bytes, bytes.length, status))
    if (server === null) throw failure({ tag: 'Engine', code: 'TF_UNKNOWN', problem: 'TensorFlow made no server' })
    await withStatusAsync(library, (status) => offLoop(library.TF_ServerStart, server, status))
    return { target: library.TF_ServerTarget(server), version: library.version }
  } catch (thrown) {
    throw notStarted(definition, thrown)
  }
})

/** TensorFlow names neither the address nor what to do, and of a protocol it shows the whole definition. */
const notStarted = ({ cluster, job: name, task, protocol = 'grpc' }: ServerDefinition, thrown: unknown): MillraceError => {
  const cause = fromUnknown(thrown)
  if (/no server factory/i.test(cause.problem)) {
    return failure({ tag: 'Usage', code: 'SERVER_PROTOCOL', problem: `TensorFlow has no server that speaks "${protocol}"`, remedy: 'Leave the protocol (`rpc_layer` in TF_CONFIG) out, or write grpc.', cause })
  }
  const address = cluster[name]?.[task] ?? ''
  const [, port = ''] = /:(\d+)$/.exec(address) ?? []
  return failure({
    tag: 'Engine', code: 'SERVER_NOT_STARTED', problem: `the server of ${name} ${task} could not be started at ${address}: ${cause.problem.replace(/\.$/, '')}`,
    remedy: `Another process may listen at port ${port}: end it, or give the task another address.`, position: { source: `grpc://${address}` }, cause,
  })
}
