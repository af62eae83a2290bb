import { findSqlPrograms } from '../../scripts/support/sql-programs.mjs'
import { describeUnless } from './peer.js'

const lacking = (server: 'postgres' | 'mariadb'): string | undefined => {
  if (process.platform === 'win32') return 'not on Windows'
  return findSqlPrograms()[server] === undefined ? `no ${server}: run npm run peers:setup` : undefined
}

/** A `describe` that needs a server's programs, see {@link describeUnless}. */
export const describeSqlServer = (name: string, server: 'postgres' | 'mariadb', body: () => void): void => describeUnless(lacking(server), name, body)
