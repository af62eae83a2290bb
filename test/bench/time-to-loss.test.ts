import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { drawLossCurves } from '../../bench/harness/loss-curves.js'
import type { BenchRow } from '../../bench/harness/rows.js'
import { commonLoss, secondsTo } from '../../bench/suites/time-to-loss.js'
import { describePeer } from '../support/peer.js'

describePeer('npm run bench -- time-to-loss', 'tensorflow', () => {
  it('trains the same model by all three, and draws their curves', () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
    try {
      const json = join(folder, 'rows.json')
      const shown = execFileSync(process.execPath, [resolve('scripts/bench.mjs'), 'time-to-loss', '--scale', '0.001', '--only', '1 worker', '--json', json], { encoding: 'utf8', timeout: 240_000 })
      const rows = JSON.parse(readFileSync(json, 'utf8')) as Omit<BenchRow, 'cpuRatio'>[]
      expect(rows.map(({ peerName }) => peerName)).toEqual(['tf.compat.v1 session', 'ParameterServerStrategy'])
      for (const row of rows) expect(row.ratio).toBeGreaterThan(0)
      const losses = [...shown.matchAll(/steps in [\d.]+ s, loss (\d\.\d+)/g)].map(([, loss]) => Number(loss))
      expect(losses).toHaveLength(3)
      // They learn the same from the same rows, in another order.
      expect(Math.max(...losses) / Math.min(...losses)).toBeLessThan(1.05)
      expect(readFileSync(/the curves: (.*)/.exec(shown)![1]!, 'utf8').match(/<polyline/g)).toHaveLength(3)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }, 240_000)
})

describe('loss curves', () => {
  const curves = [
    { name: 'a', points: [{ seconds: 1, loss: 0.6 }, { seconds: 2, loss: 0.4 }, { seconds: 3, loss: 0.5 }] },
    { name: 'b', points: [{ seconds: 2, loss: 0.5 }, { seconds: 4, loss: 0.45 }] },
  ]

  it('are compared at a loss that all of them come to', () => {
    const target = commonLoss(curves)
    expect([target, ...curves.map((curve) => secondsTo(target, curve))]).toEqual([0.45, 2, 4])
    expect(secondsTo(0.1, curves[0]!)).toBe(Infinity)
  })

  it('are drawn within their panel', () => {
    const picture = drawLossCurves([{ title: 'one', curves, target: 0.45 }, { title: 'two', curves, target: 0.45 }])
    expect(picture).toMatch(/width="920" height="300"/)
    for (const [, points] of picture.matchAll(/points="([^"]+)"/g)) {
      for (const point of points!.split(' ')) {
        const [x, y] = point.split(',').map(Number) as [number, number]
        expect([x >= 0, x <= 920, y >= 0, y <= 300]).toEqual([true, true, true, true])
      }
    }
  })
})
