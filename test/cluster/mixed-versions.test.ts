import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pipe, run } from '@millrace/core'
import { clusterSpec, listServerDevices, toTfConfig, trainOnCluster, type ClusterSpec, type ClusterTrainingOptions } from '@millrace/distributed'
import { writeTfRecords } from '@millrace/formats'
import { data, lossHere, makeModel, ROWS } from '../support/cluster-model.js'
import { describePeer, peersRequired } from '../support/peer.js'
import { freePort, peerLibrary } from '../support/session-servers.js'

const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const old = file('.peers/tensorflow-2.9/libtensorflow.so.2')

/** A cluster whose first parameter server and first worker are of TensorFlow 2.9.1, the others of the peers' own TensorFlow. */
describePeer('servers of an old and of a new TensorFlow in one cluster', 'tensorflow', () => {
  if (!existsSync(old)) {
    if (!peersRequired()) return test.skip('[skipped: npm run peers:setup]')
    return test('there is an old one', () => {
      throw new Error('no .peers/tensorflow-2.9: npm run peers:setup, which says why it could not make it')
    })
  }
  const servers: ChildProcess[] = []
  const versions = new Map<string, string>()
  let spec: ClusterSpec
  let folder: string

  const start = (type: string, index: number, library: string): Promise<void> => new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file('packages/distributed/dist/millrace-server.js')], {
      env: { ...process.env, TF_CONFIG: toTfConfig({ spec, task: { type, index } }), LIBTENSORFLOW: library, TF_CPP_MIN_LOG_LEVEL: '3', CUDA_VISIBLE_DEVICES: '' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    servers.push(child)
    child.stdout.once('data', (said: Buffer) => {
      versions.set(`${type} ${index}`, /TensorFlow (\S+) serves/.exec(said.toString())?.[1] ?? '')
      resolve()
    })
    child.once('close', () => reject(new Error(`the server ${type} ${index} ended`)))
  })

  beforeAll(async () => {
    await tf.setBackend('cpu')
    folder = await mkdtemp(join(tmpdir(), 'millrace-mixed-'))
    const [a, b, c, d] = await Promise.all([0, 1, 2, 3].map(async () => `127.0.0.1:${await freePort()}`)) as [string, string, string, string]
    spec = clusterSpec({ ps: [a, b], worker: [c, d] })
    await Promise.all(['ps', 'worker'].flatMap((type) => [start(type, 0, old), start(type, 1, peerLibrary())]))
    await run(listServerDevices(`grpc://${c}`))
  })
  afterAll(async () => {
    for (const server of servers) server.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })

  test('they are of two versions', () => {
    expect([versions.get('ps 0'), versions.get('worker 0')]).toEqual(['2.9.1', '2.9.1'])
    expect(versions.get('ps 1')).toBe(versions.get('worker 1'))
    expect(versions.get('ps 1')).not.toBe('2.9.1')
  })

  const trained = async (options: Omit<ClusterTrainingOptions, 'label' | 'batchSize'>): Promise<number> => {
    const model = makeModel()
    const report = await run(trainOnCluster(model, spec, { label: 'y', batchSize: 50, epochs: 3, ...options }))
    expect(report).toMatchObject({ stoppedBy: 'data', recoveries: [], workers: [{ rows: 3 * ROWS / 2 }, { rows: 3 * ROWS / 2 }] })
    expect(lossHere(model)).toBeLessThan(0.5)
    return report.globalStep
  }

  test('train what is fed, each worker for itself', async () => {
    expect(await trained({ data })).toBe(3 * ROWS / 50)
  })

  test('train in step on files that they read, and save what both hold in one checkpoint', async () => {
    await run(pipe(data, writeTfRecords(join(folder, 'train'), { shards: 2 })))
    const checkpoints = { folder: join(folder, 'checkpoints'), everySteps: 20 }
    expect(await trained({ data: { files: join(folder, 'train-*') }, labelDType: 'int64', stepsPerRun: 4, synchronous: {}, checkpoints })).toBe(3 * ROWS / 100)
    const model = makeModel()
    const report = await run(trainOnCluster(model, spec, { data, label: 'y', batchSize: 50, checkpoints, steps: 3 * ROWS / 100 }))
    expect(report.recoveries).toMatchObject([{ what: 'restored' }])
    expect(lossHere(model)).toBeLessThan(0.5)
  })
})
