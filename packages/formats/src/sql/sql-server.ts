import { userInfo } from 'node:os'
import { describeValue, failure, readWhole, type MillraceError } from '@millrace/core'
import { poolKind, poolServer, type SqlPool } from './sql-pool.js'

/** How a connection is encrypted. */
export interface SqlTls {
  /** Certificates of authorities to trust, in PEM. Default: those that Node trusts. */
  readonly ca?: string | undefined
  /** The client's own certificate and key, in PEM. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Whether the server's certificate and name are checked. Default true. */
  readonly verify?: boolean | undefined
}

/** A database, field by field; what is absent comes from the environment, as with `psql` and `mysql`. */
export interface SqlServer {
  readonly server: 'postgres' | 'mysql'
  /** Host name, or the folder of PostgreSQL's socket. Default `PGHOST`, `MYSQL_HOST`, else localhost. */
  readonly host?: string | undefined
  /** Default `PGPORT`, `MYSQL_TCP_PORT`, else 5432, 3306. */
  readonly port?: number | undefined
  /** MySQL's socket. Default `MYSQL_UNIX_PORT` where no host is named. */
  readonly socket?: string | undefined
  /** Default `PGUSER`, `MYSQL_USER`, else the user's name. */
  readonly user?: string | undefined
  /** Default `PGPASSWORD` or the password file, `MYSQL_PWD`, `MYSQL_PASSWORD`. */
  readonly password?: string | undefined
  /** Default `PGDATABASE`, `MYSQL_DATABASE`. */
  readonly database?: string | undefined
  /** `true` encrypts and checks the server's certificate. Default: `PGSSLMODE`, else not encrypted. */
  readonly tls?: boolean | SqlTls | undefined
}

/**
 * A database: `postgres://user:password@host:5432/database?sslmode=verify-full`, `mysql://…` (MariaDB too), or its fields.
 * What the URL leaves out comes from the environment. Or a pool of `pg`, `mysql2` or `mysql2/promise`, from which connections are taken
 * and given back.
 */
export type SqlConnection = string | SqlServer | SqlPool

/** A {@link SqlConnection} with everything that is known filled in. */
export interface ResolvedServer {
  readonly server: 'postgres' | 'mysql'
  readonly host: string
  readonly port: number
  readonly socket: string | undefined
  readonly user: string
  readonly password: string | undefined
  readonly database: string | undefined
  readonly tls: false | SqlTls
  /** Where connections come from, instead of being opened. */
  readonly pool: SqlPool | undefined
  /** How many there may be at once. */
  readonly connections: number
  /** The database without credentials, for errors and plans. */
  readonly name: string
}

const protocols: { readonly [protocol: string]: 'postgres' | 'mysql' } = { 'postgres:': 'postgres', 'postgresql:': 'postgres', 'mysql:': 'mysql', 'mariadb:': 'mysql' }

/** Says nothing of the text itself, which may hold a password. */
const badUrl = (problem: string): MillraceError =>
  failure({ tag: 'Usage', code: 'BAD_DATABASE_URL', problem: `the URL of the database ${problem}`, remedy: 'Give postgres://user@host:5432/database or mysql://user@host:3306/database; write special characters of a password as %XX.' })

