import * as tf from '@tensorflow/tfjs'
import { describe, expect, it } from 'vitest'
import { columnFrom } from '../columns/index.js'
import { field, type Field, type Schema } from '../schema/index.js'
import { fromRows, makeBatch } from '../stream/index.js'
import { toDataset } from './to-dataset.js'
import { toTensors, type Tensors } from './to-tensors.js'
import type { TensorLike } from './tensorflow.js'

const one = (of: Field, values: readonly unknown[]) => makeBatch({ x: of } as Schema, { x: columnFrom(of, values) })

const cases: readonly (readonly [Field, readonly unknown[], string, number[], readonly unknown[]])[] = [
  [field.float32(), [1.5, -2], 'float32', [2, 1], [1.5, -2]],
  [field.float64(), [0.1, 2], 'float32', [2, 1], [Math.fround(0.1), 2]],
  [field.int8(), [-128, 127], 'int32', [2, 1], [-128, 127]],
  [field.uint32(), [1, 2147483647], 'int32', [2, 1], [1, 2147483647]],
  [field.int64(), [-2147483648n, 2147483647n], 'int32', [2, 1], [-2147483648, 2147483647]],
  [field.bool(), [true, false, true], 'int32', [3, 1], [1, 0, 1]],
  [field.date(), [new Date(86_400_000)], 'int32', [1, 1], [1]],
  [field.utf8(), ['a', 'zoë'], 'string', [2, 1], ['a', 'zoë']],
  [field.dictionary(), ['b', 'b'], 'string', [2, 1], ['b', 'b']],
  [field.nullable(field.int32()), [7], 'int32', [1, 1], [7]],
  [field.list(field.float32(), { size: 2 }), [[1, 2], [3, 4]], 'float32', [2, 2], [1, 2, 3, 4]],
  [field.list(field.int64()), [[1n], [2n], [3n]], 'int32', [3, 1], [1, 2, 3]],
]

const dispose = (tensors: Tensors): void => Object.values(tensors).forEach((tensor) => tensor.dispose())

describe('toTensors', () => {
  it.each(cases)('makes a tensor of %j', async (of, values, dtype, shape, expected) => {
    const tensors = await toTensors(one(of, values))
    expect(tensors['x']).toMatchObject({ dtype, shape })
    expect(Array.from(tensors['x']!.dataSync() as ArrayLike<unknown>)).toEqual(expected)
    dispose(tensors)
  })

  it('gives flat scalars, and only the columns asked for', async () => {
    const batch = makeBatch({ a: field.int32(), b: field.int32() }, { a: columnFrom(field.int32(), [1, 2, 3]).slice(1, 3), b: columnFrom(field.int32(), [4, 5]) })
    const tensors = await toTensors(batch, { columns: ['a'], scalars: 'flat' })
    expect(Object.keys(tensors)).toEqual(['a'])
    expect(tensors['a']!.shape).toEqual([2])
    expect(Array.from(tensors['a']!.dataSync())).toEqual([2, 3])
    dispose(tensors)
  })

  it.each([
    [field.nullable(field.int32()), [1, null], /holds 1 null.*column "x"/],
    [field.int64(), [1n, 2n ** 31n], /2147483648 does not fit the int32.*record 1/],
    [field.uint64(), [2n ** 32n - 1n], /4294967295 does not fit/],
    [field.uint32(), [2147483648], /does not fit/],
    [field.decimal(10, 2), ['1.00'], /no tensor form/],
    [field.list(field.int32()), [[1], [2, 3]], /a list of 2 items stands where the others have 1/],
  ] as const)('refuses %j', async (of, values, message) => {
    const before = tf.memory().numTensors
    const batch = makeBatch({ ok: field.int32(), x: of } as Schema, { ok: columnFrom(field.int32(), values.map(() => 1)), x: columnFrom(of as Field, values) })
    await expect(toTensors(batch)).rejects.toThrow(message)
    expect(tf.memory().numTensors).toBe(before)
  })
})

describe('toDataset', () => {
  const schema = { a: field.float32(), b: field.int32(), y: field.bool() }
  const stream = fromRows(schema, Array.from({ length: 100 }, (_, b) => ({ a: b / 4, b, y: b % 2 === 0 })), { batchRows: 7 })

  it('gives the rows again each epoch, in another order where shuffled', async () => {
    const dataset = await toDataset(stream, { batchSize: 32, label: 'y', shuffle: { seed: 5, windowRows: 40 } })
    const epochs: number[][] = []
    for (let epoch = 0; epoch < 3; epoch++) {
      const seen: number[] = []
      const iterator = await dataset.iterator()
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        const { xs, ys } = next.value
        const labels = Array.from((ys as TensorLike).dataSync())
        const values = Array.from(xs['b']!.dataSync()) as number[]
        expect(xs['a']!.shape).toEqual([values.length, 1])
        expect((ys as TensorLike).dtype).toBe('float32')
        values.forEach((value, i) => expect(labels[i]).toBe(value % 2 === 0 ? 1 : 0))
        seen.push(...values)
        dispose({ ...xs, ys: ys as TensorLike })
      }
      epochs.push(seen)
      expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    }
    expect(epochs[0]).not.toEqual(epochs[1])
    expect(epochs[1]).not.toEqual(epochs[2])
  })

  it('feeds model.fitDataset, and leaves no tensors behind', async () => {
    const a = tf.input({ shape: [1], name: 'a' })
    const b = tf.input({ shape: [1], name: 'b' })
    const model = tf.model({ inputs: [a, b], outputs: tf.layers.dense({ units: 1, activation: 'sigmoid' }).apply(tf.layers.concatenate().apply([a, b])) as tf.SymbolicTensor })
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' })
    const dataset = (await toDataset(stream, { batchSize: 32, label: 'y' })) as unknown as tf.data.Dataset<tf.TensorContainer>
    await model.fitDataset(dataset, { epochs: 1, verbose: 0 })
    const before = tf.memory().numTensors
    const history = await model.fitDataset(dataset, { epochs: 2, verbose: 0 })
    expect(history.history['loss']).toHaveLength(2)
    expect(tf.memory().numTensors).toBe(before)
    model.dispose()
  })

  it('names a label that is missing, and refuses one that is text', async () => {
    await expect(toDataset(stream, { label: 'z' as 'y' })).rejects.toThrow(/needs the column "z"/)
    const texts = fromRows({ a: field.int32(), y: field.utf8() }, [{ a: 1, y: 'x' }])
    const dataset = await toDataset(texts, { label: 'y' })
    await expect((await dataset.iterator()).next()).rejects.toThrow(/a label is to be a number/)
  })
})
