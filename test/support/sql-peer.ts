import { describe, test } from 'vitest'
import { findSqlPrograms } from '../../scripts/support/sql-programs.mjs'
import { peersRequired } from './peer.js'

/** A `describe` that needs a server's programs: skipped with the reason where they are missing, a failure where peers are required. */
export const describeSqlServer = (name: string, server: 'postgres' | 'mariadb', body: () => void): void => {
  const lacks = process.platform === 'win32' ? 'not on Windows' : findSqlPrograms()[server] === undefined ? `no ${server}: run npm run peers:setup` : undefined
  if (lacks === undefined) describe(name, body)
  else if (peersRequired()) {
    test(name, () => {
      throw new Error(lacks)
    })
  } else test.skip(`${name} [skipped: ${lacks}]`)
}
