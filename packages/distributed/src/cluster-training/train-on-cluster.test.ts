import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as tf from '@tensorflow/tfjs'
import { field, fromRows, run, type ProgressEvent } from '@millrace/core'
import { afterEach, describe, expect, test } from 'vitest'
import { clusterSpec } from '../cluster/index.js'
import { trainOnCluster } from './train-on-cluster.js'

const data = fromRows({ x: field.float32(), y: field.float32() }, [{ x: 1, y: 0 }])

const makeModel = (): tf.LayersModel => {
  const x = tf.input({ shape: [1], name: 'x' })
  const model = tf.model({ inputs: x, outputs: tf.layers.dense({ units: 1, name: 'y' }).apply(x) as tf.SymbolicTensor })
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' })
  return model
}

test('a task that has no part in a training is refused before it starts a server', async () => {
  const cluster = { spec: clusterSpec({ ps: ['127.0.0.1:9'], worker: ['127.0.0.1:10'], master: ['127.0.0.1:11'] }), task: { type: 'master', index: 0 } }
  await expect(run(trainOnCluster(makeModel(), cluster, { data, label: 'y', server: 'host', library: '/nowhere' }))).rejects.toMatchObject({ _tag: 'Usage', code: 'CLUSTER_TASK' })
})

describe('a cluster that is not there', () => {
  let server: Server | undefined
  afterEach(() => server?.close())
  const listening = (): Promise<string> => {
    server = createServer((_, response) => response.end('hello'))
    const started = server
    return new Promise((resolve) => started.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${(started.address() as AddressInfo).port}`)))
  }
  const training = (address: string, timeoutMs: number, events: ProgressEvent[] = []) =>
    run(trainOnCluster(makeModel(), clusterSpec({ ps: ['127.0.0.1:9'], worker: [address] }), { data, label: 'y', recovery: { timeoutMs, backoffMs: 100 } }), { progress: (event) => events.push(event) })

  test('is given up with the reason of its loss, which progress has told', async () => {
    const address = await listening()
    server?.close()
    const events: ProgressEvent[] = []
    await expect(training(address, 700, events)).rejects.toMatchObject({ code: 'TF_UNAVAILABLE', message: expect.stringMatching(/given up, since it has done no step for 700 ms; at last: .*ECONNREFUSED/) as string })
    expect(events.map(({ stage, note }) => [stage, /ECONNREFUSED/.test(note ?? '')])).toEqual(expect.arrayContaining([['worker 0: lost', true], ['worker 0: gave up', true]]))
  })

  test('or is a web server is not waited for', async () => {
    await expect(training(await listening(), 3_000)).rejects.toMatchObject({ code: 'TF_UNAVAILABLE', message: expect.stringMatching(/^the server does not speak HTTP\/2/) as string })
  })
})
