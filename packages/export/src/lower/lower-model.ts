import { failure } from '@millrace/core'
import { toNodeName, type Graph, type GraphNode, type Tensor } from '../graph/index.js'
import type { LayerDescription, ModelDescription, WeightDescription } from './describe-model.js'
import { layers } from './layers/index.js'
import type { LayerContext, LowerMode } from './layers/layer-context.js'
import { makesMask, passMask, type Masks } from './layers/masks.js'
import { VariableStore, type LoweredVariable, type VariableMode, type VariableReads } from './variables.js'

/** Options of {@link ModelLowering}. */
export interface ModelLoweringOptions {
  readonly mode: LowerMode
  readonly variables: VariableMode
  /** Where everything but placed variables runs. Default: TensorFlow chooses. */
  readonly device?: string | undefined
  /** Seed of the random ops of training. Default 1. */
  readonly seed?: number | undefined
}

/**
 * Lowers a model into a graph, as often as wanted: every call shares the variables.
 *
 * @throws `Model` for a layer that cannot be lowered, naming it and what can
 */
export class ModelLowering {
  /** Nodes that change state with each training step: moving means of batch normalisation. */
  readonly updates: GraphNode[] = []
  readonly #graph: Graph
  readonly #model: ModelDescription
  readonly #options: ModelLoweringOptions
  readonly #variables: VariableStore
  readonly #masks: Masks = new Map()
  #seed: number

  constructor(graph: Graph, model: ModelDescription, options: ModelLoweringOptions) {
    this.#graph = graph
    this.#model = model
    this.#options = options
    this.#variables = new VariableStore(graph, options.variables)
    this.#seed = options.seed ?? 1
    checkLayers(model)
  }

  /** The resource variables, in the order in which the layers want them. */
  get variables(): readonly LoweredVariable[] {
    return this.#variables.variables
  }

  /** What is applied from here on reads variables anew: for one more step in the same graph. */
  readBy(reads: VariableReads): void {
    this.#variables.readBy(reads)
  }

  /** A variable's value as the layers read it. */
  read(weight: WeightDescription): Tensor {
    return this.#variables.read(weight)
  }

  /**
   * Adds the nodes of the whole model.
   *
   * @param inputs - by the names of the model's inputs
   * @returns its outputs by name
   */
  apply(inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    return this.#graph.withDevice(this.#options.device ?? '', () => this.#apply(inputs))
  }

  #apply(inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    const values = new Map<number, Tensor>()
    for (const { name, value } of this.#model.inputs) {
      const tensor = Object.hasOwn(inputs, name) ? inputs[name] : undefined
      if (tensor === undefined) throw failure({ tag: 'Model', code: 'LOWER_INPUT', problem: `the model's input "${name}" is not given` })
      values.set(value, tensor)
    }
    for (const call of this.#model.calls) {
      const layer = this.#model.layers[call.layer] as LayerDescription
      const taken = call.inputs.map((value) => values.get(value) as Tensor)
      const made = this.#call(layer, taken)
      call.outputs.forEach((value, index) => values.set(value, made[index] as Tensor))
    }
    return Object.fromEntries(this.#model.outputs.map(({ name, value }) => [name, values.get(value) as Tensor]))
  }

  #call(layer: LayerDescription, inputs: readonly Tensor[]): readonly Tensor[] {
    const lowerLayer = layers[layer.className]
    if (lowerLayer === undefined) throw unsupported(layer)
    const context: LayerContext = {
      graph: this.#graph,
      mode: this.#options.mode,
      layer,
      variables: this.#variables,
      updates: this.updates,
      masks: this.#masks,
      masked: this.#model.layers.some(makesMask),
      nextSeed: () => {
        this.#seed += 1
        return this.#seed
      },
      lowerInner: (inner, taken) => this.#call(inner, taken),
    }
    return this.#graph.scope(toNodeName(layer.name), () => {
      const outputs = [lowerLayer(context, inputs)].flat()
      passMask(context, inputs, outputs)
      return outputs
    })
  }
}

const unsupported = (layer: LayerDescription): Error =>
  failure({
    tag: 'Model',
    code: 'LOWER_UNSUPPORTED_LAYER',
    problem: `layer "${layer.name}" is a ${layer.className}, which cannot be exported yet`,
    remedy: `Layers that can be: ${Object.keys(layers).join(', ')}.`,
  })

/** Says no before anything is written. */
const checkLayers = (model: ModelDescription): void => {
  for (const layer of model.layers) if (!Object.hasOwn(layers, layer.className)) throw unsupported(layer)
  const masked = model.layers.find(makesMask)
  const softmax = model.layers.find((layer) => layer.className === 'Softmax')
  if (masked !== undefined && softmax !== undefined) {
    throw failure({
      tag: 'Model',
      code: 'LOWER_MASKED_SOFTMAX',
      problem: `layer "${softmax.name}" (Softmax) would take the mask of "${masked.name}" (${masked.className}), which cannot be exported`,
      remedy: 'Use the activation softmax of a dense layer, or leave the mask out.',
    })
  }
}
