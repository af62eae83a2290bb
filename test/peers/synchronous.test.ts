import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '@millrace/core'
import { nativeSession, readModel, tensorNumbers, type ModelDescription, type Session, type VariablePlacement, type WeightDescription } from '@millrace/export'
import {
  adam, remoteSession, resetServer, sgd, startLocalCluster, trainingGraph, type LocalCluster, type Optimizer, type SynchronousOptions, type TrainingGraph,
} from '@millrace/distributed'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const BATCH = 8
const ROWS = 5
const STEPS = 20

const makeModel = (): tf.LayersModel => {
  const [x, id] = [tf.input({ shape: [2], name: 'x' }), tf.input({ shape: [1], name: 'id' })]
  const rows = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: ROWS, outputDim: 2, name: 'table' }).apply(id)) as tf.SymbolicTensor
  const hidden = tf.layers.dense({ units: 3, activation: 'tanh', name: 'hidden' }).apply(tf.layers.concatenate().apply([x, rows])) as tf.SymbolicTensor
  const model = tf.model({ inputs: [x, id], outputs: tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'y' }).apply(hidden) as tf.SymbolicTensor })
  model.setWeights(model.getWeights().map((weight) => tf.tensor(Array.from({ length: weight.size }, (_, index) => Math.sin(index + weight.size)), weight.shape)))
  return model
}

interface Batch {
  readonly x: number[][]
  readonly id: number[][]
  readonly label: number[][]
}

/** Each row of the table is in each batch, not in each half of it; some are looked up twice by one worker, or by both. */
const batches: readonly Batch[] = Array.from({ length: STEPS }, (_, step) => ({
  x: Array.from({ length: BATCH }, (_row, row) => [Math.sin(step * 3 + row), Math.cos(step + row * 2)]),
  id: [0, 0, 1, 2, 3, 4, 2, 3].map((id) => [id]),
  label: Array.from({ length: BATCH }, (_row, row) => [(step + row) % 3 === 0 ? 1 : 0]),
}))
const half = ({ x, id, label }: Batch, worker: number): Batch => {
  const own = <A>(rows: readonly A[]): A[] => rows.slice((worker * BATCH) / 2, ((worker + 1) * BATCH) / 2)
  return { x: own(x), id: own(id), label: own(label) }
}

const feedsOf = ({ inputs, labels }: TrainingGraph, { x, id, label }: Batch) => ({ [inputs['x']!.name]: x, [inputs['id']!.name]: id, [labels['y']!.name]: label })

const PS = ['/job:ps/task:0', '/job:ps/task:1'] as const
const whole = (table: boolean): VariablePlacement => ({ device: PS[table ? 1 : 0] })
/** Each row a part of its own: each worker looks up some of them only. */
const inParts = (table: boolean): VariablePlacement => (table ? { partition: { layout: 'mod', devices: [PS[0], PS[1], PS[0], PS[1], PS[0]] } } : { device: PS[1] })

