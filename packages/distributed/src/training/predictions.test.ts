import { collect, field, filter, fromRows, makeStream, pipe, run, select, take } from '@millrace/core'
import tf from '@tensorflow/tfjs'
import { expect, it } from 'vitest'
import { predictions } from './predictions.js'

const schema = { x: field.float32(), y: field.int32(), note: field.utf8() }
const stream = fromRows(schema, Array.from({ length: 10 }, (_, i) => ({ x: i / 4, y: i, note: `${i}` })), { batchRows: 3 })

const model = (units: number): tf.LayersModel => {
  const x = tf.input({ shape: [1], name: 'x' })
  const y = tf.input({ shape: [1], name: 'y' })
  const sum = tf.layers.concatenate().apply([x, y])
  const out = tf.layers.dense({ units, kernelInitializer: 'ones', biasInitializer: tf.initializers.constant({ value: 0.5 }) }).apply(sum)
  return tf.model({ inputs: [y, x], outputs: out as tf.SymbolicTensor })
}

it('adds a column by the model, whatever else the stream has, and leaks nothing', async () => {
  const adding = model(1)
  const before = tf.memory().numTensors
  const rows = await run(collect()(pipe(stream, predictions(adding, ['sum']), select('note', 'sum'))))
  expect(rows).toEqual(Array.from({ length: 10 }, (_, i) => ({ note: `${i}`, sum: i / 4 + i + 0.5 })))
  expect(tf.memory().numTensors).toBe(before)
})

it('passes batches on of which a filter left no row', async () => {
  const rows = await run(collect()(pipe(stream, filter(({ y }) => y === 4), predictions(model(1), ['sum']), select('sum'))))
  expect(rows).toEqual([{ sum: 1 + 4 + 0.5 }])
})

it('takes a sequential model that nobody has built yet', async () => {
  const sequential = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: [1], name: 'x' }), tf.layers.dense({ units: 1, kernelInitializer: 'ones' })] })
  expect(await run(collect()(pipe(stream, predictions(sequential, ['p']), select('p'))))).toEqual(Array.from({ length: 10 }, (_, i) => ({ p: i / 4 })))
})

it('leaks nothing when a batch does not fit', async () => {
  const wide = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: [2], name: 'x' }), tf.layers.dense({ units: 1 })] })
  const before = tf.memory().numTensors
  await expect(run(collect()(pipe(stream, predictions(wide, ['sum']))))).rejects.toThrow(/shape/)
  expect(tf.memory().numTensors).toBe(before)
})

it('works on a reading that leaves out what nobody looks at', async () => {
  const narrow = makeStream({ ...stream, positions: 'native', open: (context) => pipe(stream, select(...((context.columns ?? ['x', 'y', 'note']) as ['x']))).open({ ...context, columns: undefined }) as never })
  expect(await run(collect()(pipe(narrow, predictions(model(1), ['sum']), select('sum'), take(1))))).toEqual([{ sum: 0.5 }])
})

it('refuses outputs that are no scalars, names that are taken and inputs that are missing', () => {
  expect(() => pipe(stream, predictions(model(2), ['sum']))).toThrow(/\[batch, 2\]/)
  expect(() => pipe(stream, predictions(model(1), ['note']))).toThrow(/column "note"/)
  expect(() => pipe(stream, select('x'), predictions(model(1), ['sum']))).toThrow(/column "y"/)
})
