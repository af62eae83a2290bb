import { failure, kerberosReason } from '@millrace/core'
import { hiveCodes, HiveFault } from '../hive-fault.js'
import type { ResolvedHive } from '../hive-server.js'
import { badMessage } from '../thrift-error.js'
import { beginNegotiation, type Negotiation } from './begin-kerberos.js'
import { GssError, type GssContext } from './gss-context.js'

/** What the two sides of a negotiation say to each other. */
export interface SaslExchange {
  readonly say: (status: number, payload: Uint8Array) => void
  readonly hear: () => Promise<{ readonly status: number; readonly payload: Buffer }>
}

/** What becomes of the messages after a negotiation in which the server asked for protection. */
export interface SaslLayer {
  /** Bytes of a message that one frame may hold. */
  readonly frameBytes: number
  readonly wrap: (bytes: Uint8Array) => Promise<Uint8Array>
  /** @throws `Corrupt` for what is not the server's, was changed, came twice, or could be read by others though it should not */
  readonly unwrap: (frame: Uint8Array) => Promise<Uint8Array>
  readonly close: () => void
}

/** States of SASL's negotiation. @see TSaslTransport.java of Apache Thrift */
export const Sasl = { start: 1, ok: 2, bad: 3, error: 4, complete: 5 } as const

/** Layers that a server offers: messages as they are, ones that nobody can change, ones that nobody else can read either. */
const Layer = { plain: 1, integrity: 2, confidentiality: 4 } as const

/** The longest wrapped message that we could announce; servers send longer ones all the same, and are not held to it. */
const LARGEST_OFFER = 0xff_ff_ff
/** What wrapping adds at most, with any cipher of Kerberos. */
const WRAPPING_BYTES = 256
/** A server that takes less would have a statement cut into crumbs; those of Java take 64 KiB. */
const LEAST_OFFER = 1024

/**
 * Proves by Kerberos who we are, and that the server is who it should be. Takes the layer of messages as they are where the server
 * offers it (`hive.server2.thrift.sasl.qop` is `auth`), and otherwise the one that protects most.
 *
 * @returns what protects the messages from here on, if anything
 * @throws `MissingPeer`, `Storage` KERBEROS_TICKET, KERBEROS_SERVER, `Usage` HIVE_QOP where a server protects messages and nothing here can,
 * `HiveFault` for a ticket that the server does not take
 * @see https://www.rfc-editor.org/rfc/rfc4752
 */
export const negotiateKerberos = async (server: ResolvedHive, exchange: SaslExchange): Promise<SaslLayer | undefined> => {
  const negotiation = await beginNegotiation(server, 'kerberos')
  try {
    const layer = await negotiate(server, exchange, negotiation)
    if (layer === undefined) negotiation.context.close()
    return layer
  } catch (error) {
    negotiation.context.close()
    throw error
  }
}

const negotiate = async (server: ResolvedHive, { say, hear }: SaslExchange, { context, token, protects }: Negotiation): Promise<SaslLayer | undefined> => {
  say(Sasl.start, Buffer.from('GSSAPI'))
  say(Sasl.ok, token)
  const heard = async (wanted: number): Promise<Buffer> => {
    const { status, payload } = await hear()
    if (status === wanted) return payload
    throw new HiveFault(hiveCodes.denied, payload.toString('utf8') || 'the server does not take the ticket, or not by Kerberos')
  }
  const proven = <T>(step: Promise<T>): Promise<T> => step.catch((error: unknown) => Promise.reject(notWho(server, error)))
  while (!context.isComplete) say(Sasl.ok, await proven(context.step(await heard(Sasl.ok))))
  // One byte of layers, three of the longest message that the server takes.
  const offer = Buffer.from((await proven(context.unwrap(await heard(Sasl.ok)))).bytes)
  if (offer.length !== 4) throw badMessage(`its offer of layers has ${offer.length} bytes`)
  const choice = chosen(offer[0]!)
  const takes = offer.readUIntBE(1, 3)
  if (choice !== Layer.plain && takes < LEAST_OFFER) throw badMessage(`it takes protected messages of ${takes} bytes only`)
  if (choice !== Layer.plain && !protects) throw noLayers(server)
  const answer = Buffer.alloc(4)
  answer.writeUInt32BE(choice === Layer.plain ? 0 : LARGEST_OFFER)
  answer[0] = choice
  say(Sasl.ok, await context.wrap(answer, false))
  await heard(Sasl.complete)
  return choice === Layer.plain ? undefined : layerOf(context, choice === Layer.confidentiality, takes)
}

const chosen = (offered: number): number => {
  const choice = [Layer.plain, Layer.confidentiality, Layer.integrity].find((layer) => (offered & layer) !== 0)
  if (choice === undefined) throw badMessage(`it offers layer ${offered}, which there is none`)
  return choice
}

const layerOf = (context: GssContext, isPrivate: boolean, takes: number): SaslLayer => ({
  frameBytes: takes - WRAPPING_BYTES,
  wrap: (bytes) => context.wrap(bytes, isPrivate),
  unwrap: async (frame) => {
    const message = await context.unwrap(frame).catch((error: unknown) => Promise.reject(error instanceof GssError ? badMessage(`it is not protected as was agreed: ${error.message}`) : (error as Error)))
    if (isPrivate && !message.isPrivate) throw badMessage('it could be read by others, and should be encrypted')
    return message.bytes
  },
  close: () => context.close(),
})

const noLayers = (server: ResolvedHive): Error =>
  failure({
    tag: 'Usage', code: 'HIVE_QOP', problem: 'the server protects messages by SASL (auth-int or auth-conf), which takes the package koffi and the library libgssapi_krb5.so.2',
    remedy: 'Install them: npm install koffi, and on Debian and Ubuntu apt install libgssapi-krb5-2. Or have the server take hive.server2.thrift.sasl.qop=auth, over TLS.', position: { source: server.name },
  })

const notWho = (server: ResolvedHive, error: unknown): Error =>
  failure({
    tag: 'Storage', code: 'KERBEROS_SERVER', problem: `the server does not prove that it is ${server.service.replace('@', '/')}: ${kerberosReason(error)}`,
    remedy: 'Check the principal of the server (hive.server2.authentication.kerberos.principal), and who answers there.', position: { source: server.name },
  })
