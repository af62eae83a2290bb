import { throwIfAborted, type OpenContext } from '@millrace/core'
import { openMysql } from './mysql-session.js'
import { openPostgres } from './postgres-session.js'
import { sqlError } from './sql-error.js'
import type { ResolvedServer } from './sql-server.js'
import type { SqlSession } from './sql-session.js'

/** Opens a connection. A signal does not wait for a server that does not answer. @throws `MissingPeer`, `Storage`, `Aborted` */
export const openSession = async (server: ResolvedServer, signal: AbortSignal | undefined): Promise<SqlSession> => {
  throwIfAborted(signal)
  const opening: Promise<SqlSession> = server.server === 'postgres' ? openPostgres(server) : openMysql(server)
  let giveUp = (): void => undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(new Error('aborted'))
  })
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([opening, aborted])
  } catch (error) {
    // One that comes about after all is not kept.
    opening.then((session) => session.end()).catch(() => undefined)
    throwIfAborted(signal)
    throw sqlError(error, server, 'no connection to the database')
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

/** Lets a signal stop what a session does; the result takes that back. */
export const stopWith = (session: SqlSession, signal: OpenContext['signal']): (() => void) => {
  const stop = (): void => void session.end()
  if (signal?.aborted === true) stop()
  signal?.addEventListener('abort', stop, { once: true })
  return () => signal?.removeEventListener('abort', stop)
}
