import * as tf from '@tensorflow/tfjs'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { clusterSpec, type Task } from '@millrace/distributed'
import { describePeer } from '../support/peer.js'
import { freePort } from '../support/free-port.js'
import { sumOf } from './support/counting-model.js'
import { buildTask, startTask, type Said, type TaskOptions, type TaskProcess } from './support/task-process.js'

const ROWS = 4_096
const HANGS = 3

describePeer('workers in step whose parameter server hangs', 'tensorflow', () => {
  const [ps, chief, worker]: readonly Task[] = [{ type: 'ps', index: 0 }, { type: 'worker', index: 0 }, { type: 'worker', index: 1 }]
  let file: string
  let started: TaskProcess[] = []
  beforeAll(async () => {
    await tf.setBackend('cpu')
    file = await buildTask()
  })
  afterEach(async () => {
    await Promise.all(started.map((one) => one.kill()))
    started = []
  })

  test('again and again: no update is made twice, nor with too few gradients, and each row is told of as it is in the weights', async () => {
    const addresses = await Promise.all([0, 1, 2].map(async () => `127.0.0.1:${await freePort()}`))
    const spec = clusterSpec({ ps: [addresses[0]!], worker: addresses.slice(1) })
    const options: TaskOptions = { rows: ROWS, synchronous: true, workers: 2, stepTimeoutMs: 1_000 }
    started = [ps!, chief!, worker!].map((task) => startTask(file, spec, task, options))
    const [server, ...workers] = started as [TaskProcess, ...TaskProcess[]]
    await Promise.all(workers.map((one) => one.until((said) => 'stage' in said && said.stage.endsWith('calls its server in this process'))))
    const isOf = (what: 'lost' | 'back') => (said: Said): boolean => 'recovery' in said && said.recovery.what === what
    const stepOf = ({ said }: TaskProcess): number => Math.max(0, ...said.map((one) => ('step' in one ? one.step : 0)))
    for (let hang = 0; hang < HANGS; hang += 1) {
      const from = workers.map(stepOf)
      await Promise.all(workers.map((one, index) => one.until((said) => 'step' in said && said.step >= from[index]! + 20)))
      const known = workers.map(({ said }) => said.filter(isOf('lost')).length)
      server.child.kill('SIGSTOP')
      await Promise.all(workers.map((one, index) => one.until(() => one.said.filter(isOf('lost')).length > known[index]!)))
      server.child.kill('SIGCONT')
    }
    const [first, second] = await Promise.all(workers.map((one) => one.report()))
    expect(first!.report.stoppedBy).toBe('data')
    expect(first!.counts.filter((count) => count > 1)).toEqual([])
    const told = [first!, second!].map(({ report: { workers: [one] } }) => one!)
    const [rows, uncertain] = [sumOf(told.map((one) => one.rows)), sumOf(told.map(({ uncertainRows }) => uncertainRows))]
    expect(rows + uncertain).toBe(ROWS)
    expect(sumOf(first!.counts)).toBeGreaterThanOrEqual(rows)
    expect(sumOf(first!.counts)).toBeLessThanOrEqual(rows + uncertain)
    for (const { report } of [first!, second!]) {
      expect(report.workers[0]).toMatchObject({ repeatedRows: 0 })
      expect(report.workers[0]!.restarts).toBeGreaterThanOrEqual(HANGS)
    }
  })
})
