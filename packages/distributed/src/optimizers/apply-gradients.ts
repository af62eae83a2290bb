import { addVariable, type Graph, type GraphNode, type LoweredVariable, type Tensor, type WeightDescription } from '@millrace/export'
import { isIndexedSlices, sumDuplicates, toDense, type Gradient } from '../gradients/index.js'
import { clipGradients } from './clip.js'
import type { Optimizer, UpdateVariable } from './optimizer.js'
import { learningRateAt } from './schedules.js'

/** A variable and its gradient. */
export interface VariableGradient {
  readonly variable: LoweredVariable
  readonly gradient: Gradient
}

/** A variable of an optimizer, and what all its elements start with. */
export interface Slot {
  readonly variable: LoweredVariable
  readonly initial: number
}

/** The updates of one step. */
export interface AppliedGradients {
  /** One for each of the variables, in their order; when it is done, so is all that belongs to it. */
  readonly updates: readonly GraphNode[]
  readonly learningRate: Tensor
}

/** Adds the limits of an optimizer to gradients in which each looked up row is there once, each beside its gradient. */
export const limitGradients = (graph: Graph, { clip }: Optimizer, pairs: readonly VariableGradient[]): readonly VariableGradient[] => {
  if (clip === undefined) return pairs
  const limited = graph.scope('clip', () => clipGradients(graph, pairs.map(({ gradient }) => gradient), clip))
  return pairs.map(({ variable }, index) => ({ variable, gradient: limited[index] as Gradient }))
}

/** Adds what sums the rows of variables that were looked up more than once. */
export const sumRows = (graph: Graph, gradient: Gradient): Gradient => (isIndexedSlices(gradient) ? sumDuplicates(graph, gradient) : gradient)

/** Whether rows that were not looked up are moved, too. */
const movesAllRows = ({ sparse }: Optimizer, { slice }: LoweredVariable): boolean => sparse === 'dense' || (sparse === 'lazy-parts' && slice === undefined)

const onDevice = <A>(graph: Graph, device: string | undefined, body: () => A): A => (device === undefined ? body() : graph.withDevice(device, body))

/**
 * What an optimizer adds to a graph: the updates of as many steps as are asked for, and the variables of its own that they share.
 * Everything is on the devices of the variables, learning rates and the like too, so that nothing of it is sent.
 */
export class OptimizerUpdates {
  readonly #graph: Graph
  readonly #optimizer: Optimizer
  readonly #slots = new Map<string, Slot>()

  constructor(graph: Graph, optimizer: Optimizer) {
    this.#graph = graph
    this.#optimizer = optimizer
  }

  /** The optimizer's variables so far. */
  get slots(): readonly Slot[] {
    return [...this.#slots.values()]
  }

  /**
   * Adds the nodes that change variables by their gradients.
   *
   * @param pairs - each looked up row once
   * @param step - the number of steps done so far, float32 scalar
   * @param stepFor - adds what the updates on a device take for it. Default: `step` itself
   */
  apply(pairs: readonly VariableGradient[], step: Tensor, stepFor: (device: string | undefined) => Tensor = () => step): AppliedGradients {
    const graph = this.#graph
    return graph.scope('optimizer', () => {
      const updaters = new Map<string | undefined, UpdateVariable>()
      const updates = pairs.map(({ variable, gradient }) =>
        onDevice(graph, variable.device, () => {
          const update = updaters.get(variable.device) ?? this.#start(stepFor(variable.device))
          updaters.set(variable.device, update)
          return update(variable, movesAllRows(this.#optimizer, variable) ? toDense(graph, gradient) : gradient)
        }),
      )
      const learningRate = graph.withDevice(step.node.device, () => learningRateAt(graph, this.#optimizer.learningRate, step))
      return { updates, learningRate }
    })
  }

  #start(step: Tensor): UpdateVariable {
    const graph = this.#graph
    const rate = learningRateAt(graph, this.#optimizer.learningRate, step)
    const count = graph.one('AddV2', [step, graph.scalar('float32', 1)])
    return this.#optimizer.start({ graph, rate, count, slot: (variable, name, initial = 0) => this.#slot(variable, name, initial) })
  }

  #slot({ weight, device, slice }: LoweredVariable, name: string, initial: number): Tensor {
    const full = `${weight.name}/${name}`
    const known = this.#slots.get(full)
    if (known !== undefined) return known.variable.handle
    const described: WeightDescription = { key: name, name: full, dtype: weight.dtype, shape: weight.shape, trainable: false }
    const added = addVariable(this.#graph, described, device)
    const variable = slice === undefined ? added : { ...added, slice: { ...slice, name: `${slice.name}/${name}` } }
    this.#slots.set(full, { variable, initial })
    return variable.handle
  }
}
