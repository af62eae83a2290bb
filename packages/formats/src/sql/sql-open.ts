import { throwIfAborted, type OpenContext } from '@millrace/core'
import { sqlError } from './sql-error.js'
import type { SqlDatabase, SqlSession } from './sql-session.js'

/** Opens a connection. A signal does not wait for a server that does not answer. @throws `MissingPeer`, `Storage`, `Aborted` */
export const openSession = async <S extends SqlSession>(database: SqlDatabase<S>, context: Pick<OpenContext, 'signal' | 'progress'>): Promise<S> => {
  const { signal } = context
  throwIfAborted(signal)
  const opening = database.open(context)
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
    throw sqlError(error, database, 'no connection to the database')
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
