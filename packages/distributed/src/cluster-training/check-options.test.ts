import { field, fromRows } from '@millrace/core'
import * as tf from '@tensorflow/tfjs'
import { describe, expect, test } from 'vitest'
import { checkOptions } from './check-options.js'
import type { ClusterTrainingOptions } from './options.js'
import { rolesOf } from './roles.js'

const data = fromRows({ x: field.float32(), y: field.float32() }, [{ x: 1, y: 0 }])
const check = (options: Partial<ClusterTrainingOptions>) => () => { checkOptions({ data, label: 'y', ...options }) }

describe('options of a training', () => {
  test.each<[string, Partial<ClusterTrainingOptions>]>([
    ['batchSize', { batchSize: 0 }],
    ['logEverySteps', { logEverySteps: 0 }],
    ['validation.batchSize', { validation: { data, batchSize: -1 } }],
    ['checkpoints.everySteps', { checkpoints: { folder: 'x', everySteps: 0 } }],
    ['checkpoints.everySeconds', { checkpoints: { folder: 'x', everySeconds: 0 } }],
    ['recovery.maxRestarts', { recovery: { maxRestarts: NaN } }],
    ['recovery.timeoutMs', { recovery: { timeoutMs: -1 } }],
    ['recovery.stepTimeoutMs', { recovery: { stepTimeoutMs: 0 } }],
    ['recovery.backoffMs', { recovery: { backoffMs: NaN } }],
  ])('%s', (name, options) => {
    expect(check(options)).toThrow(expect.objectContaining({ _tag: 'Usage', message: expect.stringContaining(`${name} of trainOnCluster`) as string }))
  })

  test.each<[string, unknown]>([
    ['BAD_OPTION', undefined],
    ['BAD_OPTION', { data: undefined }],
    ['BAD_OPTION', { data: 'rows' }],
    ['BAD_OPTION', { label: undefined }],
    ['BAD_OPTION', { label: ['y', 1] }],
    ['BAD_OPTION', { checkpoints: {} }],
    ['OPTIMIZER', { optimizer: 'adam' }],
    ['OPTIMIZER', { optimizer: tf.train.adam(0.1) }],
    ['BAD_OPTION', { delivery: 'exactly-once' }],
    ['BAD_OPTION', { server: 'hosted' }],
  ])('of callers without types: %s, %#', (code, options) => {
    const given = options === undefined ? undefined : { data, label: 'y', ...(options as object) }
    expect(() => { checkOptions(given as ClusterTrainingOptions) }).toThrow(expect.objectContaining({ _tag: 'Usage', code }))
  })

  test('what is no cluster is none', () => {
    for (const cluster of [undefined, null, 'local', { ps: ['h:1'], worker: ['h:2'] }, { spec: undefined }, { jobs: 1 }]) {
      expect(() => rolesOf(cluster as never)).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'CLUSTER' }))
    }
  })

  test('what is infinite may be', () => {
    expect(check({ recovery: { maxRestarts: Infinity, timeoutMs: Infinity, stepTimeoutMs: Infinity }, checkpoints: { folder: 'x', everySeconds: Infinity } })).not.toThrow()
  })

  test('a metric to stop at needs rows and a bound', () => {
    expect(check({ stopAt: { metric: 'loss', atMost: 1 } })).toThrow(expect.objectContaining({ code: 'NO_VALIDATION' }))
    // @ts-expect-error The compiler wants a bound, too.
    expect(check({ validation: { data }, stopAt: { metric: 'loss' } })).toThrow(expect.objectContaining({ code: 'NO_BOUND' }))
    expect(check({ validation: { data }, stopAt: { metric: 'loss', atMost: NaN } })).toThrow(expect.objectContaining({ code: 'NO_BOUND' }))
    expect(check({ validation: { data }, stopAt: { metric: 'loss', atMost: 0 } })).not.toThrow()
  })

  test('options of streams do not go with what servers read', () => {
    const shuffle = { rows: 10, seed: 1 }
    expect(check({ shuffle })).not.toThrow()
    expect(check({ data: { files: 'x' }, shuffle })).toThrow(/data\.shuffle/)
    expect(check({ data: { files: 'x' }, epochs: 2 })).not.toThrow()
    expect(check({ data: () => ({ open: () => { throw new Error('not opened') } }), epochs: 2 })).toThrow(expect.objectContaining({ code: 'EPOCHS' }))
  })
})
