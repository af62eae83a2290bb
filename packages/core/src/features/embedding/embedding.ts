import { failure } from '../../errors/index.js'
import type { FittedFeature } from '../feature.js'
import { hashBucketOf } from '../text/fingerprint64.js'
import { fillNormal } from './seeded-normal.js'
import type { VectorSource } from './word-vectors.js'

/** How the rows of an embedding are filled. */
export interface EmbeddingWeightsOptions {
  /** Numbers in a vector. */
  readonly dimension: number
  /** Vectors by token, for features with a vocabulary. Default: none. */
  readonly pretrained?: VectorSource | undefined
  /** Seed of the rows that are drawn. The row of a token depends on it and on the token, not on the vocabulary. Default 0. */
  readonly seed?: number | undefined
  /**
   * Standard deviation of the rows that are drawn. Default: that of the pretrained numbers, else 0.05.
   */
  readonly deviation?: number | undefined
  /**
   * Out-of-vocabulary rows: `mean` of the pretrained vectors found, or drawn (`normal`). Default `mean` where there are
   * pretrained vectors, else `normal`.
   */
  readonly outOfVocabulary?: 'mean' | 'normal' | undefined
}

/** How many tokens have a pretrained vector. */
export interface EmbeddingCoverage {
  /** Tokens with a pretrained vector. */
  readonly found: number
  /** Tokens of the vocabulary. */
  readonly total: number
  /** `found / total`; 0 for an empty vocabulary. */
  readonly ratio: number
  /** The first tokens without one, by rank: at most 20. */
  readonly missing: readonly string[]
}

/** The rows of an embedding. */
export interface EmbeddingWeights {
  /** Rows: the feature's cardinality. Row order: mask, out-of-vocabulary buckets, tokens. */
  readonly inputDim: number
  /** Numbers in a row. */
  readonly outputDim: number
  /** `inputDim × outputDim` numbers, row by row. */
  readonly weights: Float32Array
  /** Absent where no pretrained vectors were given. */
  readonly coverage: EmbeddingCoverage | undefined
}

/** What is used of TensorFlow.js (`@tensorflow/tfjs`, `tfjs-node`, `tfjs-node-gpu`). */
export interface EmbeddingBackend<Tensor, Layer> {
  tensor2d(values: Float32Array, shape: [number, number]): Tensor
  readonly layers: {
    embedding(options: { inputDim: number; outputDim: number; weights: Tensor[]; trainable: boolean; maskZero: boolean; name?: string }): Layer
  }
}

/** Options of {@link embedding}. */
export interface EmbeddingOptions<Tensor, Layer> extends EmbeddingWeightsOptions {
  /** The TensorFlow.js that the model is made with. */
  readonly tf: EmbeddingBackend<Tensor, Layer>
  /** Whether training changes the rows. Default `true`. */
  readonly trainable?: boolean | undefined
  /** Whether the layer hands a mask of index 0 on to layers that know masks (recurrent ones). Default `false`. */
  readonly maskZero?: boolean | undefined
  /** Name of the layer. Default: `embedding_` and the feature's name. */
  readonly name?: string | undefined
}

/** A layer with its rows. */
export interface Embedding<Layer> extends EmbeddingWeights {
  readonly layer: Layer
}

/** Fitted features, as far as an embedding needs them. */
interface Inputs<Name extends string> {
  readonly features: { readonly [K in Name]: FittedFeature }
}

/** Deviation of the rows drawn where nothing says otherwise: that of Keras' default initializer is 0.029, word2vec's less. */
const DEFAULT_DEVIATION = 0.05
/** Most numbers in the weights: 2 GiB of float32, and the most elements of a tensor that WebAssembly holds. */
const MAX_WEIGHTS = 2 ** 29
const MISSING_SHOWN = 20
const encoder = new TextEncoder()

const check = (options: EmbeddingWeightsOptions, cardinality: number): void => {
  const { dimension, deviation } = options
  if (!Number.isInteger(dimension) || dimension < 1) {
    throw failure({ tag: 'Usage', code: 'BAD_DIMENSION', problem: `the dimension of an embedding must be an integer of 1 or more, not ${dimension}` })
  }
  if (deviation !== undefined && !(deviation >= 0 && Number.isFinite(deviation))) {
    throw failure({ tag: 'Usage', code: 'BAD_DEVIATION', problem: `the deviation of an embedding must be a number of 0 or more, not ${deviation}` })
  }
  if (dimension * cardinality > MAX_WEIGHTS) {
    throw failure({ tag: 'Limit', code: 'EMBEDDING_TOO_LARGE', problem: `an embedding of ${cardinality} × ${dimension} numbers is larger than ${MAX_WEIGHTS}`, remedy: 'Choose a smaller dimension, topK or number of buckets.' })
  }
}

/** Mean vector, and deviation of all numbers, of the rows that were filled. */
const describeRows = (rows: readonly Float32Array[], dimension: number): { readonly mean: Float64Array; readonly deviation: number } => {
  const mean = new Float64Array(dimension)
  let squares = 0
  let sum = 0
  for (const row of rows) {
    for (let i = 0; i < dimension; i++) {
      mean[i]! += row[i]! / rows.length
      sum += row[i]!
      squares += row[i]! * row[i]!
    }
  }
  const count = rows.length * dimension
  return { mean, deviation: Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2)) }
}

