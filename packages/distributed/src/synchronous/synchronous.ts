import { failure, requireCount } from '@millrace/core'
import { addVariable, type Graph, type GraphNode, type LoweredVariable, type Tensor } from '@millrace/export'
import type { Gradient } from '../gradients/index.js'
import { limitGradients, type VariableGradient } from '../optimizers/apply-gradients.js'
import type { Optimizer } from '../optimizers/index.js'
import type { StepFences } from '../training-graph/step-fences.js'
import { denseAccumulator, gradientAccumulator, type Accumulator } from './accumulators.js'
import { Fences } from './fences.js'
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
   * chief runs it again and again, beside whatever else it does; it needs nothing of any worker's server. It fails with
   * `TF_INVALID_ARGUMENT`, and changes nothing, when `start` or `clear` was run since it began, or since {@link round} was read.
   */
  readonly update: GraphNode
  /**
   * Which beginning an update goes by, int64 scalar. To be fetched after `start` and fed to each `update` behind it, so that one that
   * arrives when training has begun again takes nothing. Not fed, an update goes by that which it finds.
   */
  readonly round: Tensor
  /**
   * To be run by the chief when variables have their values, from the start or from a checkpoint: throws away what was sent before, sets
   * {@link parts} to 0, and gives each worker a token. What is sent later of steps that began before is dropped, and an update that is under way fails.
   */
  readonly start: GraphNode
  /** `start` without the tokens: to be run before variables get values anew, so that no update of before comes after. */
  readonly clear: GraphNode
  /**
   * Gives an update that waits what it waits for, so that it fails: to be run again and again while `clear` is under way, which waits
   * behind the updates of lost sessions of which the server does not know that they are lost. `start` has to be run after it.
   */
  readonly nudge: GraphNode
  /** Gives each worker a token, when no update will be made any more, so that none waits for ever. */
  readonly wake: GraphNode
  /** Gives this worker a token: to be run by a worker that begins again amid training, since its token may have been lost with it. */
  readonly join: GraphNode
  /**
   * Steps of this run whose gradients came too late and were dropped, int64 scalar, as far as was seen when they were sent. An update
   * that is under way at that time is not seen.
   */
  readonly stale: Tensor
  /** Where an update takes a gradient of each worker: how many of each worker's went into updates. `undefined` with backups. */
  readonly parts: PartCounts | undefined
}

/** Gradients of each worker, int64 `[workers]`, on the device of the global step. */
export interface PartCounts {
  /** Those that an update took to apply them. It may have been cut off amid that. */
  readonly taken: LoweredVariable
  /** Those whose update is made. */
  readonly applied: LoweredVariable
}

const NOT_ONE_EACH = 'this update is of more than one part of a worker, or of none: training in step has to be begun again'

