import { randomBytes } from 'node:crypto'
import { failure, type Column, type Field, type Schema } from '@millrace/core'
import type { MysqlLoaded, MysqlSession } from './mysql-session.js'
import { integerText, isPlain, mysqlCells } from './sql-cells.js'
import { mysqlDialect } from './sql-dialect.js'
import { columnIn } from './sql-error.js'
import type { SqlTableSource } from './sql-statement.js'
import { textPieces, type Batches, type TextPiece } from './text-pieces.js'
import type { SqlLoading } from './write-sql.js'

/** No packet may be longer than the server's `max_allowed_packet`. */
const MAX_PACKET = 256 * 1024
/** One LOAD DATA takes about this many bytes, so that a row that the server refuses is told before all have been sent. */
const LOAD_BYTES = 32 * 1024 * 1024

/**
 * `LOAD DATA LOCAL` makes warnings of what is an error in an INSERT, and they are counted here: notes (a decimal that is rounded), which
 * pass an INSERT too, must not be among them.
 */
const LOAD_SETTINGS = 'SET SESSION sql_notes = 0, max_error_count = 64'

/**
 * Columns, by kind, that take the text of a value as they take the value. Others do not: a bit field would take the digits' bytes, an
 * enumeration the number's digits as a name, an integer half a float's digits rounded another way.
 */
const takers: { readonly [kind: string]: RegExp } = {
  utf8: /^(char|varchar|(tiny|medium|long)?text|json)$/, list: /^((tiny|medium|long)?text|json)$/, binary: /^((var)?binary|(tiny|medium|long)?blob)$/,
  date: /^(date|datetime|timestamp)$/, timestamp: /^(datetime|timestamp)$/, float32: /^(float|double)$/, float64: /^(float|double)$/,
}
const numbers = /^((tiny|small|medium|big)?int|float|double|decimal)$/

const takes = ({ kind, params }: Field, type: string): boolean => (kind === 'dictionary' ? takes(params.item!, type) : (takers[kind] ?? numbers).test(type))

/** Whether the server lets clients load from their own side (`local_infile`); prepares the session for it. */
export const beginBulkLoad = async (session: MysqlSession): Promise<boolean> => {
  // Servers that only speak MySQL's protocol may not know the variable.
  const [row] = await session.query({ sql: 'SELECT @@local_infile', parameters: [] }).catch(() => [])
  if (Number(row?.[0] ?? 0) !== 1) return false
  await session.query({ sql: LOAD_SETTINGS, parameters: [] })
  return true
}

/** Whether rows that are loaded as text become in a table what INSERTs make of them; of a table made from the schema they do. */
export const takesTexts = async (session: MysqlSession, table: SqlTableSource, schema: Schema): Promise<boolean> => {
  const sql = `SELECT CAST(LOWER(column_name) AS CHAR), CAST(data_type AS CHAR), extra FROM information_schema.columns WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?`
  const rows = await session.query({ sql, parameters: [table.schema ?? null, table.table] })
  const types = new Map(rows.filter(([, , extra]) => !/VIRTUAL|STORED|PERSISTENT/i.test(String(extra))).map(([name, type]) => [String(name), String(type).toLowerCase()]))
  return Object.entries(schema).every(([name, field]) => takes(field, types.get(name.toLowerCase()) ?? ''))
}

/**
 * Loads rows by `LOAD DATA LOCAL INFILE` from memory, within the transaction that a session that was prepared is in.
 *
 * @returns false when the server refused before it asked for a row, so that nothing of the stream was taken
 * @throws `BadRecord` for a row that the server would change or leave out
 */
export const bulkLoad = async (session: MysqlSession, table: string, { server, schema, announce }: SqlLoading, batches: Batches): Promise<boolean> => {
  const name = `millrace_${randomBytes(8).toString('hex')}`
  const sql = loadStatement(name, table, schema)
  const texts = textPieces(schema, batches, loadCells)
  const part = { before: 0, rows: 0, ended: false }
  try {
    while (!part.ended) {
      part.rows = 0
      const loaded = await session.load({ sql, name, source: () => {
        announce('LOAD DATA')
        return partOf(texts, part)
      } })
      if (loaded.refused !== undefined) {
        if (part.before > 0) throw loaded.refused
        return false
      }
      requireWhole(loaded, part, server.name)
      part.before += part.rows
    }
  } finally {
    await texts.return()
  }
  return true
}

/** In characters by number, whatever the session makes of backslashes in quotations; bytes go as hexadecimal digits, since the text is UTF-8. */
const loadStatement = (name: string, table: string, schema: Schema): string => {
  const places = Object.entries(schema).map(([column, { kind, params }], i) => ({ column: mysqlDialect.quote(column), variable: kind === 'binary' || params.item?.kind === 'binary' ? `@millrace_${i}` : undefined }))
  const bytes = places.filter(({ variable }) => variable !== undefined).map(({ column, variable }) => `${column} = UNHEX(${variable!})`)
  return `LOAD DATA LOCAL INFILE '${name}' INTO TABLE ${table} CHARACTER SET utf8mb4 FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'
    (${places.map(({ column, variable }) => variable ?? column).join(', ')})${bytes.length === 0 ? '' : ` SET ${bytes.join(', ')}`}`
}

interface Part {
  /** Rows of the loads before. */
  before: number
  rows: number
  ended: boolean
}

async function* partOf(texts: AsyncGenerator<TextPiece, void, undefined>, part: Part): AsyncGenerator<Buffer, void, undefined> {
  for (let sent = 0; sent < LOAD_BYTES; ) {
    const next = await texts.next()
    if (next.done === true) {
      part.ended = true
      return
    }
    part.rows += next.value.rows
    sent += next.value.bytes.length
    for (let at = 0; at < next.value.bytes.length; at += MAX_PACKET) yield next.value.bytes.subarray(at, at + MAX_PACKET)
  }
}

const requireWhole = ({ rows, warnings, warning }: MysqlLoaded, { before, rows: sent }: Part, source: string): void => {
  if (warnings === 0 && rows === sent) return
  const row = /at row (\d+)/.exec(warning ?? '')?.[1]
  const at = { record: row === undefined ? undefined : before + Number(row) - 1, column: columnIn(warning ?? '') }
  throw failure({
    tag: 'BadRecord', code: 'SQL_VALUE_REFUSED',
    problem: warning === undefined ? `the server took ${rows} of ${sent} rows` : `the server would change the row, or leave it out: ${warning}`,
    remedy: 'The table does not take the value: mend it, or the table.', position: { source, ...at },
  })
}

const escapes: { readonly [character: string]: string } = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\0': '\\0' }

/** A column's values as `LOAD DATA` reads them. @see https://dev.mysql.com/doc/refman/8.4/en/load-data.html */
const loadCells = (column: Column): ((row: number) => string) => {
  const integer = integerText(column)
  if (integer !== undefined) return (row) => (column.isValid(row) ? integer(row) : '\\N')
  const cell = mysqlCells(column)
  const plain = isPlain(column)
  return (row) => {
    const value = cell(row)
    if (value === null) return '\\N'
    if (typeof value === 'string') return plain ? value : value.replace(/[\\\t\n\0]/g, (character) => escapes[character]!)
    if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
    return Object.is(value, -0) ? '-0' : String(value)
  }
}
