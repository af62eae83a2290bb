import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import type { BenchRow } from '../../bench/harness/rows.js'

it('npm run bench -- json checks its contenders against each other, and writes a row for each case', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  try {
    const json = join(folder, 'rows.json')
    execFileSync(process.execPath, [resolve('scripts/bench.mjs'), 'json', '--scale', '0.002', '--turns', '1', '--json', json], { encoding: 'utf8' })
    const rows = JSON.parse(readFileSync(json, 'utf8')) as Omit<BenchRow, 'cpuRatio'>[]
    const shapes = ['', ', many numbers', ', few large texts', ', nested', ', lists', ', sparse']
    expect(rows.map((row) => [row.case, row.peerName])).toEqual([
      ...shapes.map((shape) => [`lines to typed columns${shape}`, 'JSON.parse']), ...shapes.map((shape) => [`array to typed columns${shape}`, 'stream-json']),
    ])
    for (const row of rows) {
      expect(row).toMatchObject({ suite: 'json', metric: 'throughput', unit: 'MB/s' })
      expect(Math.min(row.ours, row.peer, row.ratio)).toBeGreaterThan(0)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 120_000)
