import { describeValue, failure, throwIfAborted } from '@millrace/core'
import type { HostTensor } from '../tensor/host-tensor.js'
import { feedTensor, type FeedValue } from './feed-value.js'
import { requireGraphBytes, type GraphInput } from './graph-inputs.js'
import { targetName, tensorName, type NodeRef } from './tensor-name.js'

/** What is fed, by the name of the tensor (`x` or `x:0`), or as pairs of a tensor and its value, for instance a `Map`. */
export type Feeds = { readonly [tensor: string]: FeedValue } | Iterable<readonly [NodeRef, FeedValue]>

/** What is fetched: a list, or an object that gives each a name. */
export type Fetches = readonly NodeRef[] | { readonly [name: string]: NodeRef }

/** What comes back: a tensor for each fetch, in the shape in which they were asked for. */
export type Fetched<F extends Fetches> = { -readonly [K in keyof F]: HostTensor }

/** One step of a graph. */
export interface Step<F extends Fetches = Fetches> {
  readonly feeds?: Feeds | undefined
  readonly fetches?: F | undefined
  /** Nodes that run for what they do. */
  readonly targets?: readonly NodeRef[] | undefined
}

/** How long a call may take, and what stops it. */
export interface CallOptions {
  /** Default: that of the session, 60,000 unless it was given one. `Infinity` waits for ever. */
  readonly timeoutMs?: number | undefined
  /**
   * Ends the call with `Aborted`. A server cancels the step. A native step goes on in the background until its time is up, because
   * libtensorflow cannot cancel one; its result is dropped.
   */
  readonly signal?: AbortSignal | undefined
}

/** A device that a session can use. */
export interface Device {
  /** `/job:worker/replica:0/task:0/device:CPU:0` */
  readonly name: string
  /** `CPU`, `GPU`, … */
  readonly type: string
  readonly memoryBytes: number
  /** Another one after its process was restarted. */
  readonly incarnation: bigint
}

/** A step whose names were resolved once, for steps that run often. */
export interface Callable<F extends Fetches> {
  /** @param values - one for each feed, in their order */
  run(values: readonly FeedValue[], options?: CallOptions): Promise<Fetched<F>>
  /** Frees what the server keeps of it; it then runs no more. A second call does nothing. */
  release(): Promise<void>
}

/** Names of a {@link Callable}. */
export interface CallableStep<F extends Fetches = Fetches> {
  readonly feeds?: readonly NodeRef[] | undefined
  readonly fetches?: F | undefined
  readonly targets?: readonly NodeRef[] | undefined
}

/** Where a session runs. */
export interface SessionRuntime {
  readonly kind: 'native' | 'remote'
  /** Of the server, `grpc://host:port`; empty for a session in this process. */
  readonly target: string
  /** Version of the libtensorflow in this process; servers do not tell theirs. */
  readonly version?: string | undefined
}

/**
 * A graph on TensorFlow's own runtime, in this process or on a server: the same calls, the same errors. Calls may overlap.
 *
 * All calls reject with a `MillraceError`: tag `Engine` with TensorFlow's status as its code (`TF_INVALID_ARGUMENT`, `TF_NOT_FOUND`,
 * `TF_FAILED_PRECONDITION`, `TF_UNAVAILABLE`, `TF_DEADLINE_EXCEEDED`, …), `Schema` for a value that cannot be fed, `Usage` for
 * names that are none and for a session that is closed, `Aborted` for the caller's signal.
 */
export interface Session {
  readonly runtime: SessionRuntime
  /** Runs one step. Fetches come back in the form in which they were asked for. */
  run<const F extends Fetches = readonly []>(step: Step<F>, options?: CallOptions): Promise<Fetched<F>>
  makeCallable<const F extends Fetches = readonly []>(step: CallableStep<F>, options?: CallOptions): Promise<Callable<F>>
  /**
   * Adds nodes to the graph; they may take outputs of those that are there.
   *
   * @param graph - an encoded `GraphDef`
   */
  extend(graph: Uint8Array, options?: CallOptions): Promise<void>
  listDevices(options?: CallOptions): Promise<readonly Device[]>
  /** Ends the session; steps that still run are cancelled. Variables on a server outlive it. A second call does nothing. */
  close(): Promise<void>
}

