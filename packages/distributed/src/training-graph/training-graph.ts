import { failure } from '@millrace/core'
import {
  addVariable, Graph, type FeatureSet, type GraphNode, type LoweredVariable, type ModelDescription, type Tensor, type VariableMode, type WeightDescription,
} from '@millrace/export'
import type { Loss, LossName, MetricName } from '../losses/index.js'
import { OptimizerUpdates } from '../optimizers/apply-gradients.js'
import type { Optimizer } from '../optimizers/index.js'
import { requireOptimizer } from '../optimizers/optimizer.js'
import { SynchronousTraining, type SynchronousGraph, type SynchronousOptions } from '../synchronous/synchronous.js'
import type { BatchColumn, BatchInput, BatchSource } from './batch-source.js'
import { addInitializers, type Initializers } from './initializers.js'
import type { ClassWeights } from './item-weights.js'
import { meanObjective } from './objective.js'
import { Replica } from './replica.js'
import { StepFences, type StepFencesOptions } from './step-fences.js'
import { asynchronousSteps, synchronousSteps, type StepsContext, type TrainingStep } from './steps.js'

/** Options of {@link trainingGraph}. */
export interface TrainingGraphOptions {
  /** A loss, or one for each output by its name. Of several outputs the losses are summed. */
  readonly loss: LossName | Loss | Readonly<Record<string, LossName | Loss>>
  readonly optimizer: Optimizer
  /** Computed of each batch, before its step changes the model, for each output. Default: none. */
  readonly metrics?: readonly MetricName[] | undefined
  /** More metrics of single outputs, by their names. Default: none. */
  readonly outputMetrics?: Readonly<Record<string, readonly MetricName[]>> | undefined
  /** What items of a class count for in the loss: `{ 0: 1, 1: 5 }`; for several outputs by the output's name. Default: all the same. */
  readonly classWeight?: ClassWeights | undefined
  /**
   * The column of the batch that says what each item counts for in the loss, `[batch]`; fed, it is one of the `inputs`, float32. The mean
   * over the batch is taken by the number of items, as Keras takes it. Default: all the same.
   */
  readonly sampleWeight?: string | undefined
  /** Fitted features named as the model's inputs: the graph then takes raw columns. Default: it takes the model's inputs. */
  readonly inputs?: FeatureSet | undefined
  /**
   * Gives the steps their batches inside the graph, labels too. Default: batches are fed.
   */
  readonly source?: BatchSource | undefined
  /**
   * What the labels are: a label of `inputs`, whose raw column the graph then takes, or a column as it is; for several outputs by the
   * output's name. Default: with a source, the label of `inputs` that has the output's name, or is the only one, else a column of that
   * name; fed, the labels as they are.
   */
  readonly label?: string | Readonly<Record<string, string>> | undefined
  /** Dtype of labels that are no label of `inputs`. Default float32; with a source int32 where they count classes. */
  readonly labelDType?: 'float32' | 'int32' | 'int64' | undefined
  /**
   * Steps that one run makes, one after the other, each of a batch of its own: they need a source. The call of a client costs as much
   * as a small step does. Default 1.
   */
  readonly stepsPerRun?: number | undefined
  /** Workers in step, their gradients averaged. Default: each worker applies its own. */
  readonly synchronous?: SynchronousOptions | undefined
  /** Lets no step change variables but those of the session that its worker was last let in with: see {@link StepFences}. Default: all are let in. */
  readonly fences?: StepFencesOptions | undefined
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
  /** What a batch holds, labels too: what the source gives, or what is fed. */
  readonly columns: readonly BatchColumn[]
  /** To be fed: raw columns, or the model's inputs, by name. None with a source. */
  readonly inputs: Readonly<Record<string, Tensor>>
  /**
   * To be fed: labels by the name of their output, each in its output's shape (`[batch, …, 1]` where they count classes), or the raw
   * column `[batch]` that `label` says. None with a source.
   */
  readonly labels: Readonly<Record<string, Tensor>>
  /** The source in the graph; `undefined` where batches are fed. */
  readonly source: BatchInput | undefined
  /** Of the first step. */
  readonly outputs: Readonly<Record<string, Tensor>>
  /**
   * The steps of a run, in their order. The target `steps[n - 1].train` makes the first `n` of them and leaves out the rest, so a run may
   * be as short as one step; of a step that is not made nothing can be fetched.
   */
  readonly steps: readonly TrainingStep[]
  /** Mean loss of the batch with all penalties, float32 scalar, before the step. Of several steps the mean, as are losses and metrics. */
  readonly loss: Tensor
  /** Mean loss of each output without penalties, float32 scalars, by its name. */
  readonly losses: Readonly<Record<string, Tensor>>
  /** Means over the batch, float32 scalars, by name; `output_metric` where there are several outputs. */
  readonly metrics: Readonly<Record<string, Tensor>>
  /** Of the first step. */
  readonly learningRate: Tensor
  /**
   * All steps of a run: updates of the variables, and one more on the global step for each. Synchronous: sends their gradients. At the
   * end of the data a run fails with `TF_OUT_OF_RANGE`; what its steps have done by then stays done.
   */
  readonly train: GraphNode
  /** `undefined` where workers are not in step. */
  readonly synchronous: SynchronousGraph | undefined
  /** `undefined` where all steps are let in. */
  readonly fences: StepFences | undefined
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
 * @throws `Model` for what cannot be trained; `Usage` for a loss or metric that does not exist, and for what is no optimizer
 */
export const trainingGraph = (model: ModelDescription, options: TrainingGraphOptions): TrainingGraph => {
  const graph = new Graph()
  return graph.withDevice(options.device ?? '', () => addTraining(graph, model, options))
}

const addTraining = (graph: Graph, model: ModelDescription, options: TrainingGraphOptions): TrainingGraph => {
  const { optimizer, synchronous: inStep, stepsPerRun = 1, variables: mode = 'variables' } = options
  requireOptimizer(optimizer)
  const replica = new Replica(graph, model, options)
  const globalStep = addVariable(graph, stepDescription, mode === 'variables' ? undefined : mode(stepDescription).device)
  const updates = new OptimizerUpdates(graph, optimizer)
  const { nextBatch, ...given } = addBatches(graph, replica, options)
  const fences = options.fences === undefined ? undefined : new StepFences(graph, options.fences)
  const context: StepsContext = { graph, replica, globalStep, optimizer, updates, count: stepsPerRun, nextBatch, fences }
  const { steps, synchronous } =
    inStep === undefined ? asynchronousSteps(context) : synchronousSteps(context, new SynchronousTraining(graph, globalStep, inStep))
  const [first, last] = [steps[0], steps.at(-1)] as [TrainingStep, TrainingStep]
  const { variables, lowering: { tables } } = replica
  const beside = [...updates.slots, { variable: globalStep, initial: 0 }]
  return {
    graph, steps, synchronous, fences, globalStep, ...given,
    outputs: first.outputs,
    ...meanObjective(graph, steps),
    learningRate: first.learningRate,
    train: last === first ? first.train : graph.add('NoOp', [], {}, { name: 'train', control: [last.train], device: globalStep.device }),
    variables: [...variables, ...beside.map(({ variable }) => variable)],
    ...addInitializers(graph, variables, beside, tables),
  }
}

type Batches = Pick<TrainingGraph, 'columns' | 'inputs' | 'labels' | 'source'> & Pick<StepsContext, 'nextBatch'>

/** Adds what gives the steps their batches. */
const addBatches = (graph: Graph, replica: Replica, { source, stepsPerRun = 1 }: TrainingGraphOptions): Batches => {
  const { columns } = replica
  if (source !== undefined) {
    const input = source.open(graph, columns)
    return { columns, inputs: {}, labels: {}, source: input, nextBatch: (after) => input.next(after) }
  }
  if (stepsPerRun > 1) {
    throw failure({ tag: 'Usage', code: 'STEPS_PER_RUN', problem: `${stepsPerRun} steps a run need a batch each, and batches are fed`, remedy: 'Give a source, such as tfRecordSource, or one step a run.' })
  }
  const { batch, inputs, labels } = replica.feed()
  return { columns, inputs, labels, source: undefined, nextBatch: () => batch }
}
