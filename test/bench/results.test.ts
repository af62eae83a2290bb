import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { renderPart, withPart, type SuiteResult } from '../../bench/harness/results.js'
import type { BenchRow } from '../../bench/harness/rows.js'
import { findSqlPrograms } from '../../scripts/support/sql-programs.mjs'

const result: SuiteResult = {
  suite: 'csv', date: '2026-11-26 00:00 UTC', machine: 'a machine', busy: [0.01, 0.02], scale: 1, turns: 7,
  rows: [
    { suite: 'csv', case: 'typed columns', metric: 'throughput', unit: 'MB/s', ours: 300, peer: 100, peerName: 'uDSV', ratio: 3, cpuRatio: 2.9 },
    { suite: 'csv', case: 'typed columns', metric: 'throughput', unit: 'MB/s', ours: 300, peer: 20, peerName: 'csv-parse', ratio: 15, cpuRatio: 14 },
    { suite: 'csv', case: 'typed columns', metric: 'throughput', unit: 'MB/s', ours: 300, peer: 900, peerName: 'Polars', ratio: 0.33, cpuRatio: NaN },
  ],
}

it('says of each row what was promised and whether it is met', () => {
  const part = renderPart(result, ['udsv 1.0.0'])
  expect(part).toContain('| typed columns | throughput (MB/s) | 300 | 100 | uDSV | 3 x | 2.9 x | 2.5 x | yes |')
  expect(part).toContain('| typed columns | throughput (MB/s) | 300 | 20 | csv-parse | 15 x | 14 x | 20 x | **no** |')
  expect(part).toContain('| typed columns | throughput (MB/s) | 300 | 900 | Polars | 0.33 x |  |  |  |')
  expect(part).toContain('udsv 1.0.0')
  expect(part).not.toContain('Warning')
  expect(part).toContain('other programs used 1 % of the processors before it and 2 % after it')
  for (const busy of [[0.3, 0], [0, 0.3]] as const) expect(renderPart({ ...result, busy }, [])).toContain('the machine was busy')
  expect(renderPart({ ...result, scale: 0.1 }, [])).toContain('only 0.1 of the data')
  expect(renderPart({ ...result, rows: [], failure: 'no | disk' }, [])).toContain('It failed:** no \\| disk')
})

it('replaces the part of a suite and leaves the others, in the order of the suites', () => {
  const order = ['tfrecord', 'csv', 'json']
  const part = (suite: string, date: string): string => renderPart({ ...result, suite, date }, [])
  const first = withPart(undefined, 'json', part('json', 'first'), order)
  const both = withPart(first, 'csv', part('csv', 'second'), order)
  expect(both.indexOf('## csv')).toBeLessThan(both.indexOf('## json'))
  const again = withPart(both, 'csv', part('csv', 'third'), order)
  expect(again).toBe(withPart(first, 'csv', part('csv', 'third'), order))
  expect(again.match(/^## /gm)).toHaveLength(2)
})

it('npm run bench -- gzip memory --results checks the contenders and writes both parts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  try {
    const [json, file] = [join(folder, 'rows.json'), join(folder, 'RESULTS.md')]
    execFileSync(process.execPath, [resolve('scripts/bench.mjs'), 'gzip', 'memory', '--scale', '0.002', '--turns', '1', '--no-python', '--json', json, '--results', '--results-file', file], { encoding: 'utf8' })
    const { postgres, mariadb } = findSqlPrograms()
    const servers = [...(postgres === undefined ? [] : ['PostgreSQL']), ...(mariadb === undefined ? [] : ['MariaDB'])]
    const rows = JSON.parse(readFileSync(json, 'utf8')) as Omit<BenchRow, 'cpuRatio'>[]
    expect(rows.map((row) => [row.suite, row.case.replace(/, [0-9.]+ GB$/, ''), row.peerName])).toEqual([
      ...['gunzip', 'gunzip, records checked'].flatMap((work) => ['', ', images', ', sequences'].map((shape) => `${work}${shape}`)).map((name) => ['gzip', name, 'node:zlib default stream']),
      ...['TFRecord', 'TFRecord, gzip', 'CSV', 'CSV, gzip', 'JSON lines', 'JSON array', 'Arrow stream', 'Parquet', ...servers].map((name) => ['memory', name, 'limit']),
    ])
    for (const row of rows) expect(Math.min(row.ours, row.peer, row.ratio)).toBeGreaterThan(0)
    const text = readFileSync(file, 'utf8')
    for (const row of rows) expect(text).toContain(`| ${row.case} | ${row.metric} (${row.unit}) | ${row.ours} | ${row.peer} | ${row.peerName} | ${row.ratio} x |`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 120_000)
