import { afterEach, expect, test } from 'vitest'
import { clusterSpec, type Task } from '@millrace/distributed'
import { describePeer, skipOrFail } from '../support/peer.js'
import { freePort } from '../support/free-port.js'
import { BATCH, sumOf } from './support/counting-model.js'
import { otherMachine } from './support/network.js'
import { buildTask, startTask, type Said, type TaskProcess } from './support/task-process.js'

const ROWS = 8_192

describePeer('the network between a worker and the parameter servers', 'tensorflow', () => {
  let ended: (() => Promise<void> | void)[] = []
  afterEach(async () => {
    for (const end of ended) await end()
    ended = []
  })

  test('is cut, so that nothing arrives any more, and mended: the others go on, and the worker comes back', async ({ skip }) => {
    const machine = otherMachine()
    if (machine === undefined) return skipOrFail(skip, 'network namespaces cannot be made here: that takes root, or CAP_NET_ADMIN and CAP_SYS_ADMIN, and iproute2')
    const { here, there, prefix, cut, heal, remove } = machine
    ended.push(remove)
    const [psPort, chiefPort, workerPort] = await Promise.all([0, 1, 2].map(freePort))
    const spec = clusterSpec({ ps: [`${here}:${psPort}`], worker: [`${here}:${chiefPort}`, `${there}:${workerPort}`] })
    const file = await buildTask()
    const start = (type: Task['type'], index: number, by: readonly string[] = []): TaskProcess => {
      const task = startTask(file, spec, { type, index }, { rows: ROWS, stepTimeoutMs: 3_000 }, by)
      ended.unshift(() => task.kill())
      return task
    }
    const [servers, chief, worker] = [start('ps', 0), start('worker', 0), start('worker', 1, prefix)]
    await worker.until((said) => 'step' in said && said.step >= 100)
    cut()
    const lost = (said: Said): boolean => 'recovery' in said && said.recovery.what === 'lost'
    await worker.until(lost)
    heal()
    const [ours, theirs] = [await chief.report(), await worker.report()]
    await servers.report()

    expect(worker.said.find(lost)).toMatchObject({ recovery: { task: 'worker 1', fault: 'hung' } })
    expect(theirs.report.recoveries.map(({ what }) => what)).toEqual(expect.arrayContaining(['lost', 'back']))
    expect(ours.report).toMatchObject({ recoveries: [], workers: [{ rows: ROWS / 2, restarts: 0 }] })
    const { rows, uncertainRows, repeatedRows } = theirs.report.workers[0]!
    expect([rows + uncertainRows, repeatedRows]).toEqual([ROWS / 2, 0])
    // The one batch that was under way: its update was made, or not.
    expect(uncertainRows).toBeLessThanOrEqual(BATCH)
    expect(ours.counts.filter((count) => count > 1)).toEqual([])
    expect(sumOf(ours.counts)).toBeGreaterThanOrEqual(ROWS - uncertainRows)
  })
})
