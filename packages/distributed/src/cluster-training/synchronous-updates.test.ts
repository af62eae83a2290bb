import * as tf from '@tensorflow/tfjs'
import { batchFromRows, failure, field, fromRows } from '@millrace/core'
import { tensorValue, type CallOptions, type HostTensor, type Session } from '@millrace/export'
import { expect, test } from 'vitest'
import { clusterSpec } from '../cluster/index.js'
import { replicaDeviceSetter } from '../placement/index.js'
import { chiefDuties } from './chief-duties.js'
import { rolesOf } from './roles.js'
import { sleep } from './sleep.js'
import { synchronousUpdates } from './synchronous-updates.js'
import { workerGraph } from './worker-graph.js'

const setUp = () => {
  const x = tf.input({ shape: [1], name: 'x' })
  const model = tf.model({ inputs: x, outputs: tf.layers.dense({ units: 1 }).apply(x) as tf.SymbolicTensor })
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' })
  const roles = rolesOf(clusterSpec({ ps: ['h:1'], worker: ['h:2'] }))
  const options = { data: fromRows({ x: field.float32(), y: field.float32() }, []), label: 'y', synchronous: {} }
  return { model, options, graph: workerGraph(model, options, replicaDeviceSetter({ ps: roles.spec }), roles, roles.trainers[0]!) }
}

test('each call of the updates may take as long as calls may at its time', async () => {
  const { graph } = setUp()
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

test('the chief does not wait at its end for updates that have failed', async () => {
  const { model, options, graph } = setUp()
  const progress = { dtype: 'string', shape: [1], data: batchFromRows({ text: field.binary() }, [{ text: Buffer.from('') }]).columns.text } as HostTensor
  const session = { run: async () => [progress] } as unknown as Session
  const duties = chiefDuties({ model, options, graph, limits: {}, checkpoints: undefined, workers: 1, isGone: () => true, onEvaluate: async () => undefined, onWeights: () => undefined })
  const never = new Promise<never>(() => undefined)
  const failed = Promise.reject<never>(new Error('the updates have failed'))
  await expect(duties.finish(session, { failed, atRest: never, stop: async () => undefined }, 1)).rejects.toThrow('the updates have failed')
})

test('a chief whose update another one has made void says so', async () => {
  const { graph } = setUp()
  const { update } = graph.training.synchronous!
  const session = {
    run: async ({ fetches = [], targets = [] }: { readonly fetches?: readonly string[]; readonly targets?: readonly string[] }) => {
      if (targets.includes(update.name)) throw failure({ tag: 'Engine', code: 'TF_INVALID_ARGUMENT', problem: 'assertion failed: [this update is overtaken: training in step was begun again]' })
      return fetches.map((name) => tensorValue('int64', [], [name === graph.control.lastStep.name ? 5n : 0n]) as HostTensor)
    },
  } as unknown as Session
  const updates = synchronousUpdates(session, graph, 1, () => false, {})
  await expect(updates.failed).rejects.toMatchObject({ code: 'CLUSTER_CHIEF_REPLACED' })
  await updates.stop()
})
