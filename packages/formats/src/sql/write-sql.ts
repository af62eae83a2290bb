import { fromUnknown, job, requireOneOf, requireOptions, Tally, throwIfAborted, type Batch, type Job, type MillraceError, type Mode, type OptionRules, type RunContext, type Schema, type Stream, type TallySummary } from '@millrace/core'
import { requirePolicy, withQuarantine, type OnBadRecord } from '../records/index.js'
import { loadMysql } from './mysql-load.js'
import { loadPostgres } from './postgres-load.js'
import { rejectRow } from './reject-row.js'
import { requireSqlTypes } from './sql-create.js'
import { mysqlDialect, postgresDialect } from './sql-dialect.js'
import { sqlError } from './sql-error.js'
import { requireConnection, resolveServer, type ResolvedServer, type SqlConnection } from './sql-server.js'
import { describeSource, type SqlTableSource } from './sql-statement.js'

/** Options of `writeSql`. */
export interface WriteSqlOptions {
  /**
   * What to do when the table exists. `fail` (default) is an error; `append` adds the rows; `replace` puts a new table in its
   * place, without the old one's indexes and grants. A table that does not exist is made from the schema.
   */
  readonly ifExists?: 'fail' | 'append' | 'replace' | undefined
  /**
   * What happens to a row that the server has no value for or the table does not take: a number out of range, a null that a column may not
   * hold, a key that is there already, what a constraint or a trigger refuses. Default `fail`. Otherwise rows are loaded
   * in pieces of at most 4,096 between savepoints, and a piece with such rows again in parts until each stands alone; what is kept appears at
   * once all the same.
   */
  readonly onBadRecord?: OnBadRecord | undefined
}

const rules: OptionRules<WriteSqlOptions> = { ifExists: 'any', onBadRecord: 'any' }

/** How rows go to a server: `LOAD DATA` where a MySQL server allows it (`local_infile`) and the table's columns are of the fields' own types. */
export type SqlWriteMethod = 'COPY' | 'LOAD DATA' | 'INSERT'

/** What `writeSql` wrote. */
export interface SqlWriteReport {
  readonly table: string
  /** Rows that are in the table; with `rejected`, those that came. */
  readonly rows: number
  /** Rows that were left out. */
  readonly rejected: number
  readonly rejectedByCode: { readonly [code: string]: number }
  /** Whether the table was made. */
  readonly created: boolean
  /** How the rows went to the server. */
  readonly by: SqlWriteMethod
  /** What became of the records of the sources. */
  readonly tally: TallySummary
}

/** One loading of a table, as the servers' loaders see it. */
export interface SqlLoading {
  readonly server: ResolvedServer
  readonly table: SqlTableSource
  readonly schema: Schema
  readonly ifExists: 'fail' | 'append' | 'replace'
  readonly batches: AsyncIterable<Batch>
  /** Leaves a row out, by itself in a batch, with its index in the stream; absent where it ends the loading. Rows come in order. */
  readonly reject: ((error: MillraceError, row: Batch, record: number) => Promise<void>) | undefined
  /** Told the way that the rows go, before the first one. */
  readonly announce: (by: SqlWriteMethod) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Writes a stream into a table of PostgreSQL (by `COPY`; needs `pg` and `pg-copy-streams`) or of MySQL and MariaDB (by `LOAD DATA
 * LOCAL` from memory where the server allows it, else by INSERTs of many rows; needs `mysql2`): all rows appear at once at the end, or
 * none does.
 *
 * A new table has a column for each field: integers as wide as the field (unsigned ones, which PostgreSQL has not, in the next
 * wider), `numeric(p,s)`, texts, `timestamp with time zone` (PostgreSQL) or `DATETIME(6)` in UTC (MySQL), lists as arrays or json,
 * `NOT NULL` where the field is not nullable. Rows go into a table that exists by the names of the columns. MySQL's `append` needs
 * a table whose engine has transactions (InnoDB).
 *
 * A connection is held besides those of the stream: one that reads from the same pool needs a pool of two or more, and waits for ever where
 * the pool holds one.
 *
 * @throws `MissingPeer`, `AlreadyExists`, `Storage`, `Schema` for columns that the server has no type for, `BadRecord` for values
 * that it cannot hold (zero characters in PostgreSQL's texts, NaN in MySQL, nanoseconds), `Engine`, and what the stream throws
 * @example
 * await run(pipe(predictions, writeSql('postgres://writer@db/flights', 'predictions', { ifExists: 'append' })))
 */
export const writeSql =
  (connection: SqlConnection, table: string | SqlTableSource, options: WriteSqlOptions = {}) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M>): Job<SqlWriteReport> => {
    const { server: kind } = requireConnection(connection)
    requireOptions('writeSql', options, rules)
    const { onBadRecord } = options
    requirePolicy(onBadRecord)
    const ifExists = requireOneOf('ifExists of writeSql', options.ifExists ?? 'fail', ['fail', 'append', 'replace'])
    const target = typeof table === 'string' ? { table } : table
    const dialect = kind === 'postgres' ? postgresDialect : mysqlDialect
    return job(async (context) => {
      const server = await resolveServer(connection)
      const tally = new Tally(context.tally)
      const taken = new Tally()
      const counted: Counted = { rows: 0, by: 'INSERT' }
      const source = stream.open({ ...context, tally })
      try {
        const first = await source.next()
        const schema = stream.knownSchema ?? (first.done === true ? await stream.findSchema(context) : first.value.schema)
        requireSqlTypes(dialect, schema)
        let policy = onBadRecord
        // The quarantine ends with the rows, so that it stands before they appear.
        const batches = withQuarantine(onBadRecord, (open) => {
          policy = open
          return counting(first, source, counted, context, `writing ${server.name}: ${describeSource(target)}`)
        })
        const fails = onBadRecord === undefined || onBadRecord === 'fail'
        const reject: SqlLoading['reject'] = fails ? undefined : (error, row, record) => rejectRow(policy, taken, error, row, server.name, record)
        const announce = (by: SqlWriteMethod): void => void (counted.by = by)
        const created = await (kind === 'postgres' ? loadPostgres : loadMysql)({ server, table: target, schema, ifExists, batches, reject, announce, signal: context.signal })
        const { rejected, rejectedByCode } = taken.summary()
        return { table: describeSource(target), rows: counted.rows - rejected, rejected, rejectedByCode, created, by: counted.by, tally: tally.summary() }
      } catch (error) {
        throwIfAborted(context.signal)
        throw error instanceof SourceError ? error.cause : sqlError(error, server, `writing ${describeSource(target)} failed after ${counted.rows} rows, and left the database as it was`, true)
      } finally {
        await source.return()
      }
    })
  }

interface Counted {
  rows: number
  by: SqlWriteMethod
}

/** Tells what the stream threw from what the driver did. */
class SourceError extends Error {}

async function* counting(
  first: IteratorResult<Batch, void>,
  rest: AsyncGenerator<Batch, void, undefined>,
  counted: Counted,
  { signal, progress }: RunContext,
  target: string,
): AsyncGenerator<Batch, void, undefined> {
  // Known by the time that the first rows are written.
  const stage = (): string => `${target} by ${counted.by}`
  for (let next = first; next.done !== true; next = await rest.next().catch((cause: unknown) => {
    throw new SourceError('', { cause: fromUnknown(cause) })
  })) {
    throwIfAborted(signal)
    yield next.value
    counted.rows += next.value.numRows
    progress?.({ stage: stage(), done: counted.rows, unit: 'rows' })
  }
  progress?.({ stage: stage(), done: counted.rows, unit: 'rows', finished: true })
}
