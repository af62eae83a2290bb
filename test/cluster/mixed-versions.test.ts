import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pipe, run } from '@millrace/core'
import { clusterSpec, listServerDevices, trainOnCluster, type ClusterSpec, type ClusterTrainingOptions } from '@millrace/distributed'
import { writeTfRecords } from '@millrace/formats'
import { data, lossHere, makeModel, ROWS } from '../support/cluster-model.js'
import { describePeer, peersRequired } from '../support/peer.js'
import { freePort } from '../support/free-port.js'
import { kinds, type ServerKind } from './support/servers-of-versions.js'

/** Clusters of two parameter servers and two workers: the first of each is of one kind, the second of the other. */
const clusters: readonly (readonly [name: string, first: ServerKind, second: ServerKind, versions: readonly [RegExp, RegExp]])[] = [
  ['TensorFlow 2.9.1 and a new one, in Node', kinds.oldNode, kinds.newNode, [/^2\.9\.1$/, /^2\.[2-9]\d\./]],
  ["Python's TensorFlow 2.12 and a new one", kinds.oldPython, kinds.newPython, [/^2\.12\.0$/, /^2\.[2-9]\d\./]],
  ["Python's TensorFlow 2.12 alone", kinds.oldPython, kinds.oldPython, [/^2\.12\.0$/, /^2\.12\.0$/]],
]

describePeer('clusters of old and of new servers', 'tensorflow', () => {
  describe.each(clusters)('%s', (_, first, second, [firstVersion, secondVersion]) => {
    const lacks = first.lacks ?? second.lacks
    if (lacks !== undefined) {
      if (!peersRequired()) return test.skip(`[skipped: ${lacks}]`)
      return test('there are such', () => {
        throw new Error(lacks)
      })
    }
    const servers: ChildProcess[] = []
    let versions: readonly string[]
    let spec: ClusterSpec
    let folder: string

    beforeAll(async () => {
      await tf.setBackend('cpu')
      folder = await mkdtemp(join(tmpdir(), 'millrace-mixed-'))
      const [a, b, c, d] = await Promise.all([0, 1, 2, 3].map(async () => `127.0.0.1:${await freePort()}`)) as [string, string, string, string]
      spec = clusterSpec({ ps: [a, b], worker: [c, d] })
      versions = await Promise.all([first, second].map(async (kind, index) => {
        const { version, processes } = await kind.serve(spec, [{ type: 'ps', index }, { type: 'worker', index }])
        servers.push(...processes)
        return version
      }))
      await run(listServerDevices(`grpc://${c}`))
    })
    afterAll(async () => {
      for (const server of servers) server.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    })

    test('they are of their versions', () => {
      expect(versions[0]).toMatch(firstVersion)
      expect(versions[1]).toMatch(secondVersion)
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
})
