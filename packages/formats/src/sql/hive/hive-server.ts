import { userInfo } from 'node:os'
import { describeValue, failure, type MillraceError } from '@millrace/core'
import type { SqlTls } from '../sql-server.js'

/** A HiveServer2, field by field. */
export interface HiveServer {
  readonly host: string
  /** Default 10000, over HTTP 10001. */
  readonly port?: number | undefined
  /** Default: the user's name. */
  readonly user?: string | undefined
  /** Default: none; servers that check none take any. */
  readonly password?: string | undefined
  /** The database in which names without one are looked up. Default: the server's. */
  readonly database?: string | undefined
  /** `binary` is Thrift on a socket, `http` goes through proxies and gateways (Knox). Default `binary`. */
  readonly transport?: 'binary' | 'http' | undefined
  /** The path of `http`. Default `cliservice`. */
  readonly path?: string | undefined
  /**
   * How the server knows the user: `plain` by user and password (the server's NONE, LDAP, PAM, CUSTOM), `kerberos` by a ticket, which takes the package
   * `koffi` and MIT Kerberos, or the package `kerberos`; `nosasl` not at all. Default `plain`. HTTP sends `Authorization: Basic`, or `Negotiate`.
   */
  readonly auth?: 'plain' | 'kerberos' | 'nosasl' | undefined
  /** With `kerberos`: the server's principal, `hive/_HOST@REALM`, `_HOST` being the host; the realm is that of Kerberos' own configuration. Gateways of HTTP have `HTTP/_HOST`. Default `hive/_HOST`. */
  readonly principal?: string | undefined
  /** `true` encrypts and checks the server's certificate. Default: not encrypted. */
  readonly tls?: boolean | SqlTls | undefined
  /** Settings of the session, as `SET` makes them: `{ 'mapreduce.job.queuename': 'etl' }`. */
  readonly settings?: { readonly [name: string]: string } | undefined
}

/**
 * A HiveServer2 or a Thrift server of Spark: `hive://user:password@host:10000/database`, `hive+http://host:10001/cliservice?database=name`,
 * or its fields. Queries of the URL: `auth`, `principal`, `tls=true`, `database`; `hive+https:` is HTTP with TLS.
 */
export type HiveConnection = string | HiveServer

/** A {@link HiveConnection} with everything filled in. */
export interface ResolvedHive {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | undefined
  readonly database: string | undefined
  readonly transport: 'binary' | 'http'
  readonly path: string
  readonly auth: 'plain' | 'kerberos' | 'nosasl'
  /** The server as Kerberos looks for it: `hive@host`. */
  readonly service: string
  readonly tls: false | SqlTls
  readonly settings: { readonly [name: string]: string }
  /** The server without credentials, for errors and plans. */
  readonly name: string
}

/** Says nothing of the text itself, which may hold a password. */
const badUrl = (problem: string): MillraceError =>
  failure({
    tag: 'Usage', code: 'BAD_DATABASE_URL', problem: `the URL of the Hive server ${problem}`,
    remedy: 'Give hive://user@host:10000/database or hive+http://user@host:10001/cliservice; write special characters of a password as %XX.',
  })

const transports: { readonly [protocol: string]: Pick<HiveServer, 'transport' | 'tls'> } = {
  'hive:': { transport: 'binary' }, 'hive2:': { transport: 'binary' }, 'hive+http:': { transport: 'http' }, 'hive+https:': { transport: 'http', tls: true },
}

const decoded = (part: string): string | undefined => {
  try {
    return part === '' ? undefined : decodeURIComponent(part)
  } catch {
    throw badUrl('has a percent sign that no escape follows')
  }
}

const known = new Set(['auth', 'principal', 'tls', 'ssl', 'database'])

