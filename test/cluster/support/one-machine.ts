import { expect } from 'vitest'
import { pipe, run } from '@millrace/core'
import { train, type BinaryScore } from '@millrace/distributed'
import { peerLibrary } from '../../support/session-servers.js'
import type { Example } from './examples.js'
import { measure } from './exported.js'

/** Trains an example on this machine alone, in TensorFlow. */
export const onOneMachine = async (example: Example): Promise<BinaryScore> => {
  const { make, train: rows, inputs, label, rows: batchSize, rates } = example
  const model = make()
  const setRate = (rate: number | undefined): void => {
    if (rate !== undefined) (model.optimizer as unknown as { learningRate: number }).learningRate = rate
  }
  setRate(rates[0])
  const { runtime } = await run(train(model, {
    data: pipe(rows, inputs.apply), label, batchSize, epochs: rates.length, runtime: 'tensorflow', library: peerLibrary(), onEpoch: ({ epoch }) => setRate(rates[epoch]),
  }))
  expect(runtime.runtime).toBe('tensorflow')
  return measure(model, example)
}
