import { HttpTransport } from './http-transport.js'
import type { ResolvedHive } from '../hive-server.js'
import { SocketTransport } from './socket-transport.js'

/** A way to a server: calls go there, one at a time, and their answers come back whole. */
export interface HiveTransport {
  readonly send: (call: Uint8Array) => Promise<Uint8Array>
  /** Closes it at once: what waits for an answer fails. */
  readonly close: () => void
}

/** Opens a way to a server. A signal gives up. @throws what sockets throw, and `HiveFault` for a user that is refused */
export const openTransport = (server: ResolvedHive, signal: AbortSignal | undefined): Promise<HiveTransport> =>
  server.transport === 'http' ? Promise.resolve(new HttpTransport(server)) : SocketTransport.open(server, signal)
