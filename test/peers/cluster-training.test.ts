import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { field, fromRows, run } from '@millrace/core'
import { startLocalCluster, trainOnCluster, type LocalCluster } from '@millrace/distributed'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const quiet = { TF_CPP_MIN_LOG_LEVEL: '3' }
const schema = { a: field.float32(), b: field.float32(), group: field.int32(), y: field.bool() }

/** A number from 0 to 1 of each row, the same each time. */
const noise = (row: number): number => {
  const x = Math.sin(row * 12.9898) * 43_758.5453
  return x - Math.floor(x)
}

const ROWS = 2_000
/** Whether `a + b` and what is known of the group are more than 1. */
const rows = Array.from({ length: ROWS }, (_, row) => {
  const [a, b, group] = [noise(row), noise(row + 0.5), row % 7]
  return { a, b, group, y: a + b + (group === 3 ? 0.5 : 0) > 1 }
})
const data = fromRows(schema, rows)

const makeModel = (): tf.LayersModel => {
  const [a, b] = ['a', 'b'].map((name) => tf.input({ shape: [1], name }))
  const group = tf.input({ shape: [1], name: 'group', dtype: 'int32' })
  const known = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: 7, outputDim: 2, name: 'groups' }).apply(group)) as tf.SymbolicTensor
  const joined = tf.layers.concatenate().apply([a!, b!, known]) as tf.SymbolicTensor
  const hidden = tf.layers.dense({ units: 8, activation: 'relu', name: 'hidden', kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }) }).apply(joined) as tf.SymbolicTensor
  const y = tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'chance', kernelInitializer: tf.initializers.glorotUniform({ seed: 4 }) }).apply(hidden) as tf.SymbolicTensor
  const model = tf.model({ inputs: [a!, b!, group], outputs: y })
  model.compile({ loss: 'binaryCrossentropy', optimizer: tf.train.adam(0.02), metrics: ['accuracy'] })
  return model
}

/** Loss of the model's own weights, in TensorFlow.js. */
const lossHere = (model: tf.LayersModel): number => {
  const column = (name: 'a' | 'b') => tf.tensor2d(rows.map((row) => [row[name]]))
  const xs = [column('a'), column('b'), tf.tensor2d(rows.map(({ group }) => [group]), undefined, 'int32')]
  const measured = model.evaluate(xs, tf.tensor2d(rows.map(({ y }) => [Number(y)]))) as tf.Scalar[]
  return measured[0]!.dataSync()[0]!
}

describePeer('training on a cluster', 'tensorflow', () => {
  const library = peerLibrary()
  let cluster: LocalCluster
  beforeAll(async () => {
    await tf.setBackend('cpu')
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library, environment: quiet }))
  })
  afterAll(async () => {
    await cluster?.stop()
  })

  test('two workers train on all rows, each once an epoch, and the model has the weights', async () => {
    const model = makeModel()
    const before = lossHere(model)
    const report = await run(trainOnCluster(model, cluster, { data, label: 'y', batchSize: 50, epochs: 6, validation: { data, everySteps: 100 } }))
    expect(report).toMatchObject({ role: 'driver', globalStep: (6 * ROWS) / 50, stoppedBy: 'data', recoveries: [], notFetched: [] })
    expect(report.workers).toMatchObject([0, 1].map((index) => ({ task: `worker ${index}`, rows: 3 * ROWS, steps: (3 * ROWS) / 50, repeatedRows: 0, uncertainRows: 0, restarts: 0 })))
    const after = lossHere(model)
    expect(after).toBeLessThan(before / 2)
    const last = report.evaluations.at(-1)!
    expect(last).toMatchObject({ globalStep: report.globalStep, rows: ROWS })
    expect(last.metrics['loss']).toBeCloseTo(after, 5)
    expect(last.metrics['accuracy']).toBeGreaterThan(0.85)
    expect(report.evaluations.length).toBeGreaterThan(1)
  })
})
