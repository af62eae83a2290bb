import { failure } from '@millrace/core'
import { describeModel, type GraphNode, type Tensor } from '@millrace/export'
import type { PlaceVariable } from '../placement/index.js'
import { compiledOptions, trainingGraph, type CompiledModelLike, type TrainingGraph, type TrainingGraphOptions } from '../training-graph/index.js'
import { addEvaluation, type Evaluation } from '../training-graph/evaluation.js'
import { addControl, type Control } from './control.js'
import type { ClusterModel, ClusterTrainingOptions } from './options.js'
import { deviceOf, type Roles, type Trainer } from './roles.js'

/** The replica of the graph that one worker runs. */
export interface WorkerGraph {
  readonly training: TrainingGraph
  readonly control: Control
  /** The chief's, where there is something to validate. */
  readonly evaluation: Evaluation | undefined
  /** Columns with the tensors that they are fed to. */
  readonly feeds: readonly (readonly [column: string, tensor: Tensor])[]
  /** What fills lookup tables, in every session. */
  readonly tables: readonly GraphNode[]
  readonly bytes: Uint8Array
}

/** Loss, optimizer and metrics: the options', else those of the compiled model. */
export const objectiveOf = (model: ClusterModel, { loss, optimizer, metrics }: ClusterTrainingOptions): Pick<TrainingGraphOptions, 'loss' | 'optimizer' | 'metrics'> => {
  if (loss !== undefined && optimizer !== undefined) return { loss, optimizer, metrics }
  const compiled = compiledOptions(model as CompiledModelLike)
  return { loss: loss ?? compiled.loss, optimizer: optimizer ?? compiled.optimizer, metrics: metrics ?? compiled.metrics }
}

/** Builds the replica of one worker. All workers of a training make the same, but for their own device. */
export const workerGraph = (model: ClusterModel, options: ClusterTrainingOptions, place: PlaceVariable, { ps, trainers }: Roles, { task, share, isChief }: Trainer): WorkerGraph => {
  const description = describeModel(model)
  const device = deviceOf(task)
  const made = { ...objectiveOf(model, options), inputs: options.inputs, variables: place, device, seed: (options.seed ?? 1) + share }
  const training = trainingGraph(description, made)
  const { graph } = training
  const evaluation = isChief && options.validation !== undefined ? graph.withDevice(device, () => addEvaluation(training, description, made)) : undefined
  const control = addControl(graph, training.variables, ps, { index: share, count: trainers.length })
  const tables = [training.initializeTables, evaluation?.initializeTables].filter((node) => node !== undefined)
  return { training, control, evaluation, feeds: feedsOf(training, options.label), tables, bytes: graph.encode() }
}

const feedsOf = ({ inputs, labels }: TrainingGraph, label: ClusterTrainingOptions['label']): WorkerGraph['feeds'] => {
  const columns = typeof label === 'string' ? [label] : label
  const outputs = Object.keys(labels)
  const fits = outputs.length === 1 ? columns.length === 1 : columns.length === outputs.length && outputs.every((name) => columns.includes(name))
  if (!fits) {
    throw failure({
      tag: 'Usage', code: 'LABELS', problem: `the model's outputs are ${outputs.join(', ')}, and the labels ${columns.join(', ')}`,
      remedy: outputs.length === 1 ? 'A model with one output takes one label.' : 'A model with several outputs takes a label for each, of the same name: rename() the columns.',
    })
  }
  const labelled = Object.entries(labels).map(([output, tensor]) => [outputs.length === 1 ? columns[0]! : output, tensor] as const)
  return [...Object.entries(inputs), ...labelled]
}
