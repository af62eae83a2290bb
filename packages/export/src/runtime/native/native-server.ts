import { failure, job, type Job } from '@millrace/core'
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
 * @throws `MissingPeer`; `Engine` when its port is taken or the definition does not make sense to TensorFlow
 */
export const startNativeServer = (definition: ServerDefinition, options: { readonly library?: string | undefined } = {}): Job<NativeServer> => job(async () => {
  const library = await loadLibrary(options.library)
  const bytes = encodeServerDef(definition)
  const server = await withStatusAsync(library, (status) => offLoop(library.TF_NewServer, bytes, bytes.length, status))
  if (server === null) throw failure({ tag: 'Engine', code: 'TF_UNKNOWN', problem: 'TensorFlow made no server' })
  await withStatusAsync(library, (status) => offLoop(library.TF_ServerStart, server, status))
  return { target: library.TF_ServerTarget(server), version: library.version }
})
