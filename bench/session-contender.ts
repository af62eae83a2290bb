import { readFile } from 'node:fs/promises'
import { run } from '@millrace/core'
import { nativeSession, tensorNumbers, type FeedValue, type Session } from '@millrace/export'
import { remoteSession, startTensorFlowServer } from '@millrace/distributed'
import { serve } from './harness/program.js'
import { timedSteps, type StepCost } from './harness/steps.js'
import { BATCH, BATCHES, WIDTH, benchBatch, type StepSpec } from './suites/parameter-servers-model.js'

/** Makes the session of a contender. */
export interface OpenCommand extends StepSpec {
  readonly do: 'open'
  /** `grpc://host:port`; empty for this process. */
  readonly target: string
  readonly deviceFilters: readonly string[]
  /** Of libtensorflow. */
  readonly library: string
  /** Whether native steps run on this thread. */
  readonly blocking: boolean
}

/** Starts a server in the contender's own process. */
export interface ServeCommand {
  readonly do: 'serve'
  readonly cluster: { readonly [job: string]: readonly string[] }
  readonly task: number
  readonly library: string
}

/** Servers sporadically refuse a step of any client as one that they have seen; every contender runs it again. */
const repeated = <A>(step: () => Promise<A>): Promise<A> =>
  step().catch((thrown: unknown) => {
    if (thrown instanceof Error && thrown.message.includes('was received twice')) return repeated(step)
    throw thrown
  })

/** Steps to time. */
export interface StepsCommand {
  readonly do: 'steps'
  readonly calls: number
  /** Calls at a time; default 1. More than one tell how stale their steps are. */
  readonly inFlight?: number
}

class Contender {
  #session: Session | undefined
  #step: ((index: number) => Promise<number | undefined>) | undefined
  #spec: StepSpec | undefined

  constructor(private readonly make: (command: OpenCommand, graph: Uint8Array) => Promise<Session>) {}

  async open(command: OpenCommand): Promise<void> {
    await this.#session?.close()
    const session = await this.make(command, await readFile(command.graph))
    this.#session = session
    this.#spec = command
    if (command.initialize !== undefined) await session.run({ targets: command.initialize })
    const { id, label, loss, rows } = command
    const feeds = id === undefined ? [] : Array.from({ length: BATCHES }, (_, index): { readonly [name: string]: FeedValue } => {
      const batch = benchBatch(index, rows)
      return { [id]: { dtype: 'float32', shape: [BATCH, WIDTH], data: batch.id }, [label!]: { dtype: 'float32', shape: [BATCH, 1], data: batch.label } }
    })
    const step = { fetches: loss === undefined ? [] : [loss], targets: [command.train] }
    this.#step = async (index) => {
      const [fetched] = await repeated(() => session.run(id === undefined ? step : { ...step, feeds: feeds[index % BATCHES] }))
      return fetched === undefined ? undefined : tensorNumbers(fetched)[0]
    }
  }

  /** Losses of the first steps after `open`. */
  async check({ steps }: { readonly steps: number }): Promise<readonly (number | undefined)[]> {
    const losses: (number | undefined)[] = []
    for (let index = 0; index < steps; index++) losses.push(await this.#step!(index))
    return losses
  }

  async steps({ calls, inFlight = 1 }: StepsCommand): Promise<StepCost> {
    const { stepsPerCall, globalStep } = this.#spec!
    if (inFlight === 1 || globalStep === undefined) return timedSteps(calls, stepsPerCall, this.#step!, inFlight)
    let known = 0
    let stale = 0
    const step = { fetches: [globalStep], targets: [this.#spec!.train] }
    const cost = await timedSteps(calls, stepsPerCall, async () => {
      const before = known
      const [done] = await repeated(() => this.#session!.run(step))
      const at = Number((done!.data as BigInt64Array)[0])
      // What was known when it started is older than what it read.
      if (before > 0) stale += at - before - stepsPerCall
      known = Math.max(known, at)
    }, inFlight)
    return { ...cost, staleness: stale / Math.max(1, calls - inFlight) }
  }
}

const contenders: { readonly [name: string]: Contender['make'] } = {
  remote: ({ target, deviceFilters }, graph) => run(remoteSession({ graph, target, config: { deviceFilters } })),
  native: ({ target, deviceFilters, library, blocking }, graph) => run(nativeSession({ graph, library, blocking, ...(target === '' ? {} : { target, config: { deviceFilters } }) })),
}
const contender = new Contender(contenders[process.argv[2] ?? '']!)
await serve({
  serve: async ({ cluster, task, library }: ServeCommand) => (await run(startTensorFlowServer({ cluster, job: 'worker', task, library }))).target,
  open: (command: OpenCommand) => contender.open(command),
  check: (command: { readonly steps: number }) => contender.check(command),
  steps: (command: StepsCommand) => contender.steps(command),
})
