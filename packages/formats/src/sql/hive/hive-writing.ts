import { throwIfAborted, type RunContext } from '@millrace/core'
import { sqlError } from '../sql-error.js'
import { openSession, stopWith } from '../sql-open.js'
import { describeSource, type SqlTableSource } from '../sql-statement.js'
import type { ResolvedHive } from './hive-server.js'
import { openHive, type HiveSession } from './hive-session.js'

/** What is written where. */
export interface HiveWriting {
  readonly server: ResolvedHive
  readonly target: SqlTableSource
  readonly ifExists: 'fail' | 'append' | 'replace'
  readonly partitionBy: readonly string[]
}

/** Runs work in a session of its own; the server's errors become ours. */
export const withHive = async <T>({ server, target }: HiveWriting, context: Pick<RunContext, 'signal'>, work: (session: HiveSession) => Promise<T>): Promise<T> => {
  const { signal } = context
  const session = await openSession({ name: server.name, password: server.password, open: (open) => openHive(server, open) }, { signal, progress: undefined })
  const release = stopWith(session, signal)
  try {
    return await work(session)
  } catch (error) {
    throwIfAborted(signal)
    throw sqlError(error, server, `writing ${describeSource(target)} failed`)
  } finally {
    release()
    await session.end()
  }
}
