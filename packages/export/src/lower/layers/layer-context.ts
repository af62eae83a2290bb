import { failure } from '@millrace/core'
import type { Graph, GraphNode, Tensor } from '../../graph/index.js'
import type { LayerDescription, WeightDescription } from '../describe-model.js'
import type { VariableStore } from '../variables.js'
import type { Masks } from './masks.js'

/** `serving`: layers as they predict. `training`: dropout drops, batch normalisation uses and tracks the batch. */
export type LowerMode = 'serving' | 'training'

/** What lowering a layer has to work with. */
export interface LayerContext {
  readonly graph: Graph
  readonly mode: LowerMode
  readonly layer: LayerDescription
  readonly variables: VariableStore
  /** Nodes that change state with each training step; a layer adds its own. */
  readonly updates: GraphNode[]
  /** Which steps of sequences count; a layer that makes a mask of its own adds it. */
  readonly masks: Masks
  /** Whether any layer of the model makes a mask. */
  readonly masked: boolean
  /** Seed of a random op, another for each call and the same for each run. */
  nextSeed(): number
  /** Adds the nodes of a layer inside of this one. */
  lowerInner(layer: LayerDescription, inputs: readonly Tensor[]): readonly Tensor[]
}

/** Adds the nodes of one call of a layer; gives its output, or all of several. */
export type LowerLayer = (context: LayerContext, inputs: readonly Tensor[]) => Tensor | readonly Tensor[]

/** A layer that has one output. */
export type LowerToOne = (context: LayerContext, inputs: readonly Tensor[]) => Tensor

/** The error of a layer that is known but not in this form. */
export const refuseLayer = ({ layer }: LayerContext, problem: string, remedy?: string): never => {
  throw failure({ tag: 'Model', code: 'LOWER_LAYER', problem: `layer "${layer.name}" (${layer.className}): ${problem}`, remedy })
}

/** The only input of a layer that takes one. */
export const onlyInput = (context: LayerContext, inputs: readonly Tensor[]): Tensor => {
  const [input] = inputs
  return input === undefined || inputs.length !== 1 ? refuseLayer(context, `takes one input, but has ${inputs.length}`) : input
}

/** A variable of the layer; `undefined` when it has none of that name. */
export const findWeight = ({ layer }: LayerContext, key: string): WeightDescription | undefined =>
  layer.weights.find((weight) => weight.key === key)

/** A variable of the layer. */
export const requireWeight = (context: LayerContext, key: string): WeightDescription =>
  findWeight(context, key) ?? refuseLayer(context, `has no variable "${key}"`)

/** The tensor's shape where its rank has to be known. */
export const requireRank = (context: LayerContext, tensor: Tensor): readonly (number | null)[] =>
  tensor.shape ?? refuseLayer(context, `the rank of ${tensor.name} is not known`)
