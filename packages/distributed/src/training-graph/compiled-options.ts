import { failure } from '@millrace/core'
import type { LossName, MetricName } from '../losses/index.js'
import { findLoss } from '../losses/losses.js'
import { adagrad, adam, momentum, rmsprop, sgd, type Optimizer } from '../optimizers/index.js'
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
    momentum({ learningRate: Number(learningRate), momentum: Number(part), nesterov: useNesterov === true, sparse: 'dense' }),
  Adagrad: ({ learningRate, initialAccumulatorValue }) =>
    adagrad({ learningRate: Number(learningRate), initialAccumulator: Number(initialAccumulatorValue) }),
  RMSProp: ({ learningRate, decay, momentum: part, epsilon, centered }) =>
    rmsprop({ learningRate: Number(learningRate), decay: Number(decay), momentum: Number(part), epsilon: Number(epsilon), centered: centered === true, sparse: 'dense' }),
  Adam: ({ learningRate, beta1, beta2, epsilon }) =>
    adam({ learningRate: Number(learningRate), beta1: Number(beta1), beta2: Number(beta2), epsilon: Number(epsilon), sparse: 'dense' }),
}

const aliases: Readonly<Record<string, MetricName>> = {
  acc: 'accuracy', mse: 'meanSquaredError', MSE: 'meanSquaredError', mae: 'meanAbsoluteError', MAE: 'meanAbsoluteError',
  mape: 'meanAbsolutePercentageError', MAPE: 'meanAbsolutePercentageError', cosine: 'cosineProximity',
}

/**
 * Loss, optimizer and metrics of a model that TensorFlow.js compiled, as {@link trainingGraph} takes them. Optimizers
 * with moments move all rows of an embedding in each step, as TensorFlow.js does; give another optimizer where tables are large.
 *
 * @example
 * trainingGraph(await readModel(model), { ...compiledOptions(model), metrics: ['accuracy'] })
 * @throws `Model` when the model is not compiled, or has an optimizer or a function of its own for which there is no graph
 */
export const compiledOptions = (model: CompiledModelLike): Pick<TrainingGraphOptions, 'loss' | 'optimizer' | 'metrics'> => {
  if ((model.optimizer as unknown) === undefined || model.loss === undefined) {
    throw failure({ tag: 'Model', code: 'NOT_COMPILED', problem: 'the model has no loss and no optimizer yet', remedy: "Call model.compile({ optimizer: 'adam', loss: 'binaryCrossentropy' }) first." })
  }
  const className = model.optimizer.getClassName()
  const optimizer = Object.hasOwn(optimizers, className) ? optimizers[className] : undefined
  if (optimizer === undefined) {
    throw failure({ tag: 'Model', code: 'OPTIMIZER_UNSUPPORTED', problem: `the optimizer ${className} has no graph`, remedy: `Optimizers that have one: ${Object.keys(optimizers).join(', ')}; others of ours can be given as an option.` })
  }
  return { loss: lossOf(model), optimizer: optimizer(model.optimizer.getConfig() as Config), metrics: metricsOf(model.metrics) }
}

const lossName = (loss: unknown): LossName => {
  if (typeof loss !== 'string') {
    throw failure({ tag: 'Model', code: 'LOSS_FUNCTION', problem: 'a loss that is a function of TensorFlow.js has no graph', remedy: 'Name a loss, or give trainingGraph a loss that adds its nodes.' })
  }
  findLoss(loss as LossName)
  return loss as LossName
}

const lossOf = ({ loss, outputNames }: CompiledModelLike): TrainingGraphOptions['loss'] => {
  if (Array.isArray(loss)) {
    const names = loss.map(lossName)
    return names.length === 1 ? (names[0] as LossName) : Object.fromEntries(names.map((name, index) => [outputNames[index] as string, name]))
  }
  if (typeof loss === 'object' && loss !== null) return Object.fromEntries(Object.entries(loss).map(([output, one]) => [output, lossName(one)]))
  return lossName(loss)
}

const metricsOf = (metrics: unknown): readonly MetricName[] => {
  const given: readonly unknown[] = Array.isArray(metrics) ? metrics : metrics === undefined || metrics === null ? [] : [metrics]
  return given.map((metric) => {
    if (typeof metric === 'string') return Object.hasOwn(aliases, metric) ? (aliases[metric] as MetricName) : (metric as MetricName)
    throw failure({ tag: 'Model', code: 'METRIC_FUNCTION', problem: 'metrics that are functions, or differ by output, have no graph', remedy: 'Name metrics, or give trainingGraph others.' })
  })
}
