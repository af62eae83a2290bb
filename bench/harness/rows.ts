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
  /** How many times better we are than the peer: above 1 is better, whatever the metric. */
  readonly ratio: number
}

/** A row of a metric where more is better, or where less is. */
export const benchRow = (row: Omit<BenchRow, 'ratio'>, better: 'more' | 'less'): BenchRow => ({
  ...row,
  ours: rounded(row.ours),
  peer: rounded(row.peer),
  ratio: rounded(better === 'more' ? row.ours / row.peer : row.peer / row.ours),
})

/** Four significant digits: what a benchmark on a shared machine can claim at most. */
const rounded = (value: number): number => Number(value.toPrecision(4))

/** Rows as a table for people. */
export const renderTable = (rows: readonly BenchRow[]): string => {
  const head = ['case', 'metric', 'Millrace', 'peer', '', 'ratio']
  const body = rows.map((row) => [row.case, `${row.metric} (${row.unit})`, String(row.ours), String(row.peer), row.peerName, `${row.ratio} x`])
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((cells) => cells[column]!.length)))
  const numeric = new Set([2, 3, 5])
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (numeric.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join('  ').trimEnd()
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n')
}
