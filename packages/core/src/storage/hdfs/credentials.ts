// Declarations that other packages, which compile this one from its source, need as well.
// eslint-disable-next-line @typescript-eslint/triple-slash-reference
/// <reference path="./kerberos.d.ts" />
import { lookup } from 'node:dns/promises'
import { readFile, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { failure, fromUnknown, loadPeer } from '../../errors/index.js'
import { kerberosReason } from './kerberos-client.js'
import { decodeTokenFile, tokenFor, type DelegationToken } from './delegation-token.js'

/** A job's tokens are some; each has some hundred bytes. */
const MAX_TOKEN_FILE_BYTES = 4 * 1024 * 1024

/** As whom HDFS is asked. */
export interface HdfsIdentity {
  /** Name of the user, where the cluster takes every word for it. Default: `HADOOP_USER_NAME`, else the user of this process. */
  readonly user?: string | undefined
  /** A delegation token as `GETDELEGATIONTOKEN` and `hdfs fetchdt --print` give it. Default: one from `HADOOP_TOKEN_FILE_LOCATION`. */
  readonly delegationToken?: string | undefined
}

const readTokens = async (file: string): Promise<readonly DelegationToken[]> => {
  try {
    const { size } = await stat(file)
    if (size > MAX_TOKEN_FILE_BYTES) throw failure({ tag: 'Limit', code: 'HADOOP_TOKEN_FILE', problem: `the token file has ${size} bytes, and at most ${MAX_TOKEN_FILE_BYTES} are read`, remedy: 'Check HADOOP_TOKEN_FILE_LOCATION.' })
    return decodeTokenFile(await readFile(file))
  } catch (error) {
    throw fromUnknown(error, { source: file })
  }
}

/** Tokens are mostly made out to the address of a host, not its name. */
const withAddresses = async (services: readonly string[]): Promise<readonly string[]> => {
  const all = services.map(async (service) => {
    const match = /^\[?([^[\]]*?)\]?:(\d+)$/.exec(service)
    if (match === null) return [service]
    const found = await lookup(match[1]!, { all: true }).catch(() => [])
    return [service, ...found.map(({ address }) => `${address}:${match[2]}`)]
  })
  return (await Promise.all(all)).flat()
}

const processUser = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    // In a container whose user has no name.
    return undefined
  }
}

/**
 * What a request says of who sends it, for the name nodes of one file system: a token, or a user. Where a name node asks for Kerberos,
 * it is told so by {@link kerberosHeader}.
 */
export const identify = async (identity: HdfsIdentity, services: readonly string[], environment: NodeJS.ProcessEnv): Promise<Readonly<Record<string, string>>> => {
  if (identity.delegationToken !== undefined) return { delegation: identity.delegationToken }
  if (identity.user !== undefined) return { 'user.name': identity.user }
  const file = environment['HADOOP_TOKEN_FILE_LOCATION']
  if (file !== undefined && file !== '') {
    const token = tokenFor(await readTokens(file), await withAddresses(services))
    if (token !== undefined) return { delegation: token.encoded }
  }
  const user = environment['HADOOP_USER_NAME'] || processUser()
  return user === undefined ? {} : { 'user.name': user }
}

/**
 * The answer to a name node that asks for Kerberos (SPNEGO): a ticket for `HTTP/host`, from the cache of tickets or the client's keytab.
 *
 * @throws `MissingPeer` without the package `kerberos`, `Storage` HDFS_KERBEROS without a ticket
 */
export const kerberosHeader = async (host: string, source: string): Promise<string> => {
  const { default: kerberos } = await loadPeer('kerberos', 'HDFS with Kerberos', () => import('kerberos'))
  try {
    const client = await kerberos.initializeClient(`HTTP@${host}`, { mechOID: kerberos.GSS_MECH_OID_SPNEGO })
    return `Negotiate ${(await client.step(''))!}`
  } catch (error) {
    throw failure({
      tag: 'Storage', code: 'HDFS_KERBEROS', problem: `no Kerberos ticket for HTTP/${host} was to be had: ${kerberosReason(error)}`,
      remedy: 'Get a ticket first (kinit, or KRB5_CLIENT_KTNAME), or give a delegation token (HADOOP_TOKEN_FILE_LOCATION).', position: { source },
    })
  }
}
