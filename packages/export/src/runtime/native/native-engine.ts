import { statusFailure, deadlineFailure } from '../status.js'
import type { HostTensor } from '../../tensor/host-tensor.js'
import type { GraphInput } from '../graph-inputs.js'
import { encodeRunOptions } from '../session-config.js'
import type { CallLimits, Device, EngineCallable, SessionEngine, SessionRuntime } from '../session.js'
import { offLoop, type Address, type TensorFlowLibrary } from './bindings.js'
import { drop, hold, withBuffer, withStatus, withStatusAsync } from './held.js'
import type { NativeGraph } from './native-graph.js'
import { StepCall, type Plan } from './step-call.js'
import { isFull, takeSlot, within } from './thread-slots.js'

const CANCELLED = 1

/** Milliseconds for a step that may take for ever; 0 would mean the session's own default. */
const LONGEST_STEP_MS = 1e10

/** What TensorFlow needs beyond a step's time to end it, before we give it up on our own. */
const GRACE_MS = 500

/** Bytes of a `TF_Output`: an address, an int, and four of padding. */
const OUTPUT_BYTES = 16

const runOptions = (timeoutMs: number): Uint8Array => encodeRunOptions(Math.min(Math.ceil(timeoutMs), LONGEST_STEP_MS))

/** Plans that are kept: programs run few steps, again and again. */
const MAX_PLANS = 64

/** How an engine runs its steps. */
export interface NativeEngineOptions {
  /** Of a server, or empty. */
  readonly target: string
  /** On the calling thread. */
  readonly blocking?: boolean | undefined
}

const open = new Set<NativeEngine>()

/** Steps that wait would keep the process from ending: libuv waits for its threads. */
const onExit = (): void => {
  for (const engine of open) engine.cancelAtExit()
}

/** A `TF_Session` as an engine. It owns the graph. */
export class NativeEngine implements SessionEngine {
  readonly runtime: SessionRuntime
  readonly #library: TensorFlowLibrary
  readonly #graph: NativeGraph
  readonly #session: Address
  readonly #running = new Set<Promise<unknown>>()
  readonly #blocking: boolean
  readonly #plans = new Map<string, Plan>()
  #closing = false

  constructor(library: TensorFlowLibrary, graph: NativeGraph, session: Address, { target, blocking = false }: NativeEngineOptions) {
    this.#library = library
    this.#blocking = blocking
    this.#graph = graph
    this.#session = hold('sessions', session)
    this.runtime = { kind: 'native', target, version: library.version }
    if (open.size === 0) process.once('exit', onExit)
    open.add(this)
  }

  inputOf(tensor: string): GraphInput | undefined {
    return this.#graph.inputs.of(tensor)
  }

  async run(feeds: ReadonlyMap<string, HostTensor>, fetches: readonly string[], targets: readonly string[], limits: CallLimits): Promise<readonly HostTensor[]> {
    return this.#start(this.#knownPlan([...feeds.keys()], fetches, targets), [...feeds.values()], limits)
  }

