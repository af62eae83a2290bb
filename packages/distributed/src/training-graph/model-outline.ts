import { lower, type FeatureSet, type ModelDescription, type Tensor, type WeightDescription } from '@millrace/export'

/** What has to be known of a model's graph before it is made. */
export interface ModelOutline {
  /** The model's outputs by name. */
  readonly outputs: Readonly<Record<string, Pick<Tensor, 'dtype' | 'shape'>>>
  /** Names of all its variables, in the order of the layers. */
  readonly order: readonly string[]
  /** Variables that layers only ever read whole; others are looked up by rows, or written. */
  readonly readWhole: readonly WeightDescription[]
}

/** Lowers a model once to see what comes of it. */
export const outlineModel = (model: ModelDescription, inputs: FeatureSet | undefined): ModelOutline => {
  const { graph, values, variables } = lower(model, { mode: 'training', variables: 'variables', inputs, vocabularies: 'constants' })
  const used = new Set(graph.nodes.filter(({ op }) => op !== 'ReadVariableOp').flatMap((node) => node.inputs))
  const lookedUp = new Set(graph.nodes.filter(({ op }) => op === 'ResourceGather').map((node) => node.inputs[0]))
  return {
    outputs: values.outputs,
    order: variables.map(({ weight }) => weight.name),
    readWhole: variables.filter(({ handle, value }) => used.has(value) && !lookedUp.has(handle)).map(({ weight }) => weight),
  }
}
