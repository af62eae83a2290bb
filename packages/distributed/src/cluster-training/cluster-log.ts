import { join } from 'node:path'
import { openEventFile } from '@millrace/export'
import type { ClusterStep, ClusterTrainingOptions } from './options.js'
import type { ClusterEvaluation } from './report.js'

/** The event files of a training on a cluster. */
export interface ClusterLog {
  step(step: ClusterStep): void
  evaluation(evaluation: ClusterEvaluation): Promise<void>
  close(): Promise<void>
}

const EVERY_STEPS = 100

/** Opens event files: `train/` with `loss`, the metrics and `global_step/sec` of every some steps, `validation/` with what was measured. */
export const openClusterLog = async (folder: string, { logEverySteps = EVERY_STEPS, validation }: ClusterTrainingOptions): Promise<ClusterLog> => {
  const training = await openEventFile(join(folder, 'train'))
  const measured = validation === undefined ? undefined : await openEventFile(join(folder, 'validation'))
  let writing: Promise<void> = Promise.resolve()
  let last: { readonly globalStep: number; readonly at: number } | undefined
  let steps = 0
  return {
    step: ({ globalStep, loss, metrics }) => {
      steps += 1
      if (steps % logEverySteps !== 1 % logEverySteps) return
      const at = performance.now()
      const rate: Record<string, number> = last === undefined || at === last.at ? {} : { 'global_step/sec': ((globalStep - last.globalStep) * 1000) / (at - last.at) }
      last = { globalStep, at }
      writing = writing.then(() => training.scalars(globalStep, { loss, ...metrics, ...rate }))
      // Whoever closes the log hears of it.
      writing.catch(() => undefined)
    },
    evaluation: async ({ globalStep, metrics }) => measured?.scalars(globalStep, metrics),
    close: async () => {
      try {
        await writing
      } finally {
        await training.close()
        await measured?.close()
      }
    },
  }
}
