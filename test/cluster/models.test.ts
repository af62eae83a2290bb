import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chooseBackend, collect, pipe, run } from '@millrace/core'
import { predictions, startLocalCluster, trainOnCluster, type BinaryScore, type ClusterTrainingOptions, type LocalCluster } from '@millrace/distributed'
import { exportSavedModel } from '@millrace/export'
import { writeTfRecords } from '@millrace/formats'
import { describePeer, runPython } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'
import { flights, mails, type Example } from './support/examples.js'
import { expectReached, measure } from './support/exported.js'
import { onOneMachine } from './support/one-machine.js'

const peer = fileURLToPath(new URL('./models.py', import.meta.url))

describePeer('the models of the examples, on two parameter servers and two workers', 'tensorflow', () => {
  const trained: { readonly example: Example; readonly model: tf.LayersModel }[] = []
  let cluster: LocalCluster
  let folder: string
  beforeAll(async () => {
    await run(chooseBackend())
    folder = await mkdtemp(join(tmpdir(), 'millrace-models-'))
    cluster = await run(startLocalCluster({ ps: 2, workers: 2, library: peerLibrary(), environment: { TF_CPP_MIN_LOG_LEVEL: '3' } }))
  })
  afterAll(async () => {
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** `fed`: rows pass through this process, features applied. `served`: the workers' servers read raw rows; features are in the graph. */
  const onCluster = async (example: Example, way: 'fed' | { readonly served: number }, synchronous?: ClusterTrainingOptions['synchronous']): Promise<BinaryScore> => {
    const { name, inputs, label, train: rows, optimizer, rates } = example
    const model = example.make()
    const files = join(folder, `${name}-train`)
    if (way !== 'fed') await run(pipe(rows, writeTfRecords(files, { shards: way.served })))
    const given = way === 'fed' ? { data: pipe(rows, inputs.apply) } : { data: { files: `${files}-*` }, inputs }
    // In step, both together have the batches of one machine, since every second row belongs to a worker.
    const batchSize = synchronous === undefined ? example.rows : example.rows / 2
    const report = await run(trainOnCluster(model, cluster, { ...given, label, batchSize, epochs: rates.length, optimizer, synchronous }))
    expect(report).toMatchObject({ stoppedBy: 'data', recoveries: [], notFetched: [] })
    expect(report.workers.map(({ steps, uncertainRows }) => [steps > 0, uncertainRows])).toEqual([[true, 0], [true, 0]])
    trained.push({ example, model })
    return measure(model, example)
  }

  test('flights: asynchronous and in step, the metrics of one machine', async () => {
    const example = await flights()
    const alone = await onOneMachine(example)
    expect(alone.auc).toBeGreaterThan(0.63)
    expectReached(example, 'asynchronous', await onCluster(example, 'fed'), alone)
    expectReached(example, 'in step', await onCluster(example, { served: 2 }, {}), alone)
  })

  test('mails: asynchronous and in step, the metrics of one machine', async () => {
    const example = await mails()
    const alone = await onOneMachine(example)
    expect(alone.auc).toBeGreaterThan(0.99)
    // The mean of the workers' gradients is that of one machine.
    const inStep = await onCluster(example, 'fed', {})
    for (const metric of ['auc', 'logLoss'] as const) expect(Math.abs(inStep[metric] / alone[metric] - 1)).toBeLessThan(1e-3)
    expectReached(example, 'asynchronous', await onCluster(example, { served: 4 }), alone)
  })

  test('exported, they answer raw rows in TensorFlow with our numbers', async () => {
    expect(trained).toHaveLength(4)
    const args: string[] = []
    const expected: number[][] = []
    for (const [index, { example, model }] of trained.entries()) {
      const { url } = await run(exportSavedModel(model, join(folder, `${index}/model`), { inputs: example.inputs }))
      const { files } = await run(pipe(example.test, writeTfRecords(join(folder, `${index}/test`), { shards: 1 })))
      args.push(url, ...files)
      const inMemory = pipe(example.test, example.inputs.apply, predictions(model, ['probability']))
      const ours = (await run(collect()(inMemory))).map(({ probability }) => probability)
      expect(new Set(ours).size).toBeGreaterThan(500)
      expected.push(ours)
    }
    const theirs = JSON.parse(await runPython(peer, { args })) as { readonly values: readonly number[]; readonly examples: readonly number[] }[]
    theirs.forEach(({ values, examples }, index) => {
      const ours = expected[index]!
      for (const answers of [values, examples]) {
        expect(answers).toHaveLength(ours.length)
        expect(Math.max(...answers.map((value, row) => Math.abs(value - ours[row]!)))).toBeLessThan(1e-5)
      }
    })
  })
})
