import { run } from '@millrace/core'
import { nativeSession } from '@millrace/export'
import type { TensorFlow } from '../model.js'
import type { Trainer } from '../trainer.js'
import type { TrainingJob } from '../training-job.js'
import { makePasses } from './passes.js'
import { planTraining } from './plan.js'
import { NativeWeights, stepsBefore } from './weights.js'

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
