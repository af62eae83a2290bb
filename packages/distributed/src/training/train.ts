import {
  chooseBackend, describeField, failure, fromUnknown, job, minibatches, requireColumn, requireCount, run, throwIfAborted,
  type BackendName, type BackendReport, type CountedMinibatch, type Epochs, type Field, type Job, type RunContext, type ShuffleRows, type Stream,
} from '@millrace/core'
import type { LayersModel } from '@tensorflow/tfjs'
import { Monitor, type EarlyStopping } from './early-stopping.js'
import { compiled, loadTensorFlow, Snapshot, type TensorFlow, type TrainableModel } from './model.js'
import { openTrainingLog, type TrainingLog } from './training-log.js'

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
}

/** What one epoch came to. */
export interface EpochReport {
  /** From 1. */
  readonly epoch: number
  /** Mean over the epoch's rows, each under the weights of its step, regularisation included. */
  readonly loss: number
  /** Loss of the validation rows under the weights at the end of the epoch, without regularisation. */
  readonly valLoss: number | undefined
  /** All that was measured, by Keras' names: `loss`, `val_loss`, `acc`, `val_acc`, … */
  readonly metrics: Readonly<Record<string, number>>
  readonly seconds: number
}

/** What a training came to. */
export interface TrainingReport {
  readonly backend: BackendReport
  readonly epochs: readonly EpochReport[]
  /** Epoch, from 1, whose weights the model has. */
  readonly bestEpoch: number
  /** Whether early stopping ended it. */
  readonly stoppedEarly: boolean
  readonly steps: number
  /** Rows of one epoch. */
  readonly rows: number
  readonly validationRows: number
  readonly seconds: number
}

const DEFAULT_EPOCHS = 10
/** Rows of a step of validation: larger than in training, since nothing is learnt between. */
const VALIDATION_ROWS = 1024
/** Training never gives the event loop a turn by itself; signals and timers get one this often. */
const YIELD_MILLISECONDS = 50

/**
 * Trains a compiled TensorFlow.js layers model on this machine.
 *
 * The model's inputs are columns of `data` by name. Each epoch opens the stream again. With early stopping the model ends with
 * the weights of its best epoch. When the signal fires, training stops at the next step, and the model keeps the weights it has
 * then. The backend is chosen by {@link chooseBackend}.
 *
 * @throws `Schema` for columns that are missing or hold no numbers, `Model` when the model is not compiled, does not fit the data, or diverges (it keeps
 *   the weights it has then), `Usage` for labels that do not fit the outputs, streams without rows, and counts that are none
 * @example
 * const report = await run(train(model, { data, validation, label: 'late', epochs: 20, batchSize: 128,
 *   shuffle: { seed: 1 }, earlyStopping: { patience: 3 }, tensorBoard: 'out/tensorboard' }))
 */
export const train = (model: TrainableModel, options: TrainingOptions): Job<TrainingReport> =>
  job(async (context) => {
    const started = performance.now()
    const tf = await loadTensorFlow('train')
    const layers = compiled(model)
    const { label, batchSize = 32, shuffle, validation } = options
    requireCount(options.epochs ?? DEFAULT_EPOCHS, 1, 'epochs of train')
    requireCount(batchSize, 1, 'batchSize of train')
    const labels = typeof label === 'string' ? [label] : label
    checkLabels(labels, layers.outputNames)
    const backend = await run(chooseBackend({ prefer: options.backend, keep: true }))
    for (const stream of validation === undefined ? [options.data] : [options.data, validation]) {
      for (const [i, name] of layers.inputNames.entries()) requireNumbers(stream, name, `the model's input`, layers.inputs[i]!.dtype)
      for (const name of labels) requireNumbers(stream, name, 'the label')
    }
    const columns = { label, columns: layers.inputNames }
    const training = await minibatches(options.data, { ...columns, batchSize, shuffle })
    const validating = validation === undefined ? undefined : await minibatches(validation, { ...columns, batchSize: Math.max(batchSize, VALIDATION_ROWS) })
    const log = options.tensorBoard === undefined ? undefined : await openTrainingLog(options.tensorBoard, validating !== undefined)
    try {
      const outcome = await fit({ tf, layers, training, validating, log, options }, context)
      return { backend, ...outcome, seconds: (performance.now() - started) / 1000 }
    } finally {
      await log?.close()
    }
  })

