import type { FittedFeatures } from '@millrace/core'
import tf from '@tensorflow/tfjs'

/** First words of a mail that the model reads, its headers among them. */
export const MAX_WORDS = 300

/** The mean of the words' embeddings, one hidden layer, and the probability that the mail is spam. */
export const spamModel = (inputs: Pick<FittedFeatures, 'cardinality'>, { seed = 1 } = {}): tf.LayersModel => {
  const text = tf.input({ shape: [MAX_WORDS], name: 'text', dtype: 'int32' })
  const embeddingsInitializer = tf.initializers.randomUniform({ minval: -0.05, maxval: 0.05, seed })
  const embedded = tf.layers.embedding({ inputDim: inputs.cardinality('text'), outputDim: 16, embeddingsInitializer, name: 'words' }).apply(text) as tf.SymbolicTensor
  const mean = tf.layers.globalAveragePooling1d({ name: 'mean' }).apply(embedded) as tf.SymbolicTensor
  const dense = (units: number, activation: 'relu' | 'sigmoid', name: string, of: tf.SymbolicTensor): tf.SymbolicTensor =>
    tf.layers.dense({ units, activation, name, kernelInitializer: tf.initializers.glorotUniform({ seed: seed + units }) }).apply(of) as tf.SymbolicTensor
  const model = tf.model({ inputs: text, outputs: dense(1, 'sigmoid', 'probability', dense(16, 'relu', 'hidden', mean)) })
  model.compile({ optimizer: tf.train.adam(0.005), loss: 'binaryCrossentropy', metrics: ['accuracy'] })
  return model
}
