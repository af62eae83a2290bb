import { failure, loadPeer } from '@millrace/core'
import type { Connection, ConnectionOptions, PoolConnection } from 'mysql2'
import { mysqlCore, type MysqlPool } from './sql-pool.js'
import { tlsOptions, type ResolvedServer } from './sql-server.js'

type Driver = typeof import('mysql2')

/** The driver, which is a CommonJS module, whose names a bundler may have put under `default`. @throws `MissingPeer` */
export const mysqlDriver = async (): Promise<Driver> => {
  const loaded = await loadPeer('mysql2', 'MySQL', () => import('mysql2'))
  return (loaded as Driver & { readonly default?: Driver }).default ?? loaded
}

/** A connection, and how it is left. */
export interface MysqlLink {
  readonly connection: Connection
  /** Another connection to the same server. */
  readonly another: () => Promise<Connection>
  /** Gives a connection in order back to its pool, as it was; absent for one of our own. */
  readonly giveBack?: (() => Promise<void>) | undefined
}

/** Values as texts of every digit, whatever a pool's owner likes. */
const EXACT = { supportBigNumbers: true, bigNumberStrings: true, dateStrings: true, jsonStrings: true, decimalNumbers: false, timezone: 'Z' } as const

/** What of a session we change, and restore for a pool's owner. */
const VARIABLES = ['time_zone', 'sql_mode', 'net_write_timeout', 'net_read_timeout', 'autocommit', 'sql_notes', 'max_error_count']

/** Connects to a server, or takes a connection from its pool. @param localFiles - whether a connection of our own offers LOAD DATA LOCAL */
export const linkMysql = async (driver: Driver, server: ResolvedServer, localFiles: boolean): Promise<MysqlLink> => {
  if (server.pool !== undefined) return borrow(driver, server.pool as MysqlPool, server)
  return { connection: await dial(driver, serverOptions(server, localFiles)), another: () => dial(driver, serverOptions(server, false)) }
}

const serverOptions = ({ host, port, socket, user, password, database, tls }: ResolvedServer, localFiles: boolean): ConnectionOptions => ({
  ...(socket === undefined ? { host, port } : { socketPath: socket }), user, ...(password === undefined ? {} : { password }), ...(database === undefined ? {} : { database }),
  ...(tls === false ? {} : { ssl: tlsOptions(tls) }), ...EXACT, charset: 'utf8mb4', connectTimeout: 30_000, enableKeepAlive: true,
  flags: [localFiles ? 'LOCAL_FILES' : '-LOCAL_FILES'],
})

const dial = async (driver: Driver, options: ConnectionOptions): Promise<Connection> => {
  const connection = driver.createConnection(options)
  await new Promise<void>((resolve, reject) => {
    connection.once('error', reject)
    connection.connect((error) => (error === null ? resolve() : reject(error)))
  })
  // One that breaks between two queries says so in the next one.
  connection.on('error', () => undefined)
  return connection
}

const borrow = async (driver: Driver, pool: MysqlPool, { name }: ResolvedServer): Promise<MysqlLink> => {
  const core = mysqlCore(pool) as unknown as { readonly getConnection: (done: (error: Error | null, connection: PoolConnection) => void) => void }
  const connection = await new Promise<PoolConnection>((resolve, reject) => core.getConnection((error, one) => (error ? reject(error) : resolve(one))))
  const { config } = connection
  const asText = (sql: string, values: readonly unknown[] = []): Promise<unknown> =>
    new Promise((resolve, reject) => connection.query({ sql, values: [...values], rowsAsArray: true }, (error, rows) => (error === null ? resolve(rows) : reject(error))))
  try {
    // Only this connection, while we have it, has our way of reading values, and answers no server that asks for a file.
    const ours = { ...EXACT, typeCast: true, nestTables: undefined, namedPlaceholders: false, queryFormat: undefined, infileStreamFactory: undefined }
    connection.config = Object.assign(Object.create(Object.getPrototypeOf(config) as object) as ConnectionOptions, config, ours)
    const [row] = (await asText(`SELECT @@character_set_client, @@character_set_results, ${VARIABLES.map((variable) => `@@SESSION.${variable}`).join(', ')}`)) as readonly (readonly unknown[])[]
    const [sends, gets, ...values] = row!
    requireUtf8(String(sends), String(gets), name)
    const giveBack = async (): Promise<void> => {
      await asText('ROLLBACK')
      await asText(`SET SESSION ${VARIABLES.map((variable) => `${variable} = ?`).join(', ')}`, values)
      connection.config = config
      connection.release()
    }
    const { host, port, socketPath, user, password, ssl, authPlugins } = config
    const like = Object.fromEntries(Object.entries<unknown>({ host, port, socketPath, user, password, ssl, authPlugins }).filter(([, value]) => value !== undefined && value !== false))
    return { connection, giveBack, another: () => dial(driver, like) }
  } catch (error) {
    connection.config = config
    connection.release()
    throw error
  }
}

const requireUtf8 = (sends: string, gets: string, source: string): void => {
  if (sends === 'utf8mb4' && gets === 'utf8mb4') return
  throw failure({
    tag: 'Usage', code: 'BAD_OPTION', problem: `the pool's connections speak ${sends === 'utf8mb4' ? gets : sends}, in which not every text can be said`,
    remedy: "Make the pool with charset: 'utf8mb4', which is the driver's default.", position: { source },
  })
}
