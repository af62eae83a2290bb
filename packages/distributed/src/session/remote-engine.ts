import { failure, hasTag } from '@millrace/core'
import {
  GraphInputs, masterMessages, statusFailure, type CallLimits, type Device, type EngineCallable, type GraphInput, type HostTensor, type SessionEngine, type SessionRuntime,
} from '@millrace/export'
import type { MasterClient } from './master-client.js'

/** A server that hangs must not keep a client from ending. */
const CLOSE_TIMEOUT_MS = 10_000

/** Steps of which the part of the request is kept that is always the same: programs run few, again and again. */
const MAX_PREFIXES = 64

const { encode, decode } = masterMessages

const missing = (name: string): Error =>
  failure({ tag: 'Engine', code: 'BAD_RESPONSE', problem: `the server's answer lacks ${name}`, remedy: 'Check that a TensorFlow server listens at this address.' })

/** A session of a server's master. */
export class RemoteEngine implements SessionEngine {
  readonly runtime: SessionRuntime
  readonly #client: MasterClient
  readonly #handle: string
  readonly #inputs = new GraphInputs()
  readonly #prefixes = new Map<string, Uint8Array>()
  /** Extensions one after another: each has to name the version that it extends. */
  #version: Promise<bigint>

  constructor(client: MasterClient, handle: string, version: bigint, graph: Uint8Array) {
    this.runtime = { kind: 'remote', target: client.target }
    this.#client = client
    this.#handle = handle
    this.#version = Promise.resolve(version)
    this.#inputs.add(graph)
  }

  inputOf(tensor: string): GraphInput | undefined {
    return this.#inputs.of(tensor)
  }

  async run(feeds: ReadonlyMap<string, HostTensor>, fetches: readonly string[], targets: readonly string[], limits: CallLimits): Promise<readonly HostTensor[]> {
    const request = encode.runStep(this.#prefix(fetches, targets, limits.timeoutMs), feeds)
    const { code, message, tensors } = decode.runStep(await this.#client.call('RunStep', request, limits))
    if (code !== 0) throw statusFailure(code, message, this.#client.target)
    return fetches.map((name) => {
      const tensor = tensors.get(name)
      if (tensor === undefined) throw missing(name)
      return tensor
    })
  }

  async makeCallable(feeds: readonly string[], fetches: readonly string[], targets: readonly string[], limits: CallLimits): Promise<EngineCallable> {
    const callable = decode.makeCallable(await this.#client.call('MakeCallable', encode.makeCallable(this.#handle, feeds, fetches, targets), limits))
    const prefix = encode.runCallablePrefix(this.#handle, callable)
    return {
      run: async (values, callLimits) => {
        const results = decode.runCallable(await this.#client.call('RunCallable', encode.runCallable(prefix, values), callLimits))
        if (results.length !== fetches.length) throw missing(fetches[results.length] ?? 'a fetch')
        return results
      },
      release: async () => {
        await this.#client.call('ReleaseCallable', encode.releaseCallable(this.#handle, callable), { timeoutMs: CLOSE_TIMEOUT_MS, signal: undefined })
      },
    }
  }

  async extend(graph: Uint8Array, limits: CallLimits): Promise<void> {
    const before = this.#version
    const extended = before.then(async (version) => decode.extendSession(await this.#client.call('ExtendSession', encode.extendSession(this.#handle, graph, version), limits)))
    // One that fails leaves the graph as it was.
    this.#version = extended.catch(() => before)
    await extended
    this.#inputs.add(graph)
  }

  async listDevices(limits: CallLimits): Promise<readonly Device[]> {
    return decode.listDevices(await this.#client.call('ListDevices', encode.listDevices(this.#handle), limits))
  }

  async close(): Promise<void> {
    try {
      await this.#client.call('CloseSession', encode.closeSession(this.#handle), { timeoutMs: CLOSE_TIMEOUT_MS, signal: undefined })
    } catch (thrown) {
      // A server that is gone, or was restarted, has no such session any more.
      if (!hasTag(thrown, 'Engine')) throw thrown
    } finally {
      this.#client.close()
    }
  }

  /** No name has a comma or a bar in it. */
  #prefix(fetches: readonly string[], targets: readonly string[], timeoutMs: number): Uint8Array {
    const key = `${fetches.join()}|${targets.join()}|${timeoutMs}`
    const known = this.#prefixes.get(key)
    if (known !== undefined) return known
    const prefix = encode.runStepPrefix(this.#handle, fetches, targets, timeoutMs)
    if (this.#prefixes.size >= MAX_PREFIXES) this.#prefixes.clear()
    this.#prefixes.set(key, prefix)
    return prefix
  }
}
