import { loadPeer } from '@millrace/core'
import type { Client, FieldDef, Pool, QueryArrayResult } from 'pg'
import { PieceQueue } from './piece-queue.js'
import { drivenRows, fetchAll, tappedRows, type Submit } from './postgres-cursor.js'
import { PostgresTap, streamOf } from './postgres-tap.js'
import { isForeign, postgresType, type ForeignType } from './postgres-types.js'
import { postgresDialect } from './sql-dialect.js'
import { tlsOptions, type ResolvedServer } from './sql-server.js'
import { CANCEL_TIMEOUT_MS, settledWithin, type SqlRows, type SqlSession } from './sql-session.js'
import { narrow, type SqlParameter, type SqlStatement } from './sql-statement.js'
import type { SqlColumn } from './sql-type.js'

/** Every value as the text that the server sent. */
const texts = { getTypeParser: () => (value: unknown) => value }

/** The forms that our parsers read; a reader that trains between two batches is idle for long; all rows are wanted, not the first ones soon. */
const SETTINGS = `SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1;
  SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL idle_in_transaction_session_timeout = 0;
  SET LOCAL cursor_tuple_fraction = 1`

const boundValue = (value: SqlParameter): unknown => {
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map((item) => boundValue(item as SqlParameter))
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value
}

/** A client, and how it is left. */
interface PostgresLink {
  readonly client: Client
  /** Another connection to the same server. */
  readonly another: () => Promise<Client>
  /** Gives the client back to its pool; absent for one of our own. @param destroy - whether it is of no more use */
  readonly release?: ((destroy: boolean) => void) | undefined
}

const link = async (server: ResolvedServer): Promise<PostgresLink> => {
  if (server.pool === undefined) return { client: await connect(server), another: () => connect(server) }
  const pool = server.pool as unknown as Pool & { readonly Client: new (options: object) => Client; readonly options: object }
  const client = await pool.connect()
  client.on('error', ignore)
  const another = async (): Promise<Client> => {
    const other = new pool.Client(pool.options)
    other.on('error', ignore)
    await other.connect()
    return other
  }
  const release = (destroy: boolean): void => {
    client.release(destroy)
    // What a destroyed one still says is no matter.
    if (!destroy) client.off('error', ignore)
  }
  return { client: client as unknown as Client, another, release }
}

const ignore = (): void => undefined
/** For rows that are fetched only when there is room. */
const still = { pause: ignore, resume: ignore }

const connect = async (server: ResolvedServer): Promise<Client> => {
  const pg = (await loadPeer('pg', 'PostgreSQL', () => import('pg'))).default
  const { host, port, user, password, database, tls } = server
  const client = new pg.Client({
    host, port, user, ...(password === undefined ? {} : { password }), database: database ?? user, ssl: tls === false ? false : tlsOptions(tls), application_name: 'millrace',
    connectionTimeoutMillis: 30_000, keepAlive: true,
  })
  // A connection that breaks between two queries says so in the next one.
  client.on('error', ignore)
  await client.connect()
  return client
}

/** A connection to PostgreSQL, and its driver's client for what only the writer does. */
export interface PostgresSession extends SqlSession {
  readonly client: Client
}

