import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { auc, logLoss } from './metrics.js'

describe('auc', () => {
  it('is the share of pairs in order, ties half', () => {
    const rows = fc.array(fc.record({ label: fc.constantFrom(0, 1), score: fc.integer({ min: 0, max: 6 }).map((n) => n / 6) }), { minLength: 2, maxLength: 40 })
    fc.assert(
      fc.property(rows.filter((all) => new Set(all.map(({ label }) => label)).size === 2), (all) => {
        let sum = 0
        let pairs = 0
        for (const a of all) {
          for (const b of all) {
            if (a.label !== 1 || b.label !== 0) continue
            pairs++
            sum += a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0
          }
        }
        expect(auc(all.map(({ label }) => label), all.map(({ score }) => score))).toBeCloseTo(sum / pairs, 12)
      }),
      { seed: 3 },
    )
  })

  it('is 1, 0 and 0.5 in the plain cases, and refuses one class', () => {
    expect(auc([0, 0, 1, 1], Float32Array.of(0.1, 0.2, 0.3, 0.4))).toBe(1)
    expect(auc([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4])).toBe(0)
    expect(auc([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5])).toBe(0.5)
    expect(() => auc([1, 1], [0.5, 0.6])).toThrow(/labels of both classes/)
    expect(() => auc([1, 2], [0.5, 0.6])).toThrow(/the label 2 is neither 0 nor 1 \(record 1\)/)
    expect(() => auc([1], [0.5, 0.6])).toThrow(/as many labels as predictions/)
  })
})

describe('logLoss', () => {
  it('is the mean of the negative logarithms, kept finite', () => {
    expect(logLoss([1, 0], [0.9, 0.2])).toBeCloseTo(-(Math.log(0.9) + Math.log(0.8)) / 2, 12)
    expect(logLoss([1], [0])).toBeCloseTo(-Math.log(1e-7), 9)
    expect(() => logLoss([1], [NaN])).toThrow(/NaN/)
  })
})
