import { failure } from '@millrace/core'
import {
  addVariable, lower, toNodeName, type DType, type FeatureSet, type Graph, type GraphNode, type LoweredVariable, type ModelDescription, type Tensor,
  type VariableMode, type WeightDescription,
} from '@millrace/export'
import { gradients } from '../gradients/index.js'
import type { Loss, LossName, MetricName } from '../losses/index.js'
import { applyGradients, type Slot, type VariableGradient } from '../optimizers/apply-gradients.js'
import type { Optimizer } from '../optimizers/index.js'
import { addInitializers, type Initializers } from './initializers.js'
import { addObjective } from './objective.js'

/** Options of {@link trainingGraph}. */
export interface TrainingGraphOptions {
  /** A loss, or one for each output by its name. Of several outputs the losses are summed. */
  readonly loss: LossName | Loss | Readonly<Record<string, LossName | Loss>>
  readonly optimizer: Optimizer
  /** Computed of each batch, before its step changes the model. Default: none. */
  readonly metrics?: readonly MetricName[] | undefined
  /** Fitted features named as the model's inputs: the graph then takes raw columns. Default: it takes the model's inputs. */
  readonly inputs?: FeatureSet | undefined
  /** Dtype in which labels are fed. Default float32. */
  readonly labelDType?: 'float32' | 'int32' | 'int64' | undefined
  /** Where variables are, those of the optimizer beside the model's. Default: TensorFlow chooses. */
  readonly variables?: Exclude<VariableMode, 'constants'> | undefined
  /** Where everything but the variables is: `/job:worker/task:0`. Default: TensorFlow chooses. */
  readonly device?: string | undefined
  /** Seed of dropout. Default 1. */
  readonly seed?: number | undefined
}

/** A graph that trains a model in TensorFlow. Tensors and nodes have their names: `graph.loss.name`, `graph.train.name`. */
export interface TrainingGraph extends Initializers {
  readonly graph: Graph
  /** To be fed: raw columns, or the model's inputs, by name. */
  readonly inputs: Readonly<Record<string, Tensor>>
  /** To be fed: labels by the name of their output, each in its output's shape (`[batch, …, 1]` where they count classes). */
  readonly labels: Readonly<Record<string, Tensor>>
  readonly outputs: Readonly<Record<string, Tensor>>
  /** Mean loss of the batch with all penalties, float32 scalar, before the step. */
  readonly loss: Tensor
  /** Mean loss of each output without penalties, float32 scalars, by its name. */
  readonly losses: Readonly<Record<string, Tensor>>
  /** Means over the batch, float32 scalars, by name; `output_metric` where there are several outputs. */
  readonly metrics: Readonly<Record<string, Tensor>>
  readonly learningRate: Tensor
  /** One step: updates of the variables, and one more on the global step. */
  readonly train: GraphNode
  /** The number of steps done, int64 scalar. */
  readonly globalStep: LoweredVariable
  /** Everything that a checkpoint holds: the model's variables, the optimizer's, the global step. */
  readonly variables: readonly LoweredVariable[]
}

const stepDescription: WeightDescription = { key: 'global_step', name: 'global_step', dtype: 'int64', shape: [], trainable: false }

/**
 * The graph that trains a model: the model lowered in training mode with its loss, the gradients of its trainable variables, the
 * optimizer's updates, and what gives variables their first values. It is a pure function of its arguments, so every worker of a
 * cluster makes the same.
 *
 * @example
 * const { graph, train, loss, initialize } = trainingGraph(await readModel(model), { loss: 'binaryCrossentropy', optimizer: adam({ learningRate: 1e-3 }) })
 * @throws `Model` for what cannot be trained; `Usage` for a loss or metric that does not exist
 */
export const trainingGraph = (model: ModelDescription, options: TrainingGraphOptions): TrainingGraph => {
  const { device, seed, inputs, optimizer, variables: mode = 'variables' } = options
  // Files of a client are not on the workers, so vocabularies are in the graph.
  const lowered = lower(model, { mode: 'training', variables: mode, device, seed, inputs, vocabularies: 'constants' })
  const { graph } = lowered
  return graph.withDevice(device ?? '', () => {
    const { outputs } = lowered.values
    const labels = addLabels(graph, outputs, options)
    const { loss, losses, metrics } = addObjective(graph, model, lowered, labels, options)
    const globalStep = addVariable(graph, stepDescription, mode === 'variables' ? undefined : mode(stepDescription).device)
    const done = graph.one('Cast', [globalStep.value], { DstT: 'float32' }, { name: 'steps' })
    const pairs = variableGradients(graph, loss, lowered.variables)
    const { updates, slots, learningRate } = applyGradients(graph, optimizer, pairs, done)
    const train = graph.add('NoOp', [], {}, { name: 'train', control: [countStep(graph, globalStep, [...updates, done.node]), ...lowered.updates] })
    const beside: readonly Slot[] = [...slots, { variable: globalStep, initial: 0 }]
    return {
      graph,
      inputs: lowered.values.inputs,
      labels,
      outputs,
      loss,
      losses,
      metrics,
      learningRate,
      train,
      globalStep,
      variables: [...lowered.variables, ...beside.map(({ variable }) => variable)],
      ...addInitializers(graph, lowered.variables, beside, lowered.tables),
    }
  })
}

const addLabels = (graph: Graph, outputs: Readonly<Record<string, Tensor>>, { loss, labelDType }: TrainingGraphOptions): Record<string, Tensor> => {
  const dtype: DType = labelDType ?? 'float32'
  const entries = Object.entries(outputs)
  return Object.fromEntries(
    entries.map(([name, output]) => {
      const own = typeof loss === 'object' ? loss[name] : loss
      const shape = own === 'sparseCategoricalCrossentropy' ? output.shape?.map((dim, axis, all) => (axis === all.length - 1 ? 1 : dim)) : output.shape
      return [name, graph.placeholder(entries.length === 1 ? 'label' : `label/${toNodeName(name)}`, dtype, shape)]
    }),
  )
}

const variableGradients = (graph: Graph, loss: Tensor, variables: readonly LoweredVariable[]): readonly VariableGradient[] => {
  const trainable = variables.filter(({ weight }) => weight.trainable)
  const results = gradients(graph, [loss], trainable.map(({ handle }) => handle))
  const pairs = trainable.flatMap((variable, index) => {
    const gradient = results[index]
    return gradient === undefined ? [] : [{ variable, gradient }]
  })
  if (pairs.length > 0) return pairs
  throw failure({
    tag: 'Model',
    code: 'TRAINING_NOTHING',
    problem: 'the loss depends on no variable that can be trained',
    remedy: 'Check that layers are trainable.',
  })
}

/** The global step counts a step when all its updates are done, and it has been read. */
const countStep = (graph: Graph, { handle, device }: LoweredVariable, before: readonly GraphNode[]): GraphNode => {
  const body = (): GraphNode => graph.add('AssignAddVariableOp', [handle, graph.scalar('int64', 1n, 'one')], {}, { control: before })
  return graph.scope('global_step_update', () => (device === undefined ? body() : graph.withDevice(device, body)))
}
