import { failure } from '../../errors/index.js'
import { listOf, propertyOf, type HadoopConfig } from './hadoop-config.js'
import type { HdfsPlace } from './hdfs-url.js'

/** Of Hadoop 3; in Hadoop 2 they were 50070 and 50470. */
const HTTP_PORT = 9870
const HTTPS_PORT = 9871

/** The name nodes that serve one file system. */
export interface NameNodeAddresses {
  /** Origins, without a slash: `http://host:9870`. One, or two and more of which one is active. */
  readonly origins: readonly string[]
  /** What delegation tokens for it may be made out to, beside the origins themselves: `ha-hdfs:nameservice`, `host:8020`. */
  readonly services: readonly string[]
}

interface Lookup {
  readonly config: HadoopConfig
  readonly secure: boolean
}

const hostOf = (address: string): string => address.replace(/:\d+$/, '')
const withPort = (address: string, port: number): string => (/:\d+$/.test(address) ? address : `${address}:${port}`)

/** The web address of one name node; `suffix` is what its properties end with: `.nameservice.nn1`. */
const originOf = ({ config, secure }: Lookup, suffix: string): string | undefined => {
  const rpc = propertyOf(config, `dfs.namenode.rpc-address${suffix}`)
  const told = propertyOf(config, `dfs.namenode.${secure ? 'https' : 'http'}-address${suffix}`)
  const address = told ?? (rpc === undefined ? undefined : hostOf(rpc))
  if (address === undefined) return undefined
  // A server that listens on all addresses is reached by the name that it has for other uses.
  const host = rpc === undefined ? address : address.replace(/^0\.0\.0\.0(?=:|$)/, hostOf(rpc))
  return `${secure ? 'https' : 'http'}://${withPort(host, secure ? HTTPS_PORT : HTTP_PORT)}`
}

const ofNameService = (lookup: Lookup, service: string): NameNodeAddresses => {
  const ids = listOf(lookup.config, `dfs.ha.namenodes.${service}`)
  const suffixes = ids.length === 0 ? [`.${service}`] : ids.map((id) => `.${service}.${id}`)
  const origins = suffixes.map((suffix) => originOf(lookup, suffix)).filter((origin) => origin !== undefined)
  if (origins.length === 0) {
    throw failure({
      tag: 'Usage', code: 'HDFS_NO_ADDRESS', problem: `Hadoop's configuration names no name node of "${service}"`,
      remedy: `Set dfs.ha.namenodes.${service} and dfs.namenode.http-address.${service}.… in hdfs-site.xml.`,
    })
  }
  const rpc = suffixes.map((suffix) => propertyOf(lookup.config, `dfs.namenode.rpc-address${suffix}`)).filter((address) => address !== undefined)
  return { origins, services: [`ha-hdfs:${service}`, `webhdfs:${service}`, `swebhdfs:${service}`, ...rpc] }
}

const defaultAuthority = (config: HadoopConfig): string => {
  const found = /^[a-z]+:\/\/([^/@]+)/i.exec(propertyOf(config, 'fs.defaultFS') ?? propertyOf(config, 'fs.default.name') ?? '')?.[1]
  if (found !== undefined) return found.toLowerCase()
  throw failure({
    tag: 'Usage', code: 'HDFS_NO_DEFAULT', problem: 'the URL names no host, and there is no fs.defaultFS to take it from',
    remedy: 'Set HADOOP_CONF_DIR to the folder of core-site.xml, or write hdfs://nameservice/path.',
  })
}

/** What of a property's name comes after its last dot in upper and lower case: authorities of URLs are lower case here. */
const nameServiceIn = (config: HadoopConfig, authority: string): string | undefined =>
  [...listOf(config, 'dfs.nameservices'), ...listOf(config, 'dfs.internal.nameservices')].find((name) => name.toLowerCase() === authority)

/** The web address of the name node whose calls go to `authority`, where the configuration has it. */
const ofRpcAddress = (lookup: Lookup, authority: string): string | undefined => {
  const rpc = propertyOf(lookup.config, 'dfs.namenode.rpc-address') ?? /^hdfs:\/\/([^/@]+)/i.exec(propertyOf(lookup.config, 'fs.defaultFS') ?? '')?.[1]
  if (rpc === undefined || withPort(rpc.toLowerCase(), 8020) !== withPort(authority, 8020)) return undefined
  const told = propertyOf(lookup.config, `dfs.namenode.${lookup.secure ? 'https' : 'http'}-address`)
  return told === undefined ? undefined : originOf(lookup, '')?.replace('//0.0.0.0:', `//${hostOf(authority)}:`)
}

/**
 * Where the name nodes of a URL answer WebHDFS. `webhdfs://host:port` says it itself; a name service, and `hdfs://host`, whose port is
 * that of Hadoop's own protocol, are looked up in Hadoop's configuration.
 *
 * @throws `Usage` HDFS_NO_DEFAULT, HDFS_NO_ADDRESS
 */
export const nameNodeAddresses = (place: HdfsPlace, config: HadoopConfig): NameNodeAddresses => {
  const authority = place.authority === '' ? defaultAuthority(config) : place.authority
  const secure = place.scheme === 'swebhdfs' || (place.scheme === 'hdfs' && propertyOf(config, 'dfs.http.policy') === 'HTTPS_ONLY')
  const lookup = { config, secure }
  const service = nameServiceIn(config, authority)
  if (service !== undefined) return ofNameService(lookup, service)
  const protocol = secure ? 'https' : 'http'
  const port = secure ? HTTPS_PORT : HTTP_PORT
  if (place.scheme !== 'hdfs') return { origins: [`${protocol}://${withPort(authority, port)}`], services: [] }
  return { origins: [ofRpcAddress(lookup, authority) ?? `${protocol}://${hostOf(authority)}:${port}`], services: [withPort(authority, 8020)] }
}