/** True when an update was refused, before it changed anything, because a worker that began again had sent two gradients to it. */
export const isNotOneEach = (problem: string): boolean => problem.includes(NOT_ONE_EACH)

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
  /** Of each worker, one for each gradient that it sends. */
  readonly #parts: Accumulator<Tensor>
  /**
   * What accumulators take for the step: it counts updates, too, but never goes back, as the global step does with a checkpoint.
   */
  readonly #turn: LoweredVariable
  readonly #fences: Fences
  readonly #counts: PartCounts | undefined
  readonly #accumulators = new Map<string, { readonly variable: LoweredVariable; readonly accumulator: Accumulator<Gradient> }>()
  #taken: Tensor | undefined

  constructor(graph: Graph, globalStep: LoweredVariable, options: SynchronousOptions) {
    this.#graph = graph
    this.#options = checkSynchronous(options)
    this.#globalStep = globalStep
    this.#queues = Array.from({ length: options.workers }, (_, worker) => tokenQueue(graph, worker, globalStep.device ?? ''))
    this.#turn = addVariable(graph, { key: 'turn', name: 'synchronous/turn', dtype: 'int64', shape: [], trainable: false }, globalStep.device)
    this.#fences = new Fences(graph, globalStep.device ?? '')
    const counts = (name: string): LoweredVariable => addVariable(graph, { key: name, name: `synchronous/${name}`, dtype: 'int64', shape: [options.workers], trainable: false }, globalStep.device)
    this.#counts = this.#options.aggregate < options.workers ? undefined : { taken: counts('taken'), applied: counts('applied') }
    const weight = { key: 'parts', name: 'parts', dtype: 'float32', shape: [options.workers], trainable: false } as const
    this.#parts = denseAccumulator(graph, { weight, device: globalStep.device }, 'SUM')
  }

  /**
   * Adds what waits for this worker's token, and then gives the step that it is for, and the turn.
   *
   * @param fences - what lets the step in: it looks when it has its turn, so that what is sent by a step that is shut out since is of
   *   a turn that is over
   */
  begin(after: readonly GraphNode[], fences: StepFences | undefined): { readonly step: Tensor; readonly turn: Tensor } {
    const queue = this.#queues[this.#options.worker] as TokenQueue
    const turn = this.#readTurn([queue.take(after)])
    const step = this.#readStep([turn.node])
    if (fences === undefined) return { turn, step }
    const home = this.#globalStep.device ?? ''
    const look = fences.look(home, [turn.node])
    return { turn: this.#graph.one('Identity', [turn], {}, { name: 'turn', device: home, control: [look] }), step }
  }

  /** Adds what sends a step's gradients. @returns what is done then, and whether they came too late */
  send(pairs: readonly VariableGradient[], turn: Tensor): { readonly sent: readonly GraphNode[]; readonly stale: Tensor } {
    const graph = this.#graph
    const nodes = pairs.map(({ gradient }) => nodeOf(gradient))
    // One that is on the device already needs not be waited for across devices.
    const ready = nodes.find(({ device }) => device === this.#globalStep.device) ?? (nodes[0] as GraphNode)
    const now = this.#readTurn([ready])
    const stale = graph.withDevice(now.node.device, () => graph.one('Cast', [graph.one('Less', [turn, now])], { DstT: 'int64' }))
    const sent = pairs.map(({ variable, gradient }) => this.#accumulator(variable, gradient).send(gradient, turn))
    // An update waits for this part, so it comes after the look at the turn.
    const part = graph.withDevice(now.node.device, () => graph.one('Identity', [graph.vector('float32', this.#queues.map((_, worker) => (worker === this.#options.worker ? 1 : 0)))], {}, { name: 'part', control: [stale.node] }))
    return { sent: [...sent, this.#parts.send(part, turn)], stale }
  }

  /**
   * Adds what waits for the mean gradients of as many workers as an update needs, within the optimizer's limits.
   *
   * @returns the gradients, and what else has to be done before the step is counted
   */
  take(optimizer: Optimizer): { readonly means: readonly VariableGradient[]; readonly passed: readonly GraphNode[] } {
    const graph = this.#graph
    const home = this.#globalStep.device ?? ''
    const taken = new Map<string, { readonly round: Tensor; readonly required: Tensor; readonly nodes: GraphNode[] }>()
    const on = (device: string) => {
      const known = taken.get(device)
      if (known !== undefined) return known
      const round = this.#fences.enter(device)
      const count = graph.withDevice(device, () => graph.scalar('int32', this.#options.aggregate, 'aggregate'))
      const one = { round, nodes: [], required: graph.one('Identity', [count], {}, { name: 'required', device, control: [round.node] }) }
      taken.set(device, one)
      return one
    }
    this.#taken = this.#parts.take(on(home).required)
    on(home).nodes.push(this.#taken.node)
    const means = [...this.#accumulators.values()].map(({ variable, accumulator }) => {
      const { required, nodes } = on(variable.device ?? '')
      const gradient = accumulator.take(required)
      nodes.push(nodeOf(gradient))
      return { variable, gradient }
    })
    const { round, nodes } = on(home)
    const begun = this.#countTaken(this.#oneEach(this.#fences.pass(home, round, nodes)))
    const passed = new Map([...taken].map(([device, one]) => [device, device === home ? begun : this.#fences.pass(device, one.round, [...one.nodes, begun])]))
    const behind = means.map(({ variable, gradient }) => ({ variable, gradient: this.#behind(passed.get(variable.device ?? '') as GraphNode, gradient) }))
    return { means: limitGradients(graph, optimizer, behind), passed: [...passed.values()] }
  }

  /** Adds what fails unless an update is of one part of each worker. */
  #oneEach(after: GraphNode): GraphNode {
    if (this.#counts === undefined) return after
    const graph = this.#graph
    return graph.withDevice(this.#globalStep.device ?? '', () => {
      const [parts, axis, one] = [this.#taken as Tensor, graph.vector('int32', [0], 'axis'), graph.scalar('float32', 1)]
      const each = graph.one('LogicalAnd', [graph.one('Equal', [graph.one('Min', [parts, axis]), one]), graph.one('Equal', [graph.one('Max', [parts, axis]), one])])
      return graph.add('Assert', [each, [graph.scalar('string', NOT_ONE_EACH)]], {}, { name: 'is_one_each', control: [after] })
    })
  }

  /** Before anything is changed, so that nobody takes a gradient for lost that an update was cut off amid. */
  #countTaken(after: GraphNode): GraphNode {
    return this.#counts === undefined ? after : this.#addParts(this.#counts.taken, [after])
  }

  /** Adds what counts the parts of an update that is made, unless training was begun again meanwhile. @returns what is done then */
  countParts(after: readonly GraphNode[]): readonly GraphNode[] {
    // Changes on other devices are done after what was looked at here.
    const passed = [this.#fences.pass(this.#globalStep.device ?? '', this.#fences.round, after)]
    return this.#counts === undefined ? passed : [this.#addParts(this.#counts.applied, passed)]
  }

  #addParts({ handle, device }: LoweredVariable, control: readonly GraphNode[]): GraphNode {
    const graph = this.#graph
    return graph.withDevice(device ?? '', () => graph.add('AssignAddVariableOp', [handle, graph.one('Cast', [this.#taken as Tensor], { DstT: 'int64' })], {}, { control }))
  }

  /** Adds what ends an update: a token for each worker. */
  release(after: readonly GraphNode[]): readonly GraphNode[] {
    const graph = this.#graph
    const counted = graph.withDevice(this.#globalStep.device ?? '', () =>
      graph.add('AssignAddVariableOp', [this.#turn.handle, graph.scalar('int64', 1n, 'one')], {}, { control: after }))
    return this.#giveTokens([counted])
  }

  /** Adds what begins training, and what begins it for this worker alone. */
  openings(): Pick<SynchronousGraph, 'start' | 'clear' | 'nudge' | 'wake' | 'join' | 'round' | 'parts'> {
    const graph = this.#graph
    const home = this.#globalStep.device ?? ''
    return graph.withDevice(home, () => {
      const round = this.#newRound()
      const all = [{ device: home, accumulator: this.#parts }, ...[...this.#accumulators.values()].map(({ variable, accumulator }) => ({ device: variable.device ?? '', accumulator }))]
      const fences = new Map([...new Set(all.map(({ device }) => device))].map((device) => [device, this.#fences.put(round, device)]))
      const beginnings = all.map(({ device, accumulator }) => accumulator.begin(round, [fences.get(device) as GraphNode]))
      const turn = graph.add('AssignVariableOp', [this.#turn.handle, round], {}, { control: beginnings.map(({ begun }) => begun) })
      const own = this.#queues[this.#options.worker] as TokenQueue
      return {
        round: this.#fences.round,
        parts: this.#counts,
        clear: graph.add('NoOp', [], {}, { name: 'clear', control: [turn] }),
        nudge: graph.add('NoOp', [], {}, { name: 'nudge', control: beginnings.map(({ nothing }) => nothing) }),
        start: graph.add('NoOp', [], {}, { name: 'start', control: this.#giveTokens([turn, ...this.#clearCounts([turn])]) }),
        wake: graph.add('NoOp', [], {}, { name: 'wake', control: this.#giveTokens([]) }),
        join: graph.add('NoOp', [], {}, { name: 'join', control: [own.put(this.#readStep([]))] }),
      }
    })
  }

  #clearCounts(control: readonly GraphNode[]): readonly GraphNode[] {
    if (this.#counts === undefined) return []
    const none = this.#graph.vector('int64', this.#queues.map(() => 0n), 'none')
    return [this.#counts.taken, this.#counts.applied].map(({ handle }) => this.#graph.add('AssignVariableOp', [handle, none], {}, { control }))
  }

  /** A number that was not there before: by the clock of the first parameter server, in microseconds, so that one that was restarted has another, too. */
  #newRound(): Tensor {
    const graph = this.#graph
    return graph.one('Cast', [graph.one('Mul', [graph.one('Timestamp'), graph.scalar('float64', 1e6)])], { DstT: 'int64' }, { name: 'new_round' })
  }

  #giveTokens(after: readonly GraphNode[]): readonly GraphNode[] {
    const step = this.#readStep(after)
    return this.#queues.map((queue) => queue.put(step))
  }

  /** A gradient, when a node on its device has run. */
  #behind(node: GraphNode, gradient: Gradient): Gradient {
    const pass = (tensor: Tensor): Tensor => this.#graph.one('Identity', [tensor], {}, { device: node.device, control: [node] })
    return 'indices' in gradient ? { ...gradient, values: pass(gradient.values) } : pass(gradient)
  }

  #accumulator(variable: LoweredVariable, like: Gradient): Accumulator<Gradient> {
    const known = this.#accumulators.get(variable.weight.name)
    if (known !== undefined) return known.accumulator
    const accumulator = gradientAccumulator(this.#graph, variable, like, () => this.#graph.one('Sum', [this.#taken as Tensor, this.#graph.vector('int32', [0], 'axis')]))
    this.#accumulators.set(variable.weight.name, { variable, accumulator })
    return accumulator
  }

  #readStep(control: readonly GraphNode[]): Tensor {
    return this.#read(this.#globalStep, 'step', control)
  }

  #readTurn(control: readonly GraphNode[]): Tensor {
    return this.#read(this.#turn, 'turn', control)
  }

  #read({ handle, device }: LoweredVariable, name: string, control: readonly GraphNode[]): Tensor {
    return this.#graph.one('ReadVariableOp', [handle], { dtype: 'int64' }, { device, control, name })
  }
}

const nodeOf = (gradient: Gradient): GraphNode => ('indices' in gradient ? gradient.values : gradient).node
