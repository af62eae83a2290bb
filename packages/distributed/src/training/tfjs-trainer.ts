import { minibatches, throwIfAborted, type CountedMinibatch, type Epochs } from '@millrace/core'
import type { LayersModel } from '@tensorflow/tfjs'
import type { TensorFlow } from './model.js'
import { PassSums, stepError, type Pass, type StepListener, type Trainer } from './trainer.js'
import type { TrainingJob } from './training-job.js'

/** Training never gives the event loop a turn by itself; signals and timers get one this often. */
const YIELD_MILLISECONDS = 50

/** Trains by TensorFlow.js' own loop, on the backend that it is on. */
export const tfjsTrainer = async (tf: TensorFlow, { layers, labels, data, validation, batchSize, validationBatchSize, shuffle, signal }: TrainingJob): Promise<Trainer> => {
  const columns = { label: labels.length === 1 ? labels[0]! : labels, columns: layers.inputNames }
  const training = await minibatches(data, { ...columns, batchSize, shuffle })
  const validating = validation === undefined ? undefined : await minibatches(validation, { ...columns, batchSize: validationBatchSize })
  const learn: Work = (batch) => layers.trainOnBatch(batch.xs as never, batch.ys as never)
  // Async, so that what it throws is a rejection too. Of several outputs it gives the running sums of the losses; the last is the loss.
  const measure: Work = async (batch) =>
    readScalars(tf, layers.evaluate(batch.xs as never, batch.ys as never, { batchSize: batch.numRows, verbose: 0 })).slice(layers.outputs.length - 1)
  const pass = (epochs: Epochs, epoch: number, work: Work, onStep?: StepListener): Promise<Pass> =>
    once({ tf, batches: epochs(epoch, { signal }), work, signal, onStep })
  return {
    train: (epoch, onStep) => pass(training, epoch, learn, onStep),
    validate: () => pass(validating!, 0, measure),
    publish: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
}

type Work = (batch: CountedMinibatch) => Promise<number | number[]>

interface Once {
  readonly tf: TensorFlow
  readonly batches: ReturnType<Epochs>
  readonly work: Work
  readonly signal: AbortSignal | undefined
  readonly onStep: StepListener | undefined
}

/** Goes once through minibatches, and disposes of them. */
const once = async ({ tf, batches, work, signal, onStep }: Once): Promise<Pass> => {
  const sums = new PassSums()
  let yielded = performance.now()
  for await (const batch of batches) {
    try {
      throwIfAborted(signal)
      const values = await work(batch).catch((thrown: unknown) => { throw stepError('TensorFlow.js', thrown) })
      sums.add(typeof values === 'number' ? [values] : values, { rows: batch.numRows, steps: 1 }, onStep)
    } finally {
      tf.dispose([batch.xs, batch.ys] as never)
    }
    if (performance.now() - yielded > YIELD_MILLISECONDS) {
      await new Promise((resolve) => setImmediate(resolve))
      yielded = performance.now()
    }
  }
  return sums.pass()
}

const readScalars = (tf: TensorFlow, scalars: ReturnType<LayersModel['evaluate']>): number[] => {
  const list = Array.isArray(scalars) ? scalars : [scalars]
  const values = list.map((scalar) => scalar.dataSync()[0]!)
  tf.dispose(list)
  return values
}
