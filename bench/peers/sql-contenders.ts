import { DecimalColumn, fromBatches, pipe, run, type Batch, type BytesColumn, type Column, type ColumnMap, type FixedColumn, type Schema } from '@millrace/core'
import { readSql, writeSql, type WriteSqlOptions } from '@millrace/formats'
import mysql from 'mysql2'
import pg from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { Digester, type Digest } from '../harness/digest.js'
import { timed, type Cost } from '../harness/measure.js'
import { sqlBatches, sqlSchemas, type SqlShape } from '../suites/sql-data.js'
import { DriverColumns, type DriverRow } from './sql-columns.js'

/** What the sql suite asks of a contender. */
export interface SqlCommand {
  readonly do: 'check' | 'read' | 'write' | 'size'
  readonly url: string
  readonly table: string
  readonly shape: SqlShape
  readonly scale: number
  /** Of the table. */
  readonly rows: number
}

interface SqlContender {
  check(command: SqlCommand): Promise<Digest>
  read(command: SqlCommand): Promise<Cost>
  write(command: SqlCommand): Promise<Cost>
  /** Bytes of the shape's rows as columns hold them. */
  size(command: SqlCommand): Promise<number>
}

const requireRows = (seen: number, due: number): void => {
  if (seen !== due) throw new Error(`read ${seen} rows of ${due}`)
}

const select = ({ shape, table }: SqlCommand): string => `SELECT ${Object.keys(sqlSchemas[shape]).join(', ')} FROM ${table}`
const selectOrdered = (command: SqlCommand): string => `${select(command)} ORDER BY id`
/** Rows of an INSERT of the peers, and of a read of a cursor: more gain them nothing. */
const INSERT_ROWS = 1000
const CURSOR_ROWS = 4096

/** The rows in memory. */
const batchesOf = (() => {
  const made = new Map<string, readonly Batch[]>()
  return ({ shape, scale }: SqlCommand): readonly Batch[] => {
    const key = `${shape} ${scale}`
    if (!made.has(key)) made.set(key, sqlBatches(shape, scale))
    return made.get(key)!
  }
})()

/** The same as a driver takes them. */
const rowsOf = (() => {
  const made = new Map<string, readonly DriverRow[]>()
  const plain = (value: unknown, kind: string): unknown => (typeof value === 'bigint' ? String(value) : kind === 'date' ? (value as Date).toISOString().slice(0, 10) : value)
  return (command: SqlCommand): readonly DriverRow[] => {
    const key = `${command.shape} ${command.scale}`
    const fields = Object.entries(sqlSchemas[command.shape] as Schema)
    if (!made.has(key)) made.set(key, batchesOf(command).flatMap((batch) => Array.from({ length: batch.numRows }, (_, row) => fields.map(([name, { kind }]) => plain((batch.columns as ColumnMap)[name]!.get(row), kind)))))
    return made.get(key)!
  }
})()

const bytesOf = (column: Column): number => {
  if (column.field.kind === 'utf8') return (column as BytesColumn).offsets[column.length]!
  return column instanceof DecimalColumn ? 16 * column.length : (column as FixedColumn).values.byteLength
}

const size = (command: SqlCommand): Promise<number> =>
  Promise.resolve(batchesOf(command).reduce((sum, { columns }) => sum + Object.values(columns as ColumnMap).reduce((bytes, column) => bytes + bytesOf(column), 0), 0))

const addColumn = (digester: Digester, name: string, column: Column): void => {
  if (column instanceof DecimalColumn) {
    const texts = column.toArray().map((text) => Buffer.from((text as string | null) ?? ''))
    digester.addStrings(name, Buffer.concat(texts), Int32Array.from(texts, ({ length }) => length))
  } else if (column.field.kind === 'utf8') {
    const { bytes, offsets, length } = column as BytesColumn
    digester.addStrings(name, bytes.subarray(offsets[0], offsets[length]), Int32Array.from({ length }, (_, row) => offsets[row + 1]! - offsets[row]!))
  } else digester.add(name, (column as FixedColumn).values)
}

const ours = (options: WriteSqlOptions): SqlContender => ({
  size,
  check: async (command) => {
    const digester = new Digester()
    for await (const batch of readSql(command.url, selectOrdered(command), { schema: sqlSchemas[command.shape] as Schema })) {
      digester.rows += batch.numRows
      for (const [name, column] of Object.entries(batch.columns)) addColumn(digester, name, column)
    }
    return digester.digest()
  },
  read: (command) =>
    timed(async () => {
      let seen = 0
      for await (const batch of readSql(command.url, select(command), { schema: sqlSchemas[command.shape] as Schema })) seen += batch.numRows
      requireRows(seen, command.rows)
    }),
  write: async (command) => {
    const stream = fromBatches(sqlSchemas[command.shape] as Schema, batchesOf(command))
    return timed(() => run(pipe(stream, writeSql(command.url, command.table, { ifExists: 'replace', ...options }))))
  },
})

/** A driver's connection, with what the cases need of it. */
interface Driver {
  /** Puts the rows of a query into columns. */
  readonly read: (sql: string, columns: DriverColumns) => Promise<void>
  /** A statement; its values stand for many rows. */
  readonly insert: (head: string, rows: readonly DriverRow[]) => Promise<unknown>
  readonly execute: (sql: string) => Promise<unknown>
  readonly end: () => Promise<unknown>
}

