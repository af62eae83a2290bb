import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '@millrace/core'
import { startLocalCluster, trainOnCluster, type ClusterTrainingOptions, type ClusterTrainingReport, type LocalCluster, type Task } from '@millrace/distributed'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'
import { BATCH, countedRows, countingModel, countsOf } from './support/counting-model.js'
import { buildTask, startTask, type TaskProcess } from './support/task-process.js'

const ROWS = 1_024
const task: Task = { type: 'worker', index: 0 }

/** Servers that outlive trainings, and keep their variables. */
describePeer('a training on servers where another one was left', 'tensorflow', () => {
  let file: string
  let cluster: LocalCluster
  let started: TaskProcess[] = []
  beforeAll(async () => {
    await tf.setBackend('cpu')
    file = await buildTask()
    cluster = await run(startLocalCluster({ ps: 2, workers: 1, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' } }))
  })
  afterAll(async () => {
    await Promise.all(started.map((one) => one.kill()))
    await cluster?.stop()
  })

  /** Its chief, and only client, is killed amid its steps. */
  const leaveOne = async (): Promise<void> => {
    const process = startTask(file, cluster.spec, task, { rows: ROWS })
    started = [...started, process]
    await process.until((said) => 'step' in said && said.step >= 50)
    await process.kill()
  }

  const trained = async (rows: number, options: Partial<ClusterTrainingOptions> = {}): Promise<{ readonly report: ClusterTrainingReport; readonly counts: readonly number[] }> => {
    const model = countingModel(rows)
    const report = await run(trainOnCluster(model, { spec: cluster.spec, task }, { data: countedRows(rows), label: 'y', batchSize: BATCH, ...options }))
    return { report, counts: countsOf(model) }
  }

  const expectFresh = ({ report, counts }: Awaited<ReturnType<typeof trained>>): void => {
    expect(report).toMatchObject({ stoppedBy: 'data', globalStep: counts.length / BATCH, workers: [{ rows: counts.length, uncertainRows: 0, repeatedRows: 0 }] })
    expect(counts.filter((count) => count !== 1)).toEqual([])
  }

  test('goes on with it, in the place of its chief, and says so', async () => {
    await leaveOne()
    const { report, counts } = await trained(ROWS)
    expect(report.recoveries).toMatchObject([{ what: 'took over', note: expect.stringMatching(/at step \d+: .*; resume: false would have begun anew$/) as string }])
    expect(counts.filter((count) => count > 1)).toEqual([])
    expect(report.workers).toMatchObject([{ rows: ROWS - BATCH, uncertainRows: BATCH }])
  })

  test.each([
    ['to which it has other variables', 2 * ROWS, {}, 'it has other variables'],
    ['and resume: false', ROWS, { resume: false }, 'resume is false'],
    ['whose chief nobody waits for any more', ROWS, { recovery: { timeoutMs: 1 } }, 'its chief has shown no life'],
  ])('%s: begins anew, and says so', async (_, rows, options, why) => {
    await leaveOne()
    const outcome = await trained(rows, options)
    expectFresh(outcome)
    expect(outcome.report.recoveries).toMatchObject([{ task: 'worker 0', what: 'initialized', note: expect.stringContaining(`is not gone on with, since ${why}`) as string }])
  })

  test('that was aborted: begins anew', async () => {
    const stop = new AbortController()
    const aborted = run(trainOnCluster(countingModel(ROWS), { spec: cluster.spec, task }, {
      data: countedRows(ROWS), label: 'y', batchSize: BATCH, onStep: ({ globalStep }) => { if (globalStep === 50) stop.abort() },
    }), { signal: stop.signal })
    await expect(aborted).rejects.toMatchObject({ _tag: 'Aborted' })
    const outcome = await trained(ROWS)
    expectFresh(outcome)
    expect(outcome.report.recoveries).toEqual([])
  })
})