/** Time and signal of one call, as an engine gets them: always there. */
export interface CallLimits {
  /** Finite, or `Infinity`. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** A {@link Callable} inside an engine. */
export interface EngineCallable {
  run(feeds: readonly HostTensor[], limits: CallLimits): Promise<readonly HostTensor[]>
  release(): Promise<void>
}

/**
 * What a runtime does; {@link sessionOf} makes a session of it. Names are full (`x:0`), fetches without repetition, and results come
 * in their order.
 */
export interface SessionEngine {
  readonly runtime: SessionRuntime
  /** What may be fed to a tensor, where it is known; {@link GraphInputs} knows. */
  inputOf(tensor: string): GraphInput | undefined
  run(feeds: ReadonlyMap<string, HostTensor>, fetches: readonly string[], targets: readonly string[], limits: CallLimits): Promise<readonly HostTensor[]>
  makeCallable(feeds: readonly string[], fetches: readonly string[], targets: readonly string[], limits: CallLimits): Promise<EngineCallable>
  extend(graph: Uint8Array, limits: CallLimits): Promise<void>
  listDevices(limits: CallLimits): Promise<readonly Device[]>
  close(): Promise<void>
}

/** Long enough for a first step, which places and compiles the graph; short enough to notice a server that hangs. */
export const DEFAULT_TIMEOUT_MS = 60_000

/** Time and signal of a call. @throws `Usage` for a time that is none, `Aborted` */
export const callLimits = (options: CallOptions = {}, otherwise = DEFAULT_TIMEOUT_MS): CallLimits => {
  const timeoutMs = options.timeoutMs ?? otherwise
  if (!(timeoutMs > 0)) throw failure({ tag: 'Usage', code: 'TIMEOUT', problem: `timeoutMs is ${timeoutMs}`, remedy: 'Give milliseconds above 0.' })
  throwIfAborted(options.signal)
  return { timeoutMs, signal: options.signal }
}

/** Fetches without repetition, and how results in their order become what was asked for. */
interface Plan<F extends Fetches> {
  readonly names: readonly string[]
  assemble(results: readonly HostTensor[]): Fetched<F>
}

const planFetches = <F extends Fetches>(fetches: F | undefined): Plan<F> => {
  const positions = new Map<string, number>()
  const place = (ref: NodeRef): number => {
    const name = tensorName(ref, 'a fetch')
    const known = positions.get(name)
    if (known !== undefined) return known
    positions.set(name, positions.size)
    return positions.size - 1
  }
  if (fetches === undefined || Array.isArray(fetches)) {
    const places = ((fetches ?? []) as readonly NodeRef[]).map(place)
    return { names: [...positions.keys()], assemble: (results) => places.map((at) => results[at]!) as Fetched<F> }
  }
  const places = Object.entries(fetches).map(([key, ref]) => [key, place(ref as NodeRef)] as const)
  return { names: [...positions.keys()], assemble: (results) => Object.fromEntries(places.map(([key, at]) => [key, results[at]!])) as Fetched<F> }
}

const planTargets = (targets: readonly NodeRef[] | undefined): string[] => [...new Set((targets ?? []).map(targetName))]

const entriesOf = (feeds: Feeds): Iterable<readonly [NodeRef, FeedValue]> =>
  Symbol.iterator in feeds ? feeds as Iterable<readonly [NodeRef, FeedValue]> : Object.entries(feeds)

const twice = (name: string): Error => failure({ tag: 'Usage', code: 'FED_TWICE', problem: `${name} is fed twice`, remedy: 'A name without an index means output 0.' })

const checkWork = (fetches: readonly string[], targets: readonly string[]): void => {
  if (fetches.length + targets.length === 0) throw failure({ tag: 'Usage', code: 'EMPTY_STEP', problem: 'the step has no fetches and no targets', remedy: 'Name what is to run.' })
}

/** Of callers without types. */
const checkStep = (step: Step | CallableStep): void => {
  const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null
  const wrong = (problem: string): Error => failure({ tag: 'Usage', code: 'BAD_STEP', problem, remedy: "Write { feeds: { x: value }, fetches: ['y'] }; a callable's feeds are a list of names." })
  if (!isObject(step)) throw wrong(`the step is ${String(step)}`)
  const { feeds, fetches, targets } = step
  if (feeds !== undefined && !isObject(feeds)) throw wrong(`the step's feeds are ${String(feeds)}`)
  if (fetches !== undefined && !isObject(fetches)) throw wrong(`the step's fetches are ${String(fetches)}`)
  if (targets !== undefined && !Array.isArray(targets)) throw wrong(`the step's targets are ${String(targets)}`)
}

class EngineSession implements Session {
  readonly #engine: SessionEngine
  readonly #timeoutMs: number
  #closed: Promise<void> | undefined

