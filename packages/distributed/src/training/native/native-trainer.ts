import { epochBatches, run, throwIfAborted, type Batch, type EpochBatches } from '@millrace/core'
import { nativeSession, type Callable, type FullTensor, type HostTensor, type Session, type Tensor } from '@millrace/export'
import { learningRate, type TensorFlow } from '../model.js'
import { PassSums, stepError, type Pass, type StepListener, type Trainer } from '../trainer.js'
import type { TrainingJob } from '../training-job.js'
import { feedMaker, type FeedMaker } from './feed-maker.js'
import { planTraining, type NativePlan } from './plan.js'
import { NativeWeights, stepsBefore } from './weights.js'

/** A local step ends by itself, and cannot be cancelled. */
const limits = { timeoutMs: Infinity } as const

/**
 * Trains by the training graph in libtensorflow, in this process. While a step runs, the next batch is read and made ready.
 *
 * @param library - path of libtensorflow
 * @throws `Model` or `Usage` for a model that has no graph, `Engine` for one that this TensorFlow does not take
 */
export const openNativeTrainer = async (tf: TensorFlow, job: TrainingJob, library: string): Promise<Trainer> => {
  const { layers } = job
  const plan = planTraining(job, stepsBefore(layers) + 1)
  const weights = new NativeWeights(tf, layers, plan.made)
  const session = await run(nativeSession({ graph: plan.made.graph.encode(), library }))
  try {
    await weights.load(session)
    const passes = await makePasses(session, plan, job)
    return {
      ...passes,
      publish: () => weights.publish(session),
      close: async () => {
        try {
          await weights.publish(session)
          await weights.keepState(session)
        } finally {
          await session.close()
        }
      },
    }
  } catch (thrown) {
    await session.close()
    throw thrown
  }
}

const makePasses = async (session: Session, { made, fed, learningRate: fedRate, trained, evaluated }: NativePlan, job: TrainingJob): Promise<Pick<Trainer, 'train' | 'validate'>> => {
  const { layers, data, validation, batchSize, validationBatchSize, shuffle, signal } = job
  const feeds = fed.map(({ tensor }) => tensor)
  const columns = fed.map(({ column }) => column)
  const feedsOf = feedMaker(fed)
  const rate = (): FullTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(learningRate(layers)!) })
  const training: Steps = {
    callable: await session.makeCallable({ feeds: [...feeds, fedRate], fetches: trained, targets: [made.train] }),
    feedsOf: (batch) => [...feedsOf(batch), rate()],
    batches: epochBatches(data, { batchSize, shuffle }),
  }
  const measuring: Steps | undefined = validation === undefined ? undefined : {
    callable: await session.makeCallable({ feeds, fetches: evaluated }),
    feedsOf,
    batches: epochBatches(validation, { batchSize: validationBatchSize }),
  }
  return {
    train: (epoch, onStep) => once(training, training.batches(epoch, { signal, columns }), signal, onStep),
    validate: () => once(measuring!, measuring!.batches(0, { signal, columns }), signal),
  }
}

/** A kind of step, and what it goes through. */
interface Steps {
  readonly callable: Callable<readonly Tensor[]>
  readonly feedsOf: FeedMaker
  readonly batches: EpochBatches
}

/** A step that runs. */
interface Running {
  readonly rows: number
  readonly measured: Promise<readonly HostTensor[]>
}

/** Goes once through batches, the next one made ready while a step runs. */
const once = async ({ callable, feedsOf }: Steps, batches: AsyncIterable<Batch>, signal: AbortSignal | undefined, onStep?: StepListener): Promise<Pass> => {
  const sums = new PassSums()
  let running: Running | undefined
  const finish = async (): Promise<void> => {
    if (running === undefined) return
    const { rows, measured } = running
    const values = await measured.catch((thrown: unknown) => { throw stepError('TensorFlow', thrown) })
    running = undefined
    sums.add(values.map(({ data }) => (data as Float32Array)[0]!), rows, onStep)
  }
  try {
    for await (const batch of batches) {
      const feeds = feedsOf(batch)
      await finish()
      throwIfAborted(signal)
      const measured = callable.run(feeds, limits)
      // It may fail while the next batch is awaited, before anybody looks.
      measured.catch(() => undefined)
      running = { rows: batch.numRows, measured }
    }
    await finish()
    return sums.pass()
  } finally {
    await running?.measured.catch(() => undefined)
  }
}
