import { beginKerberos, noTicket, type KerberosClient } from '@millrace/core'
import type { ResolvedHive } from '../hive-server.js'
import { GssError, openGss, type GssContext } from './gss-context.js'

/** A negotiation that has begun. */
export interface Negotiation {
  readonly context: GssContext
  /** The first thing to say. */
  readonly token: Uint8Array
  /** Whether the context can wrap messages, and not only the end of the negotiation. */
  readonly protects: boolean
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

const bytesOf = (text: string | null): Uint8Array => Buffer.from(text ?? '', 'base64')

/** The package `kerberos`, whose `wrap` takes whatever it is given for the end of a negotiation without protection, and writes the user into it. */
const packageContext = (client: KerberosClient): GssContext => ({
  get isComplete() {
    return client.contextComplete
  },
  step: async (token) => bytesOf(await client.step(base64(token))),
  unwrap: async (token) => ({ bytes: bytesOf(await client.unwrap(base64(token))), isPrivate: false }),
  wrap: async (bytes) => bytesOf(await client.wrap(base64(bytes), { user: client.username })),
  close: () => undefined,
})

/**
 * Begins to prove to a server who we are: by the system's GSSAPI where the package `koffi` and MIT Kerberos are there, and otherwise by
 * the package `kerberos`.
 *
 * @throws `MissingPeer`, `Storage` KERBEROS_TICKET
 */
export const beginNegotiation = async ({ service, name }: ResolvedHive, mechanism: 'kerberos' | 'spnego'): Promise<Negotiation> => {
  try {
    const context = await openGss(service, mechanism)
    if (context !== undefined) return { context, token: await context.step(new Uint8Array(0)), protects: true }
  } catch (error) {
    throw error instanceof GssError ? noTicket(service, error, name) : error
  }
  const { client, token } = await beginKerberos(service, 'Hive with Kerberos', name, mechanism)
  return { context: packageContext(client), token: bytesOf(token), protects: false }
}
