import { spawn, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { failure, fromUnknown, hasTag, job, run, throwIfAborted, type Job } from '@millrace/core'
import { findLibrary, Graph, type CallOptions } from '@millrace/export'
import { clusterSpec, toTfConfig, type ClusterSpec, type Task } from '../cluster/index.js'
import { listServerDevices, remoteSession } from '../session/index.js'
import { freePorts } from './free-ports.js'

/** A cluster on this machine. */
export interface LocalClusterOptions {
  /** Parameter servers. Default 1. */
  readonly ps?: number | undefined
  /** Default 1. */
  readonly workers?: number | undefined
  /** Default false. */
  readonly chief?: boolean | undefined
  /** Path of libtensorflow or of a folder that holds it. Default: the environment's `LIBTENSORFLOW`, then an installed tfjs-node, then Python's TensorFlow. */
  readonly library?: string | undefined
  /** For all servers to be up. Default 60,000: each process loads TensorFlow. */
  readonly timeoutMs?: number | undefined
  /** More environment variables of the servers, such as `TF_CPP_MIN_LOG_LEVEL`. */
  readonly environment?: { readonly [name: string]: string } | undefined
}

/** A cluster of servers, each a process of its own on this machine. They end with this process, however it ends. */
export interface LocalCluster {
  readonly spec: ClusterSpec
  /** `grpc://…` of a task. @throws `Usage` when there is no such task */
  target(task: Task): string
  /** Ends one server at once, as a machine that fails would. Resolves when its process is gone. */
  kill(task: Task): Promise<void>
  /** Starts a server again that was killed. Resolves when it answers, whatever has become of the others. */
  restart(task: Task): Promise<void>
  /** Ends all servers. Resolves when their processes are gone. */
  stop(): Promise<void>
}

/** A server's process, and the end of what it said. */
interface Server {
  readonly task: Task
  readonly child: ChildProcess
  readonly ended: Promise<void>
  /** Also where its process could not even be made. */
  hasEnded: boolean
  said: string
}

const MAX_SAID = 4_000
/** Somebody else may take a port between our look and TensorFlow's. */
const ATTEMPTS = 3
const DEFAULT_TIMEOUT_MS = 60_000
/** A question that a server took while it was starting may stay without an answer. */
const ASK_MS = 5_000

/** The package's own program, which `npx millrace-server` runs too. */
const program = (): string => join(dirname(createRequire(import.meta.url).resolve('@millrace/distributed/package.json')), 'dist', 'millrace-server.js')

const startServer = (spec: ClusterSpec, task: Task, options: LocalClusterOptions): Server => {
  const child = spawn(process.execPath, [program()], {
    env: { TF_CPP_MIN_LOG_LEVEL: '2', ...process.env, ...options.environment, TF_CONFIG: toTfConfig({ spec, task }), ...(options.library === undefined ? {} : { LIBTENSORFLOW: options.library }) },
    // The channel closes when this process ends, even when it is killed, and then the server ends too.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const server: Server = {
    task,
    child,
    said: '',
    hasEnded: false,
    ended: new Promise((resolve) => {
      const end = (): void => {
        server.hasEnded = true
        resolve()
      }
      child.once('exit', () => { server.hasEnded = true })
      child.once('close', end)
      child.once('error', (error) => {
        server.said += error.message
        end()
      })
    }),
  }
  const listen = (chunk: Buffer): void => {
    server.said = (server.said + chunk.toString('utf8')).slice(-MAX_SAID)
  }
  child.stdout?.on('data', listen)
  child.stderr?.on('data', listen)
  // A program that has nothing else to do may end, and its servers with it.
  child.unref()
  child.channel?.unref()
  for (const stream of [child.stdout, child.stderr]) (stream as { unref?: () => void } | null)?.unref?.()
  return server
}

/** Without its full stop, since an error's message goes on. */
const lastWords = (server: Server | undefined): string => server?.said.trim().replace(/\.$/, '') || 'it said nothing'

const endServer = async ({ child, ended }: Server): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  child.ref()
  await ended
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => {
  setTimeout(resolve, ms)
})

class ProcessCluster implements LocalCluster {
  readonly spec: ClusterSpec
  readonly #options: LocalClusterOptions
  readonly #servers = new Map<string, Server>()

  constructor(spec: ClusterSpec, options: LocalClusterOptions) {
    this.spec = spec
    this.#options = options
  }

  /** Starts all servers, and waits until they answer. */
  async start(signal: AbortSignal | undefined): Promise<void> {
    const tasks = this.spec.jobs.flatMap((one) => one.tasks.map(({ index }): Task => ({ type: one.name, index })))
    for (const task of tasks) this.#start(task)
    // Each answers when it has found all others.
    await this.#ready(tasks, (task, limits) => run(listServerDevices(this.target(task), limits)), signal)
  }

  target(task: Task): string {
    const address = this.spec.jobs.find(({ name }) => name === task.type)?.tasks.find(({ index }) => index === task.index)?.address
    if (address === undefined) throw failure({ tag: 'Usage', code: 'CLUSTER_TASK', problem: `the cluster has no task ${task.type} ${task.index}` })
    return `grpc://${address}`
  }

  async kill(task: Task): Promise<void> {
    this.target(task)
    const server = this.#servers.get(key(task))
    if (server !== undefined) await endServer(server)
  }

  async restart(task: Task): Promise<void> {
    await this.kill(task)
    this.#start(task)
    await this.#ready([task], (_, limits) => this.#answersAlone(task, limits), undefined)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#servers.values()].map(endServer))
    this.#servers.clear()
  }

  /** Waits until the servers answer; one that ends before that ends the wait. */
  async #ready(tasks: readonly Task[], ask: (task: Task, limits: CallOptions) => Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
    const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    const end = performance.now() + timeoutMs
    for (const task of tasks) {
      for (;;) {
        throwIfAborted(signal)
        const dead = tasks.map((one) => this.#servers.get(key(one))).find((server) => server?.hasEnded === true)
        if (dead !== undefined) {
          throw failure({
            tag: 'Engine', code: 'SERVER_ENDED', problem: `the server ${key(dead.task)} ended before it was up: ${lastWords(dead)}`,
            remedy: 'Run npx millrace-server with the TF_CONFIG of such a task, to see all that it says.',
          })
        }
        const left = end - performance.now()
        if (left <= 0) throw failure({ tag: 'Engine', code: 'TF_DEADLINE_EXCEEDED', problem: `the server ${key(task)} was not up within ${timeoutMs} ms: ${lastWords(this.#servers.get(key(task)))}` })
        try {
          await ask(task, { timeoutMs: Math.min(left, ASK_MS), signal })
          break
        } catch (thrown) {
          if (!hasTag(thrown, 'Engine')) throw thrown
          await sleep(50)
        }
      }
    }
  }

  /** A session that sees no other server. */
  async #answersAlone(task: Task, { timeoutMs, signal }: CallOptions): Promise<void> {
    const config = { deviceFilters: [`/job:${task.type}/task:${task.index}`] }
    const session = await run(remoteSession({ target: this.target(task), graph: new Graph().encode(), config, timeoutMs }), { signal })
    await session.close()
  }

  #start(task: Task): void {
    this.#servers.set(key(task), startServer(this.spec, task, this.#options))
  }
}

