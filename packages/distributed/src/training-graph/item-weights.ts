import { failure } from '@millrace/core'
import type { Graph, Tensor } from '@millrace/export'

/** What items of a class count for: `{ 0: 1, 1: 5 }`. All classes from 0 on are there. */
export type ClassWeight = Readonly<Record<number, number>>

/** Class weights of the only output, or of outputs by their names. */
export type ClassWeights = ClassWeight | Readonly<Record<string, ClassWeight>>

const isOfOne = (weights: ClassWeights): weights is ClassWeight => Object.values(weights).every((weight) => typeof weight === 'number')

const weightsOf = (weights: ClassWeights, output: string): ClassWeight | undefined =>
  isOfOne(weights) ? weights : Object.hasOwn(weights, output) ? weights[output] : undefined

/** The weights of the classes in their order. @throws `Usage` where one is missing */
const listOf = (weights: ClassWeight): readonly number[] =>
  Object.keys(weights).map((_, index) => {
    const weight = weights[index]
    if (typeof weight === 'number' && Number.isFinite(weight)) return weight
    throw failure({ tag: 'Usage', code: 'CLASS_WEIGHT', problem: `class weights name ${Object.keys(weights).join(', ')}, but not ${index}`, remedy: 'Give a number for each class, from 0 on.' })
  })

/**
 * What each item counts for by its class, `[batch]`: labels are the numbers of classes, `[batch, 1]`, or one-hot. A step with a class that
 * has no weight fails, as it does in TensorFlow.js.
 */
const classWeights = (graph: Graph, weights: ClassWeight, label: Tensor): Tensor => {
  const width = label.shape?.at(-1)
  if (label.shape?.length !== 2 || typeof width !== 'number') {
    throw failure({ tag: 'Usage', code: 'CLASS_WEIGHT_LABEL', problem: 'class weights go with labels of one class for each item', remedy: 'Weigh the items of other labels by a column of weights.' })
  }
  const classes =
    width === 1
      ? graph.one('Cast', [graph.one('Squeeze', [label], { squeeze_dims: [1] })], { DstT: 'int32' })
      : graph.one('ArgMax', [label, graph.scalar('int32', 1, 'axis')], { output_type: 'int32' })
  return graph.one('GatherV2', [graph.vector('float32', listOf(weights), 'class_weights'), classes, graph.scalar('int32', 0, 'axis')])
}

/** What items count for in the loss. */
export interface ItemWeights {
  readonly classWeight?: ClassWeights | undefined
  /** Of each item of the batch, float32 `[batch]` or `[batch, 1]`. */
  readonly sampleWeight?: Tensor | undefined
}

/** Multiplies the losses of items, `[batch, …]`, by what the items count for. The mean over a batch is still taken by their number. */
export const weigh = (graph: Graph, losses: Tensor, label: Tensor, output: string, { classWeight, sampleWeight }: ItemWeights): Tensor => {
  const own = classWeight === undefined ? undefined : weightsOf(classWeight, output)
  const flat = sampleWeight === undefined ? [] : [graph.one('Reshape', [sampleWeight, graph.vector('int32', [-1], 'shape')])]
  const all = [...(own === undefined ? [] : [classWeights(graph, own, label)]), ...flat]
  const rank = losses.shape?.length
  if (rank === undefined) throw failure({ tag: 'Model', code: 'WEIGHTED_LOSS', problem: `the rank of the loss of "${output}" has to be known where items are weighed` })
  return all.reduce((weighed, weight) => {
    const spread = rank === 1 ? weight : graph.one('Reshape', [weight, graph.vector('int32', [-1, ...Array.from({ length: rank - 1 }, () => 1)], 'shape')])
    return graph.one('Mul', [weighed, spread])
  }, losses)
}
