import { chiefOf, clusterToObject, parseTfConfig, taskAddress, toTfConfig, type Cluster } from '@millrace/distributed'
import { expect, test } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'

/** Each TF_CONFIG is read by TensorFlow's resolver, ours and ours written again. */
const script = `
import json, os, sys
from tensorflow.python.distribute import multi_worker_util
import tensorflow as tf

def read(text):
    os.environ['TF_CONFIG'] = text
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    spec = resolver.cluster_spec()
    task = None if resolver.task_type is None else [resolver.task_type, resolver.task_id]
    known = task is not None and task[0] in spec.jobs
    # TensorFlow's own check counts the tasks of a job instead of looking for the index, and so refuses sparse jobs.
    dense = all(isinstance(tasks, list) for tasks in spec.as_dict().values())
    return {
        'cluster': spec.as_dict(),
        'task': task,
        'rpcLayer': resolver.rpc_layer,
        'address': spec.task_address(*task) if known else None,
        'isChief': multi_worker_util.is_chief(spec, *task) if known and dense else None,
    }

print(json.dumps([read(text) for text in json.load(sys.stdin)]))
`

interface Seen {
  readonly cluster: object
  readonly task: readonly [string, number] | null
  readonly rpcLayer: string | null
  readonly address: string | null
  readonly isChief: boolean | null
}

const seenByUs = ({ spec, task, rpcLayer }: Cluster): Seen => {
  const known = task !== undefined && spec.jobs.some(({ name }) => name === task.type)
  const dense = Object.values(clusterToObject(spec)).every(Array.isArray)
  const chief = chiefOf(spec)
  const isChief = task?.type === 'evaluator' || (chief !== undefined && chief.type === task?.type && chief.index === task.index)
  return {
    cluster: clusterToObject(spec),
    task: task === undefined ? null : [task.type, task.index],
    rpcLayer: rpcLayer ?? null,
    address: known ? (taskAddress(spec, task) ?? null) : null,
    isChief: known && dense ? isChief : null,
  }
}

const configs = [
  { cluster: { ps: ['a:1', 'b:1'], worker: ['c:1', 'd:1'], chief: ['e:1'] }, task: { type: 'chief', index: 0 }, rpc_layer: 'grpc' },
  { cluster: { worker: ['c:1', 'd:1'] }, task: { type: 'worker', index: 0 } },
  { cluster: { worker: ['c:1', 'd:1'] }, task: { type: 'worker', index: '1' } },
  { cluster: { worker: { 1: 'w1:1', 5: 'w5:1' }, ps: ['a:1'] }, task: { type: 'worker', index: 1 } },
  { cluster: { worker: { 1: 'w1:1', 0: 'w0:1' }, ps: { 3: '[::1]:1' } }, task: { type: 'ps', index: 3 } },
  { cluster: { ps: [], worker: ['c:1'] }, task: { type: 'worker', index: 0 } },
  { cluster: { ps: ['a:1'], worker: ['c:1'] }, task: { type: 'evaluator', index: 0 }, environment: 'cloud' },
  { cluster: { worker: ['c:1'], evaluator: ['e:1'] }, task: { type: 'evaluator', index: 0 } },
  { cluster: { worker: ['c:1'] } },
  { task: { type: 'worker', index: 0 } },
  {},
].map((config) => JSON.stringify(config))

describePeer('TF_CONFIG', 'tensorflow', () => {
  test('is read as TFConfigClusterResolver reads it, and written for it', async () => {
    const ours = configs.map(parseTfConfig)
    const texts = [...configs, ...ours.map(toTfConfig)]
    const seen = JSON.parse(await runPython(script, { input: JSON.stringify(texts) })) as Seen[]
    expect(seen).toEqual([...ours, ...ours].map(seenByUs))
  })
})
