import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fromRows, run } from '@millrace/core'
import { startLocalCluster, train, trainOnCluster, type ClusterTrainingOptions, type LocalCluster } from '@millrace/distributed'
import { latestCheckpoint } from '@millrace/export'
import { data, makeModel, rows } from '../support/cluster-model.js'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

describePeer('a training on a cluster whose data is bad', 'tensorflow', () => {
  const library = peerLibrary()
  let cluster: LocalCluster
  let folder: string
  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-bad-'))
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library, environment: { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const training = (options: Partial<ClusterTrainingOptions>) => run(trainOnCluster(makeModel(), cluster, { data, label: 'y', batchSize: 50, ...options }))

  test('weights that are NaN are no success, and no checkpoint, though relu hides them from the loss', async () => {
    const hidden = fromRows(data.schema, rows.map((row, at) => (at === 300 ? { ...row, a: NaN } : row)))
    const refused = { _tag: 'Model', code: 'WEIGHTS_NOT_FINITE', message: expect.stringContaining('"hidden/kernel"') as string }
    await expect(training({ data: hidden })).rejects.toMatchObject(refused)
    const checkpoints = { folder: join(folder, 'nan'), everySteps: 1 }
    await expect(training({ data: hidden, checkpoints })).rejects.toMatchObject(refused)
    // The chief's own fourth batch has it.
    expect(Number((await latestCheckpoint(checkpoints.folder))!.split('-').at(-1))).toBeLessThan(40)
    await expect(run(train(makeModel(), { data: hidden, label: 'y', epochs: 1, batchSize: 50, runtime: 'tensorflow', library }))).rejects.toMatchObject(refused)
  })
})
