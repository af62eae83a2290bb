import { findSqlPrograms } from '../../scripts/support/sql-programs.mjs'
import { startMariadb, startPostgres, type SqlTestServer } from '../../test/support/sql-servers.js'
import { requireAgreement, type Digest } from '../harness/digest.js'
import { measure, type Cost } from '../harness/measure.js'
import { startContender, type Program } from '../harness/program.js'
import { throughputRow, type BenchRow } from '../harness/rows.js'
import type { SuiteContext } from '../run.js'
import { ROW_BYTES } from './sql-data.js'

interface Entrant {
  readonly name: string
  readonly program: Program
  /** A table of its own, so that no one has another's leavings. */
  readonly table: string
}

/** The servers, how they are started, and the driver that is the peer. */
const servers = {
  PostgreSQL: { program: 'postgres', start: startPostgres, driver: 'pg' },
  MariaDB: { program: 'mariadb', start: startMariadb, driver: 'mysql2' },
} as const

/**
 * Tables of PostgreSQL and of MariaDB to typed columns, and columns to tables, beside the drivers alone: their rows put into columns one by one,
 * and INSERTs of a thousand rows in one transaction. The servers are started on this machine, without fsync.
 */
export const sqlSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const rows: BenchRow[] = []
  for (const [name, { program, start, driver }] of Object.entries(servers)) {
    if (!['read', 'write'].some((work) => `${name}, ${work}`.includes(context.only))) continue
    if (findSqlPrograms()[program] === undefined) {
      context.say(`${name}: left out, for want of the server (npm run peers:setup)`)
      continue
    }
    const server = await start()
    try {
      rows.push(...(await serverCases(context, name, driver, server)))
    } finally {
      await server.stop()
    }
  }
  return rows
}

const serverCases = async (context: SuiteContext, name: string, driver: string, { url }: SqlTestServer): Promise<readonly BenchRow[]> => {
  const entrant = (of: string, contender: string): Entrant => ({ name: of, program: startContender(`sql ${contender}`), table: `bench_${contender}` })
  const ours = entrant('Millrace', 'ours')
  const aside = entrant('Millrace, bad rows aside', 'aside')
  const peer = entrant(driver, driver)
  const all = [ours, aside, peer]
  try {
    const command = { url, scale: context.scale }
    // All fill tables that ours made; what is in them must be the same, whoever wrote and whoever reads.
    for (const { table } of all) await ours.program.ask<Cost>({ ...command, table, do: 'write' })
    const due = await ours.program.ask<Digest>({ ...command, table: ours.table, do: 'check' })
    for (const { program, table } of [aside, peer]) await program.ask<Cost>({ ...command, table, do: 'write' })
    for (const { name: of, table, program } of all) {
      requireAgreement(`${name}, written`, due, of, await ours.program.ask<Digest>({ ...command, table, do: 'check' }))
      requireAgreement(`${name}, read`, due, of, await program.ask<Digest>({ ...command, table: ours.table, do: 'check' }))
    }
    const rows: BenchRow[] = []
    for (const [work, entrants] of [['read', [ours, peer]], ['write', all]] as const) {
      if (!`${name}, ${work}`.includes(context.only)) continue
      const contenders = entrants.map(({ name: of, program, table }) => ({ name: of, run: () => program.ask<Cost>({ ...command, table: work === 'read' ? ours.table : table, rows: due.rows, do: work }) }))
      const costs = await measure(contenders, context)
      const measured = ({ name: of }: Entrant) => ({ bytes: due.rows * ROW_BYTES, costs: costs.get(of)! })
      for (const other of entrants.slice(1)) rows.push(throughputRow({ suite: 'sql', case: `${name}, ${work}`, peerName: other.name }, measured(ours), measured(other)))
    }
    return rows
  } finally {
    for (const { program } of all) program.close()
  }
}
