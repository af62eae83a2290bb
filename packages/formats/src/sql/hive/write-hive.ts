import { randomBytes } from 'node:crypto'
import { failure, job, requireOneOf, requireOptions, run, Tally, withSchema, type Job, type Mode, type OptionRules, type Schema, type Stream, type TallySummary } from '@millrace/core'
import { writeParquet, type ParquetCompression } from '../../parquet/index.js'
import type { HasColumns } from '../../writing/folder-options.js'
import { describeSource, type SqlTableSource } from '../sql-statement.js'
import { requireHiveColumns, storedSchema } from './hive-create.js'
import { resolveHive, type HiveConnection } from './hive-server.js'
import type { HiveSession } from './hive-session.js'
import { describeTable, requireFit } from './hive-table.js'
import { withHive, type HiveWriting } from './hive-writing.js'
import { loadHive } from './load-hive.js'
import { removeStaging, requireStaging } from './staging.js'

/** Options of `writeHive`. */
export interface WriteHiveOptions<K extends string = string> {
  /**
   * A folder on the storage of the warehouse, where files are written before the server moves them: `hdfs://nn/tmp`, or `file:///tmp` (a
   * path) where the warehouse is on this machine's disks. It must be one that the server may take files from.
   */
  readonly staging: string
  /** The same folder as the server names it, where that is another name: `hdfs://nn/tmp` for `webhdfs://nn:9870/tmp`. Default `staging`. */
  readonly stagingOnServer?: string | undefined
  /**
   * What to do when the table exists. `fail` (default) is an error; `append` adds the rows; `replace` puts them in the place of its rows,
   * of a partitioned table in that of the rows of the partitions that come. A table that does not exist is made from the schema.
   */
  readonly ifExists?: 'fail' | 'append' | 'replace' | undefined
  /** Columns that the table is partitioned by, in its order: texts, integers or dates, in which no value is null. Default none. */
  readonly partitionBy?: readonly K[] | undefined
  /** How pages of the files are packed. Default `snappy`. */
  readonly compression?: ParquetCompression | undefined
}

const rules: OptionRules<WriteHiveOptions> = { staging: 'text', stagingOnServer: 'text', ifExists: 'any', partitionBy: 'any', compression: 'any' }

/** What `writeHive` wrote. */
export interface HiveWriteReport {
  readonly table: string
  readonly rows: number
  /** Bytes of the files. */
  readonly bytes: number
  /** Whether the table was made. */
  readonly created: boolean
  /** Partitions that rows went to; 0 for a table without. */
  readonly partitions: number
  /** What became of the records of the sources. */
  readonly tally: TallySummary
}

/**
 * Writes a stream into a table of Hive, or of Spark through its Thrift server: Parquet files on the storage of the warehouse, which the
 * server then moves into the table (`LOAD DATA INPATH`). Nothing need be installed.
 *
 * Nothing is visible before the whole stream is written. A table that is made, partitions and all, is filled under another name, and
 * appears at once. In a table that exists one statement adds or replaces the rows; of a partitioned one it is a
 * statement a partition, one after the other. What is in the staging folder goes, after success and failure.
 *
 * A new table is `STORED AS PARQUET`, its integers as wide as the fields (unsigned ones in the next wider, `uint64` as `decimal(20,0)`),
 * decimals, dates, lists as arrays, and `timestamp`: an instant in Spark, in Hive its digits in UTC, as `readHive` reads them. Hive before 4 does not read such timestamps.
 * An existing table must be of Parquet files, with columns of the same types; those that the stream has not are null.
 *
 * @throws `AlreadyExists`, `NotFound`, `Schema` for columns that do not fit the table, `Usage` for a staging folder or partitions that no statement can name,
 * `Storage`, `Engine` for what the server refuses, and what the stream throws
 * @example
 * await run(pipe(flights, writeHive('hive://etl@gateway:10000/flights', 'flown', { staging: 'hdfs://nn/tmp', ifExists: 'append', partitionBy: ['day'] })))
 */
export const writeHive =
  <const K extends string = never>(connection: HiveConnection, table: string | SqlTableSource, options: WriteHiveOptions<K>) =>
  <S extends Schema, M extends Mode>(stream: Stream<S, M> & HasColumns<S, K>): Job<HiveWriteReport> => {
    const server = resolveHive(connection)
    requireOptions('writeHive', options, rules)
    const ifExists = requireOneOf('ifExists of writeHive', options.ifExists ?? 'fail', ['fail', 'append', 'replace'])
    const staging = requireStaging(options.staging, options.stagingOnServer)
    const target = typeof table === 'string' ? { table } : table
    const writing = { server, target, ifExists, partitionBy: [...(options.partitionBy ?? [])] as readonly string[] }
    return job(async (context) => {
      const tally = new Tally(context.tally)
      const schema: Schema = await stream.findSchema(context)
      requireHiveColumns(schema, writing.partitionBy)
      const { isSpark, exists } = await withHive(writing, context, (session) => lookAt(session, writing, schema))
      const folder = `millrace-${randomBytes(8).toString('hex')}`
      const root = `${staging.folder}/${folder}`
      const url = writing.partitionBy.length === 0 ? `${root}/part-00000.parquet` : root
      const files = { compression: options.compression, timestamps: isSpark ? 'instant' : 'local', ...(writing.partitionBy.length === 0 ? {} : { partitionBy: writing.partitionBy, success: false }) } as const
      let inFolder: readonly string[] = []
      try {
        const written = await run(writeParquet<string>(url, files)(withSchema(storedSchema(schema, isSpark))(stream as unknown as Stream)), { ...context, tally })
        inFolder = written.files
        const partitions = await withHive(writing, context, (session) => loadHive({ ...writing, exists, schema: storedSchema(schema, isSpark), files: written.files, root, onServer: `${staging.onServer}/${folder}`, session, context }))
        return { table: describeSource(target), rows: written.rows, bytes: written.bytes, created: !exists, partitions, tally: tally.summary() }
      } finally {
        await removeStaging(root, inFolder)
      }
    })
  }

/** Finds out what can be known before a row is written. @throws `AlreadyExists`, `Schema` */
const lookAt = async (session: HiveSession, { server, target, ifExists, partitionBy }: HiveWriting, schema: Schema): Promise<{ readonly isSpark: boolean; readonly exists: boolean }> => {
  const { isSpark } = session
  const found = await describeTable(session, target)
  if (found === undefined) return { isSpark, exists: false }
  if (ifExists === 'fail') {
    throw failure({ tag: 'AlreadyExists', code: 'SQL_TABLE_EXISTS', problem: `the table ${describeSource(target)} exists already`, remedy: "Pass ifExists: 'append' or 'replace'.", position: { source: server.name } })
  }
  requireFit(found, describeSource(target), storedSchema(schema, isSpark), partitionBy)
  return { isSpark, exists: true }
}
