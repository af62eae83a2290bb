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

/** CSV files of several shapes to typed columns. */
export const csvSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const ours = { name: 'Millrace', program: startContender('csv ours'), isExact: true }
  const peers: Entrant[] = [
    { name: 'csv-parse', program: startContender('csv csv-parse'), isExact: true },
    { name: 'uDSV', program: startContender('csv udsv'), isExact: true },
  ]
  for (const [name, module] of [['CsvDataset', 'tensorflow'], ['Polars', 'polars']] as const) {
    const program = await pythonPeer(context, name, module)
    if (program !== undefined) peers.push({ name, program, isExact: name !== 'Polars' })
  }
  try {
    const rows: BenchRow[] = []
    for (const [name, shape] of Object.entries(cases)) if (name.includes(context.only)) rows.push(...(await readCase(context, name, shape, ours, peers)))
    return rows
  } finally {
    for (const { program } of [ours, ...peers]) program.close()
  }
}

const readCase = async (context: SuiteContext, name: string, shape: string, ours: Entrant, peers: readonly Entrant[]): Promise<BenchRow[]> => {
  const file = await makeCsv(resolve('bench/data'), shape, context.scale)
  const kinds = Object.fromEntries(Object.entries(csvSchemas[shape]!).map(([column, { kind }]) => [column, kind]))
  const command = { file, schema: shape, kinds }
  const due = await ours.program.ask<Digest>({ ...command, do: 'check' })
  for (const peer of peers) {
    const seen = await peer.program.ask<Digest>({ ...command, do: 'check' })
    requireAgreement(name, comparable(due, kinds, peer), peer.name, comparable(seen, kinds, peer))
  }
  const contenders = [ours, ...peers].map(
    (entrant): Contender => ({ name: entrant.name, run: () => entrant.program.ask<Cost>({ ...command, rows: due.rows, do: 'read' }) }),
  )
  const costs = await measure(contenders, context)
  const { size: bytes } = await stat(file)
  return peers.map((peer) => throughputRow({ suite: 'csv', case: name, peerName: peer.name }, { bytes, costs: costs.get(ours.name)! }, { bytes, costs: costs.get(peer.name)! }))
}

/** The columns in which contenders must agree: all, but floats where the peer does not round them to the nearest. */
const comparable = ({ rows, columns }: Digest, kinds: { readonly [column: string]: string }, { isExact }: Entrant): Digest => ({
  rows,
  columns: Object.fromEntries(Object.entries(columns).filter(([column]) => isExact || !kinds[column]!.startsWith('float'))),
})
