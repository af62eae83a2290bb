import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pipe, run, take } from '@millrace/core'
import { startLocalCluster, trainOnCluster, type LocalCluster } from '@millrace/distributed'
import { writeTfRecords } from '@millrace/formats'
import { data, makeModel } from '../support/cluster-model.js'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

/** Of the same columns and names as `makeModel`, and of other shapes. */
const widerModel = (): tf.LayersModel => {
  const [a, group] = [tf.input({ shape: [1], name: 'a' }), tf.input({ shape: [1], name: 'group', dtype: 'int32' })]
  const known = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: 7, outputDim: 3, name: 'groups' }).apply(group)) as tf.SymbolicTensor
  const hidden = tf.layers.dense({ units: 5, name: 'hidden' }).apply(tf.layers.concatenate().apply([a, known])) as tf.SymbolicTensor
  const model = tf.model({ inputs: [a, group], outputs: tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'chance' }).apply(hidden) as tf.SymbolicTensor })
  model.compile({ loss: 'binaryCrossentropy', optimizer: 'sgd' })
  return model
}

describePeer('trainings one after another on the same servers', 'tensorflow', () => {
  let cluster: LocalCluster
  let folder: string
  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('workers in step leave no gradients to the next training', async () => {
    // The first worker has a batch more than the second: its last gradients find nobody to be averaged with.
    const odd = pipe(data, take(1_001))
    const trained = async (): Promise<number[]> => {
      const model = makeModel()
      const report = await run(trainOnCluster(model, cluster, { data: odd, label: 'y', batchSize: 50, synchronous: {} }))
      expect(report).toMatchObject({ globalStep: 10, stoppedBy: 'data', recoveries: [] })
      return model.getWeights().flatMap((weight) => [...weight.dataSync()])
    }
    const first = await trained()
    const second = await trained()
    second.forEach((value, index) => expect(value).toBeCloseTo(first[index]!, 5))
  })

  test('of two at once the earlier one ends, and says why', async () => {
    const options = { data, label: 'y', batchSize: 50 }
    let begin: () => void = () => undefined
    const begun = new Promise<void>((resolve) => { begin = resolve })
    const earlier = run(trainOnCluster(makeModel(), cluster, { ...options, epochs: 10_000, onStep: ({ globalStep }) => { if (globalStep > 20) begin() } }))
    const ended = expect(earlier).rejects.toMatchObject({ _tag: 'Engine', code: 'CLUSTER_CHIEF_REPLACED', message: expect.stringContaining('has begun another training on these servers') as string })
    await begun
    const later = await run(trainOnCluster(makeModel(), cluster, { ...options, epochs: 20 }))
    await ended
    expect(later.stoppedBy).toBe('data')
    // Each may take one batch for fed which the earlier one was at, until that has noticed.
    for (const { rows, uncertainRows } of later.workers) expect(rows + uncertainRows).toBeGreaterThanOrEqual(20_000 - 50)
  })

  test('models of the same names may differ in their columns and shapes', async () => {
    await run(pipe(data, writeTfRecords(join(folder, 'train'), { shards: 2 })))
    const options = { data: { files: join(folder, 'train-*') }, label: 'y', labelDType: 'int64', batchSize: 500, epochs: 1 } as const
    for (const synchronous of [undefined, {}]) {
      for (const make of [makeModel, widerModel]) expect(await run(trainOnCluster(make(), cluster, { ...options, synchronous }))).toMatchObject({ stoppedBy: 'data', recoveries: [] })
    }
  })
})
