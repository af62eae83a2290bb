import { failure, type MillraceError } from '@millrace/core'
import { clusterFailure } from './address.js'
import { checkCluster, clusterToObject, isObject, parseIndex, taskAddress, taskCount, type ClusterSpec, type Task } from './cluster-spec.js'

/** A cluster, and which of its tasks this process is. */
export interface Cluster {
  /** Without jobs where this process trains alone. */
  readonly spec: ClusterSpec
  /** Undefined for a process that is no task of the cluster, a client. An evaluator need not be in {@link spec}. */
  readonly task?: Task | undefined
  /** `cloud` where a cluster manager set `TF_CONFIG`; otherwise whatever it says. */
  readonly environment?: string | undefined
  /** The protocol between tasks, `rpc_layer` in `TF_CONFIG`. TensorFlow's default is grpc. */
  readonly rpcLayer?: string | undefined
}

const source = 'TF_CONFIG'

const wrong = (place: string, problem: string, remedy: string): MillraceError => clusterFailure('TF_CONFIG_INVALID', place, problem, remedy, source)

/**
 * The cluster from the environment variable `TF_CONFIG`, which Kubeflow, Google Cloud and most launchers set in every process.
 *
 * @param environment - default `process.env`
 * @throws `Usage` with code `TF_CONFIG_MISSING` when it is not set, else as {@link parseTfConfig}
 */
export const clusterFromEnv = (environment: { readonly [name: string]: string | undefined } = process.env): Cluster => {
  const text = environment['TF_CONFIG']
  if (text === undefined || text.trim() === '') {
    throw failure({
      tag: 'Usage',
      code: 'TF_CONFIG_MISSING',
      problem: 'the environment variable TF_CONFIG is not set',
      remedy: 'Start the process by a cluster manager that sets it, or describe the cluster with clusterSpec.',
    })
  }
  return parseTfConfig(text)
}

/**
 * Parses the JSON of `TF_CONFIG` as `tf.distribute.cluster_resolver.TFConfigClusterResolver` does, and checks it as
 * `multi_worker_util._validate_cluster_spec` does: the task must be in the cluster, an evaluator excepted.
 * Keys that are not known are ignored: launchers add their own.
 *
 * @throws `Usage`: `TF_CONFIG_INVALID`, `CLUSTER_TASK` (this process is no task of the cluster), or as `clusterSpec`
 */
export const parseTfConfig = (text: string): Cluster => {
  const config = parseJson(text)
  if (!isObject(config)) throw wrong('TF_CONFIG', 'is not a JSON object', 'Write {"cluster": {…}, "task": {…}}.')
  const spec: ClusterSpec = config['cluster'] === undefined ? { jobs: [] } : checkCluster(config['cluster'], source)
  const task = config['task'] === undefined ? undefined : parseTask(config['task'])
  if (task !== undefined) checkTask(spec, task)
  const environment = optionalText(config, 'environment')
  const rpcLayer = optionalText(config, 'rpc_layer')
  return {
    spec,
    ...(task === undefined ? {} : { task }),
    ...(environment === undefined ? {} : { environment }),
    ...(rpcLayer === undefined ? {} : { rpcLayer }),
  }
}

/** JSON that `TF_CONFIG` may hold: {@link parseTfConfig} gives the same cluster. */
export const toTfConfig = ({ spec, task, environment, rpcLayer }: Cluster): string =>
  JSON.stringify({
    ...(spec.jobs.length === 0 ? {} : { cluster: clusterToObject(spec) }),
    ...(task === undefined ? {} : { task: { type: task.type, index: task.index } }),
    ...(environment === undefined ? {} : { environment }),
    ...(rpcLayer === undefined ? {} : { rpc_layer: rpcLayer }),
  })

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw failure({
      tag: 'Usage',
      code: 'TF_CONFIG_INVALID',
      problem: `TF_CONFIG is not JSON: ${(cause as Error).message}`,
      remedy: 'Look at what the launcher wrote; quotes are often lost in a shell.',
      position: { source },
      cause,
    })
  }
}

const parseTask = (value: unknown): Task | undefined => {
  if (!isObject(value)) throw wrong('task', 'is not an object', 'Write {"type": "worker", "index": 0}.')
  const { type, index } = value
  if (type === undefined && index === undefined) return undefined
  if (typeof type !== 'string' || type === '') throw wrong('task.type', 'is not the name of a job', 'Write "worker", "ps", "chief" or "evaluator".')
  const parsed = parseIndex(index)
  if (parsed === undefined) throw wrong('task.index', `is ${JSON.stringify(index) ?? 'missing'}`, 'Write a whole number from 0.')
  return { type, index: parsed }
}

const checkTask = (spec: ClusterSpec, task: Task): void => {
  // Without a cluster the process trains alone, whatever its task is called.
  if (spec.jobs.length === 0 || taskAddress(spec, task) !== undefined) return
  const count = taskCount(spec, task.type)
  if (count === 0 && task.type === 'evaluator') return
  const jobs = spec.jobs.map(({ name, tasks }) => `${name} (${tasks.length})`).join(', ')
  const problem = count === 0 ? `is ${task.type}, which is no job of the cluster` : `is ${task.type} ${task.index}, which the cluster does not name`
  throw clusterFailure('CLUSTER_TASK', 'task', problem, `The cluster has ${jobs}.`, source)
}

const optionalText = (config: Record<string, unknown>, key: string): string | undefined => {
  const value = config[key]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw wrong(key, 'is not text', 'Write text, or leave it out.')
  return value
}