/** Copies the pretrained vectors of the tokens into their rows. */
const fillPretrained = (rowOf: (index: number) => Float32Array, tokens: readonly string[], source: VectorSource): { readonly found: Float32Array[]; readonly missing: number[] } => {
  const found: Float32Array[] = []
  const missing: number[] = []
  tokens.forEach((token, i) => {
    const vector = source.get(token)
    if (vector === undefined) return missing.push(i)
    const row = rowOf(i)
    if (vector.length !== row.length) {
      throw failure({
        tag: 'Schema', code: 'WRONG_DIMENSION', problem: `the pretrained vector of ${JSON.stringify(token)} has ${vector.length} numbers, and the embedding ${row.length}`,
        remedy: `Set the dimension to ${vector.length}.`,
      })
    }
    row.set(vector)
    return found.push(row)
  })
  return { found, missing }
}

/**
 * The rows of an embedding of a categorical feature, without TensorFlow.js. The mask row is zeros; a token with a pretrained
 * vector has that; other tokens are drawn from a normal distribution; out-of-vocabulary rows follow `outOfVocabulary`.
 *
 * @throws `Usage` for a feature that is not categorical, or pretrained vectors for one without a vocabulary
 */
export const embeddingWeights = <Name extends string>(inputs: Inputs<Name>, name: NotInferred<Name>, options: EmbeddingWeightsOptions): EmbeddingWeights => {
  const feature = categorical(inputs.features, name)
  check(options, feature.cardinality)
  const { dimension, pretrained, seed = 0 } = options
  const weights = new Float32Array(feature.cardinality * dimension)
  const rowOf = (index: number): Float32Array => weights.subarray(index * dimension, (index + 1) * dimension)
  const draw = (index: number, key: string, deviation: number): void => {
    const bytes = encoder.encode(`${seed}:${key}`)
    fillNormal(rowOf(index), hashBucketOf(bytes, 0, bytes.length, 2 ** 31 - 1), deviation)
  }
  if (feature.kind !== 'vocabulary') {
    if (pretrained !== undefined) {
      throw failure({ tag: 'Usage', code: 'NO_VOCABULARY', problem: `feature "${name}" (${feature.kind}) has no vocabulary that pretrained vectors could belong to` })
    }
    for (let index = 0; index < feature.cardinality; index++) draw(index, `#${index}`, options.deviation ?? DEFAULT_DEVIATION)
    return { inputDim: feature.cardinality, outputDim: dimension, weights, coverage: undefined }
  }

  const { tokens } = feature.state as { readonly tokens: readonly string[] }
  const { maskToken, oovBuckets } = feature.params as { readonly maskToken: string | null; readonly oovBuckets: number }
  const firstBucket = maskToken === null ? 0 : 1
  const first = firstBucket + oovBuckets
  const { found, missing } = pretrained === undefined
    ? { found: [], missing: tokens.map((_, i) => i) }
    : fillPretrained((i) => rowOf(first + i), tokens, pretrained)
  const described = found.length === 0 ? undefined : describeRows(found, dimension)
  const deviation = options.deviation ?? described?.deviation ?? DEFAULT_DEVIATION
  for (const i of missing) draw(first + i, `=${tokens[i]!}`, deviation)
  const mean = (options.outOfVocabulary ?? 'mean') === 'mean' ? described?.mean : undefined
  for (let bucket = 0; bucket < oovBuckets; bucket++) {
    if (mean === undefined) draw(firstBucket + bucket, `#${bucket}`, deviation)
    else rowOf(firstBucket + bucket).set(mean)
  }
  const coverage: EmbeddingCoverage | undefined = pretrained === undefined ? undefined : {
    found: found.length,
    total: tokens.length,
    ratio: tokens.length === 0 ? 0 : found.length / tokens.length,
    missing: missing.slice(0, MISSING_SHOWN).map((i) => tokens[i]!),
  }
  return { inputDim: feature.cardinality, outputDim: dimension, weights, coverage }
}

/** TypeScript's `NoInfer`, which 5.0 does not have. */
type NotInferred<T> = [T][T extends unknown ? 0 : never]

const categorical = (features: { readonly [name: string]: FittedFeature }, name: string): FittedFeature & { readonly cardinality: number } => {
  const feature = Object.prototype.hasOwnProperty.call(features, name) ? features[name] : undefined
  if (feature?.cardinality !== undefined) return feature as FittedFeature & { readonly cardinality: number }
  const usable = Object.values(features).filter(({ cardinality }) => cardinality !== undefined).map((one) => one.name)
  throw failure({
    tag: 'Usage',
    code: feature === undefined ? 'NO_SUCH_FEATURE' : 'NOT_CATEGORICAL',
    problem: feature === undefined ? `there is no feature named "${name}"` : `feature "${name}" (${feature.kind}) is not categorical, so it cannot be embedded`,
    remedy: `The categorical features are: ${usable.join(', ')}.`,
  })
}

/**
 * An embedding layer of TensorFlow.js for a categorical feature, with its rows filled (see {@link embeddingWeights}). It
 * takes the feature's index, `[batch, 1]`, and gives `[batch, 1, dimension]`.
 *
 * @example
 * const { layer, coverage } = embedding(inputs, 'word', { tf, dimension: 50, pretrained: vectors })
 * const embedded = layer.apply(tf.input({ shape: [1], name: 'word' }))
 */
export const embedding = <Tensor, Layer, Name extends string>(inputs: Inputs<Name>, name: NotInferred<Name>, options: EmbeddingOptions<Tensor, Layer>): Embedding<Layer> => {
  const filled = embeddingWeights(inputs, name, options)
  const { tf, trainable = true, maskZero = false } = options
  const layer = tf.layers.embedding({
    inputDim: filled.inputDim,
    outputDim: filled.outputDim,
    weights: [tf.tensor2d(filled.weights, [filled.inputDim, filled.outputDim])],
    trainable,
    maskZero,
    name: options.name ?? `embedding_${name}`,
  })
  return { ...filled, layer }
}
