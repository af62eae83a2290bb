import { failure, requireOptions, type OptionRules } from '../errors/index.js'
import { hashOrdinal } from '../random/random.js'
import { requireColumn } from '../schema/index.js'
import type { Batch, ColumnMap } from '../stream/batch.js'
import { requireCount } from '../stream/operators/counts.js'
import { rebatch } from '../stream/operators/rebatch.js'
import { shuffle } from '../stream/operators/shuffle.js'
import type { OpenOptions, Stream } from '../stream/stream.js'
import { loadTensorFlow, type TensorFlow, type TensorLike } from './tensorflow.js'
import { tensorsOf } from './to-tensors.js'

/** How rows are mixed between the epochs. */
export interface ShuffleRows {
  /** Each epoch derives its own seed from it. */
  readonly seed: number
  /** Rows that are mixed together, and held in memory. Default 65,536. */
  readonly windowRows?: number | undefined
}

/** How a stream is cut into minibatches. */
export interface MinibatchOptions {
  /** Rows of a minibatch. Default 32, as Keras. */
  readonly batchSize?: number | undefined
  /** Column, or columns, that the model is to predict. Without it there are no `ys`. */
  readonly label?: string | readonly string[] | undefined
  /** Columns that the model takes. Default: all but the labels. */
  readonly columns?: readonly string[] | undefined
  /** Default: the stream's order. */
  readonly shuffle?: ShuffleRows | undefined
}

export const minibatchRules: OptionRules<MinibatchOptions> = { batchSize: 'any', label: 'any', columns: 'any', shuffle: 'any' }
const epochRules: OptionRules<Pick<MinibatchOptions, 'batchSize' | 'shuffle'>> = { batchSize: 'any', shuffle: 'any' }
const shuffleRules: OptionRules<ShuffleRows> = { seed: 'any', windowRows: 'any' }

/** Opens one epoch, counted from 0, in batches of one size; only the last may have fewer rows. */
export type EpochBatches = (epoch: number, context?: OpenOptions) => AsyncIterable<Batch>

/**
 * The stream as epochs of batches, columns as they are: each opens the stream again and, where shuffled, mixes it in another order,
 * the same for the same seed and epoch. {@link minibatches} without tensors.
 */
export const epochBatches = (stream: Stream, options: Pick<MinibatchOptions, 'batchSize' | 'shuffle'> = {}): EpochBatches => {
  requireOptions('epochBatches', options, epochRules)
  requireOptions('shuffle of epochBatches', options.shuffle, shuffleRules)
  const { batchSize = 32, shuffle: mix } = options
  requireCount(batchSize, 1, 'batchSize of epochBatches')
  return (epoch, context = {}) => {
    // Large batches between, since mixed rows are taken one by one and cutting costs nothing.
    const mixed = mix === undefined ? stream : shuffle({ seed: hashOrdinal(mix.seed, epoch), windowRows: mix.windowRows })(stream)
    return rebatch(batchSize)(mixed).open(context)
  }
}

/** One minibatch as `model.fitDataset` takes it. Labels are float32; several come by name. */
export interface Minibatch {
  readonly xs: { readonly [name: string]: TensorLike }
  readonly ys?: TensorLike | { readonly [name: string]: TensorLike } | undefined
}

/** A minibatch with its number of rows. */
export interface CountedMinibatch extends Minibatch {
  readonly numRows: number
}

/** Opens one epoch, counted from 0. Whoever takes a minibatch disposes of its tensors. */
export type Epochs = (epoch: number, context?: OpenOptions) => AsyncGenerator<CountedMinibatch, void, undefined>

/**
 * The stream as epochs of minibatches: each opens the stream again and, where shuffled, mixes it in another order, the same
 * for the same seed and epoch. The tensors are those of {@link toTensors}, but labels are float32.
 *
 * @throws `Schema` for columns that are missing; `MissingPeer` when `@tensorflow/tfjs` is not installed
 */
export const minibatches = async (stream: Stream, options: MinibatchOptions = {}): Promise<Epochs> => {
  requireOptions('minibatches', options, minibatchRules)
  const labels = options.label === undefined ? [] : typeof options.label === 'string' ? [options.label] : options.label
  const schema = await stream.findSchema()
  const inputs = options.columns ?? Object.keys(schema).filter((name) => !labels.includes(name))
  for (const name of [...inputs, ...labels]) requireColumn(schema, name, 'the minibatch')
  if (inputs.length === 0) throw failure({ tag: 'Usage', code: 'NO_INPUTS', problem: 'no column is left for the model to take' })
  const tf = await loadTensorFlow('minibatches')
  const epochs = epochBatches(stream, { batchSize: options.batchSize, shuffle: options.shuffle })
  return async function* (epoch, context = {}) {
    for await (const batch of epochs(epoch, context)) yield { numRows: batch.numRows, ...minibatch(tf, batch, labels, inputs) }
  }
}

const minibatch = (tf: TensorFlow, batch: Batch, labels: readonly string[], inputs: readonly string[]): Minibatch => {
  const xs = tensorsOf(tf, batch, { columns: inputs })
  if (labels.length === 0) return { xs }
  try {
    const ys = labelTensors(tf, batch, labels)
    return { xs, ys: labels.length === 1 ? ys[labels[0]!]! : ys }
  } catch (thrown) {
    for (const name in xs) xs[name]!.dispose()
    throw thrown
  }
}

const labelTensors = (tf: TensorFlow, batch: Batch, labels: readonly string[]): { [name: string]: TensorLike } => {
  for (const name of labels) {
    const { kind } = (batch.columns as ColumnMap)[name]!.field
    if (kind !== 'utf8' && kind !== 'binary') continue
    throw failure({
      tag: 'Schema', code: 'LABEL_NOT_NUMERIC', problem: 'a label is to be a number, and this one is text',
      remedy: 'Make a label of it: label(vocabulary()), label(greaterThan(…)).', position: { column: name },
    })
  }
  const raw = tensorsOf(tf, batch, { columns: labels })
  const out: { [name: string]: TensorLike } = {}
  for (const name of labels) {
    out[name] = tf.cast(raw[name] as Parameters<TensorFlow['cast']>[0], 'float32')
    raw[name]!.dispose()
  }
  return out
}
