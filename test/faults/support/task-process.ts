import { spawn, type ChildProcess } from 'node:child_process'
import { toTfConfig, type ClusterSpec, type ClusterTrainingReport, type RecoveryEvent, type Task } from '@millrace/distributed'
import { peerLibrary } from '../../support/session-servers.js'
import { buildProgram } from '../../support/program.js'

/** The last that it says, when all went well. */
export interface SaidReport {
  readonly report: ClusterTrainingReport
  /** How often each row was in an update, as this process has the weights; of other programs nothing. */
  readonly counts: readonly number[]
}

/** What a process of a training says, a line each. */
export type Said =
  | { readonly step: number; readonly worker: number }
  | { readonly checkpoint: number }
  | { readonly recovery: RecoveryEvent }
  /** A stage of its progress that is over. */
  | { readonly stage: string; readonly note?: string }
  | SaidReport
  | { readonly error: string }

/** Options of the program, beside `TF_CONFIG`. */
export interface TaskOptions {
  readonly rows: number
  readonly checkpoints?: string
  readonly everySteps?: number
  readonly stepTimeoutMs?: number
  readonly timeoutMs?: number
  /** Step at which the process aborts its training. */
  readonly abortAt?: number
  /** Whether workers go in step. */
  readonly synchronous?: boolean
  readonly workers?: number
  /** Path of shards that the servers read. */
  readonly files?: string
}

/** One process of a training with `trainOnCluster`, as a user would write it: a task, or (without a task) the driver of all. */
const program = `
  import * as tf from '@tensorflow/tfjs'
  import { run } from '@millrace/core'
  import { clusterFromEnv, trainOnCluster } from '@millrace/distributed'
  import { BATCH, countedRows, countingModel, countsOf } from './test/faults/support/counting-model.ts'
  const say = (what) => process.stdout.write(JSON.stringify(what) + '\\n')
  const options = JSON.parse(process.env.OPTIONS)
  const stop = new AbortController()
  await tf.setBackend('cpu')
  const model = countingModel(options.rows, options.synchronous ? options.workers : 1)
  try {
    const report = await run(trainOnCluster(model, clusterFromEnv(), {
      data: options.files === undefined ? countedRows(options.rows) : { files: options.files }, label: 'y', batchSize: BATCH, library: process.env.LIBTENSORFLOW, synchronous: options.synchronous ? {} : undefined,
      checkpoints: options.checkpoints === undefined ? undefined : { folder: options.checkpoints, everySteps: options.everySteps },
      recovery: { stepTimeoutMs: options.stepTimeoutMs ?? 20_000, timeoutMs: options.timeoutMs ?? 90_000, backoffMs: 50 },
      onStep: ({ globalStep, worker }) => { if (globalStep >= options.abortAt) stop.abort(); if (globalStep % 10 === 0) say({ step: globalStep, worker }) },
      onCheckpoint: ({ step }) => say({ checkpoint: step }),
      onRecovery: (recovery) => say({ recovery }),
    }), { signal: stop.signal, progress: ({ stage, note, finished }) => { if (finished) say({ stage, note }) } })
    say({ report, counts: countsOf(model) })
  } catch (thrown) {
    say({ error: thrown.message })
  }
  // Whatever reads our lines has them when the pipe has taken them.
  process.stdout.write('', () => process.kill(process.pid, 'SIGKILL'))
`

/** Builds the program, once for a file of tests. */
export const buildTask = (): Promise<string> => buildProgram(program, 'faults-task')

/** A process of a training. */
export interface TaskProcess {
  readonly child: ChildProcess
  readonly said: readonly Said[]
  /** The first that it says, or has said, of which this is true. */
  until(is: (said: Said) => boolean): Promise<Said>
  /** Its report; rejects with what it said instead. */
  report(): Promise<SaidReport>
  kill(): Promise<void>
}

/**
 * Starts a task; with `prefix` by another command, such as `ip netns exec`.
 *
 * @param options - of the program: {@link TaskOptions} of the one that `buildTask` builds
 */
export const startTask = (file: string, spec: ClusterSpec, task: Task | undefined, options: object, prefix: readonly string[] = []): TaskProcess => {
  const [command, ...args] = [...prefix, process.execPath, file]
  const child = spawn(command!, args, {
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '', LIBTENSORFLOW: peerLibrary(), OPTIONS: JSON.stringify(options), TF_CONFIG: toTfConfig({ spec, task }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: Said[] = []
  const waiting = new Set<() => void>()
  let [rest, cried, isClosed] = ['', '', false]
  const tell = (): void => waiting.forEach((look) => look())
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop()!
    said.push(...lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Said))
    tell()
  })
  child.stderr.on('data', (chunk: Buffer) => (cried = (cried + chunk.toString()).slice(-2_000)))
  const closed = new Promise<void>((resolve) => child.once('close', () => {
    isClosed = true
    tell()
    resolve()
  }))
  const until = (is: (one: Said) => boolean): Promise<Said> => new Promise((resolve, reject) => {
    const look = (): void => {
      const found = said.find(is)
      if (found === undefined && !isClosed) return
      waiting.delete(look)
      if (found === undefined) reject(new Error(`${task?.type ?? 'driver'} ${task?.index ?? ''} ended: ${JSON.stringify(said.slice(-3))} ${cried}`))
      else resolve(found)
    }
    waiting.add(look)
    look()
  })
  return {
    child, said, until,
    report: async () => (await until((one) => 'report' in one)) as SaidReport,
    kill: async () => {
      child.kill('SIGKILL')
      await closed
    },
  }
}
