import { randomInt } from 'node:crypto'
import { describeModel, type GraphNode, type Tensor } from '@millrace/export'
import type { PlaceVariable } from '../placement/index.js'
import { addCheckpointOps, addIteratorState, type CheckpointOps, type IteratorState } from '../checkpoints/index.js'
import { tfRecordSource, type TfRecordShard } from '../input/index.js'
import { compiledMetrics } from '../training-graph/compiled-options.js'
import { compiledOptions, trainingGraph, type BatchSource, type CompiledModelLike, type TrainingGraph, type TrainingGraphOptions } from '../training-graph/index.js'
import { addEvaluation, type Evaluation } from '../training-graph/evaluation.js'
import { addControl, type Control } from './control.js'
import { checkValidation } from './evaluate.js'
import { addFiniteSums, type FiniteSums } from './finite.js'
import type { ClusterModel, ClusterTrainingOptions } from './options.js'
import { deviceOf, type Roles, type Trainer } from './roles.js'

/** Numbers of sessions are random, so that another process in the place of this one has others. */
const MAX_SESSION = 2 ** 47

/** The replica of the graph that one worker runs. */
export interface WorkerGraph {
  readonly training: TrainingGraph
  readonly control: Control
  /** The chief's, where there is something to validate. */
  readonly evaluation: Evaluation | undefined
  /** The chief's. */
  readonly finite: FiniteSums | undefined
  /** The chief's, where there are checkpoints. */
  readonly checkpoint: CheckpointOps | undefined
  /** Where the worker's server reads. */
  readonly inputState: IteratorState | undefined
  /** There, too: takes a batch and does nothing with it. */
  readonly passOver: GraphNode | undefined
  /** Columns with the tensors that they are fed to. */
  readonly feeds: readonly (readonly [column: string, tensor: Tensor])[]
  /** What fills lookup tables, in every session. */
  readonly tables: readonly GraphNode[]
  /** The graph of one more session, with a number of its own. */
  newSession(): Uint8Array
  /** The number of the last one, which variables on the parameter servers let in: see `StepFences`. */
  readonly session: bigint
}

type Objective = Pick<TrainingGraphOptions, 'loss' | 'optimizer' | 'metrics' | 'outputMetrics'>

/** Loss, optimizer and metrics: the options', else those of the compiled model. */
export const objectiveOf = (model: ClusterModel, options: Pick<ClusterTrainingOptions, keyof Objective>): Objective => {
  const { loss, optimizer, metrics, outputMetrics } = options
  const measured = metrics === undefined && outputMetrics === undefined ? compiledMetrics(model) : { metrics, outputMetrics }
  if (loss !== undefined && optimizer !== undefined) return { loss, optimizer, ...measured }
  const compiled = compiledOptions(model as CompiledModelLike)
  return { loss: loss ?? compiled.loss, optimizer: optimizer ?? compiled.optimizer, ...measured }
}

/** What the worker's server reads; `undefined` for a stream, which is fed. */
const sourceOf = ({ data, batchSize, epochs, steps }: ClusterTrainingOptions, shard: TfRecordShard): BatchSource | undefined => {
  if (typeof data === 'function') return data(shard)
  if (!('files' in data)) return undefined
  return tfRecordSource({ ...data, shard, batchSize, epochs: epochs ?? (steps === undefined ? 1 : undefined) })
}

const labelOption = (label: ClusterTrainingOptions['label']): TrainingGraphOptions['label'] =>
  typeof label === 'string' ? label : label.length === 1 ? label[0] : Object.fromEntries(label.map((name) => [name, name]))

/** Options of the graph, but for what differs by worker. */
export const optionsOfGraph = (model: ClusterModel, options: ClusterTrainingOptions): TrainingGraphOptions =>
  ({
    ...objectiveOf(model, options), inputs: options.inputs, label: labelOption(options.label), labelDType: options.labelDType,
    classWeight: options.classWeight, sampleWeight: options.sampleWeight,
  })

/** Builds the replica of one worker. All workers of a training make the same, but for their own device. */
export const workerGraph = (model: ClusterModel, options: ClusterTrainingOptions, place: PlaceVariable, { ps, trainers }: Roles, { task, share, isChief }: Trainer): WorkerGraph => {
  const description = describeModel(model)
  const device = deviceOf(task)
  const { stepsPerRun, seed = 1 } = options
  const source = sourceOf(options, { index: share, count: trainers.length })
  const synchronous = options.synchronous === undefined ? undefined : { ...options.synchronous, workers: trainers.length, worker: share }
  const made: TrainingGraphOptions = { ...optionsOfGraph(model, options), source, stepsPerRun, synchronous, fences: { workers: trainers.length, worker: share }, variables: place, device, seed: seed + share }
  const training = trainingGraph(description, made)
  const { graph } = training
  const evaluation = isChief && options.validation !== undefined ? graph.withDevice(device, () => addEvaluation(training, description, made)) : undefined
  if (evaluation !== undefined) checkValidation(evaluation, options)
  const control = addControl(training, ps, { index: share, count: trainers.length })
  const finite = isChief ? addFiniteSums(graph, model, training.variables) : undefined
  const checkpoint = isChief && options.checkpoints !== undefined ? addCheckpointOps(graph, training.variables) : undefined
  // What is saved of a source is the state of its iterator.
  const iterator = training.source?.position.saved.node.inputs[0]
  const inputState = iterator === undefined ? undefined : addIteratorState(graph, iterator, { device })
  const passed = training.source === undefined ? [] : Object.values(graph.withDevice(device, () => graph.scope('pass_over', () => training.source!.next([]))))
  const tables = [training.initializeTables, evaluation?.initializeTables].filter((node) => node !== undefined)
  let session = 0n
  return {
    training, control, evaluation, finite, checkpoint, inputState, passOver: passed[0]?.node, feeds: feedsOf(training, made), tables,
    get session() { return session },
    newSession: () => {
      session = BigInt(randomInt(1, MAX_SESSION))
      if (training.fences !== undefined) training.fences.session = session
      return graph.encode()
    },
  }
}

/** Each placeholder once: a raw column may be an input and make a label, too. */
const feedsOf = ({ inputs, labels }: TrainingGraph, { label, inputs: features }: TrainingGraphOptions): WorkerGraph['feeds'] => {
  const columnOf = (output: string): string => {
    const name = (typeof label === 'object' ? label[output] : label) ?? output
    const feature = features?.features[name]
    return feature?.role === 'label' ? feature.from : name
  }
  const all = new Map([...Object.entries(inputs), ...Object.entries(labels).map(([output, tensor]) => [columnOf(output), tensor] as const)])
  return [...all]
}
