import { mkdir, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
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

/** Shapes of tables by what their cases are called. */
const shapes: { readonly [name: string]: string } = { '': 'mixed', ', numbers only': 'numbers', ', a tenth of them null': 'nulls', ', few large texts': 'texts' }

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

/** Parquet files of several shapes, packed with Snappy, to typed columns, and such columns from memory to a file, each writer with its defaults. Native readers show the limit; they are no peers on Node. */
export const parquetSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const ours = { name: 'Millrace', program: startContender('parquet ours') }
  const peers = [{ name: 'hyparquet', program: startContender('parquet hyparquet') }, ...(await pythonPeers(context))]
  try {
    const rows: BenchRow[] = []
    for (const [title, run] of [['typed columns', readCase], ['columns to Parquet', writeCase]] as const) {
      for (const [what, shape] of Object.entries(shapes)) if (`${title}${what}`.includes(context.only)) rows.push(...(await run(context, `${title}${what}`, shape, ours, peers)))
    }
    return rows
  } finally {
    for (const { program } of [ours, ...peers]) program.close()
  }
}

const writeCase = async (context: SuiteContext, name: string, shape: string, ours: Entrant, readers: readonly Entrant[]): Promise<BenchRow[]> => {
  const file = await makeParquet(resolve('bench/data'), shape, context.scale)
  const folder = resolve(`out/bench/parquet-${process.pid}`)
  await mkdir(folder, { recursive: true })
  const peers = readers.map(({ name: of, program }): Entrant => ({ name: of === 'hyparquet' ? 'hyparquet-writer' : of, program }))
  const outs = new Map([ours, ...peers].map(({ name: of }, i) => [of, join(folder, `${i}.parquet`)]))
  const kinds = kindsOf(shape)
  const check = (entrant: Entrant, of: string): Promise<Digest> => entrant.program.ask<Digest>({ do: 'check', file: of, schema: shape, kinds })
  try {
    for (const { program } of [ours, ...peers]) await program.ask({ do: 'load', file, schema: shape })
    const costs = await measure([ours, ...peers].map(({ name: of, program }): Contender => ({ name: of, run: () => program.ask<Cost>({ do: 'write', schema: shape, out: outs.get(of)! }) })), context)
    const due = await check(ours, file)
    for (const entrant of [ours, ...peers]) {
      requireAgreement(name, due, `what ${entrant.name} wrote`, await check(ours, outs.get(entrant.name)!))
      requireAgreement(name, due, `${entrant.name} reading what we wrote`, await check(entrant, outs.get(ours.name)!))
    }
    // The same columns for all: their bytes are those of the file that they were read from.
    const { size: bytes } = await stat(file)
    const sizes = new Map(await Promise.all([...outs].map(async ([of, out]) => [of, (await stat(out)).size] as const)))
    const measured = ({ name: of }: Entrant) => ({ bytes, costs: costs.get(of)! })
    return peers.flatMap((peer) => {
      const row = { suite: 'parquet', case: name, peerName: peer.name }
      const [own, other] = [sizes.get(ours.name)!, sizes.get(peer.name)!]
      const ratio = Number((other / own).toPrecision(4))
      return [throughputRow(row, measured(ours), measured(peer)), { ...row, metric: 'file size', unit: 'MB', ours: megabytes(own), peer: megabytes(other), ratio, cpuRatio: ratio }]
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const megabytes = (bytes: number): number => Number((bytes / 1e6).toPrecision(4))

const kindsOf = (shape: string): { readonly [column: string]: string } => Object.fromEntries(Object.entries(parquetSchemas[shape]!).map(([column, { kind }]) => [column, kind]))

const readCase = async (context: SuiteContext, name: string, shape: string, ours: Entrant, peers: readonly Entrant[]): Promise<BenchRow[]> => {
  const file = await makeParquet(resolve('bench/data'), shape, context.scale)
  const command = { file, schema: shape, kinds: kindsOf(shape) }
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
