import { fromUnknown, run, type BackendReport } from '@millrace/core'
import { nativeLibrary } from '@millrace/export'
import { openNativeTrainer } from './native/native-trainer.js'
import type { TensorFlow } from './model.js'
import { tfjsTrainer } from './tfjs-trainer.js'
import type { Trainer } from './trainer.js'
import type { TrainingJob } from './training-job.js'

/** What computes a training. */
export interface RuntimeReport {
  /** `tensorflow`: the training graph in libtensorflow, in this process. `tfjs`: the loop of TensorFlow.js. */
  readonly runtime: 'tensorflow' | 'tfjs'
  /** For people: `TensorFlow 2.21.0 in this process`, `TensorFlow.js on WebAssembly (…)`. */
  readonly description: string
  /** Path of the library; `undefined` where it is TensorFlow.js. */
  readonly library: string | undefined
  /** Why TensorFlow was not taken; `undefined` where it was, or was not asked for. */
  readonly reason: string | undefined
}

/** Which runtime to take. */
export interface RuntimeChoice {
  readonly runtime: 'auto' | 'tensorflow' | 'tfjs'
  /** Where libtensorflow is. */
  readonly library: string | undefined
  /** Whether a backend of TensorFlow.js was asked for, which only its own loop trains on. */
  readonly namesBackend: boolean
}

/** A trainer, and on what. */
export interface ChosenTrainer {
  readonly trainer: Trainer
  readonly runtime: RuntimeReport
}

/** Tags of what TensorFlow.js may do better. */
const reasons: ReadonlySet<string> = new Set(['MissingPeer', 'Model', 'Usage', 'Engine'])

const native = async (tf: TensorFlow, job: TrainingJob, path: string | undefined): Promise<ChosenTrainer> => {
  const { path: library, version } = await run(nativeLibrary(path))
  const trainer = await openNativeTrainer(tf, job, library)
  return { trainer, runtime: { runtime: 'tensorflow', description: `TensorFlow ${version} in this process`, library, reason: undefined } }
}

/**
 * Takes TensorFlow where it is there and can train the model, else TensorFlow.js, and says why.
 *
 * @throws what was wrong with TensorFlow, where nothing else will do
 */
export const chooseTrainer = async (tf: TensorFlow, job: TrainingJob, backend: BackendReport, { runtime, library, namesBackend }: RuntimeChoice): Promise<ChosenTrainer> => {
  let reason: string | undefined
  if (runtime === 'tensorflow' || (runtime === 'auto' && !namesBackend)) {
    try {
      return await native(tf, job, library)
    } catch (thrown) {
      const { _tag, problem } = fromUnknown(thrown)
      if (runtime === 'tensorflow' || !reasons.has(_tag)) throw thrown
      reason = problem
    }
  }
  return { trainer: await tfjsTrainer(tf, job), runtime: { runtime: 'tfjs', description: `TensorFlow.js on ${backend.description}`, library: undefined, reason } }
}
