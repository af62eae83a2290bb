/**
 * The examples' models on two parameter servers and two workers that are processes of their own, one of them on what is another machine to
 * the network. Each worker hosts its server. Where other faults are shown of these models, docs/guides/distributed.md has a table of.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { chooseBackend, countRows, pipe, run } from '@millrace/core'
import { clusterSpec, type ClusterSpec, type RecoveryEvent, type Task } from '@millrace/distributed'
import { sumOf } from '../faults/support/counting-model.js'
import { otherMachine, type OtherMachine } from '../faults/support/network.js'
import { startTask, type Said, type TaskProcess } from '../faults/support/task-process.js'
import { freePort } from '../support/free-port.js'
import { describePeer, skipOrFail } from '../support/peer.js'
import { buildExample, prepareExample, type ExampleOptions } from './support/example-process.js'
import { examples } from './support/examples.js'
import { expectExported, expectReached, measure, modelOf } from './support/exported.js'
import { onOneMachine } from './support/one-machine.js'
import { kinds } from './support/servers-of-versions.js'

const [firstPs, secondPs]: readonly Task[] = [{ type: 'ps', index: 0 }, { type: 'ps', index: 1 }]
const [chief, worker]: readonly Task[] = [{ type: 'worker', index: 0 }, { type: 'worker', index: 1 }]

const isOf = (what: RecoveryEvent['what']) => (said: Said): boolean => 'recovery' in said && said.recovery.what === what
const isStep = (said: Said): boolean => 'step' in said
const recoveriesOf = ({ said }: TaskProcess): RecoveryEvent[] => said.flatMap((one) => ('recovery' in one ? [one.recovery] : []))

/** The first that a process says of a kind from now on. */
const next = (process: TaskProcess, is: (said: Said) => boolean): Promise<Said> => {
  const seen = process.said.length
  return process.until((one) => is(one) && process.said.indexOf(one) >= seen)
}

describePeer('the examples, when the network is cut, a parameter server hangs, and clients are killed', 'tensorflow', () => {
  let folder: string
  let file: string
  let machine: OtherMachine | undefined
  let spec: ClusterSpec
  let servers: readonly ChildProcess[] = []
  let started: TaskProcess[] = []
  beforeAll(async () => {
    machine = otherMachine()
    if (machine === undefined) return
    const { here, there } = machine
    await run(chooseBackend())
    folder = await mkdtemp(join(tmpdir(), 'millrace-apart-'))
    file = await buildExample()
    const [ps0, ps1, own, other] = await Promise.all([0, 1, 2, 3].map(freePort))
    spec = clusterSpec({ ps: [`${here}:${ps0}`, `${here}:${ps1}`], worker: [`${here}:${own}`, `${there}:${other}`] })
    servers = (await kinds.newNode.serve(spec, [firstPs!, secondPs!])).processes
  })
  afterEach(async () => {
    await Promise.all(started.map((one) => one.kill()))
    started = []
  })
  afterAll(async () => {
    for (const server of servers) server.kill('SIGKILL')
    machine?.remove()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  test.for([
    ['mails', 'asynchronous'],
    ['mails', 'in step'],
    ['flights', 'asynchronous'],
    ['flights', 'in step'],
  ] as const)('%s, %s: all rows, the metrics of one machine, and exported', async ([name, mode], { skip }) => {
    if (machine === undefined) return skipOrFail(skip, 'network namespaces cannot be made here: that takes root, or CAP_NET_ADMIN and CAP_SYS_ADMIN, and iproute2')
    const { prefix, cut, heal } = machine
    const example = await examples[name]()
    const alone = await onOneMachine(example)

    const own = await mkdtemp(join(folder, `${name}-`))
    const [checkpoints, weights, slowWhile] = ['checkpoints', 'weights', 'slow'].map((one) => join(own, one)) as [string, string, string]
    const options: ExampleOptions = { ...(await prepareExample(example, own)), mode, checkpoints, everySteps: 20, server: 'host', stepTimeoutMs: 5_000, slowWhile }
    const start = (task: Task): TaskProcess => {
      const process = task === chief ? startTask(file, spec, task, { ...options, weights }) : startTask(file, spec, task, options, prefix)
      started = [...started, process]
      return process
    }
    /** While one worker is down, rows are hard to come by, so that the other one does not do all its work meanwhile. */
    const whileSlow = async (happen: () => Promise<unknown>): Promise<void> => {
      await writeFile(slowWhile, '')
      await happen()
      await rm(slowWhile)
    }
    let [chiefs, workers] = [start(chief!), start(worker!)]
    /** Steps of both after what happened before, and a checkpoint of them. */
    const goOn = async (): Promise<void> => {
      await Promise.all([next(chiefs, (one) => 'checkpoint' in one), next(workers, isStep)])
    }
    await goOn()
    await whileSlow(async () => {
      cut()
      await next(workers, isOf('lost'))
      heal()
      await next(workers, isOf('back'))
    })
    const cutOff = [chiefs, workers].map(recoveriesOf)
    await goOn()
    servers[1]!.kill('SIGSTOP')
    await Promise.all([chiefs, workers].map((one) => next(one, isOf('lost'))))
    servers[1]!.kill('SIGCONT')
    await Promise.all([next(chiefs, isStep), next(workers, isStep)])
    const hung = [chiefs, workers].map((one, index) => recoveriesOf(one).slice(cutOff[index]!.length))
    await goOn()
    await whileSlow(async () => {
      await workers.kill()
      workers = start(worker!)
      await workers.until(isStep)
    })
    await goOn()
    await whileSlow(async () => {
      await chiefs.kill()
      chiefs = start(chief!)
      await chiefs.until(isStep)
    })
    const [ours, theirs] = [(await chiefs.report()).report, (await workers.report()).report]

    expect(cutOff[1]).toContainEqual(expect.objectContaining({ task: 'worker 1', what: 'lost', fault: 'hung' }))
    // Workers for themselves: it is nobody else's affair.
    if (mode === 'asynchronous') expect(cutOff[0]).toEqual([])
    for (const events of hung) expect(events).toContainEqual(expect.objectContaining({ what: 'lost', fault: 'hung' }))
    for (const { recoveries } of [ours, theirs]) expect(recoveries).toContainEqual(expect.objectContaining({ what: 'took over' }))
    expect([...cutOff, ...hung, ours.recoveries, theirs.recoveries].flat().filter(({ what }) => what === 'gave up' || what === 'initialized' || what === 'not saved')).toEqual([])
    expect(ours).toMatchObject({ stoppedBy: 'data', notFetched: [] })
    // Every row of all epochs was fed but for the batches that were under way at a fault, the kill among them.
    const told = [ours, theirs].map(({ workers: [one] }) => one!)
    expect(sumOf(told.map(({ rows, uncertainRows }) => rows + uncertainRows))).toBe(example.rates.length * (await run(pipe(example.train, countRows()))))
    if (mode === 'asynchronous') {
      const lost = started.flatMap(recoveriesOf).filter(({ what }) => what === 'lost')
      for (const { task, uncertainRows } of told) expect(uncertainRows).toBeLessThanOrEqual((1 + lost.filter((one) => one.task === task).length) * example.rows)
    }
    const model = await modelOf(example, weights)
    expectReached(example, mode, await measure(model, example), alone)
    await expectExported(model, example, own)
  })
})