describePeer('workers in step', 'tensorflow', () => {
  let cluster: LocalCluster
  let description: ModelDescription
  const sessions: Session[] = []

  beforeAll(async () => {
    await tf.setBackend('cpu')
    description = await readModel(makeModel())
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
  })

  const make = (optimizer: Optimizer, synchronous: SynchronousOptions, place: (table: boolean) => VariablePlacement = whole): TrainingGraph =>
    trainingGraph(description, {
      loss: 'binaryCrossentropy', optimizer, synchronous, device: `/job:worker/task:${synchronous.worker % 2}`,
      variables: ({ name }: WeightDescription) => place(name.startsWith('table')),
    })
  const open = async ({ graph }: TrainingGraph, worker: number): Promise<Session> => {
    const session = await run(remoteSession({ graph: graph.encode(), target: cluster.target({ type: 'worker', index: worker % 2 }), timeoutMs: 30_000 }))
    sessions.push(session)
    return session
  }
  /** Closes what a test opened, and forgets what it left on the servers. */
  const inCluster = async (body: () => Promise<void>): Promise<void> => {
    try {
      await body()
    } finally {
      await Promise.all(sessions.splice(0).map((session) => session.close()))
      await run(resetServer(cluster.target({ type: 'worker', index: 0 })))
    }
  }
  const numbers = async (session: Session, fetch: string): Promise<number[]> => tensorNumbers((await session.run({ fetches: [fetch] }))[0]) as number[]
  const weights = async (session: Session, { variables }: TrainingGraph): Promise<Map<string, number[]>> => {
    const values = new Map<string, number[]>()
    const known = new Set(description.layers.flatMap((layer) => layer.weights.map(({ name }) => name)))
    for (const { weight, slice, value } of variables) if (known.has(slice?.name ?? weight.name)) values.set(weight.name, await numbers(session, value.name))
    return values
  }
  const expectClose = (ours: ReadonlyMap<string, readonly number[]>, theirs: ReadonlyMap<string, ArrayLike<number>>): void => {
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort())
    for (const [name, values] of ours) values.forEach((value, index) => expect(Math.abs(value - theirs.get(name)![index]!), `${name}[${index}]: ours ${value}`).toBeLessThan(1e-5))
  }
  /** TensorFlow.js alone, on batches of both workers' rows. */
  const alone = async (optimizer: tf.Optimizer, steps: readonly Batch[]): Promise<Map<string, ArrayLike<number>>> => {
    const model = makeModel()
    model.compile({ loss: 'binaryCrossentropy', optimizer })
    for (const { x, id, label } of steps) await model.trainOnBatch([tf.tensor2d(x), tf.tensor2d(id)], tf.tensor2d(label))
    const { layers } = await readModel(model)
    return new Map(layers.flatMap((layer) => layer.weights).map(({ name, value }) => [name, value!.data as ArrayLike<number>]))
  }

  /** Two workers, each with half of each batch, and a chief beside them. */
  const together = async (optimizer: Optimizer, place = whole): Promise<Map<string, number[]>> => {
    const graphs = [0, 1].map((worker) => make(optimizer, { workers: 2, worker }, place))
    const [chief, ...workers] = (await Promise.all([graphs[0]!, ...graphs].map((graph, index) => open(graph, Math.max(0, index - 1))))) as [Session, ...Session[]]
    await chief.run({ targets: [graphs[0]!.initialize.name] })
    await chief.run({ targets: [graphs[0]!.synchronous!.start.name] })
    const updates = async (): Promise<void> => {
      for (let step = 0; step < STEPS; step += 1) await chief.run({ targets: [graphs[0]!.synchronous!.update.name] })
    }
    const train = async (worker: number): Promise<void> => {
      const made = graphs[worker]!
      for (const [step, batch] of batches.entries()) {
        const fetched = await workers[worker]!.run({ feeds: feedsOf(made, half(batch, worker)), fetches: [made.steps[0]!.globalStep.name, made.synchronous!.stale.name], targets: [made.train.name] })
        expect(fetched.map(tensorNumbers)).toEqual([[step], [0]])
      }
    }
    await Promise.all([updates(), train(0), train(1)])
    expect(await numbers(chief, graphs[0]!.globalStep.value.name)).toEqual([STEPS])
    return weights(chief, graphs[0]!)
  }

  test.each<[string, Optimizer, () => tf.Optimizer]>([
    ['SGD', sgd({ learningRate: 0.3 }), () => tf.train.sgd(0.3)],
    ['Adam', adam({ learningRate: 0.05 }), () => tf.train.adam(0.05)],
    ['Adam that moves all rows', adam({ learningRate: 0.05, sparse: 'dense' }), () => tf.train.adam(0.05)],
  ])('two of them train as TensorFlow.js does alone on the rows of both: %s', (_, ours, theirs) =>
    inCluster(async () => expectClose(await together(ours), await alone(theirs(), batches))))

  test('so they do with a table in parts, of which a worker may look up none', () =>
    inCluster(async () => {
      const ours = await together(adam({ learningRate: 0.05 }), inParts)
      const theirs = await alone(tf.train.adam(0.05), batches)
      const table = theirs.get('table/embeddings')!
      for (let row = 0; row < ROWS; row += 1) theirs.set(`table/embeddings/part_${row}`, [table[row * 2]!, table[row * 2 + 1]!])
      theirs.delete('table/embeddings')
      expectClose(ours, theirs)
    }))

  test('limits are those of the mean gradient', () =>
    inCluster(async () => {
      const optimizer = sgd({ learningRate: 0.5, clip: { globalNorm: 0.05 } })
      const single = trainingGraph(description, { loss: 'binaryCrossentropy', optimizer })
      const session = await run(nativeSession({ graph: single.graph.encode(), library: peerLibrary() }))
      sessions.push(session)
      await session.run({ targets: [single.initialize.name] })
      for (const batch of batches) await session.run({ feeds: feedsOf(single, batch), targets: [single.train.name] })
      expectClose(await together(optimizer), await weights(session, single))
    }))

  test("with a backup, nobody waits for the third worker, and its late gradient is dropped; a worker that begins again gets a token", () =>
    inCluster(async () => {
      const graphs = [0, 1, 2].map((worker) => make(sgd({ learningRate: 0.3 }), { workers: 3, worker, aggregate: 2 }))
      const [chief, ...workers] = (await Promise.all([graphs[0]!, ...graphs].map((graph, index) => open(graph, Math.max(0, index - 1))))) as [Session, ...Session[]]
      const { initialize, globalStep, synchronous } = graphs[0]!
      await chief.run({ targets: [initialize.name] })
      await chief.run({ targets: [synchronous!.start.name] })
      const step = async (worker: number, batch: Batch, turn?: bigint): Promise<number> => {
        const made = graphs[worker]!
        const late = turn === undefined ? {} : { 'turn:0': turn }
        const [stale] = await workers[worker]!.run({ feeds: { ...feedsOf(made, batch), ...late }, fetches: [made.synchronous!.stale.name], targets: [made.train.name] })
        return tensorNumbers(stale)[0]!
      }
      const [first, second] = batches as [Batch, Batch]
      const turn = BigInt((await numbers(chief, synchronous!.round.name))[0]!)
      expect(await step(0, half(first, 0))).toBe(0)
      expect(await step(1, half(first, 1))).toBe(0)
      await chief.run({ targets: [synchronous!.update.name] })
      // The third worker read the turn before the update, and sends after it.
      expect(await step(2, half(second, 0), turn)).toBe(1)
      expect(await step(0, half(second, 0))).toBe(0)
      // Its token is used up, so it would wait for the next update; it begins again instead, for the worker that has died.
      await workers[0]!.run({ targets: [graphs[0]!.synchronous!.join.name] })
      expect(await step(0, half(second, 1))).toBe(0)
      await chief.run({ targets: [synchronous!.update.name] })
      expect(await numbers(chief, globalStep.value.name)).toEqual([2])
      expectClose(await weights(chief, graphs[0]!), await alone(tf.train.sgd(0.3), [first, second]))
    }))

  test('a worker that has died leaves one token behind, however many updates are made without it', () =>
    inCluster(async () => {
      const graphs = [0, 1].map((worker) => make(sgd({ learningRate: 0.3 }), { workers: 2, worker, aggregate: 1 }))
      const { initialize, synchronous, train, graph } = graphs[0]!
      const sizes = graph.nodes.filter(({ op }) => op === 'FIFOQueueV2').map(({ outputs, device }) => graph.one('QueueSizeV2', outputs, {}, { device }).name)
      const [chief, worker] = [await open(graphs[0]!, 0), await open(graphs[0]!, 1)]
      await chief.run({ targets: [initialize.name] })
      await chief.run({ targets: [synchronous!.start.name] })
      for (const batch of batches) {
        await worker.run({ feeds: feedsOf(graphs[0]!, half(batch, 0)), targets: [train.name] })
        await chief.run({ targets: [synchronous!.update.name] })
      }
      expect((await chief.run({ fetches: sizes })).map(tensorNumbers)).toEqual([[1], [1]])
    }))

  test('updates of a session that was lost, under way or late, change nothing when training has begun again', () =>
    inCluster(async () => {
      const graphs = [0, 1].map((worker) => make(sgd({ learningRate: 0.3 }), { workers: 2, worker }))
      const [lost, chief, ...workers] = (await Promise.all([graphs[0]!, graphs[0]!, ...graphs].map((graph, index) => open(graph, index % 2)))) as [Session, Session, ...Session[]]
      const { initialize, synchronous, globalStep } = graphs[0]!
      const { round, update, start, clear, nudge } = synchronous!
      const step = (worker: number, batch: Batch) => workers[worker]!.run({ feeds: feedsOf(graphs[worker]!, half(batch, worker)), targets: [graphs[worker]!.train.name] })
      const [first, second] = batches as [Batch, Batch]
      await lost.run({ targets: [initialize.name] })
      await lost.run({ targets: [start.name] })
      const before = await weights(chief, graphs[0]!)
      const old = BigInt((await numbers(chief, round.name))[0]!)
      // The server does not know that its session is lost, as that of a machine that is cut off.
      const underWay = lost.run({ feeds: { [round.name]: old }, targets: [update.name] }).catch((thrown: unknown) => thrown)
      await step(0, first)
      const clearing = chief.run({ targets: [clear.name] })
      await expect.poll(() => numbers(chief, round.name)).not.toEqual([Number(old)])
      let isCleared = false
      const cleared = clearing.then(() => { isCleared = true })
      for (let nudges = 0; nudges < 100 && !isCleared; nudges += 1) await chief.run({ targets: [nudge.name] })
      await cleared
      expect(await underWay).toMatchObject({ message: expect.stringContaining('training in step was begun again') as string })
      expect(await weights(chief, graphs[0]!)).toEqual(before)
      expect(await numbers(chief, globalStep.value.name)).toEqual([0])

      await chief.run({ targets: [start.name] })
      await Promise.all([step(0, second), step(1, second)])
      await expect(lost.run({ feeds: { [round.name]: old }, targets: [update.name] })).rejects.toThrow('training in step was begun again')
      const now = BigInt((await numbers(chief, round.name))[0]!)
      await chief.run({ feeds: { [round.name]: now }, targets: [update.name] })
      expect(await numbers(chief, globalStep.value.name)).toEqual([1])
      expectClose(await weights(chief, graphs[0]!), await alone(tf.train.sgd(0.3), [second]))
    }))
})
