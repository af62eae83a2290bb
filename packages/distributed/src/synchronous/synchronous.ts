import { failure, requireCount } from '@millrace/core'
import type { Graph, GraphNode, LoweredVariable, Tensor } from '@millrace/export'
import type { Gradient } from '../gradients/index.js'
import { limitGradients, type VariableGradient } from '../optimizers/apply-gradients.js'
import type { Optimizer } from '../optimizers/index.js'
import { denseAccumulator, gradientAccumulator, type Accumulator } from './accumulators.js'
import { tokenQueue, type TokenQueue } from './token-queue.js'

/** How workers train in step. */
export interface SynchronousOptions {
  /** How many workers there are. */
  readonly workers: number
  /** Which of them this graph is for, from 0. A chief that computes no gradients may take any number, and not run `train`. */
  readonly worker: number
  /**
   * Gradients that an update waits for, at least. With fewer than there are workers the rest are backups: the slowest ones' gradients
   * are dropped, and nobody waits for a worker that has died. Default: as many as there are workers.
   */
  readonly aggregate?: number | undefined
}

/** What runs beside the steps of synchronous training. */
export interface SynchronousGraph {
  /**
   * One update: waits until enough gradients have come, applies their mean, counts the global step and gives each worker a token. The
   * chief runs it again and again, beside whatever else it does; it needs nothing of any worker's server.
   */
  readonly update: GraphNode
  /** To be run by the chief when variables have their values, from the start or from a checkpoint: gives each worker its first token. */
  readonly start: GraphNode
  /** Gives this worker a token: to be run by a worker that begins again amid training, since its token may have been lost with it. */
  readonly join: GraphNode
  /**
   * Steps of this run whose gradients came too late and were dropped, int64 scalar, as far as was seen when they were sent. An update
   * that is under way at that time is not seen.
   */
  readonly stale: Tensor
}

/** Checks the numbers. @throws `Usage` for what cannot be */
export const checkSynchronous = ({ workers, worker, aggregate = workers }: SynchronousOptions): Required<SynchronousOptions> & { readonly aggregate: number } => {
  requireCount(workers, 1, 'synchronous.workers')
  requireCount(worker, 0, 'synchronous.worker')
  requireCount(aggregate, 1, 'synchronous.aggregate')
  if (worker < workers && aggregate <= workers) return { workers, worker, aggregate }
  throw failure({
    tag: 'Usage',
    code: 'SYNCHRONOUS',
    problem: `worker ${worker} of ${workers}, of which an update takes ${aggregate} gradients, cannot be`,
    remedy: 'Workers count from 0, and each gives one gradient to an update.',
  })
}

/** What of synchronous training the nodes of one graph share. */
export class SynchronousTraining {
  readonly #graph: Graph
  readonly #options: Required<SynchronousOptions> & { readonly aggregate: number }
  readonly #globalStep: LoweredVariable
  readonly #queues: readonly TokenQueue[]
  /** One for each gradient that a worker sends. */
  readonly #parts: Accumulator<Tensor>
  readonly #accumulators = new Map<string, { readonly variable: LoweredVariable; readonly accumulator: Accumulator<Gradient> }>()
  #taken: Tensor | undefined

  constructor(graph: Graph, globalStep: LoweredVariable, options: SynchronousOptions) {
    this.#graph = graph
    this.#options = checkSynchronous(options)
    this.#globalStep = globalStep
    this.#queues = Array.from({ length: options.workers }, (_, worker) => tokenQueue(graph, worker, globalStep.device ?? ''))
    const weight = { key: 'parts', name: 'parts', dtype: 'float32', shape: [], trainable: false } as const
    this.#parts = denseAccumulator(graph, { weight, device: globalStep.device }, 'SUM')
  }

  /** Adds what waits for this worker's token, and then gives the step that it is for. */
  begin(after: readonly GraphNode[]): Tensor {
    const queue = this.#queues[this.#options.worker] as TokenQueue
    return this.#readStep([queue.take(after)])
  }

  /** Adds what sends a step's gradients. @returns what is done then, and whether they came too late */
  send(pairs: readonly VariableGradient[], localStep: Tensor): { readonly sent: readonly GraphNode[]; readonly stale: Tensor } {
    const graph = this.#graph
    const nodes = pairs.map(({ gradient }) => nodeOf(gradient))
    // One that is on the device already needs not be waited for across devices.
    const ready = nodes.find(({ device }) => device === this.#globalStep.device) ?? (nodes[0] as GraphNode)
    const now = this.#readStep([ready])
    const stale = graph.withDevice(now.node.device, () => graph.one('Cast', [graph.one('Less', [localStep, now])], { DstT: 'int64' }))
    const sent = pairs.map(({ variable, gradient }) => this.#accumulator(variable, gradient).send(gradient, localStep))
    // An update waits for this part, so it comes after the look at the step.
    const part = graph.withDevice(now.node.device, () => graph.one('Identity', [graph.scalar('float32', 1)], {}, { name: 'part', control: [stale.node] }))
    return { sent: [...sent, this.#parts.send(part, localStep)], stale }
  }

  /** Adds what waits for the mean gradients of as many workers as an update needs, within the optimizer's limits. */
  take(optimizer: Optimizer): readonly VariableGradient[] {
    const required = (device: string | undefined): Tensor =>
      this.#graph.withDevice(device ?? '', () => this.#graph.scalar('int32', this.#options.aggregate, 'required'))
    this.#taken = this.#parts.take(required(this.#globalStep.device))
    const means = [...this.#accumulators.values()].map(({ variable, accumulator }) => ({ variable, gradient: accumulator.take(required(variable.device)) }))
    return limitGradients(this.#graph, optimizer, means)
  }

  /** Adds what ends an update: a token for each worker. */
  release(after: readonly GraphNode[]): readonly GraphNode[] {
    const step = this.#readStep(after)
    return this.#queues.map((queue) => queue.put(step))
  }

  /** Adds what begins training, and what begins it for this worker alone. */
  openings(): Pick<SynchronousGraph, 'start' | 'join'> {
    const graph = this.#graph
    const step = this.#readStep([])
    const set = [this.#parts, ...[...this.#accumulators.values()].map(({ accumulator }) => accumulator)].map((accumulator) => accumulator.begin(step))
    return graph.withDevice(this.#globalStep.device ?? '', () => ({
      start: graph.add('NoOp', [], {}, { name: 'start', control: this.release(set) }),
      join: graph.add('NoOp', [], {}, { name: 'join', control: [(this.#queues[this.#options.worker] as TokenQueue).put(step)] }),
    }))
  }

  #accumulator(variable: LoweredVariable, like: Gradient): Accumulator<Gradient> {
    const known = this.#accumulators.get(variable.weight.name)
    if (known !== undefined) return known.accumulator
    const accumulator = gradientAccumulator(this.#graph, variable, like, () => this.#taken as Tensor)
    this.#accumulators.set(variable.weight.name, { variable, accumulator })
    return accumulator
  }

  #readStep(control: readonly GraphNode[]): Tensor {
    const { handle, device } = this.#globalStep
    return this.#graph.one('ReadVariableOp', [handle], { dtype: 'int64' }, { device, control, name: 'step' })
  }
}

const nodeOf = (gradient: Gradient): GraphNode => ('indices' in gradient ? gradient.values : gradient).node
