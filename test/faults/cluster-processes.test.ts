import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { pipe, run } from '@millrace/core'
import { clusterSpec, startLocalCluster, trainOnCluster, type ClusterSpec, type Task } from '@millrace/distributed'
import { writeTfRecords } from '@millrace/formats'
import { describePeer } from '../support/peer.js'
import { freePort } from '../support/free-port.js'
import { peerLibrary } from '../support/session-servers.js'
import { BATCH, countedRows, countingModel, countsOf, sumOf } from './support/counting-model.js'
import { buildTask, startTask, type Said, type TaskOptions, type TaskProcess } from './support/task-process.js'

const ROWS = 8_192
const SHARE = ROWS / 2
const isStepFrom = (step: number) => (said: Said) => 'step' in said && said.step >= step

describePeer('processes of a training that are killed', 'tensorflow', () => {
  const [ps, chief, worker]: readonly Task[] = [{ type: 'ps', index: 0 }, { type: 'worker', index: 0 }, { type: 'worker', index: 1 }]
  let file: string
  let folder: string
  let started: TaskProcess[] = []
  beforeAll(async () => {
    await tf.setBackend('cpu')
    file = await buildTask()
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-faults-'))
  })
  afterEach(async () => {
    await Promise.all(started.map((one) => one.kill()))
    started = []
    await rm(folder, { recursive: true, force: true })
  })

  const start = (spec: ClusterSpec, task: Task | undefined, options: TaskOptions): TaskProcess => {
    const process = startTask(file, spec, task, options)
    started.push(process)
    return process
  }
  const localSpec = async (): Promise<ClusterSpec> => {
    const addresses = await Promise.all([0, 1, 2].map(async () => `127.0.0.1:${await freePort()}`))
    return clusterSpec({ ps: [addresses[0]!], worker: addresses.slice(1) })
  }

  test.each([
    ['the chief', chief!, worker!, {}],
    ['the chief of workers in step', chief!, worker!, { synchronous: true, workers: 2, stepTimeoutMs: 4_000 }],
    ['a worker whose server reads files', worker!, chief!, { served: true }],
  ] as const)('%s is killed with its server; another process takes its place, and makes no update twice', async (_, lost, other, { served = false, ...more }: { readonly served?: boolean } & Partial<TaskOptions>) => {
    const spec = await localSpec()
    if (served) await run(pipe(countedRows(ROWS), writeTfRecords(join(folder, 'rows'), { shards: 2 })))
    const options: TaskOptions = { rows: ROWS, ...more, ...(served ? { files: join(folder, 'rows-*') } : {}) }
    const servers = start(spec, ps!, options)
    const [first, stays] = [start(spec, lost, options), start(spec, other, options)]
    await first.until(isStepFrom(100))
    await first.kill()
    const second = start(spec, lost, options)
    const [replaced, kept] = [await second.report(), await stays.report()]
    await servers.report()

    expect(replaced.report.recoveries).toContainEqual(expect.objectContaining({ what: 'took over', note: expect.stringContaining('in the place of a process that was lost') as string }))
    const counts = 'synchronous' in more || lost === chief ? replaced.counts : kept.counts
    expect(counts.filter((count) => count > 1)).toEqual([])
    if ('synchronous' in more) return
    // Every row of the one that stayed; of the other one all but the batch of which nobody knows.
    const told = [replaced, kept].map(({ report }) => report.workers[0]!)
    expect(told[1]).toMatchObject({ rows: SHARE, uncertainRows: 0, repeatedRows: 0, restarts: 0 })
    expect(told[0]!.uncertainRows).toBeLessThanOrEqual(BATCH)
    expect(sumOf(counts)).toBeGreaterThanOrEqual(ROWS - BATCH)
    if (served) return
    expect(told[0]!.rows + told[0]!.uncertainRows).toBe(SHARE)
    const final = lost === chief ? replaced : kept
    expect(final.report.globalStep * BATCH).toBeLessThanOrEqual(sumOf(counts))
    expect(final.report.globalStep * BATCH).toBeGreaterThanOrEqual(sumOf(counts) - BATCH)
  })

  test.each([
    ['killed', {}, 'no sign of life for 3000 ms'],
    ['aborted', { abortAt: 50 }, 'was aborted or failed for good'],
  ])('the chief is %s and nobody takes its place: the others end with an error', async (_, ownOptions, said) => {
    const spec = await localSpec()
    const options: TaskOptions = { rows: ROWS, timeoutMs: 3_000 }
    const others = [start(spec, ps!, options), start(spec, worker!, options)]
    const first = start(spec, chief!, { ...options, ...ownOptions })
    if (!('abortAt' in ownOptions)) {
      await first.until(isStepFrom(100))
      await first.kill()
    } else expect(await first.until((one) => 'error' in one)).toMatchObject({ error: expect.stringContaining('aborted') as string })
    const [servers, stays] = await Promise.all(others.map((other) => other.until((one) => 'error' in one))) as { readonly error: string }[]
    expect(servers!.error).toContain(said)
    // Its servers may have given up before it.
    expect([said, 'it has done no step for 3000 ms'].some((one) => stays!.error.includes(one))).toBe(true)
  })

  test.each([
    ['for a while: workers go on, each update made once at most', {}],
    ['for good: the bound ends the workers', { timeoutMs: 8_000 }],
  ] as const)('a parameter server hangs that workers call by the servers in their own processes, %s', async (_, more) => {
    const spec = await localSpec()
    const options: TaskOptions = { rows: ROWS, stepTimeoutMs: 2_000, ...more }
    const servers = start(spec, ps!, options)
    const workers = [start(spec, chief!, options), start(spec, worker!, options)]
    await Promise.all(workers.map((one) => one.until(isStepFrom(100))))
    for (const { said } of workers) expect(said).toContainEqual({ stage: expect.stringMatching(/^worker \d calls its server in this process$/) as string })
    servers.child.kill('SIGSTOP')
    const isLost = (said: Said): boolean => 'recovery' in said && said.recovery.what === 'lost'
    expect(await Promise.all(workers.map((one) => one.until(isLost)))).toMatchObject([0, 1].map((index) => ({ recovery: { task: `worker ${index}`, fault: 'hung' } })))
    if ('timeoutMs' in more) {
      for (const one of workers) expect(await one.until((said) => 'error' in said)).toMatchObject({ error: expect.stringContaining('it has done no step for 8000 ms') as string })
      return
    }
    servers.child.kill('SIGCONT')
    const [first] = await Promise.all(workers.map((one) => one.report()))
    expect(first!.counts.filter((count) => count > 1)).toEqual([])
  })

  test('the client that drives all workers is killed: a new one goes on from the checkpoint, and nothing hangs on the servers', async () => {
    const cluster = await run(startLocalCluster({ ps: 1, workers: 2, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' } }))
    try {
      const client = start(cluster.spec, undefined, { rows: ROWS, checkpoints: folder, everySteps: 150 })
      const saved = await client.until((said) => 'checkpoint' in said) as { readonly checkpoint: number }
      await client.kill()
      const model = countingModel(ROWS)
      const report = await run(trainOnCluster(model, cluster, { data: countedRows(ROWS), label: 'y', batchSize: BATCH, checkpoints: { folder, everySteps: 500 } }))
      expect(report).toMatchObject({ stoppedBy: 'data', recoveries: [{ what: 'restored', note: expect.stringContaining(folder) as string }] })
      const from = Number(/of step (\d+)/.exec(report.recoveries[0]!.note)![1])
      expect(from).toBeGreaterThanOrEqual(saved.checkpoint)
      expect(report.globalStep).toBe(from + sumOf(report.workers.map(({ steps }) => steps)))
      const counts = countsOf(model)
      // No row of the checkpoint is lost, and none is left out.
      expect(counts.filter((count) => count < 1)).toEqual([])
      // The chief makes no steps while it saves; what the other one did meanwhile is done again.
      expect(counts.filter((count, row) => row % 2 === 0 && count !== 1)).toEqual([])
      expect(counts.filter((count) => count > 2)).toEqual([])
    } finally {
      await cluster.stop()
    }
  })
})
