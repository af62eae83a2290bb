import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Digester, requireAgreement } from '../../bench/harness/digest.js'
import { throughputRow, type BenchRow } from '../../bench/harness/rows.js'

const digest = (values: Float32Array, texts: readonly string[]) => {
  const digester = new Digester()
  digester.rows = values.length
  digester.add('score', values)
  digester.addStrings('name', Buffer.from(texts.join('')), Int32Array.from(texts, (text) => text.length))
  return digester.digest()
}

describe('npm run bench -- tfrecord', () => {
  it('prints and writes a row for each case and peer', () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
    try {
      const json = join(folder, 'rows.json')
      const shown = execFileSync(process.execPath, [resolve('scripts/bench.mjs'), 'tfrecord', '--scale', '0.002', '--turns', '1', '--no-python', '--json', json], { encoding: 'utf8' })
      const rows = JSON.parse(readFileSync(json, 'utf8')) as Omit<BenchRow, 'cpuRatio'>[]
      expect(rows.map((row) => row.case)).toEqual(expect.arrayContaining([
        'read tabular', 'read shuffled', 'read images', 'read images without native code', 'read many features', 'read texts only', 'read lists', 'read sparse', 'write tabular',
      ]))
      for (const row of rows) {
        expect(row).toEqual({
          suite: 'tfrecord', case: expect.any(String), metric: 'throughput', unit: 'MB/s', peerName: expect.stringMatching(/protobufjs static|the main thread|one worker|two threads/),
          ours: expect.any(Number), peer: expect.any(Number), ratio: expect.any(Number),
        })
        expect(Math.min(row.ours, row.peer, row.ratio)).toBeGreaterThan(0)
        expect(shown).toContain(row.case)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the check before anything is timed', () => {
  const due = digest(Float32Array.of(1, 2), ['ab', 'c'])

  it('passes equal answers, in whatever batches they came', () => {
    const digester = new Digester()
    digester.rows = 2
    for (const [value, text] of [[1, 'ab'], [2, 'c']] as const) {
      digester.add('score', Float32Array.of(value))
      digester.addStrings('name', Buffer.from(text), Int32Array.of(text.length))
    }
    expect(() => requireAgreement('case', due, 'peer', digester.digest())).not.toThrow()
  })

  it.each([
    ['a wrong number', digest(Float32Array.of(1, 3), ['ab', 'c']), /disagree on score/],
    ['numbers in another order', digest(Float32Array.of(2, 1), ['ab', 'c']), /disagree on score/],
    ['texts cut elsewhere', digest(Float32Array.of(1, 2), ['a', 'bc']), /disagree on name/],
    ['a missing row', digest(Float32Array.of(1), ['ab']), /we see 2 rows, peer 1/],
    ['a missing column', { ...due, columns: { score: due.columns.score! } }, /disagree on name/],
  ])('catches %s', (_, wrong, message) => {
    expect(() => requireAgreement('case', due, 'peer', wrong)).toThrow(message)
  })
})

describe('ratios', () => {
  it('are paired by turn, and above 1 where we are better', () => {
    const cost = (wall: number, cpu: number) => ({ wall, cpu })
    const row = throughputRow(
      { suite: 's', case: 'c', peerName: 'p' },
      { bytes: 2e6, costs: [cost(1, 1), cost(2, 1), cost(4, 1)] },
      { bytes: 1e6, costs: [cost(1, 2), cost(2, 2), cost(4, 2)] },
    )
    expect(row).toMatchObject({ ours: 1, peer: 0.5, ratio: 2, cpuRatio: 4 })
  })
})
