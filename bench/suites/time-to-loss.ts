import { mkdir, rm, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { chooseBackend, run } from '@millrace/core'
import { startLocalCluster, trainOnCluster, type LocalCluster } from '@millrace/distributed'
import { peerLibrary } from '../../test/support/session-servers.js'
import { drawLossCurves, type LossCurve, type LossPanel } from '../harness/loss-curves.js'
import { startPython, type Program } from '../harness/program.js'
import type { BenchRow } from '../harness/rows.js'
import type { SuiteContext } from '../run.js'
import { BATCH, flightData, plainModel, servedTraining, sessionGraphs, type FlightData } from './time-to-loss-data.js'

/** Steps of all workers together, at scale 1. */
const STEPS = 9_000
/** Measured so often on the way. */
const MEASUREMENTS = 30
const STEPS_PER_CALL = 4
/** What a schedule of the strategy makes, as its documentation advises. */
const STEPS_PER_SCHEDULE = 10
/** The picture of a run at scale 1; that of a smaller one is beside what it leaves. */
const PICTURE = 'docs/pictures/loss-curves.svg'

/** A training's loss over time, and what its clients took of processors. */
interface Trained extends LossCurve {
  readonly cpu: number
}

interface Race {
  readonly data: FlightData
  readonly folder: string
  readonly cluster: LocalCluster
  readonly workers: number
  readonly steps: number
  readonly everySteps: number
}

/** As Python tells it. */
interface Answer {
  readonly curve: readonly { readonly at: number; readonly step: number; readonly loss: number }[]
  readonly cpu: number
}

const sinceStart = (name: string, began: number, answers: readonly Answer[]): Trained => ({
  name,
  points: answers.flatMap(({ curve }) => curve.map(({ at, loss }) => ({ seconds: at - began, loss }))),
  cpu: answers.reduce((sum, { cpu }) => sum + cpu, 0),
})

const now = (): number => Date.now() / 1000

const ours = async ({ data, cluster, steps, everySteps }: Race): Promise<Trained> => {
  const [began, cpu] = [now(), process.cpuUsage()]
  const curve: { at: number; step: number; loss: number }[] = []
  await run(trainOnCluster(data.makeModel(), cluster, {
    data: servedTraining(data), label: 'late', labelDType: 'int64', batchSize: BATCH, steps, stepsPerRun: STEPS_PER_CALL,
    validation: { data: data.validationRows(), everySteps }, onEvaluate: ({ globalStep, metrics }) => curve.push({ at: now(), step: globalStep, loss: metrics['loss']! }),
  }))
  const { user, system } = process.cpuUsage(cpu)
  return sinceStart('Millrace', began, [{ curve, cpu: (user + system) / 1e6 }])
}

const started = async (kind: 'session' | 'strategy'): Promise<Program> => {
  const program = startPython(resolve('bench/peers/time_to_loss.py'), 'tensorflow', [kind])
  if ('lacks' in program) throw new Error(program.lacks)
  // TensorFlow is loaded before the clock starts.
  await program.ask({ do: 'version' })
  return program
}

/** Between-graph replication as it was: a process and a session a worker. */
const session = async ({ data, folder, cluster, workers, steps, everySteps }: Race): Promise<Trained> => {
  const programs = await Promise.all(Array.from({ length: workers }, () => started('session')))
  try {
    const graphs = await sessionGraphs(data, folder, workers)
    const began = now()
    await Promise.all(programs.map((program, worker) => program.ask({
      do: 'open', ...graphs[worker]!, validation: data.validation, target: cluster.target({ type: 'worker', index: worker }), deviceFilters: ['/job:ps', `/job:worker/task:${worker}`],
    })))
    await programs[0]!.ask({ do: 'initialize' })
    return sinceStart('tf.compat.v1 session', began, await Promise.all(programs.map((program, worker) => program.ask<Answer>({ do: 'train', steps, everySteps, measures: worker === 0 }))))
  } finally {
    for (const program of programs) program.close()
  }
}

const strategy = async ({ data, cluster, steps, everySteps }: Race): Promise<Trained> => {
  const program = await started('strategy')
  try {
    const model = plainModel(data)
    const addresses = Object.fromEntries(cluster.spec.jobs.map(({ name, tasks }) => [name, tasks.map(({ address }) => address)]))
    const began = now()
    await program.ask({ do: 'open', cluster: addresses, model, train: data.train, validation: data.validation, stepsPerSchedule: STEPS_PER_SCHEDULE })
    return sinceStart('ParameterServerStrategy', began, [await program.ask<Answer>({ do: 'train', steps, everySteps })])
  } finally {
    program.close()
  }
}

/** The lowest loss that every contender comes to. */
export const commonLoss = (curves: readonly LossCurve[]): number => Math.max(...curves.map(({ points }) => Math.min(...points.map(({ loss }) => loss))))

/** When a curve comes to a loss first. */
export const secondsTo = (target: number, { points }: LossCurve): number => points.find(({ loss }) => loss <= target)?.seconds ?? Infinity

const rounded = (value: number): number => Number(value.toPrecision(4))

const rowsOf = (workers: number, target: number, [own, ...peers]: readonly Trained[]): readonly BenchRow[] =>
  peers.map((peer) => {
    const [mine, theirs] = [secondsTo(target, own!), secondsTo(target, peer)]
    return {
      suite: 'time-to-loss', case: workers === 1 ? '1 worker' : `${workers} workers`, metric: `time to loss ${target.toFixed(4)}`, unit: 's',
      ours: rounded(mine), peer: rounded(theirs), peerName: peer.name, ratio: rounded(theirs / mine), cpuRatio: rounded(peer.cpu / own!.cpu),
    }
  })

/**
 * Trains the quickstart's model on the flights until a fixed number of steps, with us and with both of TensorFlow's ways, each on servers
 * of its own, and says when each came to the lowest validation loss that all of them came to. The clock runs from the first graph on, and
 * through measurements. `turns` play no part: a training is one. By CPU time: the clients' for the whole training.
 */
export const timeToLossSuite = async ({ scale, only, python, say }: SuiteContext): Promise<readonly BenchRow[]> => {
  await run(chooseBackend())
  const folder = resolve(`out/bench/time-to-loss-${process.pid}`)
  await mkdir(folder, { recursive: true })
  try {
    const data = await flightData(scale, say)
    const steps = Math.max(120, Math.round(STEPS * scale))
    const everySteps = Math.max(10, Math.round(steps / MEASUREMENTS / 10) * 10)
    const panels: LossPanel[] = []
    const rows: BenchRow[] = []
    for (const workers of [1, 2]) {
      if (!(workers === 1 ? '1 worker' : `${workers} workers`).includes(only)) continue
      const trained: Trained[] = []
      for (const contender of python ? [ours, session, strategy] : [ours]) {
        const cluster = await run(startLocalCluster({ ps: 1, workers, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' } }))
        try {
          const one = await contender({ data, folder, cluster, workers, steps, everySteps })
          const { seconds, loss } = one.points.at(-1)!
      say(`${workers} × worker, ${one.name}: ${steps} steps in ${seconds.toFixed(1)} s, loss ${loss.toFixed(4)}`)
          trained.push(one)
        } finally {
          await cluster.stop()
        }
      }
      const target = commonLoss(trained)
      rows.push(...rowsOf(workers, target, trained))
      panels.push({ title: `Validation loss, ${workers === 1 ? '1 worker' : `${workers} workers`}`, curves: trained, target })
    }
    const picture = scale >= 1 ? resolve(PICTURE) : resolve('out/bench/loss-curves.svg')
    await mkdir(resolve(picture, '..'), { recursive: true })
    await writeFile(picture, drawLossCurves(panels))
    say(`the curves: ${picture}`)
    return rows
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
