import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { requireAgreement, type Digest } from '../harness/digest.js'
import { measure, type Cost } from '../harness/measure.js'
import { startContender, type Program } from '../harness/program.js'
import { throughputRow, type BenchRow } from '../harness/rows.js'
import type { SuiteContext } from '../run.js'
import { makeJson } from './json-data.js'

interface JsonCase {
  readonly shape: string
  readonly format: 'lines' | 'array'
}

/** stream-json is timed on this share of the rows: it would take all of the suite's time. */
const SHARE_OF_STREAM_JSON = 0.1

const shapes = { '': 'mixed', ', many numbers': 'numbers', ', few large texts': 'texts', ', nested': 'nested', ', lists': 'lists', ', sparse': 'sparse' }

const cases: { readonly [name: string]: JsonCase } = Object.fromEntries(
  (['lines', 'array'] as const).flatMap((format) => Object.entries(shapes).map(([name, shape]) => [`${format} to typed columns${name}`, { shape, format }])),
)

const peers = { lines: 'JSON.parse', array: 'stream-json' }

/** JSON lines and arrays of several shapes to typed columns. The processes are new for each shape, as those of the csv suite are. */
export const jsonSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const rows: BenchRow[] = []
  for (const [name, found] of Object.entries(cases).filter(([name]) => name.includes(context.only))) {
    const programs = { ours: startContender('json ours'), peer: startContender(`json ${peers[found.format]}`) }
    try {
      rows.push(await readCase(context, name, found, programs.ours, programs.peer))
    } finally {
      for (const program of Object.values(programs)) program.close()
    }
  }
  return rows
}

const readCase = async (context: SuiteContext, name: string, { shape, format }: JsonCase, ours: Program, peer: Program): Promise<BenchRow> => {
  const peerName = peers[format]
  const file = (share: number): Promise<string> => makeJson(resolve('bench/data'), shape, format, context.scale * share)
  const files = { ours: await file(1), peer: await file(format === 'lines' ? 1 : SHARE_OF_STREAM_JSON) }
  const check = (program: Program, path: string): Promise<Digest> => program.ask<Digest>({ do: 'check', file: path, schema: shape })
  // What the peer sees in its file must be what we see there.
  requireAgreement(name, await check(ours, files.peer), peerName, await check(peer, files.peer))
  const rows = { ours: (await check(ours, files.ours)).rows, peer: (await check(ours, files.peer)).rows }
  const costs = await measure(
    [
      { name: 'Millrace', run: () => ours.ask<Cost>({ do: 'read', file: files.ours, schema: shape, rows: rows.ours }) },
      { name: peerName, run: () => peer.ask<Cost>({ do: 'read', file: files.peer, schema: shape, rows: rows.peer }) },
    ],
    context,
  )
  const measured = async (path: string, of: string) => ({ bytes: (await stat(path)).size, costs: costs.get(of)! })
  return throughputRow({ suite: 'json', case: name, peerName }, await measured(files.ours, 'Millrace'), await measured(files.peer, peerName))
}
