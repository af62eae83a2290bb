import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { run } from '@millrace/core'
import { remoteSession } from '@millrace/distributed'
import { freePort } from '../../test/support/free-port.js'
import { peerLibrary } from '../../test/support/session-servers.js'
import { measure, type Contender } from '../harness/measure.js'
import { startContender, startPython, startTfjsNode, type Program } from '../harness/program.js'
import type { BenchRow } from '../harness/rows.js'
import { startServer, type Cluster, type ServerProcess } from '../harness/servers.js'
import { requireSameLosses, stepRows, type StepCost } from '../harness/steps.js'
import type { SuiteContext } from '../run.js'
import { benchGraph, noOpGraph, writeBenchRecords, type BenchInput, type Encoded, type StepSpec } from './parameter-servers-model.js'

const SESSION = 'tf.compat.v1 session'
const STRATEGY = 'ParameterServerStrategy'
const KERAS = 'Keras'
const TFJS_NODE = 'tfjs-node'

/** Tasks of the worker job: a process of its own, and one inside each contender that is measured there. */
const OUTSIDE = 0
const OURS = 1
const PYTHON = 2

/** Steps whose losses have to agree before any is timed. */
const CHECKED_STEPS = 5

/** A contender of a case: where it runs, and what it is asked beside the step itself. */
interface Entrant {
  readonly name: string
  readonly program: Program
  /** Of its session. */
  readonly open: object
  /** Of each turn. */
  readonly turn?: object
  /** Steps that its call runs, where the call is not the graph's own. */
  readonly stepsPerCall?: number
  /** Calls at a time; default 1. */
  readonly inFlight?: number
  /** False where its losses cannot be those of the others: it draws its own numbers. */
  readonly isChecked?: boolean
}

/** Steps to run, and by whom. */
interface StepCase {
  readonly name: string
  readonly spec: StepSpec
  readonly calls: number
  readonly ours: Entrant
  readonly peers: readonly Entrant[]
  /** Whether steps run in the servers' own processes. */
  readonly onServers: boolean
}

class Bench {
  readonly #programs = new Map<string, Program | undefined>()
  readonly #servers: ServerProcess[]
  #records: Promise<string> | undefined

  constructor(
    readonly context: SuiteContext,
    readonly folder: string,
    readonly cluster: Cluster,
    readonly library: string,
  ) {
    this.#servers = [startServer(cluster, 'ps', 0, library), startServer(cluster, 'worker', OUTSIDE, library)]
  }

  /** Sessions of a worker see the parameter server and themselves: the other workers may not be there. */
  at(task: number): { readonly target: string; readonly deviceFilters: readonly string[]; readonly library: string } {
    return { target: `grpc://${this.cluster.worker[task]!}`, deviceFilters: ['/job:ps', `/job:worker/task:${task}`], library: this.library }
  }

  /** A process that stays until the end of the suite; made when it is asked for first. */
  program(key: string, start: () => Program | { readonly lacks: string }): Program | undefined {
    if (!this.#programs.has(key)) {
      const started = this.context.python || !key.startsWith('python') ? start() : { lacks: 'left out' }
      if ('lacks' in started) this.context.say(`without ${key}: ${started.lacks}`)
      this.#programs.set(key, 'lacks' in started ? undefined : started)
    }
    return this.#programs.get(key)
  }

  ours(key: string, kind: 'remote' | 'native'): Program {
    return this.program(key, () => startContender(kind, { program: 'session-contender' }))!
  }

  python(key: string, kind: 'session' | 'strategy' | 'keras'): Program | undefined {
    return this.program(`python ${key}`, () => startPython(resolve('bench/peers/parameter_servers.py'), 'tensorflow', [kind]))
  }

  /** Waits until the servers answer. */
  async ready(): Promise<void> {
    const { target, deviceFilters } = this.at(OUTSIDE)
    for (const end = performance.now() + 60_000; ;) {
      try {
        return await (await run(remoteSession({ target, graph: noOpGraph().bytes, config: { deviceFilters }, timeoutMs: 10_000 }))).close()
      } catch (thrown) {
        if (performance.now() > end) throw thrown
      }
    }
  }

