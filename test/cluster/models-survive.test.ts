import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chooseBackend, pipe, rebatch, run, tapBatches } from '@millrace/core'
import { startLocalCluster, trainOnCluster, type LocalCluster, type RecoveryEvent, type Task } from '@millrace/distributed'
import { serverProcess } from '../faults/support/server-process.js'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'
import { flights, mails, type Example } from './support/examples.js'
import { expectExported, expectReached, measure } from './support/exported.js'
import { onOneMachine } from './support/one-machine.js'

const [chief, worker]: readonly Task[] = [{ type: 'worker', index: 0 }, { type: 'worker', index: 1 }]
const secondPs: Task = { type: 'ps', index: 1 }
const nameOf = ({ type, index }: Task): string => `${type} ${index}`

/** Something that befalls a training. */
interface Calamity {
  readonly name: string
  /** Workers that lose their session, and have to come back before the next one. */
  readonly hits: readonly Task[]
  /** @param lost - resolves when the training says that it has lost a session */
  readonly happen: (lost: Promise<void>) => Promise<unknown>
}

/** What was told while it lasted. */
interface Told {
  readonly name: string
  readonly events: readonly RecoveryEvent[]
}

const isBack = (events: readonly RecoveryEvent[], task: Task): boolean => {
  const own = events.filter((one) => one.task === nameOf(task)).map(({ what }) => what)
  return own.includes('lost') && own.at(-1) === 'back'
}

/** Makes one calamity after another happen to a training: each some steps after the last one is over and a checkpoint was saved. */
const oneAfterAnother = (calamities: readonly Calamity[], everySteps: number) => {
  const told: Told[] = []
  const left = [...calamities]
  let now: { readonly calamity: Calamity; readonly events: RecoveryEvent[]; readonly say: () => void; happened: boolean } | undefined
  let [quietSince, saved] = [0, false]
  const stop = new AbortController()
  const begin = (calamity: Calamity): void => {
    let say: () => void = () => undefined
    const lost = new Promise<void>((resolve) => { say = resolve })
    const begun = { calamity, events: [], say, happened: false }
    now = begun
    calamity.happen(lost).then(() => { begun.happened = true }, (thrown: unknown) => stop.abort(thrown))
  }
  return {
    told,
    signal: stop.signal,
    /** While one worker is down, rows are hard to come by, so that the other one does not do all the work meanwhile. */
    slow: async (): Promise<void> => {
      if (now?.calamity.hits.length === 1) await sleep(250)
    },
    onCheckpoint: (): void => { saved = true },
    onRecovery: (event: RecoveryEvent): void => {
      if (now === undefined) return
      now.events.push(event)
      if (event.what === 'lost') now.say()
    },
    onStep: ({ globalStep }: { readonly globalStep: number }): void => {
      if (now !== undefined) {
        const { calamity: { name, hits }, events, happened } = now
        if (!happened || !hits.every((task) => isBack(events, task))) return
        told.push({ name, events })
        now = undefined
        ;[quietSince, saved] = [globalStep, false]
      }
      // A step from before a restore may be far ahead.
      quietSince = Math.min(quietSince, globalStep)
      const next = left[0]
      if (next === undefined || !saved || globalStep - quietSince < everySteps) return
      left.shift()
      begin(next)
    },
  }
}

describePeer('the models of the examples, when one fault comes after another', 'tensorflow', () => {
  const everySteps = 20
  let cluster: LocalCluster
  let folder: string
  beforeAll(async () => {
    await run(chooseBackend())
    folder = await mkdtemp(join(tmpdir(), 'millrace-survive-'))
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const restart = (task: Task) => async (): Promise<void> => {
    await cluster.kill(task)
    await cluster.restart(task)
  }
  const hang = (task: Task) => async (lost: Promise<void>): Promise<void> => {
    const pid = serverProcess(task, cluster.target(task).slice('grpc://'.length))
    process.kill(pid, 'SIGSTOP')
    await lost
    process.kill(pid, 'SIGCONT')
  }
  const calamities: readonly Calamity[] = [
    { name: 'a worker\'s server is killed', hits: [worker!], happen: restart(worker!) },
    { name: 'a parameter server is killed', hits: [chief!, worker!], happen: restart(secondPs) },
    { name: 'the chief\'s server is killed', hits: [chief!], happen: restart(chief!) },
    { name: 'a worker\'s server hangs', hits: [worker!], happen: hang(worker!) },
  ]

  /** Trains with all that is to be survived, and gives the model. */
  const throughThemAll = async (example: Example): Promise<tf.LayersModel> => {
    const { name: of, train, inputs, label, rows, rates, optimizer } = example
    const model = example.make()
    const { told, signal, slow, ...seen } = oneAfterAnother(calamities, everySteps)
    const data = pipe(train, rebatch(2 * rows), tapBatches(slow), inputs.apply)
    const report = await run(trainOnCluster(model, cluster, {
      data, label, batchSize: rows, epochs: rates.length, optimizer, ...seen, checkpoints: { folder: join(folder, `${of}-checkpoints`), everySteps },
      recovery: { stepTimeoutMs: 3_000, timeoutMs: 90_000, backoffMs: 50 },
    }), { signal })
    expect(told.map(({ name }) => name)).toEqual(calamities.map(({ name }) => name))
    for (const [index, { events }] of told.entries()) {
      for (const { index: lost } of calamities[index]!.hits) {
        const own = report.recoveries.filter((one) => events.includes(one) && one.task === `worker ${lost}`)
        expect(own.map(({ what }) => what)).toEqual(expect.arrayContaining(['lost', 'back']))
      }
    }
    expect(told[1]!.events).toContainEqual(expect.objectContaining({ task: 'worker 0', what: 'restored', note: expect.stringContaining(folder) as string }))
    expect(told[3]!.events).toContainEqual(expect.objectContaining({ task: 'worker 1', what: 'lost', fault: 'hung' }))
    expect(report.recoveries.filter(({ what }) => what === 'gave up' || what === 'initialized' || what === 'not saved')).toEqual([])
    expect(report).toMatchObject({ stoppedBy: 'data', notFetched: [] })
    expect(report.workers.map(({ steps, restarts, failed }) => [steps > 0, restarts > 0, failed])).toEqual([[true, true, undefined], [true, true, undefined]])
    return model
  }

  test.each([['flights', flights], ['mails', mails]])('%s, each worker for itself: the metrics of one machine, and exported', async (_, of) => {
    const example = await of()
    const alone = await onOneMachine(example)
    const model = await throughThemAll(example)
    expectReached(example, 'asynchronous', await measure(model, example), alone)
    await expectExported(model, example, folder)
  })
})
