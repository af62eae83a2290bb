import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine } from './harness/machine.js'
import { publicRow, renderTable, type BenchRow } from './harness/rows.js'
import { csvSuite } from './suites/csv.js'
import { inProcessSuite } from './suites/in-process.js'
import { jsonSuite } from './suites/json.js'
import { parameterServersSuite } from './suites/parameter-servers.js'
import { parquetSuite } from './suites/parquet.js'
import { tfrecordSuite } from './suites/tfrecord.js'
import { timeToLossSuite } from './suites/time-to-loss.js'
import { wireBytesSuite } from './suites/wire-bytes.js'

/** What a suite is told. */
export interface SuiteContext {
  /** Share of the full data to use, for a quick look. Figures to quote take 1. */
  readonly scale: number
  /** Measured turns of each contender. */
  readonly turns: number
  /** Only cases whose names hold this. */
  readonly only: string
  /** Whether peers in Python take part. */
  readonly python: boolean
  /** Prints a line for people. */
  readonly say: (line: string) => void
}

const suites: { readonly [name: string]: (context: SuiteContext) => Promise<readonly BenchRow[]> } = {
  csv: csvSuite,
  json: jsonSuite,
  parquet: parquetSuite,
  tfrecord: tfrecordSuite,
  'parameter-servers': async (context) => [...(await parameterServersSuite(context)), ...(await inProcessSuite(context))],
  /** The part of it that needs no servers. */
  'in-process': inProcessSuite,
  'wire-bytes': wireBytesSuite,
  'time-to-loss': timeToLossSuite,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    scale: { type: 'string', default: '1' },
    turns: { type: 'string', default: '7' },
    only: { type: 'string', default: '' },
    'no-python': { type: 'boolean', default: false },
  },
})
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const suite = suites[positionals[0] ?? '']
const scale = Number(values.scale)
const turns = Number(values.turns)
if (positionals.length !== 1 || suite === undefined || !(scale > 0) || !(turns >= 1)) {
  say(`npm run bench -- SUITE [--json FILE] [--scale SHARE] [--turns COUNT] [--only TEXT] [--no-python]\nSuites: ${Object.keys(suites).join(', ')}`)
  process.exitCode = 1
} else {
  say(describeMachine())
  const rows = await suite({ scale, turns, only: values.only, python: !values['no-python'], say })
  say(`\n${renderTable(rows)}\n\nratio: how many times better than the peer, above 1 is better; the median of the turns, each contender in its own process.`)
  if (values.json !== undefined) {
    await mkdir(dirname(values.json), { recursive: true })
    await writeFile(values.json, `${JSON.stringify(rows.map(publicRow), undefined, 2)}\n`)
  }
}
