import { chooseBackend, job, requireCount, requireOneOf, run, type BackendName, type BackendReport, type Job, type ProgressEvent, type ShuffleRows, type Stream } from '@millrace/core'
import { checkData } from './check-data.js'
import { Monitor, type EarlyStopping } from './early-stopping.js'
import { runEpochs, type EpochReport, type EpochsReport } from './epochs.js'
import { compiled, loadTensorFlow, type TrainableModel } from './model.js'
import { chooseTrainer, type RuntimeReport } from './runtime.js'
import { openTrainingLog } from './training-log.js'

/** Options of {@link train}. */
export interface TrainingOptions {
  /** Rows with the model's inputs and the label as columns: a stream to which features were applied. Read once an epoch. */
  readonly data: Stream<Stream['schema'], 'cold'>
  /** Column to predict; for a model with several outputs, columns that have their names. Numbers or bools, taken as float32. */
  readonly label: string | readonly string[]
  /** Rows to measure after each epoch, never trained on; at least one. */
  readonly validation?: Stream<Stream['schema'], 'cold'> | undefined
  /** At most. Default 10. */
  readonly epochs?: number | undefined
  /** Rows of a step. Default 32, as Keras. */
  readonly batchSize?: number | undefined
  /** Default: train for all epochs. */
  readonly earlyStopping?: EarlyStopping | undefined
  /** Mixes the rows anew each epoch. Default: the stream's order. */
  readonly shuffle?: ShuffleRows | undefined
  /** Local folder for TensorBoard's event files, in `train/` and `validation/` as Keras has them. */
  readonly tensorBoard?: string | undefined
  /** Called after each epoch. */
  readonly onEpoch?: ((epoch: EpochReport) => void) | undefined
  /** Default: the backend that was chosen before, by `chooseBackend` or `tf.setBackend`, or the best one where none was. */
  readonly backend?: BackendName | undefined
  /**
   * What computes. `tensorflow`: the training graph (see `trainingGraph`) in libtensorflow, in this process. `tfjs`: the loop of
   * TensorFlow.js. Default `auto`: TensorFlow where libtensorflow and koffi are there, the model's layers, loss, metrics and optimizer
   * have a graph, and `backend` names none of TensorFlow.js; else `tfjs`, and the report says why.
   */
  readonly runtime?: 'auto' | 'tensorflow' | 'tfjs' | undefined
  /** Path of libtensorflow or of a folder that holds it. Default: the environment's `LIBTENSORFLOW`, then an installed tfjs-node, then Python's TensorFlow. */
  readonly library?: string | undefined
}

/** What a training came to. */
export interface TrainingReport extends EpochsReport {
  /** What computed it, and why not TensorFlow. */
  readonly runtime: RuntimeReport
  /** What TensorFlow.js, which holds the model, computes on. */
  readonly backend: BackendReport
  readonly seconds: number
}

const DEFAULT_EPOCHS = 10
/** Rows of a step of validation: larger than in training, since nothing is learnt between. */
const VALIDATION_ROWS = 1024
/**
 * Trains a compiled TensorFlow.js layers model on this machine.
 *
 * The model's inputs are columns of `data` by name. Each epoch opens the stream again. With early stopping the model ends with
 * the weights of its best epoch. When the signal fires, training stops at the next step, and the model keeps the weights it has
 * then.
 *
 * It is computed by TensorFlow itself where that is there, with the numbers of TensorFlow.js (random ones of dropout excepted); what an
 * optimizer keeps from step to step is kept from call to call, by each runtime for itself. Else TensorFlow.js computes, on the backend
 * that {@link chooseBackend} chooses.
 *
 * @throws `Schema` for columns that are missing or hold no numbers, `Model` when the model is not compiled, does not fit the data, or diverges (it keeps
 *   the weights it has then), `Usage` for labels that do not fit the outputs, streams without rows, and counts that are none;
 *   with `runtime: 'tensorflow'` also what keeps TensorFlow from training it: `MissingPeer`, `Model`, `Engine`
 * @example
 * const report = await run(train(model, { data, validation, label: 'late', epochs: 20, batchSize: 128,
 *   shuffle: { seed: 1 }, earlyStopping: { patience: 3 }, tensorBoard: 'out/tensorboard' }))
 */
export const train = (model: TrainableModel, options: TrainingOptions): Job<TrainingReport> =>
  job(async (context) => {
    const started = performance.now()
    const tf = await loadTensorFlow('train')
    const layers = compiled(model)
    const { data, validation, label, shuffle, batchSize = 32, epochs = DEFAULT_EPOCHS, runtime = 'auto' } = options
    requireCount(epochs, 1, 'epochs of train')
    requireCount(batchSize, 1, 'batchSize of train')
    requireOneOf('runtime of train', runtime, ['auto', 'tensorflow', 'tfjs'])
    const labels = typeof label === 'string' ? [label] : label
    const streams = validation === undefined ? [data] : [data, validation]
    for (const stream of streams) await stream.findSchema(context)
    checkData(layers, streams, labels)
    const validated = validation !== undefined
    const monitor = options.earlyStopping === undefined ? undefined : new Monitor(options.earlyStopping, measured(layers.metricsNames, validated))
    const backend = await run(chooseBackend({ prefer: options.backend, keep: true }))
    const log = options.tensorBoard === undefined ? undefined : await openTrainingLog(options.tensorBoard, validated)
    try {
      const todo = { layers, labels, data, validation, batchSize, validationBatchSize: Math.max(batchSize, VALIDATION_ROWS), shuffle, signal: context.signal }
      const chosen = await chooseTrainer(tf, todo, backend, { runtime, library: options.library, namesBackend: options.backend !== undefined })
      context.progress?.(runtimeEvent(chosen.runtime))
      const restoreBest = options.earlyStopping?.restoreBest !== false
      const outcome = await runEpochs({ layers, trainer: chosen.trainer, validated, epochs, log, monitor, restoreBest, onEpoch: options.onEpoch }, context)
      return { runtime: chosen.runtime, backend, ...outcome, seconds: (performance.now() - started) / 1000 }
    } finally {
      await log?.close()
    }
  })

const measured = (names: readonly string[], validated: boolean): readonly string[] => (validated ? [...names, ...names.map((name) => `val_${name}`)] : names)

const runtimeEvent = ({ description, reason }: RuntimeReport): ProgressEvent => ({
  stage: `training on ${description}`,
  done: 0,
  unit: 'rows',
  note: reason === undefined ? undefined : `not on TensorFlow: ${reason}`,
  finished: true,
})
