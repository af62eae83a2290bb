import { throwIfAborted, type OpenContext } from '@millrace/core'
import { openMysql } from './mysql-session.js'
import { openPostgres } from './postgres-session.js'
import { sqlError } from './sql-error.js'
import type { ResolvedServer } from './sql-server.js'
import type { SqlSession } from './sql-session.js'

/** Opens a connection. @throws `MissingPeer`, `Storage` */
export const openSession = async (server: ResolvedServer, signal: AbortSignal | undefined): Promise<SqlSession> => {
  throwIfAborted(signal)
  try {
    return await (server.server === 'postgres' ? openPostgres(server) : openMysql(server))
  } catch (error) {
    throw sqlError(error, server, 'no connection to the database')
  }
}

/** Lets a signal stop what a session does; the result takes that back. */
export const stopWith = (session: SqlSession, signal: OpenContext['signal']): (() => void) => {
  const stop = (): void => void session.end()
  if (signal?.aborted === true) stop()
  signal?.addEventListener('abort', stop, { once: true })
  return () => signal?.removeEventListener('abort', stop)
}