/** Opens a connection to PostgreSQL, or takes one from a pool. @throws what `pg` throws */
export const openPostgres = async (server: ResolvedServer): Promise<PostgresSession> => {
  const { client, another, release } = await link(server)
  let running = 0

  const send = async ({ sql, parameters }: SqlStatement): Promise<QueryArrayResult> => {
    running++
    try {
      // The extended protocol takes one statement only, also when it has no parameters.
      const query = { text: sql, values: parameters.map(boundValue), rowMode: 'array' as const, types: texts, queryMode: 'extended' }
      return await client.query(query)
    } finally {
      running--
    }
  }
  const submit: Submit = async (make) => {
    running++
    try {
      await new Promise<void>((resolve, reject) => client.query(make((error) => (error === undefined ? resolve() : reject(error)))))
    } finally {
      running--
    }
  }
  const rowsOf = (result: QueryArrayResult): SqlRows => result.rows as unknown as SqlRows
  const query = async (statement: SqlStatement): Promise<SqlRows> => rowsOf(await send(statement))
  let processId = 0
  let tap: PostgresTap | undefined
  let ending: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    const cancels = running > 0
    tap?.release()
    if (cancels) {
      const cancelling = another().then((other) => other.query('SELECT pg_catalog.pg_cancel_backend($1)', [processId]).finally(() => other.end()))
      await settledWithin(CANCEL_TIMEOUT_MS, cancelling)
    }
    // Ending the session ends its transaction.
    if (release === undefined) return settledWithin(CANCEL_TIMEOUT_MS, client.end())
    let clean = false
    if (!cancels) await settledWithin(CANCEL_TIMEOUT_MS, client.query('ROLLBACK').then(() => (clean = true)))
    release(!clean)
  }
  const end = (): Promise<void> => (ending ??= stop())
  try {
    processId = Number((await query({ sql: 'SELECT pg_backend_pid()', parameters: [] }))[0]![0])
  } catch (error) {
    await end()
    throw error
  }

  const foreignTypes = async (oids: readonly number[]): Promise<ReadonlyMap<number, ForeignType>> => {
    if (oids.length === 0) return new Map()
    const sql = `SELECT t.oid, t.typname, t.typtype, CASE WHEN t.typcategory = 'A' THEN t.typelem END, e.typtype, e.typname
      FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem WHERE t.oid = ANY($1::oid[])`
    const types = new Map<number, ForeignType>()
    for (const [oid, name, kind, item, itemKind, itemName] of await query({ sql, parameters: [oids] })) {
      types.set(Number(oid), { name: String(name), kind: String(kind), item: item === null ? undefined : Number(item) })
      if (item !== null) types.set(Number(item), { name: String(itemName), kind: String(itemKind), item: undefined })
    }
    return types
  }
  const neverNull = async (fields: readonly FieldDef[]): Promise<ReadonlySet<number>> => {
    const sql = 'SELECT attnum FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnotnull AND attnum > 0'
    const table = fields[0]?.tableID ?? 0
    return new Set(table === 0 ? [] : (await query({ sql, parameters: [table] })).map(([number]) => Number(number)))
  }
  const columnsOf = async (fields: readonly FieldDef[], table: boolean): Promise<readonly SqlColumn[]> => {
    const types = await foreignTypes([...new Set(fields.map(({ dataTypeID }) => dataTypeID).filter(isForeign))])
    const sure = table ? await neverNull(fields) : new Set<number>()
    return fields.map(({ name, dataTypeID, dataTypeModifier, columnID }) => ({ name, type: postgresType(dataTypeID, dataTypeModifier, types), nullable: !sure.has(columnID) }))
  }

  return {
    dialect: postgresDialect, client, query,
    beginReading: async (snapshot) => {
      // The name is the server's own.
      const shared = snapshot === undefined ? '' : `SET TRANSACTION SNAPSHOT ${client.escapeLiteral(snapshot)};`
      await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${shared} ${SETTINGS}`)
    },
    exportSnapshot: async () => String((await query({ sql: 'SELECT pg_export_snapshot()', parameters: [] }))[0]![0]),
    describe: async (statement, table) => columnsOf((await send(narrow(postgresDialect, statement, { limit: 0 }))).fields, table),
    cursor: async ({ sql, parameters }, batchRows, table) => {
      await query({ sql: `DECLARE millrace_cursor NO SCROLL CURSOR FOR ${sql}`, parameters })
      const fetch = (rows: number): Promise<QueryArrayResult> => send({ sql: `FETCH FORWARD ${rows} FROM millrace_cursor`, parameters: [] })
      // Fetches nothing, and tells the columns.
      const { fields } = await fetch(0)
      const columns = await columnsOf(fields, table)
      const stream = streamOf(client)
      const queue = new PieceQueue(stream === undefined ? still : { pause: () => stream.pause(), resume: () => stream.resume() })
      if (stream === undefined) void fetchAll(queue, drivenRows(queue, fetch), batchRows)
      else void fetchAll(queue, tappedRows(queue, (tap = new PostgresTap(stream)), submit, fields, batchRows), batchRows)
      return { columns, next: () => queue.next() }
    },
    end,
  }
}
