import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { BenchRow } from '../../bench/harness/rows.js'
import { requireSameLosses, stepRows, timedSteps } from '../../bench/harness/steps.js'
import { describePeer } from '../support/peer.js'

type Row = Omit<BenchRow, 'cpuRatio'>

const rowsOf = (only: string): readonly Row[] => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  try {
    const json = join(folder, 'rows.json')
    const shown = execFileSync(process.execPath, [resolve('scripts/bench.mjs'), 'parameter-servers', '--scale', '0.02', '--turns', '1', '--only', only, '--json', json], { encoding: 'utf8', timeout: 240_000 })
    const rows = JSON.parse(readFileSync(json, 'utf8')) as Row[]
    for (const row of rows) {
      expect(row).toMatchObject({ suite: 'parameter-servers', ours: expect.any(Number) as number, peer: expect.any(Number) as number, ratio: expect.any(Number) as number })
      expect(shown).toContain(row.case)
    }
    return rows
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const ratio = (rows: readonly Row[], of: string, peerName: string, metric = 'steps'): number | undefined =>
  rows.find((row) => row.case === of && row.peerName === peerName && row.metric === metric)?.ratio

describePeer('npm run bench -- parameter-servers', 'tensorflow', () => {
  it('runs the same steps in sessions of both, outside and inside a worker, and scheduled by ParameterServerStrategy', () => {
    const rows = rowsOf('fed batches')
    for (const [of, peer] of [['fed batches', 'tf.compat.v1 session'], ['fed batches', 'ParameterServerStrategy'], ['fed batches, in the worker', 'tf.compat.v1 session']] as const) {
      expect(ratio(rows, of, peer)).toBeGreaterThan(0)
    }
    expect(ratio(rows, 'fed batches', 'tf.compat.v1 session', 'call, p99')).toBeGreaterThan(0)
  }, 240_000)
})

describe('the check before anything is timed', () => {
  it('names the step and the peer that disagree', () => {
    expect(() => requireSameLosses('case', [0.7, 0.6], 'peer', [0.7, 0.60001])).not.toThrow()
    expect(() => requireSameLosses('case', [0.7, 0.6], 'peer', [0.7, 0.61])).toThrow('case: at step 1 our loss is 0.6, that of peer 0.61')
    expect(() => requireSameLosses('case', [0.7], 'peer', [Number.NaN])).toThrow('peer')
    expect(() => requireSameLosses('case', [0.7], 'peer', [])).toThrow('we ran 1 steps, peer 0')
  })
})

describe('steps', () => {
  it('are counted by what a call runs', async () => {
    const cost = await timedSteps(4, 10, () => Promise.resolve())
    expect(cost).toMatchObject({ steps: 40, wall: expect.any(Number) as number })
    expect(cost.p99).toBeGreaterThanOrEqual(cost.p50!)
  })

  it('are made one at a time, or as many as asked for', async () => {
    const most = async (inFlight?: number): Promise<number> => {
      let running = 0
      let seen = 0
      const cost = await timedSteps(7, 1, async () => {
        running += 1
        seen = Math.max(seen, running)
        await Promise.resolve()
        running -= 1
      }, inFlight)
      expect(cost.steps).toBe(7)
      return seen
    }
    expect([await most(), await most(3)]).toEqual([1, 3])
  })

  it('are compared by how stale they were where both overlap, and by the medians of their slow calls', () => {
    const cost = { wall: 1, cpu: 1, steps: 20, p50: 1 }
    const rows = stepRows({ suite: 's', case: 'c', peerName: 'p' }, [4, 2, 9].map((p99) => ({ ...cost, p99, staleness: 1 })), [8, 2, 1].map((p99) => ({ ...cost, p99, staleness: 2 })))
    expect(rows.map(({ metric, ratio: value }) => [metric, value])).toEqual([['steps', 1], ['call, p50', 1], ['call, p99', 0.5], ['staleness, mean', 2]])
  })

  it('give ratios above 1 where we are better, and leave out what a side does not tell', () => {
    const ours = [{ wall: 1, cpu: 1, steps: 20, p50: 2, p99: 8, serverCpu: 1 }]
    const peer = [{ wall: 2, cpu: 1, steps: 20, p50: 3, p99: 4, serverCpu: 2 }]
    const rows = stepRows({ suite: 's', case: 'c', peerName: 'p' }, ours, peer)
    expect(rows.map(({ metric, ratio: value }) => [metric, value])).toEqual([['steps', 2], ['call, p50', 1.5], ['call, p99', 0.5], ['CPU of the servers a step', 2]])
    expect(stepRows({ suite: 's', case: 'c', peerName: 'p' }, ours, [{ wall: 2, cpu: 1, steps: 20 }]).map(({ metric }) => metric)).toEqual(['steps'])
  })
})
