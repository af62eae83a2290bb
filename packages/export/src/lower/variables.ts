import { failure } from '@millrace/core'
import { toNodeName, type Graph, type GraphNode, type Tensor } from '../graph/index.js'
import type { WeightDescription } from './describe-model.js'
import { cutVariable, gatherParts, joinParts, type VariablePartition } from './partition.js'

/** What a placing function says of a variable. */
export interface VariablePlacement {
  /** Device of the variable and its reads: `/job:ps/task:0`. */
  readonly device?: string | undefined
  /** Cuts the variable into parts, each on a device of its own. Default: it stays whole. */
  readonly partition?: VariablePartition | undefined
}

/**
 * How a model's variables are held:
 *
 * - `constants`: their values are nodes of the graph (frozen graphs)
 * - `variables`: resource variables
 * - a function: resource variables, placed where it says
 */
export type VariableMode = 'constants' | 'variables' | ((variable: WeightDescription) => VariablePlacement)

/** The part of a larger variable that a variable holds; TensorFlow's `SaveSliceInfo`. */
export interface VariableSlice {
  /** Name of the whole in checkpoints. */
  readonly name: string
  /** Shape of the whole. */
  readonly shape: readonly number[]
  /** Where the part begins in each dimension, counted in the rows of the checkpoint. */
  readonly start: readonly number[]
  /** Its size in each dimension. */
  readonly size: readonly number[]
  /**
   * How rows of the whole are in parts. `div`: each part holds neighbours, so that the whole in a checkpoint has its rows in their order.
   * `mod`: row `id` is row `id / parts` of part `id % parts`, so that the checkpoint holds the whole's rows in another order.
   */
  readonly layout: 'div' | 'mod'
  /** The number of the part, from 0, and how many there are. */
  readonly part: number
  readonly parts: number
}

/** A resource variable of a lowered graph. Its name in checkpoints is `weight.name`, or that of the whole which it is a part of. */
export interface LoweredVariable {
  readonly weight: WeightDescription
  /** Of which variable it is a part; `undefined` for one that is whole. */
  readonly slice?: VariableSlice | undefined
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

/** How variables are read from some point of a graph on. */
export interface VariableReads {
  /** Nodes that have to run before a variable is read or looked up. */
  after(variable: LoweredVariable): readonly GraphNode[]
  /** What takes the place of a read of a whole variable, such as its part of a tensor that holds many. */
  readonly values?: ReadonlyMap<string, Tensor> | undefined
  /** What is put between a change and its variable. Default: nothing. */
  readonly passed?: ((variable: LoweredVariable, change: Tensor) => Tensor) | undefined
}

/** A variable of the model: whole, or in parts in their order. */
type Held = LoweredVariable | readonly LoweredVariable[]

const isInParts = (held: Held): held is readonly LoweredVariable[] => Array.isArray(held)

/** Puts a model's variables into a graph: each once, when it is first wanted. */
export class VariableStore {
  readonly #graph: Graph
  readonly #mode: VariableMode
  readonly #constants = new Map<string, Tensor>()
  readonly #held = new Map<string, Held>()
  /** Reads that were made since {@link readBy} by the variable's name, those of variables in parts put together by the whole's. */
  #reads = new Map<string, Tensor>()
  #by: VariableReads | undefined

  constructor(graph: Graph, mode: VariableMode) {
    this.#graph = graph
    this.#mode = mode
  }

  /** The resource variables so far, in the order in which they were wanted; of those in parts, the parts. */
  get variables(): readonly LoweredVariable[] {
    return [...this.#held.values()].flat()
  }

  /** From here on variables are read and looked up anew: for one more step in the same graph. */
  readBy(reads: VariableReads): void {
    this.#by = reads
    this.#reads = new Map(reads.values ?? [])
  }

  /** The variable's value. That of a variable in parts comes whole to where it is read. */
  read(weight: WeightDescription): Tensor {
    if (this.#mode === 'constants') return this.#constant(weight)
    const held = this.#hold(weight)
    if (!isInParts(held)) return this.#read(held)
    return this.#once(weight.name, () => this.#graph.atRoot(() =>
      this.#graph.scope(toNodeName(weight.name), () => joinParts(this.#graph, held, held.map((part) => this.#read(part)))),
    ))
  }

