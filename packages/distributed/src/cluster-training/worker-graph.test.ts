import { describe, expect, test } from 'vitest'
import { adam } from '../optimizers/index.js'
import type { ClusterModel } from './options.js'
import { objectiveOf } from './worker-graph.js'

const compiled = (metrics: unknown): ClusterModel => ({
  name: 'model', inputs: [], outputs: [], outputNames: ['a', 'b'], loss: 'meanSquaredError', metrics,
  optimizer: { getClassName: () => 'SGD', getConfig: () => ({ learningRate: 0.1 }) },
})
const own = { loss: 'binaryCrossentropy', optimizer: adam({ learningRate: 1e-3 }) } as const

describe('what a training measures', () => {
  test.each([[{}], [own]])('is what the compiled model measures', (options) => {
    expect(objectiveOf(compiled(['acc']), options)).toMatchObject({ metrics: ['accuracy'] })
    expect(objectiveOf(compiled({ a: 'acc', b: ['mse'] }), options)).toMatchObject({ outputMetrics: { a: ['accuracy'], b: ['meanSquaredError'] } })
  })

  test('or what options say', () => {
    expect(objectiveOf(compiled(['acc']), { ...own, metrics: ['meanSquaredError'] })).toEqual({ ...own, metrics: ['meanSquaredError'], outputMetrics: undefined })
    expect(objectiveOf(compiled(['acc']), { outputMetrics: { a: ['accuracy'] } })).toMatchObject({ metrics: undefined, outputMetrics: { a: ['accuracy'] } })
  })

  test('nothing, of a model that is not compiled', () => {
    expect(objectiveOf({ name: 'model', inputs: [], outputs: [] }, own)).toEqual({ ...own, metrics: [] })
  })
})
