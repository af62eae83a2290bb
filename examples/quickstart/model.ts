import type { FittedFeatures } from '@millrace/core'
import tf from '@tensorflow/tfjs'

/** What two trainings may differ in. */
interface ModelOptions {
  readonly seed: number
  /** Weight of the L2 penalty: the fewer the flights, the more it has to hold the embeddings back. */
  readonly l2: number
}

const categories = ['origin', 'destination', 'originState', 'destinationState', 'hour', 'weekday']

/** The embeddings of all categories beside the distance, one hidden layer, and the probability that the flight is late. */
export const delayModel = (inputs: Pick<FittedFeatures, 'cardinality'>, { seed, l2 }: ModelOptions): tf.LayersModel => {
  const penalty = tf.regularizers.l2({ l2 })
  const embed = (input: tf.SymbolicTensor, inputDim: number, salt: number) => {
    const embeddingsInitializer = tf.initializers.randomNormal({ stddev: 0.05, seed: 100 * seed + salt })
    const embedded = tf.layers.embedding({ inputDim, outputDim: 4, embeddingsInitializer, embeddingsRegularizer: penalty }).apply(input)
    return tf.layers.flatten().apply(embedded) as tf.SymbolicTensor
  }
  const drop = (input: tf.SymbolicTensor, salt: number) => tf.layers.dropout({ rate: 0.1, seed: 100 * seed + salt }).apply(input) as tf.SymbolicTensor

  const distance = tf.input({ shape: [1], name: 'distance' })
  const indices = categories.map((name) => tf.input({ shape: [1], name, dtype: 'int32' }))
  const embedded = indices.map((index, i) => embed(index, inputs.cardinality(categories[i]!), i))
  const joined = tf.layers.concatenate().apply([...embedded, distance]) as tf.SymbolicTensor
  const glorot = tf.initializers.glorotUniform({ seed })
  const hidden = tf.layers.dense({ units: 16, activation: 'relu', kernelInitializer: glorot, kernelRegularizer: penalty }).apply(drop(joined, 50)) as tf.SymbolicTensor
  const probability = tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'probability', kernelInitializer: glorot }).apply(drop(hidden, 51)) as tf.SymbolicTensor

  const model = tf.model({ inputs: [...indices, distance], outputs: probability })
  model.compile({ optimizer: tf.train.adam(0.003), loss: 'binaryCrossentropy' })
  return model
}