const checkLabels = (labels: readonly string[], outputs: readonly string[]): void => {
  const fits = outputs.length === 1 ? labels.length === 1 : labels.length === outputs.length && outputs.every((name) => labels.includes(name))
  if (fits) return
  throw failure({
    tag: 'Usage',
    code: 'LABELS',
    problem: `the model's outputs are ${outputs.join(', ')}, and the labels ${labels.join(', ')}`,
    remedy: outputs.length === 1 ? 'A model with one output takes one label.' : 'A model with several outputs takes a label for each, of the same name: rename() the columns.',
  })
}

const holdsNumbers = ({ kind, params }: Field): boolean =>
  kind === 'list' || kind === 'dictionary' ? holdsNumbers(params.item!) : kind !== 'utf8' && kind !== 'binary' && kind !== 'decimal'

/** Raw rows often have the names that the model asks for; TensorFlow.js would only say that it cannot cast a string. */
const requireNumbers = ({ schema }: Stream, name: string, use: string, dtype = 'float32'): void => {
  const field = requireColumn(schema, name, use)
  if (holdsNumbers(field) || dtype === 'string') return
  throw failure({
    tag: 'Schema',
    code: 'NOT_NUMERIC',
    problem: `${use} takes numbers, and the column "${name}" is ${describeField(field)}`,
    remedy: 'Pipe the rows through inputs.apply first.',
    position: { column: name },
  })
}

interface Fit {
  readonly tf: TensorFlow
  readonly layers: LayersModel
  readonly training: Epochs
  readonly validating: Epochs | undefined
  readonly log: TrainingLog | undefined
  readonly options: TrainingOptions
}

const fit = async ({ tf, layers, training, validating, log, options }: Fit, context: RunContext): Promise<Omit<TrainingReport, 'backend' | 'seconds'>> => {
  const { epochs: limit = DEFAULT_EPOCHS, earlyStopping } = options
  const measured = validating === undefined ? layers.metricsNames : [...layers.metricsNames, ...layers.metricsNames.map((name) => `val_${name}`)]
  const monitor = earlyStopping === undefined ? undefined : new Monitor(earlyStopping, measured)
  const best = new Snapshot(layers)
  const reports: EpochReport[] = []
  let steps = 0
  let rows = 0
  let validationRows = 0
  let stoppedEarly = false
  const step = (batch: CountedMinibatch) => layers.trainOnBatch(batch.xs as never, batch.ys as never)
  const measure = async (batch: CountedMinibatch) => readScalars(tf, layers.evaluate(batch.xs as never, batch.ys as never, { batchSize: batch.numRows, verbose: 0 }))
  try {
    for (let epoch = 1; epoch <= limit && !stoppedEarly; epoch++) {
      const started = performance.now()
      const stage = `epoch ${epoch} of ${limit}`
      const total = rows === 0 ? undefined : rows
      const trained = await pass(tf, layers, training(epoch - 1, { signal: context.signal }), step, context.signal, (done, values) =>
        context.progress?.({ stage, done, total, unit: 'rows', note: `loss ${values[0]!.toFixed(4)}` }))
      rows = trained.rows
      steps += trained.steps
      if (rows === 0) throw noRows('data', 'there is nothing to train on')
      const validated = validating === undefined ? undefined : await pass(tf, layers, validating(0, { signal: context.signal }), measure, context.signal)
      if (validated?.rows === 0) throw noRows('validation', 'there is nothing to measure')
      validationRows = validated?.rows ?? 0

      const metrics = Object.fromEntries([
        ...layers.metricsNames.map((name, i) => [name, trained.means[i]!] as const),
        ...(validated === undefined ? [] : layers.metricsNames.map((name, i) => [`val_${name}`, validated.means[i]!] as const)),
      ])
      const report: EpochReport = { epoch, loss: metrics['loss']!, valLoss: metrics['val_loss'], metrics, seconds: (performance.now() - started) / 1000 }
      reports.push(report)
      await log?.epoch(epoch - 1, metrics, learningRate(layers))
      context.progress?.({ stage, done: rows, total: rows, unit: 'rows', note: note(report), finished: true })
      options.onEpoch?.(report)
      if (monitor === undefined) continue
      const { improved, stop } = monitor.note(epoch, metrics)
      if (improved && earlyStopping?.restoreBest !== false) best.take()
      stoppedEarly = stop
    }
    best.restore()
    const last = reports.length
    const bestEpoch = monitor === undefined || earlyStopping?.restoreBest === false ? last : monitor.bestEpoch
    return { epochs: reports, bestEpoch, stoppedEarly, steps, rows, validationRows }
  } finally {
    best.dispose()
  }
}

