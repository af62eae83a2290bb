import * as tf from '@tensorflow/tfjs'
import { field, fromRows } from '@millrace/core'

/** Rows of one step of a worker. A power of two, so that counts are exact. */
export const BATCH = 4

/** Rows that are known by their number. */
export const countedRows = (count: number) =>
  fromRows({ row: field.int32(), y: field.float32() }, Array.from({ length: count }, (_, row) => ({ row, y: -1e6 })))

/**
 * A model that counts: whatever it has learnt, the gradient of a row's own weight is the same, so each update takes 1 from the weight of
 * each row of its batch. Unlike a report, the weights know what the servers really did.
 *
 * @param workersInStep - gradients of which an update is the mean
 */
export const countingModel = (count: number, workersInStep = 1): tf.LayersModel => {
  const row = tf.input({ shape: [1], name: 'row', dtype: 'int32' })
  const y = tf.layers.flatten().apply(tf.layers.embedding({ inputDim: count, outputDim: 1, name: 'counts', embeddingsInitializer: 'zeros' }).apply(row)) as tf.SymbolicTensor
  const model = tf.model({ inputs: row, outputs: y })
  model.compile({ loss: 'meanAbsoluteError', optimizer: tf.train.sgd(BATCH * workersInStep) })
  return model
}

/** How often each row was in an update. */
export const countsOf = (model: tf.LayersModel): number[] => [...model.getWeights()[0]!.dataSync()].map((weight) => Math.round(-weight * 1e3) / 1e3)

export const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0)
