import { failure } from '@millrace/core'
import { huber, type Loss, type LossName, type MetricName } from '../losses/index.js'
import { findLoss, losses } from '../losses/losses.js'
import { hingeOfTruths, logLoss, sigmoidCrossEntropy, softmaxCrossEntropy } from '../losses/of-logits.js'
import { adadelta, adagrad, adam, adamax, momentum, rmsprop, sgd, type Optimizer } from '../optimizers/index.js'
import type { TrainingGraphOptions } from './training-graph.js'

/** What we need to know of a compiled `tf.LayersModel`. */
export interface CompiledModelLike {
  readonly outputNames: readonly string[]
  readonly loss: unknown
  readonly metrics: unknown
  readonly optimizer: { getClassName(): string; getConfig(): object }
}

type Config = Readonly<Record<string, unknown>>

/** Optimizers by the class names that TensorFlow.js gives them, with its defaults where a configuration leaves them out. */
const optimizers: Readonly<Record<string, (config: Config) => Optimizer>> = {
  SGD: ({ learningRate }) => sgd({ learningRate: Number(learningRate) }),
  Momentum: ({ learningRate, momentum: part, useNesterov }) =>
    momentum({ learningRate: Number(learningRate), momentum: Number(part), nesterov: useNesterov === true, sparse: 'lazy-parts' }),
  Adagrad: ({ learningRate, initialAccumulatorValue }) =>
    adagrad({ learningRate: Number(learningRate), initialAccumulator: Number(initialAccumulatorValue) }),
  RMSProp: ({ learningRate, decay, momentum: part, epsilon, centered }) =>
    rmsprop({ learningRate: Number(learningRate), decay: Number(decay), momentum: Number(part), epsilon: Number(epsilon), centered: centered === true, sparse: 'lazy-parts' }),
  Adadelta: ({ learningRate, rho, epsilon }) => adadelta({ learningRate: Number(learningRate), rho: Number(rho), epsilon: Number(epsilon), sparse: 'lazy-parts' }),
  Adamax: ({ learningRate, beta1, beta2, epsilon, decay }) =>
    adamax({ learningRate: Number(learningRate), beta1: Number(beta1), beta2: Number(beta2), epsilon: Number(epsilon), decay: Number(decay ?? 0), sparse: 'lazy-parts' }),
  Adam: ({ learningRate, beta1, beta2, epsilon }) =>
    adam({ learningRate: Number(learningRate), beta1: Number(beta1), beta2: Number(beta2), epsilon: Number(epsilon), sparse: 'lazy-parts' }),
}

/** Names of metrics in TensorFlow.js that are not ours. */
const aliases: Readonly<Record<string, MetricName>> = {
  acc: 'accuracy', ce: 'crossentropy', mse: 'meanSquaredError', MSE: 'meanSquaredError', mae: 'meanAbsoluteError', MAE: 'meanAbsoluteError',
  mape: 'meanAbsolutePercentageError', MAPE: 'meanAbsolutePercentageError', cosine: 'cosineProximity',
}

/** The functions of `tf.losses`, by the names that TensorFlow.js marks its ops with. */
const lossFunctions: Readonly<Record<string, Loss>> = {
  absoluteDifference__op: losses.meanAbsoluteError,
  hingeLoss__op: hingeOfTruths,
  huberLoss__op: huber(),
  logLoss__op: logLoss,
  meanSquaredError__op: losses.meanSquaredError,
  sigmoidCrossEntropy__op: sigmoidCrossEntropy,
  softmaxCrossEntropy__op: softmaxCrossEntropy,
}

/**
 * Loss, optimizer and metrics of a model that TensorFlow.js compiled, as {@link trainingGraph} takes them. Optimizers
 * with moments move all rows of an embedding in each step, as TensorFlow.js does, unless its table is cut into parts over parameter
 * servers: of such a table they move the rows that were looked up. Give another optimizer for a large table that is whole.
 * Functions are known by their names, those of `tf.losses` and `tf.metrics` alone.
 *
 * @example
 * trainingGraph(await readModel(model), { ...compiledOptions(model), metrics: ['accuracy'] })
 * @throws `Model` when the model is not compiled, or has an optimizer or a function of its own for which there is no graph
 */
export const compiledOptions = (model: CompiledModelLike): Pick<TrainingGraphOptions, 'loss' | 'optimizer' | 'metrics' | 'outputMetrics'> => {
  if ((model.optimizer as unknown) === undefined || model.loss === undefined) {
    throw failure({ tag: 'Model', code: 'NOT_COMPILED', problem: 'the model has no loss and no optimizer yet', remedy: "Call model.compile({ optimizer: 'adam', loss: 'binaryCrossentropy' }) first." })
  }
  const className = model.optimizer.getClassName()
  const optimizer = Object.hasOwn(optimizers, className) ? optimizers[className] : undefined
  if (optimizer === undefined) {
    throw failure({ tag: 'Model', code: 'OPTIMIZER_UNSUPPORTED', problem: `the optimizer ${className} has no graph`, remedy: `Optimizers that have one: ${Object.keys(optimizers).join(', ')}; others of ours can be given as an option.` })
  }
  return { loss: lossOf(model), optimizer: optimizer(model.optimizer.getConfig() as Config), ...compiledMetrics(model) }
}

const ownLoss = (loss: unknown): LossName | Loss => {
  if (typeof loss === 'function') {
    const known = Object.hasOwn(lossFunctions, loss.name) ? lossFunctions[loss.name] : undefined
    if (known !== undefined) return known
    throw failure({
      tag: 'Model',
      code: 'LOSS_FUNCTION',
      problem: `the loss ${loss.name === '' ? 'that is a function' : loss.name} has no graph`,
      remedy: 'Name a loss, take one of tf.losses, or give trainingGraph a loss that adds its nodes.',
    })
  }
  findLoss(loss as LossName)
  return loss as LossName
}

const lossOf = ({ loss, outputNames }: CompiledModelLike): TrainingGraphOptions['loss'] => {
  if (Array.isArray(loss)) {
    const own = loss.map(ownLoss)
    return own.length === 1 ? (own[0] as LossName | Loss) : Object.fromEntries(own.map((one, index) => [outputNames[index] as string, one]))
  }
  if (typeof loss === 'object' && loss !== null) return Object.fromEntries(Object.entries(loss).map(([output, one]) => [output, ownLoss(one)]))
  return ownLoss(loss)
}

/** Functions of `tf.metrics` have the names of metrics. */
const ownMetric = (metric: unknown): MetricName => {
  const name = typeof metric === 'function' ? metric.name : metric
  if (typeof name === 'string' && name !== '') return Object.hasOwn(aliases, name) ? (aliases[name] as MetricName) : (name as MetricName)
  throw failure({ tag: 'Model', code: 'METRIC_FUNCTION', problem: 'a metric that is a function without a name has no graph', remedy: 'Name metrics, or take those of tf.metrics.' })
}

/** The metrics alone, of a model that need not have a loss. @throws `Model` for a function that has no name */
export const compiledMetrics = ({ metrics }: Partial<CompiledModelLike>): Pick<TrainingGraphOptions, 'metrics' | 'outputMetrics'> => {
  if (metrics === undefined || metrics === null) return { metrics: [] }
  if (typeof metrics !== 'object' || Array.isArray(metrics)) return { metrics: [metrics].flat().map(ownMetric) }
  return { metrics: [], outputMetrics: Object.fromEntries(Object.entries(metrics).map(([output, own]) => [output, [own].flat().map(ownMetric)])) }
}
