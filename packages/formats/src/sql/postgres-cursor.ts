import { failure } from '@millrace/core'
import type { FieldDef, QueryArrayResult, Submittable } from 'pg'
import { CellColumns } from './cells/cell-columns.js'
import { rowsOfPiece } from './cells/cells.js'
import { RowBytes, RowMemory } from './cells/row-bytes.js'
import type { PieceQueue } from './piece-queue.js'
import { indexPostgresRows, postgresReader, type PostgresReader } from './postgres-cells.js'
import type { PostgresTap, TappedStream } from './postgres-tap.js'
import { FIRST_ROWS, PIECE_BYTES, type SqlRows } from './sql-session.js'
import { sqlValueBytes } from './sql-values.js'

/** What a FETCH gave. */
interface Fetched {
  readonly rows: number
  readonly bytes: number
}

/** Fetches some rows and hands them over; fewer than asked for only at the end. */
type Fetch = (rows: number) => Promise<Fetched>

/** Where fetched rows go. */
export interface PostgresRows {
  /** Most rows to fetch first, before it is known how wide they are. */
  readonly first: number
  readonly fetch: Fetch
  /** What is still held is handed over. */
  readonly finish: () => void
}

/** Keeps fetching while the reader is not behind; fetches grow until they bring `PIECE_BYTES`. */
export const fetchAll = async (queue: PieceQueue, { first, fetch, finish }: PostgresRows, batchRows: number): Promise<void> => {
  try {
    for (let size = Math.min(first, batchRows); ;) {
      const { rows, bytes } = await fetch(size)
      if (rows < size) break
      size = Math.max(1, Math.min(batchRows, size * 4, Math.floor((PIECE_BYTES * rows) / Math.max(1, bytes))))
      await queue.room()
    }
    finish()
    queue.end()
  } catch (error) {
    finish()
    queue.end({ error })
  }
}

/** Rows that the driver makes. */
export const drivenRows = (queue: PieceQueue, send: (rows: number) => Promise<QueryArrayResult>): PostgresRows => ({
  first: FIRST_ROWS,
  fetch: async (size) => {
    const rows = (await send(size)).rows as unknown as SqlRows
    let bytes = 0
    for (const row of rows) for (const value of row) bytes += sqlValueBytes(value)
    if (rows.length > 0) queue.put(() => rows)
    return { rows: rows.length, bytes }
  },
  finish: () => undefined,
})

/** More than where the driver has them all before the first one is seen: the socket waits for the reader amid a fetch. */
const FIRST_TAPPED_ROWS = 1024

/** Has the client run a query of ours, which tells by the callback when it is done. */
export type Submit = (make: (done: (error?: Error) => void) => Submittable) => Promise<void>

/** Rows whose bytes are taken before the driver makes values of them: they become columns in one go. */
export const tappedRows = (queue: PieceQueue, tap: PostgresTap, submit: Submit, fields: readonly FieldDef[], batchRows: number): PostgresRows => {
  const readers = fields.map(({ dataTypeID }) => postgresReader(dataTypeID))
  const most = rowsOfPiece(readers.length, batchRows)
  const rows = new RowBytes()
  const memory = new RowMemory()
  const finish = (): void => {
    if (rows.rows === 0) return
    const taken = rows.take()
    queue.put(() => new CellColumns(indexPostgresRows(memory.together(taken), readers.length), readers))
  }
  const fetch: Fetch = async (size) => {
    const fetched = { rows: 0, bytes: 0, due: NaN }
    tap.onRow = (bytes, start, end) => {
      rows.push(bytes, start, end)
      fetched.rows++
      fetched.bytes += end - start
      if (rows.rows === most || rows.size >= PIECE_BYTES) finish()
    }
    try {
      await submit((done) => fetchQuery(tap.stream, size, readers, (due) => (fetched.due = due), done))
    } finally {
      tap.onRow = undefined
    }
    if (fetched.rows !== fetched.due) throw lostRows(fetched)
    return fetched
  }
  return { first: FIRST_TAPPED_ROWS, fetch, finish }
}

/** Rows went elsewhere: the reading was stopped meanwhile. */
const lostRows = ({ rows, due }: { readonly rows: number; readonly due: number }): Error =>
  failure({ tag: 'Storage', code: 'SQL_CONNECTION_LOST', problem: `${rows} rows came of ${due} that the server sent`, remedy: 'Read again.' })

const ignore = (): void => undefined

/** A query as the driver's own are: it is told what the server says, the rows left out. */
interface FetchQuery extends Submittable {
  readonly text: string
  /** The driver may put another in its place, which keeps its owner's time. */
  readonly callback: (error?: Error) => void
}

/** Fetches rows by the extended protocol, each column in the form that its reader wants. */
const fetchQuery = (stream: TappedStream, rows: number, readers: readonly PostgresReader[], sent: (rows: number) => void, done: (error?: Error) => void): FetchQuery => {
  const text = `FETCH FORWARD ${rows} FROM millrace_cursor`
  const query = {
    text,
    callback: done,
    submit: (): void => void stream.write(fetchMessages(text, readers)),
    handleRowDescription: ignore, handleDataRow: ignore, handlePortalSuspended: ignore, handleEmptyQuery: ignore, handleParseComplete: ignore,
    handleCommandComplete: ({ text: told }: { readonly text: string }): void => sent(Number(told.replace('FETCH ', ''))),
    handleError: (error: Error): void => query.callback(error),
    handleReadyForQuery: (): void => query.callback(),
  }
  return query
}

/** A message of the frontend. https://www.postgresql.org/docs/current/protocol-message-formats.html */
const message = (code: string, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(5)
  head.write(code, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const int16s = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 2)
  values.forEach((value, i) => bytes.writeInt16BE(value, i * 2))
  return bytes
}

/** Parse, Bind, Execute and Sync of the statement and the portal without a name. */
const fetchMessages = (text: string, readers: readonly PostgresReader[]): Buffer => {
  const formats = readers.map(({ isBinary }) => Number(isBinary))
  return Buffer.concat([
    message('P', Buffer.from(`\0${text}\0`), int16s(0)),
    message('B', Buffer.from('\0\0'), int16s(0, 0, formats.length, ...formats)),
    message('E', Buffer.from('\0'), Buffer.alloc(4)),
    message('S'),
  ])
}
