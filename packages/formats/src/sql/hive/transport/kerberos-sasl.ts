import { beginKerberos, failure, kerberosReason } from '@millrace/core'
import { hiveCodes, HiveFault } from '../hive-fault.js'
import type { ResolvedHive } from '../hive-server.js'

/** What the two sides of a negotiation say to each other. */
export interface SaslExchange {
  readonly say: (status: number, payload: Uint8Array) => void
  readonly hear: () => Promise<{ readonly status: number; readonly payload: Buffer }>
}

/** States of SASL's negotiation. @see TSaslTransport.java of Apache Thrift */
export const Sasl = { start: 1, ok: 2, bad: 3, error: 4, complete: 5 } as const

/** The layer of messages as they are, among those that a server offers; the others are integrity and confidentiality. */
const PLAIN_LAYER = 1

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

/**
 * Proves by Kerberos who we are, and that the server is who it should be.
 *
 * Messages are then as they are (`hive.server2.thrift.sasl.qop` is `auth`): the package `kerberos` wraps nothing but the end of a negotiation.
 *
 * @throws `MissingPeer`, `Storage` KERBEROS_TICKET, KERBEROS_SERVER, `Usage` HIVE_QOP for a server that protects messages, `HiveFault` for a ticket that the server does not take
 * @see https://www.rfc-editor.org/rfc/rfc4752
 */
export const negotiateKerberos = async (server: ResolvedHive, { say, hear }: SaslExchange): Promise<void> => {
  const { client, token } = await beginKerberos(server.service, 'Hive with Kerberos', server.name)
  say(Sasl.start, Buffer.from('GSSAPI'))
  say(Sasl.ok, Buffer.from(token, 'base64'))
  const heard = async (wanted: number): Promise<Buffer> => {
    const { status, payload } = await hear()
    if (status === wanted) return payload
    throw new HiveFault(hiveCodes.denied, payload.toString('utf8') || 'the server does not take the ticket, or not by Kerberos')
  }
  const proven = <T>(step: Promise<T>): Promise<T> => step.catch((error: unknown) => Promise.reject(notWho(server, error)))
  while (!client.contextComplete) {
    const answer = await proven(client.step(base64(await heard(Sasl.ok))))
    say(Sasl.ok, Buffer.from(answer ?? '', 'base64'))
  }
  // One byte of layers, three of the longest message.
  const offer = (await proven(client.unwrap(base64(await heard(Sasl.ok))))) ?? ''
  if ((Buffer.from(offer, 'base64')[0]! & PLAIN_LAYER) === 0) throw noLayers(server)
  say(Sasl.ok, Buffer.from(await client.wrap(offer, { user: client.username }), 'base64'))
  await heard(Sasl.complete)
}

const noLayers = (server: ResolvedHive): Error =>
  failure({
    tag: 'Usage', code: 'HIVE_QOP', problem: 'the server protects messages by SASL (auth-int or auth-conf), which is not spoken here',
    remedy: 'Have the server take hive.server2.thrift.sasl.qop=auth, over TLS where the network is not to be trusted.', position: { source: server.name },
  })

const notWho = (server: ResolvedHive, error: unknown): Error =>
  failure({
    tag: 'Storage', code: 'KERBEROS_SERVER', problem: `the server does not prove that it is ${server.service.replace('@', '/')}: ${kerberosReason(error)}`,
    remedy: 'Check the principal of the server (hive.server2.authentication.kerberos.principal), and who answers there.', position: { source: server.name },
  })
