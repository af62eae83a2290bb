import { requireOptions, type Job, type Schema, type Stream } from '@millrace/core'
import { schemaOf, streamOf } from '../read-rows.js'
import { parameterRules, resolveSqlOptions, type SqlOptions } from '../sql-options.js'
import type { SqlDatabase } from '../sql-session.js'
import { requireSource, type SqlSource } from '../sql-statement.js'
import { resolveHive, type HiveConnection } from './hive-server.js'
import { openHive } from './hive-session.js'

/**
 * Reads the rows of a query, or of a table, from Hive through its HiveServer2, or from Spark through its Thrift server; nothing
 * need be installed.
 *
 * It reads as `readSql` does: typed by the result, in pieces of about 4 MiB however large the result is, with positions by `orderBy`,
 * and by ranges of a column at the same time (which see what is written meanwhile: neither server reads in snapshots). Integers of
 * 64 bits, decimals and microseconds keep every digit. Spark's `TIMESTAMP` is an instant; Hive's, and `TIMESTAMP_NTZ`, is read as UTC,
 * or in the zone of its field (`field.timestamp({ zone })`), to the nanosecond where the field's unit is that. Maps, structures and
 * arrays are JSON texts; arrays of plain values are lists from Spark, and from Hive where the schema says so (`field.list(…)`).
 *
 * HiveServer2 cannot bind values: parameters replace the `?` of the query as literals, in forms that no server takes for anything
 * else. Leaving early, or a signal, cancels the query on the server and closes the session.
 *
 * @throws (while reading) `Storage` without a connection or when it breaks, `NotFound`, `Schema`, `BadRecord`, `Corrupt` for answers
 * that are not HiveServer2's, `Limit` for ones that are too large, and `Engine` for what the server refuses
 * @example
 * readHive('hive://reader@gateway:10000/flights', 'SELECT * FROM flights WHERE origin = ?', { parameters: ['HAM'] })
 */
export function readHive<S extends Schema>(connection: HiveConnection, source: SqlSource, options: SqlOptions<S> & { readonly schema: S }): Stream<S, 'cold'>
export function readHive(connection: HiveConnection, source: SqlSource, options?: SqlOptions & { readonly schema?: undefined }): Stream<Schema, 'cold'>
export function readHive(connection: HiveConnection, source: SqlSource, options: SqlOptions = {}): Stream<Schema, 'cold'> {
  const database = databaseOf(connection)
  return streamOf({ operator: 'source:hive', server: 'hive', source: requireSource(source), connect: () => database }, resolveSqlOptions('readHive', options))
}

/** The schema of a query or table, as `readHive` types it. @throws `Storage`, `NotFound`, `Engine` */
export const hiveSchema = (connection: HiveConnection, source: SqlSource, options: Pick<SqlOptions, 'parameters'> = {}): Job<Schema> => {
  requireOptions('hiveSchema', options, parameterRules)
  const database = databaseOf(connection)
  return schemaOf(() => database, source, options.parameters ?? [])
}

const databaseOf = (connection: HiveConnection): SqlDatabase => {
  const server = resolveHive(connection)
  return { name: server.name, password: server.password, open: (context) => openHive(server, context) }
}
