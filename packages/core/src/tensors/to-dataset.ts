import { requireOptions } from '../errors/index.js'
import type { Stream } from '../stream/stream.js'
import { minibatches, minibatchRules, type Minibatch, type MinibatchOptions } from './minibatches.js'
import { loadTensorFlow } from './tensorflow.js'

/** What we need to know of a `tf.data.Dataset`. */
export interface DatasetLike<T> {
  iterator(): Promise<{ next(): Promise<IteratorResult<T>> }>
}

/**
 * The stream as a `tf.data` dataset of minibatches, `{ xs: { name: tensor }, ys }`, for `model.fitDataset` and
 * `evaluateDataset`, which dispose of the tensors. Each pass over it (each epoch) opens the stream again and, where shuffled,
 * mixes it in another order. Whoever iterates it otherwise disposes of what it gives.
 *
 * @throws `Schema` for columns that are missing
 * @throws `MissingPeer` when `@tensorflow/tfjs` is not installed
 * @example
 * await model.fitDataset(await toDataset(examples, { batchSize: 128, label: 'late', shuffle: { seed: 1 } }), { epochs: 10 })
 */
export const toDataset = async (stream: Stream<Stream['schema'], 'cold'>, options: MinibatchOptions = {}): Promise<DatasetLike<Minibatch>> => {
  requireOptions('toDataset', options, minibatchRules)
  const epochs = await minibatches(stream, options)
  const tf = await loadTensorFlow('toDataset')
  let epoch = 0
  async function* pass(): AsyncGenerator<Minibatch, void, undefined> {
    for await (const { xs, ys } of epochs(epoch++)) yield { xs, ys }
  }
  return tf.data.generator(pass as unknown as Parameters<typeof tf.data.generator>[0]) as unknown as DatasetLike<Minibatch>
}
