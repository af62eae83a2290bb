import type { BenchRow } from './rows.js'
import { targetOf } from './targets.js'

/** A suite that was run, and what about the run a reader of its figures must know. */
export interface SuiteResult {
  readonly suite: string
  readonly rows: readonly BenchRow[]
  /** When it began, ISO 8601. */
  readonly date: string
  /** The machine in one line. */
  readonly machine: string
  /** The share of the processors that other programs used before it began, and after its end. */
  readonly busy: readonly [start: number, end: number]
  readonly scale: number
  readonly turns: number
  /** Why it ended early. */
  readonly failure?: string | undefined
}

/** Above this share of the processors other programs take time from the contenders. */
const BUSY_SHARE = 0.1

const PREAMBLE = `# Benchmark results

Made by \`npm run bench -- all --results\`; \`npm run bench -- SUITE --results\` makes a suite's part anew and leaves the others.
What the suites measure, and how, stands in [README.md](README.md).

\`ratio\` says how many times better Millrace is than the peer, above 1 is better, whatever the metric: the median of the turns, each contender in
its own process. \`by CPU time\` is the same by the time of processors, which other programs on the machine hardly change. \`at least\` is what the
project promises. A peer named \`(limit)\` shows what the machine can do, whoever does it.
`

const cell = (value: string): string => value.replaceAll('|', '\\|').replace(/\s+/g, ' ')
const ratioText = (ratio: number): string => (Number.isFinite(ratio) ? `${ratio} x` : '')

const line = (row: BenchRow): string => {
  const target = targetOf(row)
  const verdict = target === undefined ? '' : row.ratio >= target ? 'yes' : '**no**'
  const cells = [row.case, `${row.metric} (${row.unit})`, String(row.ours), String(row.peer), row.peerName, ratioText(row.ratio), ratioText(row.cpuRatio), target === undefined ? '' : `${Number(target.toPrecision(3))} x`, verdict]
  return `| ${cells.map(cell).join(' | ')} |`
}

const table = (rows: readonly BenchRow[]): string =>
  ['| case | metric | Millrace | peer | | ratio | by CPU time | at least | met |', '| --- | --- | --: | --: | --- | --: | --: | --: | --- |', ...rows.map(line)].join('\n')

const percent = (share: number): string => `${Math.round(share * 100)} %`
const begins = (suite: string): string => `<!-- begin ${suite} -->`
const ends = (suite: string): string => `<!-- end ${suite} -->`

/** A suite's part of the results. */
export const renderPart = (result: SuiteResult, versions: readonly string[]): string => {
  const { suite, rows, date, machine, busy, scale, turns, failure } = result
  const parts = [
    `## ${suite}`,
    `${date}; ${machine}; other programs used ${percent(busy[0])} of the processors before it and ${percent(busy[1])} after it; ${turns} turns, scale ${scale}.`,
    `Peers: ${versions.join(', ')}.`,
  ]
  if (Math.max(...busy) > BUSY_SHARE) parts.push('> **Warning:** the machine was busy with other work. Take the ratios by CPU time, and run it again before you quote a figure.')
  if (scale !== 1) parts.push(`> **Warning:** only ${scale} of the data: a quick look, not figures to quote.`)
  if (failure !== undefined) parts.push(`> **It failed:** ${cell(failure)}`)
  if (rows.length > 0) parts.push(table(rows))
  return `${begins(suite)}\n${parts.join('\n\n')}\n${ends(suite)}\n`
}

/** The document with a suite's part put in, in place of the one it has or in the order of `suites`. */
export const withPart = (document: string | undefined, suite: string, part: string, suites: readonly string[]): string => {
  const parts = new Map<string, string>()
  for (const name of suites) {
    const [start, end] = document === undefined ? [-1, -1] : [document.indexOf(begins(name)), document.indexOf(ends(name))]
    if (end > start && start >= 0) parts.set(name, `${document!.slice(start, end)}${ends(name)}\n`)
  }
  parts.set(suite, part)
  return [PREAMBLE, ...suites.flatMap((name) => parts.get(name) ?? [])].join('\n')
}