  constructor(engine: SessionEngine, timeoutMs: number) {
    this.#engine = engine
    this.#timeoutMs = timeoutMs
  }

  get runtime(): SessionRuntime {
    return this.#engine.runtime
  }

  async run<const F extends Fetches = readonly []>(step: Step<F>, options?: CallOptions): Promise<Fetched<F>> {
    const limits = this.#limits(options)
    checkStep(step)
    const plan = planFetches(step.fetches)
    const targets = planTargets(step.targets)
    checkWork(plan.names, targets)
    const feeds = new Map<string, HostTensor>()
    for (const [ref, value] of entriesOf(step.feeds ?? {})) {
      const name = tensorName(ref, 'a feed')
      if (feeds.has(name)) throw twice(name)
      feeds.set(name, this.#feed(name, value))
    }
    return plan.assemble(await this.#engine.run(feeds, plan.names, targets, limits))
  }

  async makeCallable<const F extends Fetches = readonly []>(step: CallableStep<F>, options?: CallOptions): Promise<Callable<F>> {
    const limits = this.#limits(options)
    checkStep(step)
    const plan = planFetches(step.fetches)
    const targets = planTargets(step.targets)
    checkWork(plan.names, targets)
    const feeds = (step.feeds ?? []).map((ref) => tensorName(ref, 'a feed'))
    feeds.forEach((name, index) => {
      if (feeds.indexOf(name) !== index) throw twice(name)
    })
    const callable = await this.#engine.makeCallable(feeds, plan.names, targets, limits)
    let isReleased = false
    return {
      run: async (values, callOptions) => {
        const callLimit = this.#limits(callOptions)
        if (isReleased) throw failure({ tag: 'Usage', code: 'CALLABLE_RELEASED', problem: 'the callable was released', remedy: 'Make a new one.' })
        if (!Array.isArray(values)) throw failure({ tag: 'Usage', code: 'FEED_COUNT', problem: `the values of a callable are ${describeValue(values)}`, remedy: 'Give a list with one value for each feed.' })
        if (values.length !== feeds.length) {
          throw failure({ tag: 'Usage', code: 'FEED_COUNT', problem: `${values.length} values were given for the feeds [${feeds.join(', ')}]`, remedy: 'Give one value for each.' })
        }
        return plan.assemble(await callable.run(values.map((value, index) => this.#feed(feeds[index]!, value)), callLimit))
      },
      release: async () => {
        if (isReleased || this.#closed !== undefined) return
        isReleased = true
        await callable.release()
      },
    }
  }

  async extend(graph: Uint8Array, options?: CallOptions): Promise<void> {
    const limits = this.#limits(options)
    requireGraphBytes(graph)
    await this.#engine.extend(graph, limits)
  }

  async listDevices(options?: CallOptions): Promise<readonly Device[]> {
    return this.#engine.listDevices(this.#limits(options))
  }

  close(): Promise<void> {
    this.#closed ??= this.#engine.close()
    return this.#closed
  }

  #limits(options: CallOptions | undefined): CallLimits {
    if (this.#closed !== undefined) throw failure({ tag: 'Usage', code: 'SESSION_CLOSED', problem: 'the session is closed', remedy: 'Make a new one.' })
    return callLimits(options, this.#timeoutMs)
  }

  #feed(name: string, value: FeedValue): HostTensor {
    return feedTensor(name, value, this.#engine.inputOf(name))
  }
}

/**
 * A session over a runtime. What all runtimes have in common is done here: names, values, time, and a session that is closed.
 *
 * @param timeoutMs - for calls that name none
 */
export const sessionOf = (engine: SessionEngine, timeoutMs = DEFAULT_TIMEOUT_MS): Session => new EngineSession(engine, callLimits({ timeoutMs }).timeoutMs)
