// Declarations that other packages, which compile this one from its source, need as well.
// eslint-disable-next-line @typescript-eslint/triple-slash-reference
/// <reference path="./kerberos.d.ts" />
import { failure, loadPeer, type MillraceError } from '../../errors/index.js'

/** The client's side of a negotiation with a service that knows users by Kerberos; all it takes and gives is in base64. */
export interface KerberosClient {
  /** Whether both sides are known to each other. */
  readonly contextComplete: boolean
  /** The client's own principal, once it is known. */
  readonly username: string
  /** @param challenge - what the service said; empty at the beginning @returns what to answer, if anything */
  step(challenge: string): Promise<string | null>
  /** The last thing to say: that messages go as they are, for a user. @param offer - what the service said, unwrapped */
  wrap(offer: string, options: { readonly user: string }): Promise<string>
  unwrap(bytes: string): Promise<string | null>
}

/** Both sides prove who they are, in sequence, and the end of the negotiation cannot be changed: mutual, sequence, integrity. @see RFC 2744 */
const FLAGS = 2 | 8 | 32

/**
 * Begins a negotiation with a service (`hive@host`), by a ticket from the cache or of the client's keytab. Needs the package `kerberos`.
 *
 * @param use - what for, in errors
 * @param mechanism - Kerberos itself, or within SPNEGO, as HTTP has it
 * @returns the client, and the first thing to say
 * @throws `MissingPeer` without the package, `Storage` KERBEROS_TICKET without a ticket
 */
export const beginKerberos = async (
  service: string, use: string, source: string, mechanism: 'kerberos' | 'spnego' = 'kerberos',
): Promise<{ readonly client: KerberosClient; readonly token: string }> => {
  const { default: kerberos } = await loadPeer('kerberos', use, () => import('kerberos'))
  try {
    const client = await kerberos.initializeClient(service, { mechOID: mechanism === 'kerberos' ? kerberos.GSS_MECH_OID_KRB5 : kerberos.GSS_MECH_OID_SPNEGO, flags: FLAGS })
    return { client, token: (await client.step('')) ?? '' }
  } catch (error) {
    throw noTicket(service, error, source)
  }
}

/** The error for a service (`hive@host`) for which there is no ticket. */
export const noTicket = (service: string, error: unknown, source: string): MillraceError =>
  failure({
    tag: 'Storage', code: 'KERBEROS_TICKET', problem: `no Kerberos ticket for ${service.replace('@', '/')} was to be had: ${kerberosReason(error)}`,
    remedy: 'Get a ticket first (kinit, or KRB5_CLIENT_KTNAME), and check the name of the service.', position: { source },
  })

/** The library's own words, in one line. */
export const kerberosReason = (error: unknown): string => (error instanceof Error ? error.message.split('\n')[0]!.slice(0, 200) : 'the library gave no reason')
