import { fromBatches, pipe, run, type Batch, type BytesColumn, type ColumnMap, type FixedColumn } from '@millrace/core'
import { readSql, writeSql, type WriteSqlOptions } from '@millrace/formats'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { Digester, type Digest } from '../harness/digest.js'
import { timed, type Cost } from '../harness/measure.js'
import { sqlBatches, sqlSchema } from '../suites/sql-data.js'

/** What the sql suite asks of a contender. */
export interface SqlCommand {
  readonly do: 'check' | 'read' | 'write'
  readonly url: string
  readonly table: string
  readonly scale: number
  /** Of the table. */
  readonly rows: number
}

interface SqlContender {
  check(command: SqlCommand): Promise<Digest>
  read(command: SqlCommand): Promise<Cost>
  write(command: SqlCommand): Promise<Cost>
}

/** Columns as all contenders make them; texts are not encoded again. */
interface Columns {
  readonly id: BigInt64Array
  readonly n: Int32Array
  readonly x: Float64Array
  readonly word: readonly (string | null)[]
  readonly at: BigInt64Array
}

type Row = readonly [id: string, n: number, x: number, word: string | null, at: Date]

/** What a program without a library does with the rows of a driver: fills columns row by row. */
const toColumns = (rows: readonly Row[]): Columns => {
  const { length } = rows
  const columns = { id: new BigInt64Array(length), n: new Int32Array(length), x: new Float64Array(length), word: new Array<string | null>(length), at: new BigInt64Array(length) }
  for (let row = 0; row < length; row++) {
    const [id, n, x, word, at] = rows[row]!
    columns.id[row] = BigInt(id)
    columns.n[row] = n
    columns.x[row] = x
    columns.word[row] = word
    columns.at[row] = BigInt(at.getTime())
  }
  return columns
}

const requireRows = (seen: number, due: number): void => {
  if (seen !== due) throw new Error(`read ${seen} rows of ${due}`)
}

const SELECT = 'SELECT id, n, x, word, at FROM'
/** Rows of an INSERT of the peers: more gain them nothing. */
const INSERT_ROWS = 1000

/** The rows in memory as a driver takes them. */
const rowsOf = (() => {
  let made: (readonly unknown[])[] | undefined
  return (scale: number): readonly (readonly unknown[])[] =>
    (made ??= sqlBatches(scale).flatMap((batch) => Array.from({ length: batch.numRows }, (_, row) => {
      const { id, n, x, word, at } = batch.row(row)
      return [String(id), n, x, word, at]
    })))
})()

const batchesOf = (() => {
  let made: readonly Batch<typeof sqlSchema>[] | undefined
  return (scale: number): readonly Batch<typeof sqlSchema>[] => (made ??= sqlBatches(scale))
})()

const ours = (options: WriteSqlOptions): SqlContender => ({
  check: async ({ url, table }) => {
    const digester = new Digester()
    for await (const batch of readSql(url, `${SELECT} ${table} ORDER BY id`, { schema: sqlSchema })) {
      digester.rows += batch.numRows
      for (const [name, column] of Object.entries(batch.columns as ColumnMap)) {
        if (name !== 'word') {
          digester.add(name, (column as FixedColumn).values)
          continue
        }
        const { bytes, offsets, length } = column as BytesColumn
        digester.addStrings(name, bytes.subarray(offsets[0], offsets[length]), Int32Array.from({ length }, (_, row) => offsets[row + 1]! - offsets[row]!))
      }
    }
    return digester.digest()
  },
  read: ({ url, table, rows }) =>
    timed(async () => {
      let seen = 0
      for await (const batch of readSql(url, `${SELECT} ${table}`, { schema: sqlSchema })) seen += batch.numRows
      requireRows(seen, rows)
    }),
  write: async ({ url, table, scale }) => {
    const stream = fromBatches(sqlSchema, batchesOf(scale))
    return timed(() => run(pipe(stream, writeSql(url, table, { ifExists: 'replace', ...options }))))
  },
})

/** A driver's connection, with what the cases need of it. */
interface Driver {
  readonly rows: (sql: string) => Promise<readonly Row[]>
  /** A statement; a `?` in it stands for many rows. */
  readonly insert: (head: string, rows: readonly (readonly unknown[])[]) => Promise<unknown>
  readonly execute: (sql: string) => Promise<unknown>
  readonly end: () => Promise<void>
}

const openPg = async (url: string): Promise<Driver> => {
  const client = new pg.Client(url)
  await client.connect()
  // The tests' server has others than a server has as it comes.
  await client.query("SET datestyle = 'ISO'; SET extra_float_digits = 1")
  return {
    rows: async (text) => (await client.query({ text, rowMode: 'array' })).rows as unknown as readonly Row[],
    insert: (head, rows) => {
      const places = rows.map((row, at) => `(${row.map((_, i) => `$${at * row.length + i + 1}`).join(',')})`).join(',')
      return client.query(`${head} ${places}`, rows.flat() as unknown[])
    },
    execute: (sql) => client.query(sql),
    end: () => client.end(),
  }
}

const openMysql2 = async (url: string): Promise<Driver> => {
  const connection = await mysql.createConnection({ uri: url, timezone: 'Z', supportBigNumbers: true, bigNumberStrings: false })
  await connection.query("SET time_zone = '+00:00'")
  return {
    rows: async (sql) => (await connection.query({ sql, rowsAsArray: true }))[0] as unknown as readonly Row[],
    insert: (head, rows) => connection.query(`${head} ?`, [rows]),
    execute: (sql) => connection.query(sql),
    end: () => connection.end(),
  }
}

/** A connection is made within the time, as ours is. */
const plain = (open: (url: string) => Promise<Driver>): SqlContender => {
  const withDriver = async <T>(url: string, use: (driver: Driver) => Promise<T>): Promise<T> => {
    const driver = await open(url)
    try {
      return await use(driver)
    } finally {
      await driver.end()
    }
  }
  return {
    check: ({ url, table }) => withDriver(url, async (driver) => {
      const digester = new Digester()
      const { word, ...numbers } = toColumns(await driver.rows(`${SELECT} ${table} ORDER BY id`))
      digester.rows = word.length
      for (const [name, values] of Object.entries(numbers)) digester.add(name, values)
      const texts = word.map((text) => Buffer.from(text ?? ''))
      digester.addStrings('word', Buffer.concat(texts), Int32Array.from(texts, (text) => text.length))
      return digester.digest()
    }),
    read: ({ url, table, rows }) =>
      timed(() => withDriver(url, async (driver) => requireRows(toColumns(await driver.rows(`${SELECT} ${table}`)).id.length, rows))),
    write: ({ url, table, scale }) => {
      const rows = rowsOf(scale)
      return timed(() => withDriver(url, async (driver) => {
        await driver.execute(`DELETE FROM ${table}`)
        await driver.execute('BEGIN')
        for (let at = 0; at < rows.length; at += INSERT_ROWS) await driver.insert(`INSERT INTO ${table} (id, n, x, word, at) VALUES`, rows.slice(at, at + INSERT_ROWS))
        await driver.execute('COMMIT')
      }))
    },
  }
}

/** Contenders that run on Node, by the names that they are started with. */
export const sqlContenders: { readonly [name: string]: SqlContender } = {
  'sql ours': ours({}), 'sql aside': ours({ onBadRecord: 'skip' }), 'sql pg': plain(openPg), 'sql mysql2': plain(openMysql2),
}
