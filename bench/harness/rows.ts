import { median, type Cost } from './measure.js'

/** One line of a benchmark's result; `npm run bench -- SUITE --json FILE` writes an array of these. */
export interface BenchRow {
  readonly suite: string
  readonly case: string
  /** What was measured: `throughput`, `seconds`, `peak memory`. */
  readonly metric: string
  readonly unit: string
  readonly ours: number
  readonly peer: number
  readonly peerName: string
  /** How many times better we are than the peer: above 1 is better, whatever the metric. Median over the turns, each its own ratio; of slow calls, the ratio of the medians. */
  readonly ratio: number
  /** The same by the time of processors: what other programs do to the machine hardly changes it. */
  readonly cpuRatio: number
}

/** The row as `--json` writes it: without what only the printed table shows. */
export const publicRow = ({ cpuRatio: _, ...row }: BenchRow): Omit<BenchRow, 'cpuRatio'> => row

/** A row of bytes a second: `bytes` of ours and of the peer's cost what each of their turns says. */
export const throughputRow = (
  row: Pick<BenchRow, 'suite' | 'case' | 'peerName'>,
  ours: { readonly bytes: number; readonly costs: readonly Cost[] },
  peer: { readonly bytes: number; readonly costs: readonly Cost[] },
): BenchRow => {
  const rate = ({ bytes, costs }: typeof ours): number => bytes / 1e6 / median(costs.map(({ wall }) => wall))
  const ratio = (of: (cost: Cost) => number): number =>
    median(ours.costs.map((cost, turn) => of(peer.costs[turn]!) / peer.bytes / (of(cost) / ours.bytes)))
  return {
    suite: row.suite,
    case: row.case,
    metric: 'throughput',
    unit: 'MB/s',
    ours: rounded(rate(ours)),
    peer: rounded(rate(peer)),
    peerName: row.peerName,
    ratio: rounded(ratio(({ wall }) => wall)),
    cpuRatio: rounded(ratio(({ cpu }) => cpu)),
  }
}

/** Four significant digits: what a benchmark on a shared machine can claim at most. */
const rounded = (value: number): number => Number(value.toPrecision(4))

/** Rows as a table for people. */
export const renderTable = (rows: readonly BenchRow[]): string => {
  const head = ['case', 'metric', 'Millrace', 'peer', '', 'ratio', 'by CPU time']
  const body = rows.map((row) => [row.case, `${row.metric} (${row.unit})`, String(row.ours), String(row.peer), row.peerName, `${row.ratio} x`, `${row.cpuRatio} x`])
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((cells) => cells[column]!.length)))
  const numeric = new Set([2, 3, 5, 6])
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (numeric.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join('  ').trimEnd()
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n')
}
