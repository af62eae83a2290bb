import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { busyShare, describeMachine } from './harness/machine.js'
import { renderPart, withPart, type SuiteResult } from './harness/results.js'
import { publicRow, renderTable, type BenchRow } from './harness/rows.js'
import { peerVersions } from './harness/versions.js'
import { csvSuite } from './suites/csv.js'
import { gzipSuite } from './suites/gzip.js'
import { inProcessSuite } from './suites/in-process.js'
import { jsonSuite } from './suites/json.js'
import { memorySuite } from './suites/memory.js'
import { parameterServersSuite } from './suites/parameter-servers.js'
import { parquetSuite } from './suites/parquet.js'
import { sqlSuite } from './suites/sql.js'
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
  tfrecord: tfrecordSuite,
  csv: csvSuite,
  json: jsonSuite,
  parquet: parquetSuite,
  gzip: gzipSuite,
  memory: memorySuite,
  sql: sqlSuite,
  'parameter-servers': async (context) => [...(await parameterServersSuite(context)), ...(await inProcessSuite(context))],
  /** The part of it that needs no servers. */
  'in-process': inProcessSuite,
  'wire-bytes': wireBytesSuite,
  'time-to-loss': timeToLossSuite,
}
/** What `all` and `data` stand for: `in-process` is a part of `parameter-servers`. */
const groups: { readonly [name: string]: readonly string[] } = {
  all: Object.keys(suites).filter((name) => name !== 'in-process'),
  data: ['tfrecord', 'csv', 'json', 'parquet', 'gzip', 'memory'],
}
const RESULTS = resolve('bench/RESULTS.md')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    scale: { type: 'string', default: '1' },
    turns: { type: 'string', default: '7' },
    only: { type: 'string', default: '' },
    'no-python': { type: 'boolean', default: false },
    results: { type: 'boolean', default: false },
    'results-file': { type: 'string', default: RESULTS },
  },
})
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const scale = Number(values.scale)
const turns = Number(values.turns)
const python = !values['no-python']
const names = positionals.flatMap((name) => groups[name] ?? [name])

const runSuite = async (suite: string): Promise<SuiteResult> => {
  const before = await busyShare()
  const date = `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`
  let rows: readonly BenchRow[] = []
  let failure: string | undefined
  try {
    rows = await suites[suite]!({ scale, turns, only: values.only, python, say })
  } catch (error) {
    // The suites after it are still worth their time.
    failure = error instanceof Error ? error.message : String(error)
    say(`${suite} failed: ${error instanceof Error ? (error.stack ?? failure) : failure}`)
    process.exitCode = 1
  }
  return { suite, rows, failure, date, machine: describeMachine(), busy: [before, await busyShare()], scale, turns }
}

const writeResults = async (result: SuiteResult, versions: readonly string[]): Promise<void> => {
  const file = values['results-file']
  const document = await readFile(file, 'utf8').catch(() => undefined)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, withPart(document, result.suite, renderPart(result, versions), Object.keys(suites)))
}

if (names.length === 0 || names.some((name) => suites[name] === undefined) || !(scale > 0) || !(turns >= 1) || (values.results && values.only !== '')) {
  say(`npm run bench -- SUITE... [--json FILE] [--results] [--results-file FILE] [--scale SHARE] [--turns COUNT] [--only TEXT] [--no-python]
Suites: ${Object.keys(suites).join(', ')}; all; data: ${groups['data']!.join(', ')}
--results writes each suite's part of bench/RESULTS.md (or of --results-file), whole: not with --only`)
  process.exitCode = 1
} else {
  say(describeMachine())
  const versions = values.results ? await peerVersions(python) : []
  const all: BenchRow[] = []
  for (const name of names) {
    if (names.length > 1) say(`\n${name}`)
    const result = await runSuite(name)
    all.push(...result.rows)
    if (result.rows.length > 0) say(`\n${renderTable(result.rows)}`)
    if (values.results) await writeResults(result, versions)
  }
  say('\nratio: how many times better than the peer, above 1 is better; the median of the turns, each contender in its own process.')
  if (values.json !== undefined) {
    await mkdir(dirname(values.json), { recursive: true })
    await writeFile(values.json, `${JSON.stringify(all.map(publicRow), undefined, 2)}\n`)
  }
}
