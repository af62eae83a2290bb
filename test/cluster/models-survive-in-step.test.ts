import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { chooseBackend, run } from '@millrace/core'
import { startLocalCluster, type LocalCluster, type RecoveryEvent, type Task } from '@millrace/distributed'
import { startTask, type Said, type TaskProcess } from '../faults/support/task-process.js'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'
import { buildExample, prepareExample, type ExampleOptions } from './support/example-process.js'
import { examples } from './support/examples.js'
import { expectExported, expectReached, measure, modelOf } from './support/exported.js'
import { onOneMachine } from './support/one-machine.js'

const [firstPs, secondPs]: readonly Task[] = [{ type: 'ps', index: 0 }, { type: 'ps', index: 1 }]
const [chief, worker]: readonly Task[] = [{ type: 'worker', index: 0 }, { type: 'worker', index: 1 }]

const eventsOf = ({ said }: TaskProcess): RecoveryEvent[] => said.flatMap((one) => ('recovery' in one ? [one.recovery] : []))

describePeer('the examples in step, when one process after another is killed', 'tensorflow', () => {
  let cluster: LocalCluster
  let folder: string
  let file: string
  let started: TaskProcess[] = []
  beforeAll(async () => {
    await run(chooseBackend())
    folder = await mkdtemp(join(tmpdir(), 'millrace-in-step-'))
    file = await buildExample()
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' } }))
  })
  afterEach(async () => {
    await Promise.all(started.map((one) => one.kill()))
    started = []
  })
  afterAll(async () => {
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test.each(['mails', 'flights'] as const)('%s: workers\' and parameter servers\' servers, the chief and a client: the metrics of one machine, and exported', async (name) => {
    const example = await examples[name]()
    const alone = await onOneMachine(example)

    const options: ExampleOptions = { ...(await prepareExample(example, folder)), mode: 'in step', checkpoints: join(folder, `${name}-checkpoints`), everySteps: 20, server: 'external', stepTimeoutMs: 5_000 }
    const weights = join(folder, `${name}-weights`)
    const start = (task: Task): TaskProcess => {
      const process = startTask(file, cluster.spec, task, task === chief ? { ...options, weights } : options)
      started = [...started, process]
      return process
    }
    let [chiefs, workers] = [start(chief!), start(worker!)]
    /** Some steps after what happened before, with a checkpoint of them. */
    const someStepsOn = async (): Promise<void> => {
      const seen = chiefs.said.length
      const saved = (await chiefs.until((one) => 'checkpoint' in one && chiefs.said.indexOf(one) >= seen)) as Extract<Said, { readonly checkpoint: number }>
      await workers.until((one) => 'step' in one && one.step > saved.checkpoint)
    }
    const restart = async (task: Task, hit: readonly TaskProcess[]): Promise<void> => {
      await someStepsOn()
      const seen = hit.map(({ said }) => said.length)
      await cluster.kill(task)
      await cluster.restart(task)
      await Promise.all(hit.map((one, index) => one.until((said) => 'recovery' in said && said.recovery.what === 'back' && one.said.indexOf(said) >= seen[index]!)))
    }
    await restart(worker!, [workers])
    await restart(secondPs!, [chiefs, workers])
    await restart(chief!, [chiefs])
    await restart(firstPs!, [chiefs, workers])
    const earlier = [chiefs, workers].map(eventsOf)
    await someStepsOn()
    await workers.kill()
    workers = start(worker!)
    await workers.until((one) => 'step' in one)
    await someStepsOn()
    await chiefs.kill()
    chiefs = start(chief!)
    const [{ report }, theirs] = [await chiefs.report(), await workers.report()]

    // What the processes that were killed later have told.
    const lostBy = (events: readonly RecoveryEvent[]): boolean => events.every(({ task }) => task === events[0]!.task) && events.some(({ what }) => what === 'lost')
    expect(earlier.map(lostBy)).toEqual([true, true])
    expect(earlier[0]!.filter(({ what }) => what === 'restored')).toHaveLength(2)
    expect([...earlier.flat(), ...report.recoveries, ...theirs.report.recoveries].filter(({ what }) => what === 'gave up' || what === 'initialized' || what === 'not saved')).toEqual([])
    for (const { recoveries } of [report, theirs.report]) expect(recoveries).toContainEqual(expect.objectContaining({ what: 'took over' }))
    expect(report).toMatchObject({ stoppedBy: 'data', notFetched: [] })
    const model = await modelOf(example, weights)
    expectReached(example, 'in step', await measure(model, example), alone)
    await expectExported(model, example, folder)
  })
})