const fromUrl = (text: string): HiveServer => {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw badUrl('cannot be read')
  }
  const way = transports[url.protocol]
  if (way === undefined) throw badUrl(`begins with ${JSON.stringify(url.protocol)}`)
  const host = decoded(url.hostname.replace(/^\[(.*)\]$/, '$1'))
  if (host === undefined) throw badUrl('names no host')
  for (const name of url.searchParams.keys()) if (!known.has(name)) throw badUrl(`has an unknown query ${JSON.stringify(name)}`)
  const tls = url.searchParams.get('tls') ?? url.searchParams.get('ssl')
  const path = decoded(url.pathname.slice(1))
  return {
    host, port: url.port === '' ? undefined : Number(url.port), user: decoded(url.username), password: decoded(url.password), ...way,
    ...(tls === null ? {} : { tls: tls === 'true' }), auth: authOf(url.searchParams.get('auth')), principal: url.searchParams.get('principal') ?? undefined,
    database: url.searchParams.get('database') ?? (way.transport === 'http' ? undefined : path), path: way.transport === 'http' ? path : undefined,
  }
}

/** The words of Hive's own settings. */
const authOf = (word: string | null): HiveServer['auth'] => {
  if (word === null) return undefined
  const auth = word.toLowerCase()
  if (auth === 'nosasl') return 'nosasl'
  if (/^(none|plain|ldap|pam|custom)$/.test(auth)) return 'plain'
  if (auth === 'kerberos') return 'kerberos'
  throw badUrl(`has an unknown auth ${JSON.stringify(word)}`)
}

/** `service@host` of a principal. @throws `Usage` */
const serviceOf = (principal: string, host: string): string => {
  const [, name, at] = /^([^/@\s]+)(?:\/([^/@\s]+))?(?:@[^/@\s]+)?$/.exec(principal) ?? []
  if (name !== undefined) return `${name}@${at === undefined || at === '_HOST' ? host : at}`
  throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `the principal of the Hive server is ${JSON.stringify(principal)}`, remedy: 'Give it as the server has it: hive/_HOST@REALM.' })
}

/** One that is a statement of its own, and no more. */
const isSetting = ([name, value]: readonly [string, unknown]): boolean => /^[\w.:-]+$/.test(name) && typeof value === 'string' && /^[^;\r\n]*$/.test(value)

const required = ({ host, transport, auth, port, settings }: HiveServer): void => {
  if (typeof host !== 'string' || host === '') throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: 'the connection of readHive names no host', remedy: 'Give hive://host:10000/database, or { host }.' })
  const wrong = !(transport === undefined || transport === 'binary' || transport === 'http') ? { transport } : !(auth === undefined || /^(plain|kerberos|nosasl)$/.test(auth)) ? { auth }
    : port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536) ? { port } : settings !== undefined && !Object.entries(settings).every(isSetting) ? { settings: 'that SET does not take' } : undefined
  if (wrong !== undefined) throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `the connection of readHive has ${JSON.stringify(wrong)}`, remedy: "transport is 'binary' or 'http', auth 'plain', 'kerberos' or 'nosasl', port a number to 65535, settings texts of one line." })
}

/** The server that a connection means. @throws `Usage` */
export const resolveHive = (connection: HiveConnection): ResolvedHive => {
  if (typeof connection !== 'string' && (typeof connection !== 'object' || connection === null)) {
    throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `the connection is ${describeValue(connection)}`, remedy: 'Give hive://host:10000/database, or { host }.' })
  }
  const given = typeof connection === 'string' ? fromUrl(connection) : connection
  required(given)
  const { host, transport = 'binary', auth = 'plain', tls = false, database, password, settings = {} } = given
  const port = given.port ?? (transport === 'http' ? 10_001 : 10_000)
  const path = (given.path ?? 'cliservice').replace(/^\/+/, '')
  const scheme = transport === 'binary' ? 'hive' : tls === false ? 'hive+http' : 'hive+https'
  return {
    host, port, user: given.user ?? userInfo().username, password, database, transport, path, auth, service: serviceOf(given.principal ?? 'hive/_HOST', host), settings, tls: tls === true ? {} : tls,
    name: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${transport === 'http' ? `/${path}` : ''}${database === undefined ? '' : transport === 'http' ? `?database=${database}` : `/${database}`}`,
  }
}
