import type { SqlServer } from './sql-server.js'

/** A pool of `mysql2` or `mysql2/promise`. */
export interface MysqlPool {
  readonly getConnection: (...given: never[]) => unknown
}

/** A pool of `pg`. */
export interface PostgresPool {
  readonly connect: (...given: never[]) => unknown
  readonly totalCount: number
}

/** A driver's pool, which stays its owner's: connections are taken from it, and given back as they were. */
export type SqlPool = MysqlPool | PostgresPool

/** What we need of a driver's configuration, whose forms are many. */
interface PoolOptions extends Pick<SqlServer, 'host' | 'port' | 'user' | 'database'> {
  readonly password?: unknown
  readonly socketPath?: string | undefined
  readonly connectionString?: string | undefined
  readonly max?: number | undefined
}

/** The pool that calls back, which the one with promises holds. */
interface MysqlCore extends MysqlPool {
  readonly config?: { readonly connectionLimit?: number; readonly connectionConfig?: PoolOptions }
  readonly pool?: MysqlCore
}

/** The pool of `mysql2` that calls back. */
export const mysqlCore = (pool: MysqlCore): MysqlCore => pool.pool ?? pool

/** Whose pool a value is; `undefined` for what is none. */
export const poolKind = (given: unknown): 'mysql' | 'postgres' | undefined => {
  if (typeof given !== 'object' || given === null) return undefined
  if (typeof (given as Partial<MysqlPool>).getConnection === 'function') return mysqlCore(given as MysqlCore).config?.connectionConfig === undefined ? undefined : 'mysql'
  return typeof (given as Partial<PostgresPool>).connect === 'function' && typeof (given as Partial<PostgresPool>).totalCount === 'number' ? 'postgres' : undefined
}

/** Where a pool's connections go, for errors and plans, and how many it has at most. */
export const poolServer = (pool: SqlPool): { readonly url: string | undefined; readonly fields: SqlServer; readonly connections: number } => {
  const kind = poolKind(pool)!
  const core = mysqlCore(pool as MysqlCore)
  const options = (kind === 'mysql' ? core.config?.connectionConfig : (pool as { readonly options?: PoolOptions }).options) ?? {}
  const { host, port, user, database, password, socketPath } = options
  const most = kind === 'mysql' ? core.config?.connectionLimit : options.max
  return {
    url: options.connectionString, connections: most === undefined || most === 0 ? Infinity : most,
    fields: { server: kind, host, port, user, database, password: typeof password === 'string' ? password : undefined, socket: socketPath, tls: false },
  }
}
