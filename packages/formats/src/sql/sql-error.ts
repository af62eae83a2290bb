import { failure, fromUnknown, isMillraceError, type ErrorTag, type MillraceError } from '@millrace/core'
import type { SqlDatabase } from './sql-session.js'

interface DriverError {
  readonly code?: unknown
  readonly errno?: unknown
  readonly sqlState?: unknown
  readonly message?: unknown
  /** PostgreSQL's column, of a null that it may not hold. */
  readonly column?: unknown
}

/** What a driver throws for a statement of many rows, with the one that it is about, where the server tells it. */
export class RefusedRow extends Error {
  /**
   * @param row - its index among the rows of the loading, from 0
   * @param column - the column, where the server tells it
   */
  constructor(
    override readonly cause: unknown,
    readonly row: number,
    readonly column?: string,
  ) {
    super()
  }
}

interface Meaning {
  readonly tag: ErrorTag
  readonly code: string
  readonly remedy: string
}

const lost: Meaning = { tag: 'Storage', code: 'SQL_CONNECTION_LOST', remedy: 'Check that the server runs, and try again.' }
const denied: Meaning = { tag: 'Storage', code: 'SQL_ACCESS_DENIED', remedy: 'Check the user, the password, and what the user may do.' }
const missing: Meaning = { tag: 'NotFound', code: 'SQL_NOT_FOUND', remedy: 'Check the names of database, schema, table and columns.' }
const refused: Meaning = { tag: 'Engine', code: 'SQL_REFUSED', remedy: 'The words are the server\'s: mend the query, or the values.' }
const unsafe: Meaning = { tag: 'Storage', code: 'SQL_TLS', remedy: 'Give the authority that signed the server\'s certificate: tls: { ca }, or sslrootcert in the URL.' }
const exists: Meaning = { tag: 'AlreadyExists', code: 'SQL_TABLE_EXISTS', remedy: "Pass ifExists: 'append' or 'replace'." }
const misfit: Meaning = { tag: 'BadRecord', code: 'SQL_VALUE_REFUSED', remedy: 'The table does not take the value: mend it, or the table.' }

/** By the codes of the servers' families: SQLSTATE classes, MySQL's names, Node's. */
const meanings: readonly (readonly [RegExp, Meaning])[] = [
  [/^(08...|57P0[1-3]|PROTOCOL_.*|ECONNRESET|EPIPE|ER_SERVER_SHUTDOWN|ER_CONNECTION_KILLED|1927|HANDSHAKE_NO_SSL_SUPPORT)$/, lost],
  [/^(28...|42501|ER_.*ACCESS_DENIED.*|ER_.*DENIED_ERROR)$/, denied],
  [/^(42P01|42703|3D000|3F000|ER_NO_SUCH_TABLE|ER_BAD_DB_ERROR|ER_BAD_FIELD_ERROR)$/, missing],
  [/^(42P07|ER_TABLE_EXISTS_ERROR)$/, exists],
  // 44: a view's own condition; P0001 and 45000: a trigger that raises or signals; 54: a row too large for a page or an index.
  [/^(2[23]...|44000|54000|P0001|45000|ER_SIGNAL_EXCEPTION|ER_NO_PARTITION_FOR_GIVEN_VALUE|ER_DATA_TOO_LONG|ER_WARN_DATA_OUT_OF_RANGE|ER_TRUNCATED_.*|ER_BAD_NULL_ERROR|ER_DUP_ENTRY.*|ER_.*CONSTRAINT.*|WARN_DATA_TRUNCATED|ER_WARN_DATA_TRUNCATED)$/, misfit],
  [/^(.*CERT.*|.*SSL.*|.*TLS.*)$/, unsafe],
]

const meaningOf = (code: string, message: string, writes: boolean): Meaning =>
  meanings.find(([pattern, meaning]) => pattern.test(code) && (writes || meaning !== misfit))?.[1] ??
  (/terminated|closed state|not queryable|server closed|socket has been ended|timeout expired/i.test(message) ? lost : /certificate|does not support SSL/i.test(message) ? unsafe : refused)

/** The column that MySQL's and MariaDB's words name. */
export const columnIn = (said: string): string | undefined => {
  const [, qualified, plain] = /\bcolumn (?:`[^`]*`\.`[^`]*`\.`([^`]+)`|'([^']+)')/i.exec(said) ?? []
  return qualified ?? plain
}

/** Texts without the password, which no driver puts there on purpose. */
const withoutPassword = (text: string, { password }: Pick<SqlDatabase, 'password'>): string =>
  password === undefined || password.length < 4 ? text : text.replaceAll(password, '***').replaceAll(encodeURIComponent(password), '***')

/**
 * What a driver throws as an error of ours: by whose fault it is, with the server's words and without credentials.
 *
 * @param work - what was being done: `the query SELECT … broke off after 5 rows`
 * @param writes - whether values were being written, so that one that does not fit is a bad record
 */
export const sqlError = (thrown: unknown, server: Pick<SqlDatabase, 'name' | 'password'>, work: string, writes = false): MillraceError => {
  if (isMillraceError(thrown)) return thrown
  if (thrown instanceof RefusedRow) {
    const error = sqlError(thrown.cause, server, work, writes)
    return error._tag === 'BadRecord' ? error.at({ record: thrown.row, column: thrown.column }) : error
  }
  const { code, errno, sqlState, message, column } = thrown as DriverError
  // MySQL's names of what a constraint refuses are many, and MariaDB has others.
  const refuses = writes && typeof sqlState === 'string' && /^2[23]/.test(sqlState)
  const key = refuses ? sqlState : typeof code === 'string' ? code : typeof errno === 'number' ? String(errno) : ''
  const said = withoutPassword(String(message === undefined || message === '' ? key : message), server).replace(/\.$/, '')
  // The driver's own error may hold the statement's values, or the configuration.
  const cause = new Error(said)
  const known = fromUnknown(Object.assign(new Error(said), { code: key }))
  const meaning = known._tag === 'Storage' || known._tag === 'NotFound' ? { tag: known._tag, code: known.code, remedy: known.remedy ?? lost.remedy } : meaningOf(key, said, writes)
  const at = meaning === misfit ? { column: typeof column === 'string' ? column : columnIn(said) } : {}
  return failure({ ...meaning, problem: `${work}: ${said}`, position: { source: server.name, ...at }, cause })
}
