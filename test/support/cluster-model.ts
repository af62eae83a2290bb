import * as tf from '@tensorflow/tfjs'
import { field, fromRows } from '@millrace/core'

export const ROWS = 2_000

/** A number from 0 to 1 of each row, the same each time. */
const noise = (row: number): number => {
  const x = Math.sin(row * 12.9898) * 43_758.5453
  return x - Math.floor(x)
}

/** Whether `a + b` and what is known of the group are more than 1. */
export const rows = Array.from({ length: ROWS }, (_, row) => {
  const [a, b, group] = [noise(row), noise(row + 0.5), row % 7]
  return { a, b, group, y: a + b + (group === 3 ? 0.5 : 0) > 1 }
})

export const data = fromRows({ a: field.float32(), b: field.float32(), group: field.int32(), y: field.bool() }, rows)

/** A small model with an embedding, compiled; the same weights each time. */
export const makeModel = (): tf.LayersModel => {
  const [a, b] = ['a', 'b'].map((name) => tf.input({ shape: [1], name }))
  const group = tf.input({ shape: [1], name: 'group', dtype: 'int32' })
  const seeded = (seed: number) => ({ kernelInitializer: tf.initializers.glorotUniform({ seed }) })
  const embeddingsInitializer = tf.initializers.randomUniform({ minval: -0.1, maxval: 0.1, seed: 5 })
  const known = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: 7, outputDim: 2, name: 'groups', embeddingsInitializer }).apply(group)) as tf.SymbolicTensor
  const joined = tf.layers.concatenate().apply([a!, b!, known]) as tf.SymbolicTensor
  const hidden = tf.layers.dense({ units: 8, activation: 'relu', name: 'hidden', ...seeded(3) }).apply(joined) as tf.SymbolicTensor
  const y = tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'chance', ...seeded(4) }).apply(hidden) as tf.SymbolicTensor
  const model = tf.model({ inputs: [a!, b!, group], outputs: y })
  model.compile({ loss: 'binaryCrossentropy', optimizer: tf.train.adam(0.02), metrics: ['accuracy'] })
  return model
}

/** Mean loss of the model's own weights over all rows, in TensorFlow.js. */
export const lossHere = (model: tf.LayersModel): number => {
  const column = (name: 'a' | 'b') => tf.tensor2d(rows.map((row) => [row[name]]))
  const xs = [column('a'), column('b'), tf.tensor2d(rows.map(({ group }) => [group]), undefined, 'int32')]
  const measured = model.evaluate(xs, tf.tensor2d(rows.map(({ y }) => [Number(y)]))) as tf.Scalar[]
  return measured[0]!.dataSync()[0]!
}
