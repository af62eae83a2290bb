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
    const shapes = ['', ', numbers only', ', a tenth of them null', ', few large texts']
    expect(rows.map((row) => [row.case, row.metric, row.unit, row.peerName])).toEqual([
      ...shapes.map((shape) => [`typed columns${shape}`, 'throughput', 'MB/s', 'hyparquet']),
      ...shapes.flatMap((shape) => [['throughput', 'MB/s'], ['file size', 'MB']].map(([metric, unit]) => [`columns to Parquet${shape}`, metric, unit, 'hyparquet-writer'])),
    ])
    for (const row of rows) {
      expect(row.suite).toBe('parquet')
      expect(Math.min(row.ours, row.peer, row.ratio)).toBeGreaterThan(0)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 120_000)
