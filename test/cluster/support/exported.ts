import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'vitest'
import { collect, pipe, run } from '@millrace/core'
import { predictions, score, type BinaryScore } from '@millrace/distributed'
import { exportSavedModel } from '@millrace/export'
import { writeTfRecords } from '@millrace/formats'
import { runPython } from '../../support/peer.js'
import type { Example } from './examples.js'

const peer = fileURLToPath(new URL('../models.py', import.meta.url))

export const measure = (model: tf.LayersModel, { inputs, label, test }: Example): Promise<BinaryScore> =>
  run(pipe(test, inputs.apply, predictions(model, ['probability']), score({ label, probability: 'probability' })))

/** How workers train: each for itself, or in step. */
export type Mode = 'asynchronous' | 'in step'

/** Metrics of a cluster and of one machine are the same but for this part. */
const SHARE = 0.01

/** Sees that a training on a cluster has reached the metrics of one machine, which had the same rows as often. */
export const expectReached = ({ name }: Example, mode: Mode, { auc, logLoss }: BinaryScore, alone: BinaryScore): void => {
  expect(Math.abs(auc / alone.auc - 1)).toBeLessThan(SHARE)
  expect(logLoss / alone.logLoss - 1).toBeLessThan(SHARE)
  // Each worker for itself gets further with the mails by the same rows: in six runs the log loss was 4 to 9 % below.
  if (name !== 'mails' || mode !== 'asynchronous') expect(logLoss / alone.logLoss - 1).toBeGreaterThan(-SHARE)
}

/** The model with the weights that a process has left in a file. */
export const modelOf = async ({ make }: Example, weights: string): Promise<tf.LayersModel> => {
  const model = make()
  const numbers = new Float32Array((await readFile(weights)).buffer)
  let at = 0
  model.setWeights(model.getWeights().map(({ shape, size }) => tf.tensor(numbers.subarray(at, (at += size)), shape)))
  return model
}

/** TensorFlow's answers on the raw rows of the test, beside ours. */
export const expectExported = async (model: tf.LayersModel, { name, inputs, test }: Example, folder: string): Promise<void> => {
  const { url } = await run(exportSavedModel(model, join(folder, `${name}-model`), { inputs }))
  const { files } = await run(pipe(test, writeTfRecords(join(folder, `${name}-test`), { shards: 1 })))
  const ours = (await run(collect()(pipe(test, inputs.apply, predictions(model, ['probability']))))).map(({ probability }) => probability)
  const [theirs] = JSON.parse(await runPython(peer, { args: [url, ...files] })) as [{ readonly values: readonly number[] }]
  expect(theirs.values).toHaveLength(ours.length)
  expect(Math.max(...theirs.values.map((value, row) => Math.abs(value - ours[row]!)))).toBeLessThan(1e-5)
}
