import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import type { BenchRow } from '../../bench/harness/rows.js'

it('npm run bench -- parquet checks its contenders against each other, and writes a row for each case and peer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  try {
    const json = join(folder, 'rows.json')
    execFileSync(process.execPath, [resolve('scripts/bench.mjs'), 'parquet', '--scale', '0.002', '--turns', '1', '--no-python', '--json', json], { encoding: 'utf8' })
    const rows = JSON.parse(readFileSync(json, 'utf8')) as Omit<BenchRow, 'cpuRatio'>[]
    const cases = ['typed columns', 'typed columns, numbers only', 'typed columns, a tenth of them null', 'typed columns, few large texts']
    expect(rows.map((row) => [row.case, row.peerName])).toEqual(cases.map((name) => [name, 'hyparquet']))
    for (const row of rows) {
      expect(row).toMatchObject({ suite: 'parquet', metric: 'throughput', unit: 'MB/s' })
      expect(Math.min(row.ours, row.peer, row.ratio)).toBeGreaterThan(0)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 120_000)