const fromUrl = (text: string): SqlServer & { readonly sslmode?: string | undefined; readonly sslrootcert?: string | undefined } => {
  // A user without a host, which is then in the options, is a URL to libpq and not to Node: postgres://u:p@/db?host=/run/postgresql
  const lacksHost = /^[^/?#]+:\/\/[^/?#]*@(?=[/?#]|$)/.exec(text)?.[0]
  let url: URL
  try {
    url = new URL(lacksHost === undefined ? text : `${lacksHost}absent${text.slice(lacksHost.length)}`)
  } catch {
    throw badUrl('cannot be read')
  }
  const server = protocols[url.protocol]
  if (server === undefined) throw badUrl(`begins with ${JSON.stringify(url.protocol)}`)
  const decoded = (part: string): string | undefined => {
    try {
      return part === '' ? undefined : decodeURIComponent(part)
    } catch {
      throw badUrl('has a percent sign that no escape follows')
    }
  }
  const option = (name: string): string | undefined => url.searchParams.get(name) ?? undefined
  return {
    server, user: decoded(url.username), password: decoded(url.password), database: decoded(url.pathname.slice(1)),
    host: (lacksHost === undefined ? decoded(url.hostname.replace(/^\[(.*)\]$/, '$1')) : undefined) ?? option('host'), port: url.port === '' ? undefined : Number(url.port),
    socket: option('socket') ?? option('socketPath'), sslmode: option('sslmode') ?? option('ssl-mode'), sslrootcert: option('sslrootcert') ?? option('ssl-ca'),
  }
}

/** A bundle of all the authorities that browsers trust has a quarter of this. */
const MAX_CERTIFICATE_BYTES = 1024 * 1024

/** libpq's words and MySQL's. `require` checks the certificate too: encryption towards nobody knows whom protects nothing. */
const tlsOf = async (mode: string | undefined, rootCertificate: string | undefined): Promise<false | SqlTls> => {
  const word = mode?.toLowerCase().replaceAll('_', '-')
  if (word === undefined || /^(disable|disabled|allow|prefer|preferred)$/.test(word)) return false
  if (word === 'no-verify') return { verify: false }
  if (!/^(require|required|verify-ca|verify-full|verify-identity)$/.test(word)) throw badUrl(`has an unknown sslmode ${JSON.stringify(mode)}`)
  return rootCertificate === undefined || rootCertificate === 'system' ? {} : { ca: new TextDecoder().decode(await readWhole(rootCertificate, { limitBytes: MAX_CERTIFICATE_BYTES })) }
}

const environment = (...names: readonly string[]): string | undefined => names.map((name) => process.env[name]).find((value) => value !== undefined && value !== '')

const defaults = {
  postgres: () => ({
    host: environment('PGHOST'), port: environment('PGPORT'), socket: undefined, user: environment('PGUSER'), password: environment('PGPASSWORD'), database: environment('PGDATABASE'),
    sslmode: environment('PGSSLMODE'), sslrootcert: environment('PGSSLROOTCERT'), usualPort: 5432,
  }),
  mysql: () => ({
    host: environment('MYSQL_HOST'), port: environment('MYSQL_TCP_PORT', 'MYSQL_PORT'), socket: environment('MYSQL_UNIX_PORT'), user: environment('MYSQL_USER'),
    password: environment('MYSQL_PWD', 'MYSQL_PASSWORD'), database: environment('MYSQL_DATABASE'), sslmode: undefined, sslrootcert: undefined, usualPort: 3306,
  }),
} as const

/** Whether a connection makes sense, as far as that can be told without connecting. @throws `Usage` */
export const requireConnection = (connection: SqlConnection): { readonly server: 'postgres' | 'mysql' } => {
  const pooled = poolKind(connection)
  if (pooled !== undefined) return { server: pooled }
  const { server } = (typeof connection === 'string' ? fromUrl(connection) : ((connection ?? {}) as Partial<SqlServer>))
  if (server === 'postgres' || server === 'mysql') return { server }
  throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `the connection is ${describeValue(connection)}`, remedy: "Give a URL, an object with server: 'postgres' or 'mysql', or a pool of pg or mysql2." })
}

/** A pool's driver reads its own URLs, of more forms than ours: those that we cannot read only lack in errors. */
const fromPool = ({ url, fields }: ReturnType<typeof poolServer>): SqlServer => {
  try {
    return url === undefined ? fields : fromUrl(url)
  } catch {
    return fields
  }
}

/** The database that a connection means, with what the environment adds. */
export const resolveServer = async (connection: SqlConnection): Promise<ResolvedServer> => {
  const { server } = requireConnection(connection)
  const pool = poolKind(connection) === undefined ? undefined : (connection as SqlPool)
  const pooled = pool === undefined ? undefined : poolServer(pool)
  const given: SqlServer & { readonly sslmode?: string | undefined; readonly sslrootcert?: string | undefined } =
    pooled !== undefined ? fromPool(pooled) : typeof connection === 'string' ? fromUrl(connection) : (connection as SqlServer)
  const usual = defaults[server]()
  const host = given.host ?? usual.host
  const socket = given.socket ?? (host === undefined ? usual.socket : undefined)
  const port = given.port ?? Number(usual.port ?? usual.usualPort)
  const database = given.database ?? usual.database
  const { tls } = given
  const where = socket ?? (host?.startsWith('/') === true ? host : `${host ?? 'localhost'}:${port}`)
  return {
    server, host: host ?? 'localhost', port, socket, database, pool, connections: pooled?.connections ?? Infinity,
    user: given.user ?? usual.user ?? userInfo().username, password: given.password ?? usual.password,
    tls: pool !== undefined ? false : tls === undefined ? await tlsOf(given.sslmode ?? usual.sslmode, given.sslrootcert ?? usual.sslrootcert) : tls === true ? {} : tls,
    name: `${server}://${where}${database === undefined ? '' : `/${database}`}`,
  }
}

/** Options of Node's TLS for a server. */
export const tlsOptions = (tls: SqlTls): { readonly [option: string]: string | boolean } => ({
  rejectUnauthorized: tls.verify ?? true,
  ...(tls.ca === undefined ? {} : { ca: tls.ca }), ...(tls.cert === undefined ? {} : { cert: tls.cert }), ...(tls.key === undefined ? {} : { key: tls.key }),
})
