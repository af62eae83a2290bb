import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { requireAgreement, type Digest } from '../harness/digest.js'
import { measure, type Contender, type Cost } from '../harness/measure.js'
import { startContender, startPython, type Program } from '../harness/program.js'
import { throughputRow, type BenchRow } from '../harness/rows.js'
import type { SuiteContext } from '../run.js'
import { makeParquet, parquetSchemas } from './parquet-data.js'

interface Entrant {
  readonly name: string
  readonly program: Program
}

/** Shapes of tables by the names of their cases. */
const cases: { readonly [name: string]: string } = {
  'typed columns': 'mixed',
  'typed columns, numbers only': 'numbers',
  'typed columns, a tenth of them null': 'nulls',
  'typed columns, few large texts': 'texts',
}

const pythonPeers = async ({ say, python }: SuiteContext): Promise<Entrant[]> => {
  const out: Entrant[] = []
  for (const [name, module] of [['pyarrow (limit)', 'pyarrow'], ['Polars (limit)', 'polars']] as const) {
    const program = python ? startPython(resolve('bench/peers/parquet_peers.py'), module, [module]) : { lacks: 'left out' }
    if ('lacks' in program) say(`without ${name}: ${program.lacks}`)
    else {
      say(`${name}: ${module} ${(await program.ask<{ version: string }>({ do: 'version' })).version}`)
      out.push({ name, program })
    }
  }
  return out
}

/** Parquet files of several shapes, packed with Snappy, to typed columns. Native readers show the limit; they are no peers on Node. */
export const parquetSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const ours = { name: 'Millrace', program: startContender('parquet ours') }
  const peers = [{ name: 'hyparquet', program: startContender('parquet hyparquet') }, ...(await pythonPeers(context))]
  try {
    const rows: BenchRow[] = []
    for (const [name, shape] of Object.entries(cases)) if (name.includes(context.only)) rows.push(...(await readCase(context, name, shape, ours, peers)))
    return rows
  } finally {
    for (const { program } of [ours, ...peers]) program.close()
  }
}

const readCase = async (context: SuiteContext, name: string, shape: string, ours: Entrant, peers: readonly Entrant[]): Promise<BenchRow[]> => {
  const file = await makeParquet(resolve('bench/data'), shape, context.scale)
  const kinds = Object.fromEntries(Object.entries(parquetSchemas[shape]!).map(([column, { kind }]) => [column, kind]))
  const command = { file, schema: shape, kinds }
  const due = await ours.program.ask<Digest>({ ...command, do: 'check' })
  const contenders: Contender[] = []
  for (const entrant of [ours, ...peers]) {
    if (entrant !== ours) requireAgreement(name, due, entrant.name, await entrant.program.ask<Digest>({ ...command, do: 'check' }))
    contenders.push({ name: entrant.name, run: () => entrant.program.ask<Cost>({ ...command, rows: due.rows, do: 'read' }) })
  }
  const costs = await measure(contenders, context)
  const { size } = await stat(file)
  const measured = ({ name: of }: Entrant) => ({ bytes: size, costs: costs.get(of)! })
  return peers.map((peer) => throughputRow({ suite: 'parquet', case: name, peerName: peer.name }, measured(ours), measured(peer)))
}
