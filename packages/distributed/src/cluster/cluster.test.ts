import { isMillraceError } from '@millrace/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chiefOf, clusterFromEnv, clusterSpec, clusterToObject, parseTfConfig, taskAddress, taskCount, toTfConfig } from './index.js'

const thrownBy = (work: () => unknown): { code: string; message: string } => {
  try {
    work()
  } catch (error) {
    if (isMillraceError(error)) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('nothing was thrown')
}

const two = { ps: ['ps0:2222'], worker: ['w0:2222', 'w1:2222'] }

describe('clusterSpec', () => {
  test('dense and sparse jobs, in order of index', () => {
    const spec = clusterSpec({ ps: ['ps0:2222'], worker: { 7: 'w7:2222', 2: 'w2:2222' } })
    expect(spec.jobs[1]).toEqual({
      name: 'worker',
      tasks: [
        { index: 2, address: 'w2:2222' },
        { index: 7, address: 'w7:2222' },
      ],
    })
    expect(taskCount(spec, 'worker')).toBe(2)
    expect(taskCount(spec, 'chief')).toBe(0)
    expect(taskAddress(spec, { type: 'worker', index: 7 })).toBe('w7:2222')
    expect(taskAddress(spec, { type: 'worker', index: 0 })).toBeUndefined()
    expect(clusterToObject(spec)).toEqual({ ps: ['ps0:2222'], worker: { 2: 'w2:2222', 7: 'w7:2222' } })
  })

  test('the chief, or worker 0 where there is none', () => {
    expect(chiefOf(clusterSpec({ ...two, chief: ['c:1'] }))).toEqual({ type: 'chief', index: 0 })
    expect(chiefOf(clusterSpec(two))).toEqual({ type: 'worker', index: 0 })
    expect(chiefOf(clusterSpec({ worker: { 1: 'w1:2222' } }))).toBeUndefined()
  })

  test.each([
    ['localhost:2222'],
    ['10.0.0.1:65535'],
    ['[2001:db8::1]:2222'],
    ['train-worker-0.train.default.svc:2222'],
  ])('takes the address %s', (address) => {
    expect(taskAddress(clusterSpec({ worker: [address] }), { type: 'worker', index: 0 })).toBe(address)
  })

  test.each([
    ['', 'is empty'],
    ['host', 'has no port'],
    ['host:', 'the port ""'],
    [':2222', 'has no host'],
    ['[]:2222', 'has no host'],
    ['host:0', 'the port "0"'],
    ['host:65536', 'the port "65536"'],
    ['host:http', 'the port "http"'],
    ['grpc://host:2222', 'has a scheme'],
    ['host/x:2222', 'contains a slash'],
    ['ho st:2222', 'contains white space'],
    ['::1:2222', 'IPv6 address without brackets'],
    ['[::1]', 'has no port'],
  ])('refuses the address %j', (address, problem) => {
    const { code, message } = thrownBy(() => clusterSpec({ worker: ['ok:1', address] }))
    expect(code).toBe('CLUSTER_ADDRESS')
    expect(message).toContain('cluster.worker[1]')
    expect(message).toContain(problem)
  })

  test('refuses one address for two tasks, and names both', () => {
    expect(thrownBy(() => clusterSpec({ ps: ['a:1'], worker: ['b:1', 'a:1'] }))).toEqual({
      code: 'CLUSTER_DUPLICATE',
      message: 'cluster.worker[1] has the address of cluster.ps[0], a:1. Give each task its own host and port.',
    })
  })

  test('refuses jobs that TensorFlow refuses', () => {
    expect(thrownBy(() => clusterSpec({ 'my-job': ['a:1'] })).code).toBe('CLUSTER_JOB')
    expect(thrownBy(() => clusterSpec({ chief: ['a:1', 'b:1'] })).message).toContain('cluster.chief has 2 tasks')
    expect(thrownBy(() => clusterSpec({ worker: { [-1]: 'a:1' } })).code).toBe('CLUSTER_TASK_INDEX')
    expect(thrownBy(() => clusterSpec({ worker: { 2147483648: 'a:1' } })).code).toBe('CLUSTER_TASK_INDEX')
  })
})

describe('TF_CONFIG', () => {
  const config = (more: object) => JSON.stringify({ cluster: two, ...more })

  test('as cluster managers write it', () => {
    const cluster = parseTfConfig(config({ task: { type: 'worker', index: 1 }, environment: 'cloud', rpc_layer: 'grpc', job: {} }))
    expect(cluster).toEqual({ spec: clusterSpec(two), task: { type: 'worker', index: 1 }, environment: 'cloud', rpcLayer: 'grpc' })
  })

  test('indices as text, and sparse jobs', () => {
    const text = '{"cluster": {"worker": {"3": "w3:1"}}, "task": {"type": "worker", "index": "3"}}'
    expect(parseTfConfig(text).task).toEqual({ type: 'worker', index: 3 })
  })

  test('an evaluator need not be in the cluster', () => {
    expect(parseTfConfig(config({ task: { type: 'evaluator', index: 0 } })).task?.type).toBe('evaluator')
  })

  test('a process alone, and a client', () => {
    expect(parseTfConfig('{}')).toEqual({ spec: { jobs: [] } })
    expect(parseTfConfig('{"task": {"type": "worker", "index": 0}}').task).toEqual({ type: 'worker', index: 0 })
    expect(parseTfConfig(config({})).task).toBeUndefined()
  })

  test.each([
    ['{"cluster": ', 'TF_CONFIG_INVALID', 'TF_CONFIG is not JSON'],
    ['[]', 'TF_CONFIG_INVALID', 'not a JSON object'],
    ['{"cluster": []}', 'CLUSTER_JOB', 'cluster is not an object'],
    ['{"cluster": {"ps": "a:1"}}', 'CLUSTER_JOB', 'cluster.ps is neither'],
    ['{"cluster": {"ps": [7]}}', 'CLUSTER_ADDRESS', 'cluster.ps[0] is 7'],
    ['{"cluster": {"ps": {"01": "a:1"}}}', 'CLUSTER_TASK_INDEX', '"01"'],
    [config({ task: 'worker' }), 'TF_CONFIG_INVALID', 'task is not an object'],
    [config({ task: { index: 0 } }), 'TF_CONFIG_INVALID', 'task.type'],
    [config({ task: { type: 'worker' } }), 'TF_CONFIG_INVALID', 'task.index is missing'],
    [config({ task: { type: 'worker', index: 1.5 } }), 'TF_CONFIG_INVALID', 'task.index is 1.5'],
    [config({ task: { type: 'worker', index: 2 } }), 'CLUSTER_TASK', 'worker 2, which the cluster does not name'],
    [config({ task: { type: 'chief', index: 0 } }), 'CLUSTER_TASK', 'The cluster has ps (1), worker (2).'],
    [config({ environment: 1 }), 'TF_CONFIG_INVALID', 'environment is not text'],
  ])('%s is refused', (text, code, message) => {
    const thrown = thrownBy(() => parseTfConfig(text))
    expect(thrown.code).toBe(code)
    expect(thrown.message).toContain(message)
    expect(thrown.message).toContain('(TF_CONFIG)')
  })

  test('comes from the environment', () => {
    expect(clusterFromEnv({ TF_CONFIG: config({}) }).spec).toEqual(clusterSpec(two))
    expect(thrownBy(() => clusterFromEnv({})).code).toBe('TF_CONFIG_MISSING')
    expect(thrownBy(() => clusterFromEnv({ TF_CONFIG: ' ' })).code).toBe('TF_CONFIG_MISSING')
  })

  test('what is written is read back', () => {
    const indices = fc.uniqueArray(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(indices, indices, fc.option(fc.string(), { nil: undefined }), (ps, worker, environment) => {
        const addresses = (job: string, all: number[]) => Object.fromEntries(all.map((index) => [index, `${job}-${index}:2222`]))
        const spec = clusterSpec({ ps: addresses('ps', ps), worker: addresses('worker', worker) })
        const cluster = { spec, task: { type: 'worker', index: worker[0] ?? 0 }, ...(environment === undefined ? {} : { environment }) }
        expect(parseTfConfig(toTfConfig(cluster))).toEqual(cluster)
      }),
    )
  })
})
