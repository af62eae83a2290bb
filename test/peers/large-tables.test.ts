import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { field, fromRows, run } from '@millrace/core'
import { startLocalCluster, trainOnCluster, type LocalCluster } from '@millrace/distributed'
import { exportSavedModel, latestCheckpoint, withoutWeights } from '@millrace/export'
import { describePeer, runPython } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const [ROWS, WIDTH, SEEN] = [4_001, 6, 64] as const

/** The answers of a SavedModel to all ids, and what they have to be by the checkpoint's values. */
const script = `
import json, sys
import numpy as np
import tensorflow as tf
model, prefix, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
answer = tf.saved_model.load(model).signatures['serving_default']
ids = np.arange(rows, dtype=np.int32).reshape(-1, 1)
[told] = answer(**{next(iter(answer.structured_input_signature[1])): tf.constant(ids)}).values()
reader = tf.train.load_checkpoint(prefix)
table, kernel, bias = [reader.get_tensor(name) for name in ('table/embeddings', 'clicked/kernel', 'clicked/bias')]
expected = 1 / (1 + np.exp(-(table @ kernel + bias)))
print(json.dumps({'shape': table.shape, 'deviation': float(table.std()), 'furthest': float(np.abs(told.numpy() - expected).max()), 'told': told.numpy().reshape(-1).tolist()}))
`

interface Answered {
  readonly shape: readonly number[]
  readonly deviation: number
  readonly furthest: number
  readonly told: readonly number[]
}

const makeModel = (): tf.LayersModel => {
  const id = tf.input({ shape: [1], name: 'id', dtype: 'int32' })
  const embeddingsInitializer = tf.initializers.randomNormal({ stddev: 0.05 })
  const row = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: ROWS, outputDim: WIDTH, name: 'table', embeddingsInitializer }).apply(id))
  const model = tf.model({ inputs: id, outputs: tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'clicked' }).apply(row) as tf.SymbolicTensor })
  model.compile({ loss: 'binaryCrossentropy', optimizer: tf.train.adam(0.05) })
  return model
}

const wasClicked = (id: number): boolean => id % 3 === 0
const data = fromRows({ id: field.int32(), clicked: field.bool() }, Array.from({ length: 20 * SEEN }, (_, row) => ({ id: row % SEEN, clicked: wasClicked(row % SEEN) })))

describePeer('tables that fit on no machine', 'tensorflow', () => {
  let cluster: LocalCluster
  let folder = ''
  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-large-tables-'))
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('a model without weights trains, its table in parts, and is exported from the checkpoint; TensorFlow answers with its values', async () => {
    const model = withoutWeights(tf, makeModel)
    const tensors = tf.memory().numTensors
    const checkpoints = join(folder, 'checkpoints')
    const report = await run(trainOnCluster(model, cluster, {
      data, label: 'clicked', batchSize: 32, epochs: 6, checkpoints: { folder: checkpoints }, placement: { partition: { minBytes: 10_000 } }, fetchLimitBytes: 10_000,
    }))
    expect(report).toMatchObject({ globalStep: (6 * 20 * SEEN) / 32, notFetched: ['table/embeddings'], recoveries: [] })
    // Neither made here nor fetched.
    expect(tf.memory().numTensors - tensors).toBeLessThanOrEqual(2)

    const checkpoint = (await latestCheckpoint(checkpoints))!
    const { url } = await run(exportSavedModel(model, join(folder, 'saved-model', '1'), { checkpoint }))
    const { shape, deviation, furthest, told } = JSON.parse(await runPython(script, { args: [url, checkpoint, String(ROWS)] })) as Answered
    expect(shape).toEqual([ROWS, WIDTH])
    expect(deviation).toBeGreaterThan(0.04)
    expect(furthest).toBeLessThan(1e-5)
    expect(told.slice(0, SEEN).map((chance) => chance > 0.5)).toEqual(Array.from({ length: SEEN }, (_, id) => wasClicked(id)))
  })
})
