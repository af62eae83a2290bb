import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as tf from '@tensorflow/tfjs'
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

/** TensorFlow's answers on the raw rows of the test, beside ours. */
export const expectExported = async (model: tf.LayersModel, { name, inputs, test }: Example, folder: string): Promise<void> => {
  const { url } = await run(exportSavedModel(model, join(folder, `${name}-model`), { inputs }))
  const { files } = await run(pipe(test, writeTfRecords(join(folder, `${name}-test`), { shards: 1 })))
  const ours = (await run(collect()(pipe(test, inputs.apply, predictions(model, ['probability']))))).map(({ probability }) => probability)
  const [theirs] = JSON.parse(await runPython(peer, { args: [url, ...files] })) as [{ readonly values: readonly number[] }]
  expect(theirs.values).toHaveLength(ours.length)
  expect(Math.max(...theirs.values.map((value, row) => Math.abs(value - ours[row]!)))).toBeLessThan(1e-5)
}
