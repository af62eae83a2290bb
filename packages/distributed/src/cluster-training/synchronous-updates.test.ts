import * as tf from '@tensorflow/tfjs'
import { field, fromRows } from '@millrace/core'
import { tensorValue, type CallOptions, type HostTensor, type Session } from '@millrace/export'
import { expect, test } from 'vitest'
import { clusterSpec } from '../cluster/index.js'
import { replicaDeviceSetter } from '../placement/index.js'
import { rolesOf } from './roles.js'
import { sleep } from './sleep.js'
import { synchronousUpdates } from './synchronous-updates.js'
import { workerGraph } from './worker-graph.js'

test('each call of the updates may take as long as calls may at its time', async () => {
  const x = tf.input({ shape: [1], name: 'x' })
  const model = tf.model({ inputs: x, outputs: tf.layers.dense({ units: 1 }).apply(x) as tf.SymbolicTensor })
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' })
  const roles = rolesOf(clusterSpec({ ps: ['h:1'], worker: ['h:2'] }))
  const data = fromRows({ x: field.float32(), y: field.float32() }, [])
  const graph = workerGraph(model, { data, label: 'y', synchronous: {} }, replicaDeviceSetter({ ps: roles.spec }), roles, roles.trainers[0]!)
  let timeoutMs = 1_000
  const timeouts: (number | undefined)[] = []
  const session = {
    run: async ({ fetches = [] }: { readonly fetches?: readonly string[] }, limits: CallOptions) => {
      timeouts.push(limits.timeoutMs)
      await sleep(1, undefined)
      // A training of a billion steps.
      return fetches.map((name) => tensorValue('int64', [], [name === graph.control.lastStep.name ? 1_000_000_000n : 0n]) as HostTensor)
    },
  } as unknown as Session
  const updates = synchronousUpdates(session, graph, 1, () => false, { get timeoutMs() { return timeoutMs } })
  await expect.poll(() => timeouts.length, { timeout: 10_000 }).toBeGreaterThan(3)
  timeoutMs = 60_000
  await expect.poll(() => timeouts.at(-1), { timeout: 10_000 }).toBe(60_000)
  const [before] = timeouts
  expect(before).toBe(1_000)
  await updates.stop()
})
