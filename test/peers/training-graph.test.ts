import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '@millrace/core'
import { describeModel, nativeSession, readModel, tensorNumbers, type ModelDescription, type Session, type WeightDescription } from '@millrace/export'
import { adam, remoteSession, startLocalCluster, trainingGraph, type LocalCluster, type TrainingGraph } from '@millrace/distributed'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const BATCH = 8
const ROWS = 5

const makeModel = (): tf.LayersModel => {
  const [x, id] = [tf.input({ shape: [2], name: 'x' }), tf.input({ shape: [1], name: 'id' })]
  const rows = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: ROWS, outputDim: 2, name: 'table' }).apply(id)) as tf.SymbolicTensor
  const hidden = tf.layers.dense({ units: 3, activation: 'tanh', name: 'hidden' }).apply(tf.layers.concatenate().apply([x, rows])) as tf.SymbolicTensor
  const model = tf.model({ inputs: [x, id], outputs: tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'y' }).apply(hidden) as tf.SymbolicTensor })
  model.setWeights(model.getWeights().map((weight) => tf.tensor(Array.from({ length: weight.size }, (_, index) => Math.sin(index + weight.size)), weight.shape)))
  return model
}

/** Each row of the table is looked up in each step, so that lazy moments are those of TensorFlow.js. */
const batches = Array.from({ length: 20 }, (_, step) => ({
  x: Array.from({ length: BATCH }, (_row, row) => [Math.sin(step * 3 + row), Math.cos(step + row * 2)]),
  id: Array.from({ length: BATCH }, (_row, row) => [row % ROWS]),
  label: Array.from({ length: BATCH }, (_row, row) => [(step + row) % 3 === 0 ? 1 : 0]),
}))

/** The model as TensorFlow.js trains it on the same batches. */
const trainHere = async (model: tf.LayersModel): Promise<{ losses: number[]; after: ModelDescription }> => {
  model.compile({ loss: 'binaryCrossentropy', optimizer: tf.train.adam(0.05) })
  const losses: number[] = []
  for (const { x, id, label } of batches) losses.push((await model.trainOnBatch([tf.tensor2d(x), tf.tensor2d(id)], tf.tensor2d(label))) as number)
  return { losses, after: await readModel(model) }
}

const optionsOf = (worker: number) =>
  ({
    loss: 'binaryCrossentropy',
    optimizer: adam({ learningRate: 0.05 }),
    variables: ({ name }: WeightDescription) => ({ device: `/job:ps/task:${name.startsWith('table') ? 1 : 0}` }),
    device: `/job:worker/task:${worker}`,
  }) as const

const step = async (session: Session, { inputs, labels, loss, train }: TrainingGraph, { x, id, label }: (typeof batches)[number]): Promise<number> => {
  const feeds = { [inputs['x']!.name]: x, [inputs['id']!.name]: id, [labels['y']!.name]: label }
  const fetched = await session.run({ feeds, fetches: [loss.name], targets: [train.name] })
  return tensorNumbers(fetched[0])[0] as number
}

const closeTo = (ours: readonly number[], theirs: ArrayLike<number>, what: string): void => {
  expect(ours).toHaveLength(theirs.length)
  ours.forEach((value, index) => {
    expect(Math.abs(value - theirs[index]!), `${what}[${index}]: ours ${value}, theirs ${theirs[index]}`).toBeLessThan(1e-5)
  })
}

const compare = async (session: Session, { variables, globalStep }: TrainingGraph, { losses, after }: Awaited<ReturnType<typeof trainHere>>, ours: readonly number[]): Promise<void> => {
  closeTo(ours, losses, 'loss')
  for (const weight of after.layers.flatMap((layer) => layer.weights)) {
    const variable = variables.find((one) => one.weight.name === weight.name)!
    const fetched = await session.run({ fetches: [variable.value.name] })
    closeTo(tensorNumbers(fetched[0]) as number[], weight.value!.data as ArrayLike<number>, weight.name)
  }
  const count = await session.run({ fetches: [globalStep.value.name] })
  expect(tensorNumbers(count[0])).toEqual([batches.length])
}

describePeer('training graphs from Node', 'tensorflow', () => {
  const library = peerLibrary()
  let cluster: LocalCluster
  beforeAll(async () => {
    await tf.setBackend('cpu')
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library, environment: { TF_CPP_MIN_LOG_LEVEL: '3' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
  })

  test('two workers take turns on variables of two parameter servers, and train as TensorFlow.js does alone', async () => {
    const model = makeModel()
    const description = await readModel(model)
    const graphs = [trainingGraph(description, optionsOf(0)), trainingGraph(describeModel(model), optionsOf(1))]
    const sessions = await Promise.all(
      graphs.map(({ graph }, index) => run(remoteSession({ graph: graph.encode(), target: cluster.target({ type: 'worker', index }) }))),
    )
    try {
      await sessions[0]!.run({ targets: [graphs[0]!.initialize.name] })
      const ours: number[] = []
      for (const [index, batch] of batches.entries()) ours.push(await step(sessions[index % 2]!, graphs[index % 2]!, batch))
      await compare(sessions[1]!, graphs[1]!, await trainHere(model), ours)
    } finally {
      await Promise.all(sessions.map((session) => session.close()))
    }
  })

  test('in this process', async () => {
    const model = makeModel()
    const made = trainingGraph(await readModel(model), { loss: 'binaryCrossentropy', optimizer: adam({ learningRate: 0.05 }) })
    const session = await run(nativeSession({ graph: made.graph.encode(), library }))
    try {
      await session.run({ targets: [made.initialize.name] })
      const ours: number[] = []
      for (const batch of batches) ours.push(await step(session, made, batch))
      await compare(session, made, await trainHere(model), ours)
    } finally {
      await session.close()
    }
  })
})