type OpenDriver = (url: string) => Promise<Driver>

/** Dates stay texts: the driver's would be local ones. */
const types = { getTypeParser: ((oid: number, format: never): unknown => (oid === 1082 ? (text: string) => text : (pg.types.getTypeParser(oid, format) as unknown))) as typeof pg.types.getTypeParser }

/** @param read - how rows come */
const openPg = (read: (client: pg.Client, sql: string, columns: DriverColumns) => Promise<void>): OpenDriver => async (url) => {
  const client = new pg.Client(url)
  await client.connect()
  // The tests' server has others than a server has as it comes.
  await client.query("SET datestyle = 'ISO'; SET extra_float_digits = 1")
  return {
    read: (sql, columns) => read(client, sql, columns),
    insert: (head, rows) => {
      const places = rows.map((row, at) => `(${row.map((_, i) => `$${at * row.length + i + 1}`).join(',')})`).join(',')
      return client.query(`${head} ${places}`, rows.flat() as unknown[])
    },
    execute: (sql) => client.query(sql),
    end: () => client.end(),
  }
}

const pgQuery = openPg(async (client, text, columns) => columns.addAll((await client.query({ text, rowMode: 'array', types })).rows as unknown as readonly DriverRow[]))

const pgCursor = openPg(async (client, text, columns) => {
  const cursor = client.query(new Cursor<DriverRow>(text, [], { rowMode: 'array', types }))
  for (let rows = await cursor.read(CURSOR_ROWS); rows.length > 0; rows = await cursor.read(CURSOR_ROWS)) columns.addAll(rows)
})

const pgQueryStream = openPg(async (client, text, columns) => {
  const stream = client.query(new QueryStream(text, [], { rowMode: 'array', types, batchSize: CURSOR_ROWS, highWaterMark: CURSOR_ROWS }))
  for await (const row of stream as AsyncIterable<DriverRow>) columns.add(row)
})

/** @param read - how rows come */
const openMysql = (read: (connection: mysql.Connection, sql: string, columns: DriverColumns) => Promise<void>): OpenDriver => async (uri) => {
  const connection = mysql.createConnection({ uri, timezone: 'Z', supportBigNumbers: true, bigNumberStrings: false })
  const plain = connection.promise()
  await plain.query("SET time_zone = '+00:00'")
  return {
    read: (sql, columns) => read(connection, sql, columns),
    insert: (head, rows) => plain.query(`${head} ?`, [rows]),
    execute: (sql) => plain.query(sql),
    end: () => plain.end(),
  }
}

const mysqlQuery = openMysql(async (connection, sql, columns) => columns.addAll((await connection.promise().query({ sql, rowsAsArray: true }))[0] as unknown as readonly DriverRow[]))

const mysqlStream = openMysql((connection, sql, columns) => new Promise((resolve, reject) => {
  connection.query({ sql, rowsAsArray: true }).stream().on('data', (row: DriverRow) => columns.add(row)).on('end', resolve).on('error', reject)
}))

/** A connection is made within the time, as ours is. */
const plain = (open: OpenDriver): SqlContender => {
  const withDriver = async <T>(url: string, use: (driver: Driver) => Promise<T>): Promise<T> => {
    const driver = await open(url)
    try {
      return await use(driver)
    } finally {
      await driver.end()
    }
  }
  const readInto = async ({ read }: Driver, sql: string, { shape, rows }: SqlCommand): Promise<DriverColumns> => {
    const columns = new DriverColumns(sqlSchemas[shape], rows)
    await read(sql, columns)
    requireRows(columns.rows, rows)
    return columns
  }
  return {
    size,
    check: (command) => withDriver(command.url, async (driver) => {
      const digester = new Digester();
      (await readInto(driver, selectOrdered(command), command)).digest(digester)
      return digester.digest()
    }),
    read: (command) => timed(() => withDriver(command.url, (driver) => readInto(driver, select(command), command))),
    write: (command) => {
      const rows = rowsOf(command)
      const { table } = command
      const names = Object.keys(sqlSchemas[command.shape]).join(', ')
      return timed(() => withDriver(command.url, async (driver) => {
        await driver.execute(`DELETE FROM ${table}`)
        await driver.execute('BEGIN')
        for (let at = 0; at < rows.length; at += INSERT_ROWS) await driver.insert(`INSERT INTO ${table} (${names}) VALUES`, rows.slice(at, at + INSERT_ROWS))
        await driver.execute('COMMIT')
      }))
    },
  }
}

/** Contenders that run on Node, by the names that they are started with. */
export const sqlContenders: { readonly [name: string]: SqlContender } = {
  'sql ours': ours({}), 'sql aside': ours({ onBadRecord: 'skip' }),
  'sql pg': plain(pgQuery), 'sql pg-cursor': plain(pgCursor), 'sql pg-query-stream': plain(pgQueryStream), 'sql mysql2': plain(mysqlQuery), 'sql mysql2 stream': plain(mysqlStream),
}
