import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { requireAgreement, type Digest } from '../harness/digest.js'
import { measure, type Contender, type Cost } from '../harness/measure.js'
import { startContender, startPython, type Program } from '../harness/program.js'
import { throughputRow, type BenchRow } from '../harness/rows.js'
import type { SuiteContext } from '../run.js'
import { makeCsv } from './csv-data.js'
import { csvSchemas } from './csv-schemas.js'

interface Entrant {
  readonly name: string
  readonly program: Program
  /** Whether it rounds decimals to the nearest float, so that its numbers are the same as ours to the last bit. */
  readonly isExact: boolean
  /** Share of the rows that it is timed on: slow peers would take all of the suite's time. */
  readonly share: number
}

/** Shapes of tables by the names of their cases. */
const cases: { readonly [name: string]: string } = {
  'typed columns': 'mixed',
  'typed columns, integers only': 'integers',
  'typed columns, floats only': 'floats',
  'typed columns, few large texts': 'texts',
}

const pythonPeer = async ({ say, python }: SuiteContext, name: string, module: string): Promise<Program | undefined> => {
  const program = python ? startPython(resolve('bench/peers/csv_peers.py'), module, [module]) : { lacks: 'left out' }
  if ('lacks' in program) {
    say(`without ${name}: ${program.lacks}`)
    return undefined
  }
  say(`${name}: ${module} ${(await program.ask<{ version: string }>({ do: 'version' })).version}`)
  return program
}

const startPeers = async (context: SuiteContext): Promise<readonly Entrant[]> => {
  const peers: Entrant[] = [
    { name: 'csv-parse', program: startContender('csv csv-parse'), isExact: true, share: 0.1 },
    { name: 'uDSV', program: startContender('csv udsv'), isExact: true, share: 1 },
  ]
  for (const [name, module, share] of [['CsvDataset', 'tensorflow', 0.25], ['Polars', 'polars', 1]] as const) {
    const program = await pythonPeer(context, name, module)
    if (program !== undefined) peers.push({ name, program, isExact: name !== 'Polars', share })
  }
  return peers
}

/**
 * CSV files of several shapes to typed columns. The processes are new for each: how much a collector of garbage lets its heap grow depends on
 * what it saw before, and cases would be slower after others than alone.
 */
export const csvSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const rows: BenchRow[] = []
  const wanted = Object.entries(cases).filter(([name]) => name.includes(context.only))
  for (const [i, [name, shape]] of wanted.entries()) {
    const ours = { name: 'Millrace', program: startContender('csv ours'), isExact: true, share: 1 }
    const peers = await startPeers(i === 0 ? context : { ...context, say: () => undefined })
    try {
      rows.push(...(await readCase(context, name, shape, ours, peers)))
    } finally {
      for (const { program } of [ours, ...peers]) program.close()
    }
  }
  return rows
}

const readCase = async (context: SuiteContext, name: string, shape: string, ours: Entrant, peers: readonly Entrant[]): Promise<BenchRow[]> => {
  const kinds = Object.fromEntries(Object.entries(csvSchemas[shape]!).map(([column, { kind }]) => [column, kind]))
  const sizes = new Map<string, number>()
  const contenders: Contender[] = []
  for (const entrant of [ours, ...peers]) {
    const file = await makeCsv(resolve('bench/data'), shape, context.scale * entrant.share)
    const command = { file, schema: shape, kinds }
    // What each of them sees in its file must be what we see there.
    const due = await ours.program.ask<Digest>({ ...command, do: 'check' })
    if (entrant !== ours) requireAgreement(name, comparable(due, kinds, entrant), entrant.name, comparable(await entrant.program.ask<Digest>({ ...command, do: 'check' }), kinds, entrant))
    sizes.set(entrant.name, (await stat(file)).size)
    contenders.push({ name: entrant.name, run: () => entrant.program.ask<Cost>({ ...command, rows: due.rows, do: 'read' }) })
  }
  const costs = await measure(contenders, context)
  const measured = ({ name: of }: Entrant) => ({ bytes: sizes.get(of)!, costs: costs.get(of)! })
  return peers.map((peer) => throughputRow({ suite: 'csv', case: name, peerName: peer.name }, measured(ours), measured(peer)))
}

/** The columns in which contenders must agree: all, but floats where the peer does not round them to the nearest. */
const comparable = ({ rows, columns }: Digest, kinds: { readonly [column: string]: string }, { isExact }: Entrant): Digest => ({
  rows,
  columns: Object.fromEntries(Object.entries(columns).filter(([column]) => isExact || !kinds[column]!.startsWith('float'))),
})