const noRows = (option: string, consequence: string): Error =>
  failure({ tag: 'Usage', code: 'NO_ROWS', problem: `${consequence}: the stream that is given as ${option} has no rows`, remedy: 'Check its source, its filters and its split.' })

const note = ({ loss, valLoss }: EpochReport): string => `loss ${loss.toFixed(4)}${valLoss === undefined ? '' : `, validation ${valLoss.toFixed(4)}`}`

const learningRate = (layers: LayersModel): number | undefined => {
  const rate = (layers.optimizer as unknown as { readonly learningRate?: unknown }).learningRate
  return typeof rate === 'number' ? rate : undefined
}

interface Pass {
  readonly rows: number
  readonly steps: number
  /** Means over the rows, in the order of the model's `metricsNames`. */
  readonly means: readonly number[]
}

/** Goes once through minibatches, and disposes of them. */
const pass = async (
  tf: TensorFlow,
  layers: LayersModel,
  batches: AsyncGenerator<CountedMinibatch, void, undefined>,
  work: (batch: CountedMinibatch) => Promise<number | number[]>,
  signal: AbortSignal | undefined,
  onStep?: (rows: number, means: readonly number[]) => void,
): Promise<Pass> => {
  const sums = layers.metricsNames.map(() => 0)
  let rows = 0
  let steps = 0
  let yielded = performance.now()
  for await (const batch of batches) {
    try {
      throwIfAborted(signal)
      const values = await work(batch).catch((thrown: unknown) => { throw modelError(thrown) })
      for (const [i, value] of (typeof values === 'number' ? [values] : values).entries()) sums[i]! += value * batch.numRows
    } finally {
      tf.dispose([batch.xs, batch.ys] as never)
    }
    rows += batch.numRows
    steps++
    if (!Number.isFinite(sums[0]!)) throw failure({ tag: 'Model', code: 'LOSS_NOT_FINITE', problem: `the loss is ${sums[0]} after ${steps} steps`, remedy: 'Lower the learning rate, and see that the inputs are standardised and hold no infinities.' })
    onStep?.(rows, sums.map((sum) => sum / rows))
    if (performance.now() - yielded > YIELD_MILLISECONDS) {
      await new Promise((resolve) => setImmediate(resolve))
      yielded = performance.now()
    }
  }
  return { rows, steps, means: sums.map((sum) => sum / rows) }
}

const readScalars = (tf: TensorFlow, scalars: ReturnType<LayersModel['evaluate']>): number[] => {
  const list = Array.isArray(scalars) ? scalars : [scalars]
  const values = list.map((scalar) => scalar.dataSync()[0]!)
  tf.dispose(list)
  return values
}

/** What TensorFlow.js says of shapes, names and kernels is about the model. */
const modelError = (thrown: unknown): unknown => {
  const error = fromUnknown(thrown)
  return error._tag !== 'Internal' ? error : failure({ tag: 'Model', code: 'STEP_FAILED', problem: `TensorFlow.js could not run a step: ${error.problem.split('\n')[0]!.replace(/\.$/, '')}`, cause: thrown })
}
