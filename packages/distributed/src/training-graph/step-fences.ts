import { addVariable, tensorValue, type Graph, type GraphNode, type LoweredVariable, type Tensor } from '@millrace/export'
import { isIndexedSlices, type Gradient } from '../gradients/index.js'
import type { VariableGradient } from '../optimizers/apply-gradients.js'

const SHUT_OUT = 'this step changes nothing: its session was given up, or variables were given other values'

/** True when a step was refused since its session is not the one that its worker was last let in with. */
export const isShutOut = (problem: string): boolean => problem.includes(SHUT_OUT)

/** Whose steps they are. */
export interface StepFencesOptions {
  readonly workers: number
  /** From 0. */
  readonly worker: number
}

const valuesOf = (gradient: Gradient): Tensor => (isIndexedSlices(gradient) ? gradient.values : gradient)

/**
 * Keeps steps of a session that was lost from changing variables: on each device that has some, a variable holds of each worker the
 * number of the session that is let in, and a step looks there for its own, when its gradients have come and before it applies them.
 * The number is a constant of the session's graph, so that nothing travels for it.
 */
export class StepFences {
  readonly #graph: Graph
  readonly #options: StepFencesOptions
  readonly #fences = new Map<string, LoweredVariable>()
  readonly #number = tensorValue('int64', [], [0n])

  constructor(graph: Graph, options: StepFencesOptions) {
    this.#graph = graph
    this.#options = options
  }

  /** One for each device that a step changes something on, int64 `[workers]`. */
  get variables(): readonly LoweredVariable[] {
    return [...this.#fences.values()]
  }

  /** The number of the next session: what the graph's bytes hold when they are made. Above 0, which lets nobody in. */
  set session(number: bigint) {
    (this.#number.data as BigInt64Array)[0] = number
  }

  /** Gradients behind the fence of their devices, which is looked at when all of a device have come. */
  gradients(pairs: readonly VariableGradient[]): readonly VariableGradient[] {
    const come = pairs.map(({ variable, gradient }) => this.#on(variable.device ?? '', valuesOf(gradient)))
    const devices = new Set(pairs.map(({ variable }) => variable.device ?? ''))
    const looks = new Map([...devices].map((device) => [device, this.look(device, come.filter((_, at) => (pairs[at]!.variable.device ?? '') === device).map(({ node }) => node))]))
    return pairs.map(({ variable, gradient }, at) => {
      const passed = this.#behind(looks.get(variable.device ?? '')!, come[at]!)
      return { variable, gradient: isIndexedSlices(gradient) ? { ...gradient, values: passed } : passed }
    })
  }

  /** The number of steps that are done, for updates by gradients that are behind the fence: it comes from another device, and maybe later than they. */
  steps(done: Tensor, pairs: readonly VariableGradient[]): (device: string | undefined) => Tensor {
    return (device = '') => {
      const own = pairs.filter(({ variable }) => (variable.device ?? '') === device).map(({ gradient }) => valuesOf(gradient).node)
      const come = this.#on(device, done)
      return this.#behind(this.look(device, [come.node, ...own]), come)
    }
  }

  /** A single change behind the fence, which is looked at when it has come: those of later layers come later. */
  change({ device = '' }: LoweredVariable, change: Tensor): Tensor {
    const come = this.#on(device, change)
    return this.#behind(this.look(device, [come.node]), come)
  }

  /** Adds what fails, after other nodes, unless this worker's session is let in. */
  look(device: string, after: readonly GraphNode[]): GraphNode {
    const graph = this.#graph
    const { handle } = this.#fence(device)
    return graph.withDevice(device, () => graph.scope('fence', () => {
      const letIn = graph.one('ResourceGather', [handle, graph.scalar('int32', this.#options.worker, 'worker')], { dtype: 'int64' }, { control: after })
      return graph.add('Assert', [graph.one('Equal', [letIn, graph.constant(this.#number, 'session')]), [graph.scalar('string', SHUT_OUT)]], {}, { name: 'is_let_in' })
    }))
  }

  #fence(device: string): LoweredVariable {
    const name = `control/fence_${this.#fences.size}`
    const fence = this.#fences.get(device) ?? addVariable(this.#graph, { key: name, name, dtype: 'int64', shape: [this.#options.workers], trainable: false }, device === '' ? undefined : device)
    this.#fences.set(device, fence)
    return fence
  }

  #on(device: string, tensor: Tensor): Tensor {
    return tensor.node.device === device ? tensor : this.#graph.one('Identity', [tensor], {}, { name: 'come', device })
  }

  #behind(look: GraphNode, tensor: Tensor): Tensor {
    return this.#graph.one('Identity', [tensor], {}, { name: 'passed', device: look.device, control: [look] })
  }
}