const key = ({ type, index }: Task): string => `${type} ${index}`

const checkCount = (count: number, name: string): number => {
  if (Number.isInteger(count) && count >= 0 && count <= 64) return count
  throw failure({ tag: 'Usage', code: 'CLUSTER_SIZE', problem: `${name} is ${count}`, remedy: 'Give a whole number from 0 to 64.' })
}

const startOnce = async (options: LocalClusterOptions, signal: AbortSignal | undefined): Promise<ProcessCluster> => {
  const sizes = { ...(options.chief === true ? { chief: 1 } : {}), ps: checkCount(options.ps ?? 1, 'ps'), worker: checkCount(options.workers ?? 1, 'workers') }
  const jobs = Object.entries(sizes).filter(([, size]) => size > 0)
  if (jobs.length === 0) throw failure({ tag: 'Usage', code: 'CLUSTER_SIZE', problem: 'the cluster has no server', remedy: 'Give it at least one of ps, workers and chief.' })
  // Where the servers will look.
  findLibrary(options.library ?? options.environment?.['LIBTENSORFLOW'])
  const ports = await freePorts(jobs.reduce((total, [, size]) => total + size, 0))
  const spec = clusterSpec(Object.fromEntries(jobs.map(([name, size]) => [name, ports.splice(0, size).map((port) => `127.0.0.1:${port}`)])))
  const cluster = new ProcessCluster(spec, options)
  try {
    await cluster.start(signal)
    return cluster
  } catch (thrown) {
    await cluster.stop()
    throw thrown
  }
}

/**
 * Starts a cluster of TensorFlow servers on this machine, each in a Node process of its own, and waits until all of them have found
 * each other. Needs libtensorflow and koffi, and no Python.
 *
 * @throws `MissingPeer` without libtensorflow, `Usage` for a cluster of no server, `Engine` with code `SERVER_ENDED` and what a server said
 *   that could not start
 * @example
 * const cluster = await run(startLocalCluster({ ps: 2, workers: 2 }))
 * const session = await run(remoteSession({ target: cluster.target({ type: 'worker', index: 0 }), graph }))
 * await cluster.stop()
 */
export const startLocalCluster = (options: LocalClusterOptions = {}): Job<LocalCluster> => job(async ({ signal }) => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(options, signal)
    } catch (thrown) {
      const error = fromUnknown(thrown)
      const portWasTaken = error.code === 'SERVER_ENDED' && /address already in use|could not start grpc server/i.test(error.message)
      if (!portWasTaken || attempt === ATTEMPTS) throw error
    }
  }
})
