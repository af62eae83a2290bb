import type { Column, Field, OpenContext } from '@millrace/core'
import type { SqlDialect } from './sql-dialect.js'
import type { SqlStatement } from './sql-statement.js'
import type { SqlColumn, SqlType } from './sql-type.js'
import type { SqlValue } from './sql-values.js'

/** Rows of a result, in the order of its columns. */
export type SqlRows = readonly (readonly SqlValue[])[]

/** Rows of a result that came column by column; they hold until the next ones are asked for. */
export interface SqlColumns {
  readonly length: number
  readonly value: (column: number, row: number) => SqlValue
  readonly rows: () => SqlRows
  /** A whole column under a field that can hold its type; `undefined` where a value of it does not fit. */
  readonly column: (column: number, field: Field, type: SqlType) => Column | undefined
  /** Whether none of the columns is null in a row, and one of them is another than in the row before; where that is found without making values. */
  readonly differs?: (columns: readonly number[], row: number) => boolean
}

/** A result that the server hands over piece by piece. */
export interface SqlCursor {
  readonly columns: readonly SqlColumn[]
  /** The next rows; none at the end. */
  readonly next: () => Promise<SqlRows | SqlColumns>
}

/** One connection, on which one thing is done at a time. What a driver throws comes as it is. */
export interface SqlSession {
  readonly dialect: SqlDialect
  /** Runs a statement to its end; for small results. */
  readonly query: (statement: SqlStatement) => Promise<SqlRows>
  /** Begins a reading that changes nothing. @param snapshot - one that another session gave, to see the same rows */
  readonly beginReading: (snapshot: string | undefined) => Promise<void>
  /** A snapshot that other sessions can read, where the server has such. */
  readonly exportSnapshot: () => Promise<string | undefined>
  /** Columns of a statement. @param table - whether it selects from one table, which may know what cannot be null */
  readonly describe: (statement: SqlStatement, table: boolean) => Promise<readonly SqlColumn[]>
  readonly cursor: (statement: SqlStatement, batchRows: number, table: boolean) => Promise<SqlCursor>
  /** Ends the connection, at once: what still runs is stopped on the server. Once ended it stays so. */
  readonly end: () => Promise<void>
}

/** A database that can be read. */
export interface SqlDatabase<S extends SqlSession = SqlSession> {
  /** The database without credentials, for errors and plans. */
  readonly name: string
  /** Taken out of what drivers say. */
  readonly password: string | undefined
  /** Opens a connection. What a driver throws comes as it is. */
  readonly open: (context: Pick<OpenContext, 'signal' | 'progress'>) => Promise<S>
  /** How many connections there may be at once, where somebody says so. */
  readonly connections?: number | undefined
}

/** A piece of a result is about this large, so that few wide rows fit beside many narrow ones. */
export const PIECE_BYTES = 4 * 1024 * 1024
/** Rows of the first piece, before it is known how wide they are. */
export const FIRST_ROWS = 64
/** A server that does not answer does not keep a cancelled reading waiting. */
export const CANCEL_TIMEOUT_MS = 5_000

/** Waits for a promise, and no longer than `milliseconds`; its error is no matter. */
export const settledWithin = async (milliseconds: number, promise: Promise<unknown>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([promise.catch(() => undefined), new Promise((resolve) => (timer = setTimeout(resolve, milliseconds)))])
  clearTimeout(timer)
}
