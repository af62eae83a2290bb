import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '@millrace/core'
import { readModel, tensorNumbers, type Graph, type ModelDescription, type Session, type WeightDescription } from '@millrace/export'
import { adam, remoteSession, startLocalCluster, trainingGraph, type BatchSource, type LocalCluster } from '@millrace/distributed'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const ROWS = 6

/** Variables of each kind of change: dense, looked up, moved by a layer. */
const makeModel = (): tf.LayersModel => {
  const id = tf.input({ shape: [1], name: 'id', dtype: 'int32' })
  const rows = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: ROWS, outputDim: 3, name: 'table' }).apply(id)) as tf.SymbolicTensor
  const hidden = tf.layers.batchNormalization({ name: 'norm' }).apply(tf.layers.dense({ units: 2, name: 'hidden' }).apply(rows)) as tf.SymbolicTensor
  return tf.model({ inputs: id, outputs: tf.layers.dense({ units: 1, name: 'y' }).apply(hidden) as tf.SymbolicTensor })
}

/** A step waits for its batch until somebody gives it: in the worker's server, amid the step. */
const waiting = (given: { node?: string }): BatchSource => ({
  open: (graph: Graph) => {
    const queue = graph.one('FIFOQueueV2', [], { component_types: ['int32', 'float32'], shapes: [[1], [1]], shared_name: 'waiting' })
    const batch = [graph.constant({ dtype: 'int32', shape: [2, 1], data: Int32Array.of(1, 4) }), graph.constant({ dtype: 'float32', shape: [2, 1], data: Float32Array.of(1, -2) })]
    given.node = graph.add('QueueEnqueueManyV2', [queue, batch]).name
    const saved = graph.scalar('string', '')
    return {
      initialize: graph.add('NoOp'),
      next: (after) => {
        const { outputs: [id, y] } = graph.add('QueueDequeueManyV2', [queue, graph.scalar('int32', 2)], { component_types: ['int32', 'float32'] }, { control: after })
        return { id: id!, y: y! }
      },
      position: { saved, restore: () => graph.add('NoOp') },
    }
  },
})

describePeer('a step of a session that was lost, which comes late', 'tensorflow', () => {
  let cluster: LocalCluster
  let description: ModelDescription
  const sessions: Session[] = []
  beforeAll(async () => {
    await tf.setBackend('cpu')
    description = await readModel(makeModel())
    cluster = await run(startLocalCluster({ ps: 2, workers: 1, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3' } }))
  })
  afterAll(async () => {
    await Promise.all(sessions.map((session) => session.close().catch(() => undefined)))
    await cluster?.stop()
  })

  test('changes nothing on any parameter server, once another session of its worker is let in', async () => {
    const given: { node?: string } = {}
    const variables = ({ name }: WeightDescription) => ({ device: `/job:ps/task:${/^(table|hidden|norm.moving_mean|global_step)/.test(name) ? 0 : 1}` })
    const { graph, fences, train, initialize, initialValues, variables: all, globalStep } = trainingGraph(description, {
      loss: 'meanSquaredError', optimizer: adam({ learningRate: 0.1 }), source: waiting(given), label: 'y', device: '/job:worker/task:0', variables, stepsPerRun: 2, fences: { workers: 1, worker: 0 },
    })
    expect(fences!.variables.map(({ device }) => device).sort()).toEqual(['/job:ps/task:0', '/job:ps/task:1'])
    const number = graph.placeholder('number', 'int64', [1])
    const letIn = fences!.variables.map(({ handle, device }) => graph.add('AssignVariableOp', [handle, number], {}, { device }).name)
    const open = async (own: bigint): Promise<Session> => {
      fences!.session = own
      const session = await run(remoteSession({ target: cluster.target({ type: 'worker', index: 0 }), graph: graph.encode() }))
      sessions.push(session)
      return session
    }
    const give = (session: Session) => session.run({ targets: [given.node!] })
    const values = Object.fromEntries(description.layers.flatMap(({ weights }) => weights).map(({ name, value }) => [name, value]))
    const restore = (session: Session) => session.run({ feeds: Object.entries(initialValues).map(([name, { name: fed }]) => [fed, values[name]!] as const), targets: [initialize.name] })
    const read = async (session: Session) => (await session.run({ fetches: all.map(({ value }) => value.name) })).map((one) => tensorNumbers(one))
    const stepOf = async (session: Session): Promise<number> => tensorNumbers((await session.run({ fetches: [globalStep.value.name] }))[0])[0]!

    const [first, second] = [await open(1n), await open(2n)]
    await restore(first)
    const restored = await read(first)
    await first.run({ feeds: [[number.name, BigInt64Array.of(1n)]], targets: letIn })
    const late = first.run({ targets: [train.name] })
    late.catch(() => undefined)
    await give(first)
    // The first step of its run is done, and the second one waits.
    await expect.poll(() => stepOf(second), { timeout: 20_000 }).toBe(1)
    expect(await read(second)).not.toEqual(restored)

    await second.run({ feeds: [[number.name, BigInt64Array.of(2n)]], targets: letIn })
    await restore(second)
    await give(second)
    await expect(late).rejects.toMatchObject({ _tag: 'Engine', code: 'TF_INVALID_ARGUMENT', message: expect.stringContaining('this step changes nothing') as string })
    expect(await read(second)).toEqual(restored)

    await Promise.all([give(second), give(second), second.run({ targets: [train.name] })])
    expect(await stepOf(second)).toBe(2)
  })
})