  /** Rows of the variable, by an index tensor of int32, without reading all of it where it is a resource. */
  gather(weight: WeightDescription, indices: Tensor): Tensor {
    if (this.#mode === 'constants') return this.#graph.one('GatherV2', [this.read(weight), indices, this.#graph.scalar('int32', 0, 'axis')])
    const held = this.#hold(weight)
    if (isInParts(held)) return gatherParts(this.#graph, held, indices, (part) => this.#by?.after(part))
    return this.#graph.one('ResourceGather', [held.handle, indices], { dtype: weight.dtype }, { device: held.device, control: this.#by?.after(held) })
  }

  /** Takes `delta` from the variable, in training. */
  subtract(weight: WeightDescription, delta: Tensor): GraphNode {
    const variable = this.variable(weight)
    const { handle, device } = variable
    return this.#graph.add('AssignSubVariableOp', [handle, this.#by?.passed?.(variable, delta) ?? delta], {}, { device })
  }

  /** The resource variable itself. @throws `Model` in a graph whose variables are constants, or where it is in parts */
  variable(weight: WeightDescription): LoweredVariable {
    if (this.#mode === 'constants') {
      throw failure({ tag: 'Model', code: 'LOWER_CONSTANT', problem: `"${weight.name}" is a constant and cannot be changed`, remedy: "Lower with variables: 'variables'." })
    }
    const held = this.#hold(weight)
    if (!isInParts(held)) return held
    throw failure({ tag: 'Model', code: 'LOWER_IN_PARTS', problem: `"${weight.name}" is in parts, and its layer changes it as a whole`, remedy: 'Cut only variables that are looked up by rows.' })
  }

  #hold(weight: WeightDescription): Held {
    const known = this.#held.get(weight.name)
    if (known !== undefined) return known
    const held = this.#place(weight, typeof this.#mode === 'function' ? this.#mode(weight) : {})
    this.#held.set(weight.name, held)
    return held
  }

  #place(weight: WeightDescription, { device, partition }: VariablePlacement): Held {
    if (partition === undefined) return addVariable(this.#graph, weight, device)
    const { layout, devices } = partition
    const [rows = 0] = weight.shape
    if (devices.length < 1 || devices.length > rows) {
      throw failure({ tag: 'Usage', code: 'PARTITION_SIZE', problem: `"${weight.name}" has ${rows} rows, which cannot be cut into ${devices.length} parts` })
    }
    return cutVariable(weight, layout, devices.length).map((part, index) => ({ ...addVariable(this.#graph, part.weight, devices[index]), slice: part.slice }))
  }

  #read(variable: LoweredVariable): Tensor {
    const { weight: { name, dtype }, handle, value, device } = variable
    const before = this.#by?.after(variable) ?? []
    return this.#once(name, () => (before.length === 0 ? value : this.#graph.one('ReadVariableOp', [handle], { dtype }, { device, control: before })))
  }

  #once(name: string, read: () => Tensor): Tensor {
    const known = this.#reads.get(name)
    if (known !== undefined) return known
    const value = read()
    this.#reads.set(name, value)
    return value
  }

  #constant(weight: WeightDescription): Tensor {
    const known = this.#constants.get(weight.name)
    if (known !== undefined) return known
    if (weight.value === undefined) {
      throw failure({
        tag: 'Model',
        code: 'LOWER_NO_VALUE',
        problem: `"${weight.name}" is to be a constant, but its value is not known`,
        remedy: 'Describe the model with readModel(model), which reads the values.',
      })
    }
    const { value } = weight
    const constant = this.#graph.atRoot(() => this.#graph.constant(value, toNodeName(weight.name)))
    this.#constants.set(weight.name, constant)
    return constant
  }
}
