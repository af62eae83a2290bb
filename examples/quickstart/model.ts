import type { FittedFeatures } from '@millrace/core'
import tf from '@tensorflow/tfjs'

/** Width of the embedding of each categorical feature. */
const widths = { origin: 4, destination: 4, originState: 2, destinationState: 2, hour: 3, weekday: 2 }

/** Embeddings side by side with the distance, and one hidden layer: a small model for few flights, well regularised. */
export const delayModel = (inputs: Pick<FittedFeatures, 'cardinality'>, seed: number): tf.LayersModel => {
  const distance = tf.input({ shape: [1], name: 'distance' })
  const categories = Object.entries(widths).map(([name, outputDim], i) => {
    const index = tf.input({ shape: [1], name, dtype: 'int32' })
    const layer = tf.layers.embedding({
      inputDim: inputs.cardinality(name),
      outputDim,
      embeddingsInitializer: tf.initializers.randomNormal({ stddev: 0.05, seed: seed * 10 + i }),
      embeddingsRegularizer: tf.regularizers.l2({ l2: 1e-5 }),
    })
    return { index, embedded: tf.layers.flatten().apply(layer.apply(index)) as tf.SymbolicTensor }
  })
  const joined = tf.layers.concatenate().apply([...categories.map(({ embedded }) => embedded), distance])
  const hidden = tf.layers.dense({ units: 16, activation: 'relu', kernelInitializer: tf.initializers.glorotUniform({ seed }) }).apply(joined)
  const kept = tf.layers.dropout({ rate: 0.2, seed }).apply(hidden)
  const probability = tf.layers.dense({ units: 1, activation: 'sigmoid', name: 'probability', kernelInitializer: tf.initializers.glorotUniform({ seed: seed + 1 }) }).apply(kept)
  const model = tf.model({ inputs: [...categories.map(({ index }) => index), distance], outputs: probability as tf.SymbolicTensor })
  model.compile({ optimizer: tf.train.adam(0.002), loss: 'binaryCrossentropy' })
  return model
}
