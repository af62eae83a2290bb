import { epochBatches, throwIfAborted, type Batch } from '@millrace/core'
import type { Callable, FullTensor, HostTensor, Session, Tensor } from '@millrace/export'
import { learningRate } from '../model.js'
import { PassSums, stepError, type Pass, type StepListener, type Trainer } from '../trainer.js'
import type { TrainingJob } from '../training-job.js'
import { feedMaker } from './feed-maker.js'
import type { NativePlan } from './plan.js'

/** A local step ends by itself, and cannot be cancelled. */
const limits = { timeoutMs: Infinity } as const

/** A call of the session that is ready to be made. */
interface Ready {
  readonly rows: number
  readonly steps: number
  readonly callable: Callable<readonly Tensor[]>
  readonly feeds: readonly FullTensor[]
}

/** Makes what goes through the rows of a training and its validation, in a session whose variables have values. */
export const makePasses = async (session: Session, plan: NativePlan, job: TrainingJob): Promise<Pick<Trainer, 'train' | 'validate'>> => {
  const { layers, data, validation, batchSize, validationBatchSize, shuffle, signal } = job
  const { made, source, columns } = plan
  const feedsOf = feedMaker(columns)
  const context = { signal, columns: columns.map(({ column }) => column) }
  const fed = (tensors: Readonly<Record<string, Tensor>>): Tensor[] => columns.map(({ name }) => tensors[name]!)

  const step = await session.makeCallable({ feeds: [...fed(source.batch), plan.learningRate], fetches: plan.step, targets: [made.steps[0]!.train] })
  const run = await session.makeCallable({ feeds: [...fed(source.run), plan.learningRate], fetches: plan.run, targets: [made.train] })
  const rows = source.steps * batchSize
  const training = epochBatches(data, { batchSize: rows, shuffle })
  const rate = (): FullTensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(learningRate(layers)!) })
  const inSteps = ({ shape: [, ...item], ...tensor }: FullTensor): FullTensor => ({ ...tensor, shape: [source.steps, batchSize, ...item] })
  const runsOf = function* (batch: Batch): Generator<Ready> {
    if (batch.numRows === rows) return yield { rows, steps: source.steps, callable: run, feeds: [...feedsOf(batch).map(inSteps), rate()] }
    for (let from = 0; from < batch.numRows; from += batchSize) {
      const part = batch.slice(from, from + batchSize)
      yield { rows: part.numRows, steps: 1, callable: step, feeds: [...feedsOf(part), rate()] }
    }
  }
  const train: Trainer['train'] = (epoch, onStep) => once(training(epoch, context), runsOf, signal, onStep)
  if (validation === undefined || plan.evaluation === undefined) return { train, validate: () => Promise.reject(new Error('there is nothing to validate on')) }

  const evaluate = await session.makeCallable({ feeds: fed(plan.evaluation.feeds), fetches: plan.evaluation.measures })
  const validating = epochBatches(validation, { batchSize: validationBatchSize })
  const whole = function* (batch: Batch): Generator<Ready> {
    yield { rows: batch.numRows, steps: 1, callable: evaluate, feeds: feedsOf(batch) }
  }
  return { train, validate: () => once(validating(0, context), whole, signal) }
}

/** A call that was made. */
interface Running extends Pick<Ready, 'rows' | 'steps'> {
  readonly measured: Promise<readonly HostTensor[]>
}

/** Goes once through batches, the next call made ready while one runs. */
const once = async (batches: AsyncIterable<Batch>, callsOf: (batch: Batch) => Iterable<Ready>, signal: AbortSignal | undefined, onStep?: StepListener): Promise<Pass> => {
  const sums = new PassSums()
  let running: Running | undefined
  const finish = async (): Promise<void> => {
    if (running === undefined) return
    const { measured, ...counts } = running
    const values = await measured.catch((thrown: unknown) => { throw stepError('TensorFlow', thrown) })
    running = undefined
    sums.add(values.map(({ data }) => (data as Float32Array)[0]!), counts, onStep)
  }
  try {
    for await (const batch of batches) {
      for (const { callable, feeds, rows, steps } of callsOf(batch)) {
        await finish()
        throwIfAborted(signal)
        const measured = callable.run(feeds, limits)
        // It may fail while the next batch is awaited, before anybody looks.
        measured.catch(() => undefined)
        running = { rows, steps, measured }
      }
    }
    await finish()
    return sums.pass()
  } finally {
    await running?.measured.catch(() => undefined)
  }
}