  async makeCallable(feeds: readonly string[], fetches: readonly string[], targets: readonly string[]): Promise<EngineCallable> {
    const plan = this.#plan(feeds, fetches, targets)
    return { run: (values, limits) => this.#start(plan, values, limits), release: () => Promise.resolve() }
  }

  async extend(graph: Uint8Array): Promise<void> {
    await this.#tracked(this.#graph.extend(graph))
  }

  async listDevices(limits: CallLimits): Promise<readonly Device[]> {
    const library = this.#library
    const listed = this.#tracked(withStatusAsync(library, async (status) => {
      const list = await offLoop(library.TF_SessionListDevices, this.#session, status)
      if (list === null) return []
      try {
        return Array.from({ length: library.TF_DeviceListCount(list) }, (_, index): Device => ({
          name: library.TF_DeviceListName(list, index, status),
          type: library.TF_DeviceListType(list, index, status),
          memoryBytes: Number(library.TF_DeviceListMemoryBytes(list, index, status)),
          incarnation: BigInt(library.TF_DeviceListIncarnation(list, index, status)),
        }))
      } finally {
        library.TF_DeleteDeviceList(list)
      }
    }, this.runtime.target))
    return within(listed, limits, () => deadlineFailure(limits.timeoutMs, this.runtime.target, 'listing the devices'))
  }

  async close(): Promise<void> {
    this.#closing = true
    const library = this.#library
    try {
      // A call to a server may take its time; but steps that wait may have all threads, and only this ends them.
      if (this.runtime.target === '' || isFull()) withStatus(library, (status) => library.TF_CloseSession(this.#session, status))
      else await withStatusAsync(library, (status) => offLoop(library.TF_CloseSession, this.#session, status))
    } catch {
      // A server that is gone has closed it too.
    }
    await Promise.allSettled(this.#running)
    open.delete(this)
    if (open.size === 0) process.removeListener('exit', onExit)
    try {
      withStatus(library, (status) => library.TF_DeleteSession(this.#session, status))
    } finally {
      drop('sessions')
      this.#graph.free()
    }
  }

  cancelAtExit(): void {
    if (this.#running.size === 0) return
    const status = this.#library.TF_NewStatus()
    this.#library.TF_CloseSession(this.#session, status)
  }

  /** No name has a comma or a bar in it. */
  #knownPlan(feeds: readonly string[], fetches: readonly string[], targets: readonly string[]): Plan {
    const key = `${feeds.join()}|${fetches.join()}|${targets.join()}`
    const known = this.#plans.get(key)
    if (known !== undefined) return known
    const plan = this.#plan(feeds, fetches, targets)
    if (this.#plans.size >= MAX_PLANS) this.#plans.clear()
    this.#plans.set(key, plan)
    return plan
  }

  #plan(feeds: readonly string[], fetches: readonly string[], targets: readonly string[]): Plan {
    return {
      inputs: this.#outputs(feeds, 'fed'),
      outputs: this.#outputs(fetches, 'fetched'),
      fetches,
      targets: BigUint64Array.from(targets, (name) => this.#graph.operation(name, 'a target')),
    }
  }

  #outputs(names: readonly string[], use: string): Uint8Array {
    const bytes = new Uint8Array(names.length * OUTPUT_BYTES)
    const view = new DataView(bytes.buffer)
    names.forEach((name, position) => {
      const { oper, index } = this.#graph.output(name, use)
      view.setBigUint64(position * OUTPUT_BYTES, oper, true)
      view.setInt32(position * OUTPUT_BYTES + 8, index, true)
    })
    return bytes
  }

  /** Resolves when the step has ended, or rejects when its time is up, whichever is first. What is native is freed when it has ended. */
  async #start(plan: Plan, feeds: readonly HostTensor[], limits: CallLimits): Promise<readonly HostTensor[]> {
    if (this.#blocking) return this.#executeHere(plan, feeds, limits.timeoutMs)
    const target = this.runtime.target
    const slot = await takeSlot(limits, target)
    if (this.#closing) {
      slot.release()
      throw statusFailure(CANCELLED, 'the session was closed before the step could start', target)
    }
    const step = this.#tracked(this.#execute(plan, feeds, slot.timeoutMs).finally(slot.release))
    return within(step, { timeoutMs: slot.timeoutMs + GRACE_MS, signal: limits.signal }, () => deadlineFailure(limits.timeoutMs, target))
  }

  async #execute(plan: Plan, feeds: readonly HostTensor[], timeoutMs: number): Promise<readonly HostTensor[]> {
    const library = this.#library
    const call = new StepCall(library, plan, feeds)
    try {
      await withBuffer(library, runOptions(timeoutMs), (buffer) => withStatusAsync(library, (status) =>
        offLoop(library.TF_SessionRun, ...call.arguments(this.#session, buffer, status)), this.runtime.target))
      return call.results()
    } finally {
      call.free()
    }
  }

  #executeHere(plan: Plan, feeds: readonly HostTensor[], timeoutMs: number): readonly HostTensor[] {
    const library = this.#library
    const call = new StepCall(library, plan, feeds)
    const options = runOptions(timeoutMs)
    const buffer = hold('buffers', library.TF_NewBufferFromString(options, options.length))
    try {
      withStatus(library, (status) => library.TF_SessionRun(...call.arguments(this.#session, buffer, status)), this.runtime.target)
      return call.results()
    } finally {
      library.TF_DeleteBuffer(buffer)
      drop('buffers')
      call.free()
    }
  }

  #tracked<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    const done = (): void => {
      this.#running.delete(work)
    }
    work.then(done, done)
    return work
  }
}
