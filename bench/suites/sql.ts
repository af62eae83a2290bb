import { findSqlPrograms } from '../../scripts/support/sql-programs.mjs'
import { startMariadb, startPostgres } from '../../test/support/sql-servers.js'
import { requireAgreement, type Digest } from '../harness/digest.js'
import { measure, type Cost } from '../harness/measure.js'
import { startContender, type Program } from '../harness/program.js'
import { throughputRow, type BenchRow } from '../harness/rows.js'
import type { SuiteContext } from '../run.js'
import { sqlSchemas, type SqlShape } from './sql-data.js'

interface Entrant {
  readonly name: string
  readonly program: Program
}

interface Server {
  readonly name: string
  readonly url: string
  /** The driver's ways to read, the first one of which also writes. */
  readonly peers: readonly string[]
}

/** A case: a way of working on a table. */
interface Case {
  readonly name: string
  readonly work: 'read' | 'write'
  readonly shape: SqlShape
}

/** The servers, how they are started, and the peers: a driver that gives all rows at once, and as they come. */
const servers = {
  PostgreSQL: { program: 'postgres', start: startPostgres, peers: ['pg', 'pg-cursor', 'pg-query-stream'] },
  MariaDB: { program: 'mariadb', start: startMariadb, peers: ['mysql2', 'mysql2 stream'] },
} as const

const casesOf = (server: string): readonly Case[] => [
  ...(Object.keys(sqlSchemas) as SqlShape[]).map((shape): Case => ({ name: `${server}, read ${shape}`, work: 'read', shape })),
  { name: `${server}, write mixed`, work: 'write', shape: 'mixed' },
]

/**
 * Tables of PostgreSQL and of MariaDB to typed columns, and columns to tables, beside the drivers alone: their rows put into columns one by one,
 * and INSERTs of a thousand rows in one transaction. The servers are started on this machine, without fsync.
 */
export const sqlSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const rows: BenchRow[] = []
  for (const [name, { program, start, peers }] of Object.entries(servers)) {
    const cases = casesOf(name).filter((one) => one.name.includes(context.only))
    if (cases.length === 0) continue
    if (findSqlPrograms()[program] === undefined) {
      context.say(`${name}: left out, for want of the server (npm run peers:setup)`)
      continue
    }
    const server = await start()
    try {
      for (const one of cases) rows.push(...(await measureCase(context, { name, url: server.url, peers }, one)))
    } finally {
      await server.stop()
    }
  }
  return rows
}

/** The processes are new for each case, as those of the csv suite. */
const measureCase = async (context: SuiteContext, server: Server, one: Case): Promise<BenchRow[]> => {
  const names = one.work === 'read' ? server.peers : [...server.peers.slice(0, 1), 'aside']
  const [ours, ...others] = ['ours', ...names].map((name): Entrant => ({ name, program: startContender(`sql ${name}`) })) as [Entrant, ...Entrant[]]
  try {
    return await (one.work === 'read' ? measureReading : measureWriting)(context, server, one, ours, others)
  } finally {
    for (const { program } of [ours, ...others]) program.close()
  }
}

const measureReading = async (context: SuiteContext, { url }: Server, { name, shape }: Case, ours: Entrant, others: readonly Entrant[]): Promise<BenchRow[]> => {
  const command = { url, shape, scale: context.scale, table: `bench_${shape}` }
  await ours.program.ask<Cost>({ ...command, do: 'write' })
  const due = await ours.program.ask<Digest>({ ...command, do: 'check' })
  for (const { name: of, program } of others) requireAgreement(name, due, of, await program.ask<Digest>({ ...command, rows: due.rows, do: 'check' }))
  return ratios(context, name, await ours.program.ask<number>({ ...command, do: 'size' }), ours, others, ({ program }) => program.ask<Cost>({ ...command, rows: due.rows, do: 'read' }))
}

/** All fill tables that ours made, of their own, so that no one has another's leavings; what is in them must be the same. */
const measureWriting = async (context: SuiteContext, { url }: Server, { name, shape }: Case, ours: Entrant, others: readonly Entrant[]): Promise<BenchRow[]> => {
  const commandOf = ({ name: of }: Entrant) => ({ url, shape, scale: context.scale, table: `bench_${shape}_${of}` })
  for (const entrant of [ours, ...others]) await ours.program.ask<Cost>({ ...commandOf(entrant), do: 'write' })
  const due = await ours.program.ask<Digest>({ ...commandOf(ours), do: 'check' })
  for (const entrant of others) {
    await entrant.program.ask<Cost>({ ...commandOf(entrant), do: 'write' })
    requireAgreement(name, due, entrant.name, await ours.program.ask<Digest>({ ...commandOf(entrant), do: 'check' }))
  }
  return ratios(context, name, await ours.program.ask<number>({ ...commandOf(ours), do: 'size' }), ours, others, (entrant) => entrant.program.ask<Cost>({ ...commandOf(entrant), do: 'write' }))
}

/** What contenders are called in results. */
const shownNames: { readonly [name: string]: string } = { ours: 'Millrace', aside: 'Millrace, bad rows aside' }

const ratios = async (context: SuiteContext, name: string, bytes: number, ours: Entrant, others: readonly Entrant[], run: (entrant: Entrant) => Promise<Cost>): Promise<BenchRow[]> => {
  const costs = await measure([ours, ...others].map((entrant) => ({ name: entrant.name, run: () => run(entrant) })), context)
  const measured = ({ name: of }: Entrant) => ({ bytes, costs: costs.get(of)! })
  return others.map((other) => throughputRow({ suite: 'sql', case: name, peerName: shownNames[other.name] ?? other.name }, measured(ours), measured(other)))
}
