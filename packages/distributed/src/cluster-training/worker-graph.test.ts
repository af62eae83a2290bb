import * as tf from '@tensorflow/tfjs'
import { describe, expect, test } from 'vitest'
import { field, fromRows } from '@millrace/core'
import { clusterSpec } from '../cluster/index.js'
import { adam } from '../optimizers/index.js'
import { replicaDeviceSetter } from '../placement/index.js'
import type { ClusterModel, ClusterTrainingOptions } from './options.js'
import { rolesOf } from './roles.js'
import { objectiveOf, workerGraph } from './worker-graph.js'

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

describe('weights of rows', () => {
  const data = fromRows({ x: field.float32(), y: field.float32(), w: field.float32() }, [{ x: 1, y: 0, w: 2 }])
  const validation = { data: fromRows({ x: field.float32(), y: field.float32() }, [{ x: 1, y: 0 }]) }
  const made = (options: Partial<ClusterTrainingOptions>) => {
    const x = tf.input({ shape: [1], name: 'x' })
    const model = tf.model({ inputs: x, outputs: tf.layers.dense({ units: 1, name: 'y' }).apply(x) as tf.SymbolicTensor })
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' })
    const roles = rolesOf(clusterSpec({ ps: ['h:1'], worker: ['h:2'] }))
    return workerGraph(model, { data, label: 'y', validation, ...options }, replicaDeviceSetter({ ps: roles.spec }), roles, roles.trainers[0]!)
  }

  test('are a column of the training, not of its validation', () => {
    const { feeds, evaluation } = made({ sampleWeight: 'w' })
    expect(feeds.map(([name]) => name)).toEqual(['x', 'w', 'y'])
    expect(Object.keys(evaluation!.feeds)).toEqual(['x', 'y'])
  })

  test('or those of classes', () => {
    expect(() => made({ classWeight: { 1: 2 } })).toThrow(expect.objectContaining({ code: 'CLASS_WEIGHT' }))
  })

  test('what validation lacks, and what it does not measure, is said before the first step', () => {
    expect(() => made({ validation: { data: fromRows({ x: field.float32() }, [{ x: 1 }]) } })).toThrow(expect.objectContaining({ _tag: 'Schema' }))
    expect(() => made({ stopAt: { metric: 'auc', atLeast: 1 } })).toThrow(expect.objectContaining({ code: 'NO_SUCH_METRIC' }))
  })
})
