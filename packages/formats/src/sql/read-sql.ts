import { requireOptions, type Job, type Schema, type Stream } from '@millrace/core'
import { openMysql } from './mysql-session.js'
import { openPostgres } from './postgres-session.js'
import { schemaOf, streamOf } from './read-rows.js'
import { parameterRules, resolveSqlOptions, type SqlOptions } from './sql-options.js'
import { requireConnection, resolveServer, type SqlConnection } from './sql-server.js'
import type { SqlDatabase } from './sql-session.js'
import { requireSource, type SqlSource } from './sql-statement.js'

/**
 * Reads the rows of a query, or of a table, from PostgreSQL (by `pg`) or from MySQL and MariaDB (by `mysql2`), which must be
 * installed.
 *
 * Rows come through a cursor, so that memory holds some pieces of 4 MiB however large the result is. Values keep every digit:
 * 64-bit integers, decimals, microseconds. The query runs in UTC: `timestamp with time zone` and MySQL's `TIMESTAMP` are instants;
 * `timestamp without time zone` and `DATETIME` are read as UTC, or in the zone of their field (`field.timestamp({ zone })`).
 * Without a schema the columns are those of the result: `decimal(p,s)` up to 38 digits, arrays as lists, `tinyint(1)` as bool,
 * timestamps in microseconds; numbers without a precision, intervals, json, uuid and enumerations as texts. The stream knows them when
 * it is read, or asked: `await stream.findSchema()` (which prepares the query); `sqlSchema` gives a schema to start from.
 *
 * A value that its column cannot hold (a null, zero dates, `infinity`) makes its row bad (see `onBadRecord`); its raw bytes are the
 * row as JSON. PostgreSQL reads one snapshot, in a transaction that cannot write, also by several connections; MySQL's ranges are
 * read one by one. Leaving early, or a signal, stops the query on the server and ends the connection.
 *
 * @throws (while reading) `MissingPeer`, `Storage` without a connection or when it breaks, `NotFound`, `Schema`, `BadRecord`, and
 * `Engine` for what the server refuses
 * @example
 * readSql('postgres://reader@db/flights', 'SELECT * FROM flights WHERE delay > $1', { parameters: [60], orderBy: 'id' })
 */
export function readSql<S extends Schema>(connection: SqlConnection, source: SqlSource, options: SqlOptions<S> & { readonly schema: S }): Stream<S, 'cold'>
export function readSql(connection: SqlConnection, source: SqlSource, options?: SqlOptions & { readonly schema?: undefined }): Stream<Schema, 'cold'>
export function readSql(connection: SqlConnection, source: SqlSource, options: SqlOptions = {}): Stream<Schema, 'cold'> {
  const resolved = resolveSqlOptions('readSql', options)
  const { server } = requireConnection(connection)
  return streamOf({ operator: 'source:sql', server, source: requireSource(source), connect: () => databaseOf(connection) }, resolved)
}

/** The schema of a query or table, as `readSql` types it. @throws `MissingPeer`, `Storage`, `NotFound`, `Engine` */
export const sqlSchema = (connection: SqlConnection, source: SqlSource, options: Pick<SqlOptions, 'parameters'> = {}): Job<Schema> => {
  requireOptions('sqlSchema', options, parameterRules)
  return schemaOf(() => databaseOf(connection), source, options.parameters ?? [])
}

const databaseOf = async (connection: SqlConnection): Promise<SqlDatabase> => {
  const server = await resolveServer(connection)
  return { name: server.name, password: server.password, connections: server.connections, open: () => (server.server === 'postgres' ? openPostgres(server) : openMysql(server)) }
}