  async spec(name: string, { bytes, ...names }: Encoded): Promise<StepSpec> {
    const graph = join(this.folder, name)
    await writeFile(graph, bytes)
    return { ...names, graph }
  }

  /** The file of the batches, for the servers to read. */
  records(rows: number): Promise<string> {
    this.#records ??= writeBenchRecords(join(this.folder, 'records'), rows)
    return this.#records
  }

  async measure({ name, spec, calls, ours, peers, onServers }: StepCase): Promise<readonly BenchRow[]> {
    const all = [ours, ...peers]
    const losses = new Map<string, readonly number[]>()
    for (const entrant of all) {
      const stepsPerCall = entrant.stepsPerCall ?? spec.stepsPerCall
      await entrant.program.ask({ do: 'open', ...spec, ...entrant.open, stepsPerCall })
      if (spec.loss !== undefined && entrant.isChecked !== false) losses.set(entrant.name, await entrant.program.ask<number[]>({ do: 'check', steps: CHECKED_STEPS, ...entrant.turn }))
    }
    for (const [peer, seen] of losses) requireSameLosses(name, losses.get(ours.name)!, peer, seen)
    const serverCpu = (): number => this.#servers.reduce((sum, server) => sum + server.cpu(), 0)
    const contenders = all.map((entrant): Contender<StepCost> => ({
      name: entrant.name,
      run: async () => {
        const before = serverCpu()
        const { stepsPerCall = spec.stepsPerCall, inFlight = 1, turn } = entrant
        const cost = await entrant.program.ask<StepCost>({ do: 'steps', calls: Math.max(1, Math.round(calls / stepsPerCall)), stepsPerCall, inFlight, ...turn })
        // Calls of different lengths are not compared.
        const { p50: _p50, p99: _p99, ...whole } = cost
        return { ...(stepsPerCall === spec.stepsPerCall && inFlight === 1 ? cost : whole), ...(onServers ? { serverCpu: serverCpu() - before } : {}) }
      },
    }))
    const costs = await measure(contenders, { turns: this.context.turns, warmUps: Math.min(2, this.context.turns) })
    return peers.flatMap((peer) => stepRows({ suite: 'parameter-servers', case: name, peerName: peer.name }, costs.get(ours.name)!, costs.get(peer.name)!))
  }

