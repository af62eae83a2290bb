import { describe, expect, test } from 'vitest'
import type { FeatureSet } from '@millrace/export'
import type { DescribedShards } from '../input/index.js'
import { checkShards, labelDTypeOf } from './served-files.js'

const columns = { x: { kind: 'float32', nullable: false, params: {} }, y: { kind: 'bool', nullable: false, params: {} }, n: { kind: 'int32', nullable: false, params: {} } }
const raw: DescribedShards = { holds: 'raw', compression: 'gzip', rows: 3, columns }
const inputs = { features: {} } as FeatureSet
const check = (shards: DescribedShards, features: FeatureSet | undefined, modelInputs: readonly string[], compression?: 'none' | 'gzip') => () => {
  checkShards(shards, { inputs: features, data: { files: 'train-*', compression } }, modelInputs, 'train-*')
}

describe('what shards hold', () => {
  test('raw columns go with features, or with a model that takes them', () => {
    expect(check(raw, inputs, ['z'])).not.toThrow()
    expect(check(raw, undefined, ['x'])).not.toThrow()
    expect(check(raw, undefined, ['x', 'z'])).toThrow(expect.objectContaining({ _tag: 'Schema', code: 'SHARDS_RAW', message: expect.stringContaining('"z"') as string }))
  })

  test('transformed rows are not transformed again', () => {
    expect(check({ ...raw, holds: 'transformed' }, undefined, ['x'])).not.toThrow()
    expect(check({ ...raw, holds: 'transformed' }, inputs, ['x'])).toThrow(expect.objectContaining({ _tag: 'Schema', code: 'SHARDS_TRANSFORMED' }))
  })

  test('a compression that is given is theirs', () => {
    expect(check(raw, undefined, ['x'], 'gzip')).not.toThrow()
    expect(check(raw, undefined, ['x'], 'none')).toThrow(expect.objectContaining({ code: 'SHARDS_PACKED' }))
  })

  test.each([
    ['y', 'binaryCrossentropy', 'int64'],
    ['n', 'meanSquaredError', 'int64'],
    ['x', 'meanSquaredError', undefined],
    ['n', 'sparseCategoricalCrossentropy', undefined],
    ['x', 'sparseCategoricalCrossentropy', 'float32'],
    ['gone', 'meanSquaredError', undefined],
  ] as const)('labels of column %s with the loss %s: %s', (label, loss, dtype) => {
    expect(labelDTypeOf(raw, { label, loss, inputs: undefined })).toBe(dtype)
  })
})
