import { failure } from '@millrace/core'
import { toNodeName, type Graph, type GraphNode, type Tensor } from '../graph/index.js'
import type { WeightDescription } from './describe-model.js'

/** What a placing function says of a variable. */
export interface VariablePlacement {
  /** Device of the variable and its reads: `/job:ps/task:0`. */
  readonly device?: string | undefined
}

/**
 * How a model's variables are held:
 *
 * - `constants`: their values are nodes of the graph (frozen graphs)
 * - `variables`: resource variables
 * - a function: resource variables, placed where it says
 */
export type VariableMode = 'constants' | 'variables' | ((variable: WeightDescription) => VariablePlacement)

/** A resource variable of a lowered graph. Its name in checkpoints is `weight.name`. */
export interface LoweredVariable {
  readonly weight: WeightDescription
  readonly handle: Tensor
  /** What a read of it gives; every layer shares the one read. */
  readonly value: Tensor
  /** Where it was placed; `undefined` where nobody said. */
  readonly device: string | undefined
}

/** Adds a resource variable and a read of it, under its own name whatever the scope. It has no value before one is assigned. */
export const addVariable = (graph: Graph, weight: WeightDescription, device?: string): LoweredVariable => {
  const { name, dtype, shape } = weight
  const node = toNodeName(name)
  return graph.atRoot(() => {
    const handle = graph.one('VarHandleOp', [], { dtype, shape, shared_name: name }, { name: node, device })
    const value = graph.one('ReadVariableOp', [handle], { dtype }, { name: `${node}/Read/ReadVariableOp`, device })
    return { weight, handle, value, device }
  })
}

/** Puts a model's variables into a graph: each once, when it is first wanted. */
export class VariableStore {
  readonly #graph: Graph
  readonly #mode: VariableMode
  readonly #constants = new Map<string, Tensor>()
  readonly #variables = new Map<string, LoweredVariable>()

  constructor(graph: Graph, mode: VariableMode) {
    this.#graph = graph
    this.#mode = mode
  }

  /** The resource variables so far, in the order in which they were wanted. */
  get variables(): readonly LoweredVariable[] {
    return [...this.#variables.values()]
  }

  /** The variable's value. */
  read(weight: WeightDescription): Tensor {
    if (this.#mode !== 'constants') return this.variable(weight).value
    const known = this.#constants.get(weight.name)
    if (known !== undefined) return known
    const value = this.#graph.atRoot(() => this.#constant(weight))
    this.#constants.set(weight.name, value)
    return value
  }

  /** Rows of the variable, by an index tensor, without reading all of it where it is a resource. */
  gather(weight: WeightDescription, indices: Tensor): Tensor {
    if (this.#mode === 'constants') return this.#graph.one('GatherV2', [this.read(weight), indices, this.#graph.scalar('int32', 0, 'axis')])
    const { handle, device } = this.variable(weight)
    return this.#graph.one('ResourceGather', [handle, indices], { dtype: weight.dtype }, { device })
  }

  /** Takes `delta` from the variable, in training. */
  subtract(weight: WeightDescription, delta: Tensor): GraphNode {
    const { handle, device } = this.variable(weight)
    return this.#graph.add('AssignSubVariableOp', [handle, delta], {}, { device })
  }

  /** The resource variable itself. @throws `Model` in a graph whose variables are constants */
  variable(weight: WeightDescription): LoweredVariable {
    const known = this.#variables.get(weight.name)
    if (known !== undefined) return known
    if (this.#mode === 'constants') {
      throw failure({ tag: 'Model', code: 'LOWER_CONSTANT', problem: `"${weight.name}" is a constant and cannot be changed`, remedy: "Lower with variables: 'variables'." })
    }
    const device = this.#mode === 'variables' ? undefined : this.#mode(weight).device
    const variable = addVariable(this.#graph, weight, device)
    this.#variables.set(weight.name, variable)
    return variable
  }

  #constant(weight: WeightDescription): Tensor {
    if (weight.value === undefined) {
      throw failure({
        tag: 'Model',
        code: 'LOWER_NO_VALUE',
        problem: `"${weight.name}" is to be a constant, but its value is not known`,
        remedy: 'Describe the model with readModel(model), which reads the values.',
      })
    }
    return this.#graph.constant(weight.value, toNodeName(weight.name))
  }
}
