import { addVariable, type Graph, type GraphNode, type LoweredVariable, type Tensor } from '@millrace/export'

const OVERTAKEN = 'this update is overtaken: training in step was begun again'

/** True when an update was refused because training in step was begun again meanwhile. */
export const isOvertaken = (problem: string): boolean => problem.includes(OVERTAKEN)

/**
 * Keeps updates that began before training in step was begun again from changing anything: each beginning puts up a number that was not
 * there before, on each device that has accumulators, and an update looks whether it is still the same after it has taken gradients there.
 * What it took may else be parts that are nothing, by which the beginning empties the accumulators.
 */
export class Fences {
  readonly #graph: Graph
  readonly #home: string
  readonly #fences = new Map<string, LoweredVariable>()
  #round: Tensor | undefined
  #checked: Tensor | undefined

  /** @param home - device of the global step */
  constructor(graph: Graph, home: string) {
    this.#graph = graph
    this.#home = home
  }

  /** The number that an update goes by: fed, else that which is there when it begins. */
  get round(): Tensor {
    this.#round ??= this.#graph.atRoot(() => this.#graph.withDevice(this.#home, () =>
      this.#graph.one('PlaceholderWithDefault', [this.#read(this.#home, [])], { shape: [] }, { name: 'synchronous/round' })))
    return this.#round
  }

  /** Adds what tells a device the number that an update goes by, so that what comes behind it takes nothing for an update that is overtaken. */
  enter(device: string): Tensor {
    this.#checked ??= this.#graph.withDevice(this.#home, () =>
      this.#graph.one('Identity', [this.round], {}, { name: 'round', control: [this.#check(this.#home, this.round, [this.round.node])] }))
    const checked = this.#checked
    return this.#graph.withDevice(device, () => this.#graph.one('Identity', [checked], {}, { name: 'round' }))
  }

  /** Adds what fails when training was begun again before something was done. */
  pass(device: string, round: Tensor, after: readonly GraphNode[]): GraphNode {
    return this.#check(device, round, after)
  }

  /** Adds what puts up a number, on each of the devices. */
  put(round: Tensor, device: string): GraphNode {
    return this.#graph.add('AssignVariableOp', [this.#fence(device).handle, round], {}, { device })
  }

  #check(device: string, round: Tensor, after: readonly GraphNode[]): GraphNode {
    const graph = this.#graph
    return graph.withDevice(device, () => {
      const same = graph.one('Equal', [this.#read(device, after), round])
      return graph.add('Assert', [same, [graph.scalar('string', OVERTAKEN)]], {}, { name: 'is_current' })
    })
  }

  #read(device: string, control: readonly GraphNode[]): Tensor {
    return this.#graph.one('ReadVariableOp', [this.#fence(device).handle], { dtype: 'int64' }, { device, control, name: 'fence' })
  }

  #fence(device: string): LoweredVariable {
    const name = `synchronous/fence_${this.#fences.size}`
    const fence = this.#fences.get(device) ?? addVariable(this.#graph, { key: name, name, dtype: 'int64', shape: [], trainable: false }, device === '' ? undefined : device)
    this.#fences.set(device, fence)
    return fence
  }
}