  stop(): void {
    for (const program of this.#programs.values()) program?.close()
    for (const server of this.#servers) server.stop()
  }
}

/** Makes the rows of a case. */
type Case = (bench: Bench, name: string) => Promise<readonly BenchRow[]>

const only = (...entrants: readonly (Entrant | undefined)[]): readonly Entrant[] => entrants.filter((entrant) => entrant !== undefined)

const counted = ({ context }: Bench, calls: number): number => Math.max(16, Math.round(calls * context.scale))
const tableRows = ({ context }: Bench): number => Math.max(1_000, Math.round(100_000 * Math.min(1, context.scale)))

/** Clients outside the servers' processes. */
const outside = async (bench: Bench): Promise<{ readonly ours: Entrant; readonly peer: Entrant | undefined }> => {
  const open = bench.at(OUTSIDE)
  const python = bench.python('session', 'session')
  for (const program of [bench.ours('remote', 'remote'), python]) {
    if (program === undefined || warm.has(program)) continue
    warm.add(program)
    await program.ask({ do: 'open', ...(await bench.spec('no-op', noOpGraph())), ...open })
    await program.ask({ do: 'steps', calls: counted(bench, WARM_CALLS) })
  }
  return {
    ours: { name: 'Millrace', program: bench.ours('remote', 'remote'), open },
    peer: python === undefined ? undefined : { name: SESSION, program: python, open },
  }
}

const warm = new WeakSet<Program>()
/** After so many calls the engine of JavaScript has compiled all that a call needs: trainings are longer, and cases are not to depend on their order. */
const WARM_CALLS = 4_000

/** Clients in the process of a worker's server, each of its own worker. `blocking`: our steps run on the calling thread. */
const inside = async (bench: Bench, blocking: boolean): Promise<{ readonly ours: Entrant; readonly peer: Entrant | undefined }> => {
  const serving = async (program: Program, task: number): Promise<Program> => {
    if (!served.has(program)) {
      served.add(program)
      await program.ask({ do: 'serve', cluster: bench.cluster, task, library: bench.library })
    }
    return program
  }
  const ours = await serving(bench.ours('native', 'native'), OURS)
  const python = bench.python('session in the worker', 'session')
  return {
    ours: { name: 'Millrace', program: ours, open: { ...bench.at(OURS), blocking } },
    peer: python === undefined ? undefined : { name: SESSION, program: await serving(python, PYTHON), open: bench.at(PYTHON) },
  }
}
const served = new WeakSet<Program>()

/** Steps that a call makes where it makes several. */
const MANY = 10
/** Calls at a time where there are several. */
const IN_FLIGHT = 3

/** How the batches of a case come. */
type InputName = 'fed' | 'drawn' | 'read'

const inputOf = async (bench: Bench, input: InputName): Promise<BenchInput> =>
  input === 'read' ? { file: await bench.records(tableRows(bench)) } : input

/** Scheduled by a coordinator on the same servers. */
const strategy = async (bench: Bench, input: InputName, stepsPerCall: number): Promise<Entrant | undefined> => {
  const program = bench.python('strategy', 'strategy')
  if (program === undefined) return undefined
  const open = { cluster: { ps: bench.cluster.ps, worker: [bench.cluster.worker[OUTSIDE]] } }
  const given = await inputOf(bench, input)
  const name = stepsPerCall === 1 ? STRATEGY : `${STRATEGY}, ${stepsPerCall} steps a schedule`
  return { name, program, open: typeof given === 'string' ? open : { ...open, ...given }, turn: { input }, stepsPerCall, isChecked: input !== 'drawn' && stepsPerCall === 1 }
}

const noOp: Case = async (bench, name) => {
  const { ours, peer } = await outside(bench)
  return bench.measure({ name, spec: await bench.spec('no-op', noOpGraph()), calls: counted(bench, 2_000), ours, peers: only(peer), onServers: true })
}

const noOpInside = (blocking: boolean): Case => async (bench, name) => {
  const { ours, peer } = await inside(bench, blocking)
  return bench.measure({ name, spec: await bench.spec('no-op', noOpGraph()), calls: counted(bench, 5_000), ours, peers: only(peer), onServers: false })
}

/** The graph whose worker is `task`. */
const trainingSpec = async (bench: Bench, input: InputName, task: number, stepsPerCall = 1): Promise<StepSpec> =>
  bench.spec(`${input}-${task}-${stepsPerCall}`, await benchGraph(tableRows(bench), await inputOf(bench, input), { worker: `/job:worker/task:${task}` }, stepsPerCall))

const training = (input: InputName, schedules: readonly number[]): Case => async (bench, name) => {
  const spec = await trainingSpec(bench, input, OUTSIDE)
  const { ours, peer } = await outside(bench)
  const peers = only(peer, ...(await Promise.all(schedules.map((steps) => strategy(bench, input, steps)))))
  return bench.measure({ name, spec, calls: counted(bench, 500), ours, peers, onServers: true })
}

/** The graph of each contender is the same but for the name of its worker. */
const trainingInside = (input: InputName, blocking: boolean): Case => async (bench, name) => {
  const { ours, peer } = await inside(bench, blocking)
  const theirs = peer === undefined ? undefined : { ...peer, open: { ...peer.open, graph: (await trainingSpec(bench, input, PYTHON)).graph } }
  return bench.measure({ name, spec: await trainingSpec(bench, input, OURS), calls: counted(bench, 500), ours, peers: only(theirs), onServers: false })
}

const inProcess = (blocking: boolean): Case => async (bench, name) => {
  const spec = await bench.spec('in-process', await benchGraph(tableRows(bench), 'fed', undefined))
  const ours: Entrant = { name: 'Millrace', program: bench.ours('native in this process', 'native'), open: { target: '', deviceFilters: [], library: bench.library, blocking } }
  const keras = bench.python('Keras', 'keras')
  const tfjs = bench.program(TFJS_NODE, () => startTfjsNode('tfjs-node-contender'))
  const peers = only(
    keras === undefined ? undefined : { name: KERAS, program: keras, open: {} },
    tfjs === undefined ? undefined : { name: TFJS_NODE, program: tfjs, open: {} },
  )
  return bench.measure({ name, spec, calls: counted(bench, 320), ours, peers, onServers: false })
}

/** Our graph that makes ten steps in one call, against one step a call of TensorFlow's session, which is all that it can, and ten a schedule. */
const stepsPerRun = (input: InputName): Case => async (bench, name) => {
  const one = await trainingSpec(bench, input, OUTSIDE)
  const many = await trainingSpec(bench, input, OUTSIDE, MANY)
  const { ours, peer } = await outside(bench)
  // Our loss is the mean of ten.
  const single = peer === undefined ? undefined : { ...peer, open: { ...peer.open, ...one }, stepsPerCall: 1, isChecked: false }
  return bench.measure({ name, spec: many, calls: counted(bench, 500), ours, peers: only(single, await strategy(bench, input, MANY)), onServers: true })
}

/** One step a call, several calls at a time: more steps a second, each of them staler. Python's calls are made by as many threads. */
const inFlight: Case = async (bench, name) => {
  const { ours, peer } = await outside(bench)
  const peers = peer === undefined ? [] : [peer, { ...peer, name: `${SESSION}, ${IN_FLIGHT} threads`, inFlight: IN_FLIGHT }]
  return bench.measure({ name, spec: await trainingSpec(bench, 'read', OUTSIDE), calls: counted(bench, 500), ours: { ...ours, inFlight: IN_FLIGHT }, peers, onServers: true })
}

const cases: { readonly [name: string]: Case } = {
  'no-op step': noOp,
  'no-op step, in the worker': noOpInside(true),
  'no-op step, in the worker, off the event loop': noOpInside(false),
  'in-server input': training('read', [1, MANY]),
  'in-server input, in the worker': trainingInside('read', true),
  'in-server input, drawn': training('drawn', [1, MANY]),
  'steps per run': stepsPerRun('read'),
  'steps per run, drawn': stepsPerRun('drawn'),
  'several steps in flight': inFlight,
  'fed batches': training('fed', [1]),
  'fed batches, in the worker': trainingInside('fed', true),
  'in-process': inProcess(true),
  'in-process, off the event loop': inProcess(false),
}

/** Steps on TensorFlow's servers, and in this process: our sessions and TensorFlow's own clients, the same graphs and servers. */
export const parameterServersSuite = async (context: SuiteContext): Promise<readonly BenchRow[]> => {
  const folder = resolve(`out/bench/parameter-servers-${process.pid}`)
  await mkdir(folder, { recursive: true })
  const ports: string[] = []
  for (let i = 0; i < 4; i++) ports.push(`127.0.0.1:${await freePort()}`)
  const bench = new Bench(context, folder, { ps: ports.slice(0, 1), worker: ports.slice(1) }, peerLibrary())
  try {
    await bench.ready()
    const rows: BenchRow[] = []
    for (const [name, work] of Object.entries(cases)) {
      if (!name.includes(context.only)) continue
      const made = await work(bench, name)
      for (const row of made) context.say(`${row.case}, ${row.metric}: ${row.ours} ${row.unit}, ${row.peerName} ${row.peer}, ${row.ratio} x`)
      rows.push(...made)
    }
    return rows
  } finally {
    bench.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
