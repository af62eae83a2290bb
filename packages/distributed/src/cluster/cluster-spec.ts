import { checkAddress, clusterFailure } from './address.js'

/** The jobs that TensorFlow's strategies know. A cluster may have others, named by letters, digits and `_`. */
export type JobName = 'chief' | 'worker' | 'ps' | 'evaluator' | (string & {})

/** One process of a cluster. */
export interface Task {
  readonly type: JobName
  /** From 0, within its job. */
  readonly index: number
}

/** A task and where it listens, as `host:port`. */
export interface TaskAddress {
  readonly index: number
  readonly address: string
}

/** One job of a cluster; its tasks in ascending order of index. Indices may have gaps. */
export interface ClusterJob {
  readonly name: JobName
  readonly tasks: readonly TaskAddress[]
}

/** The processes that take part in a computation: plain data, checked when it is made. Jobs keep the order in which they were given. */
export interface ClusterSpec {
  readonly jobs: readonly ClusterJob[]
}

/** Addresses in order of index, or by index where some tasks of the job need not be known. */
export type JobAddresses = readonly string[] | { readonly [index: number]: string }

/** Indices are int32 in TensorFlow's ClusterDef. */
const largestIndex = 2 ** 31 - 1

/**
 * A cluster from the addresses of its jobs, as `tf.train.ClusterSpec` takes them: each a list, or an object from task index to
 * address.
 *
 * @throws `Usage`: `CLUSTER_ADDRESS` (not `host:port`), `CLUSTER_DUPLICATE` (one address for two tasks), `CLUSTER_JOB` (a name
 *   that TensorFlow cannot use, more than one chief or evaluator), `CLUSTER_TASK_INDEX`
 * @example
 * clusterSpec({ ps: ['10.0.0.1:2222'], worker: ['10.0.0.2:2222', '10.0.0.3:2222'] })
 */
export const clusterSpec = (jobs: { readonly [job: string]: JobAddresses }): ClusterSpec => checkCluster(jobs)

/** {@link clusterSpec} of a value of unknown shape, for instance parsed JSON; `source` says where it came from. */
export const checkCluster = (value: unknown, source?: string): ClusterSpec => {
  if (!isObject(value)) {
    throw clusterFailure('CLUSTER_JOB', 'cluster', 'is not an object from job names to addresses', 'Write { "worker": ["host:port"] }.', source)
  }
  const owners = new Map<string, string>()
  const jobs = Object.entries(value).map(([name, addresses]): ClusterJob => {
    const place = `cluster.${name}`
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) {
      throw clusterFailure('CLUSTER_JOB', place, 'has a name that TensorFlow cannot use in device names', 'Use letters, digits and _, a letter first.', source)
    }
    const tasks = checkTasks(addresses, place, source)
    for (const { index, address } of tasks) {
      const owner = owners.get(address)
      if (owner !== undefined) {
        throw clusterFailure('CLUSTER_DUPLICATE', `${place}[${index}]`, `has the address of ${owner}, ${address}`, 'Give each task its own host and port.', source)
      }
      owners.set(address, `${place}[${index}]`)
    }
    if ((name === 'chief' || name === 'evaluator') && tasks.length > 1) {
      throw clusterFailure('CLUSTER_JOB', place, `has ${tasks.length} tasks`, `A cluster has at most one ${name}.`, source)
    }
    return { name, tasks }
  })
  return { jobs }
}

const checkTasks = (addresses: unknown, place: string, source: string | undefined): TaskAddress[] => {
  if (Array.isArray(addresses)) {
    return addresses.map((address, index) => ({ index, address: checkAddress(address, `${place}[${index}]`, source) }))
  }
  if (!isObject(addresses)) {
    throw clusterFailure('CLUSTER_JOB', place, 'is neither a list of addresses nor an object from task index to address', 'Write ["host:port"].', source)
  }
  return Object.entries(addresses)
    .map(([key, address]) => ({ index: checkIndex(key, place, source), address: checkAddress(address, `${place}[${key}]`, source) }))
    .sort((left, right) => left.index - right.index)
}

const checkIndex = (key: string, place: string, source: string | undefined): number => {
  const index = parseIndex(key)
  if (index !== undefined) return index
  throw clusterFailure('CLUSTER_TASK_INDEX', place, `has the task index "${key}"`, 'Task indices are whole numbers from 0.', source)
}

/** A task index from a number or from its decimal digits; undefined for anything else. */
export const parseIndex = (value: unknown): number | undefined => {
  const index = typeof value === 'string' && /^(0|[1-9]\d*)$/.test(value) ? Number(value) : value
  return typeof index === 'number' && Number.isInteger(index) && index >= 0 && index <= largestIndex ? index : undefined
}

/** True for what JSON calls an object. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const jobOf = (spec: ClusterSpec, name: JobName): ClusterJob | undefined => spec.jobs.find((job) => job.name === name)

/** How many tasks of a job are known; 0 for a job that the cluster lacks. */
export const taskCount = (spec: ClusterSpec, job: JobName): number => jobOf(spec, job)?.tasks.length ?? 0

/** Where a task listens, as `host:port`; undefined when the cluster does not name it. */
export const taskAddress = (spec: ClusterSpec, task: Task): string | undefined =>
  jobOf(spec, task.type)?.tasks.find(({ index }) => index === task.index)?.address

/**
 * The task that initialises variables and writes checkpoints: the chief, or worker 0 where the cluster has no chief, as
 * `multi_worker_util.is_chief` rules. Undefined when the cluster names neither.
 */
export const chiefOf = (spec: ClusterSpec): Task | undefined => {
  const chief = jobOf(spec, 'chief')?.tasks[0]
  if (chief !== undefined) return { type: 'chief', index: chief.index }
  return taskAddress(spec, { type: 'worker', index: 0 }) === undefined ? undefined : { type: 'worker', index: 0 }
}

/**
 * The cluster as `tf.train.ClusterSpec.as_dict` gives it: a job whose indices run from 0 without a gap as a list, any other,
 * and one without tasks, as an object from index to address.
 */
export const clusterToObject = (spec: ClusterSpec): Record<string, JobAddresses> =>
  Object.fromEntries(
    spec.jobs.map(({ name, tasks }) => [
      name,
      tasks.length > 0 && tasks.every(({ index }, position) => index === position)
        ? tasks.map(({ address }) => address)
        : Object.fromEntries(tasks.map(({ index, address }) => [index, address])),
    ]),
  )
