import { failure } from '@millrace/core'
import { chiefOf, taskAddress, type Cluster, type ClusterSpec, type Task } from '../cluster/index.js'
import { isObject } from '../cluster/cluster-spec.js'
import type { LocalCluster } from '../servers/index.js'

/** Where a training runs: a cluster of which this process is a task, or one that this process drives all by itself. */
export type TrainingCluster = Cluster | ClusterSpec | LocalCluster

/** A task that trains. */
export interface Trainer {
  readonly task: Task
  /** `grpc://host:port` */
  readonly target: string
  /** Which share of the data it takes, counted through chief and workers. */
  readonly share: number
  readonly isChief: boolean
}

/** Who does what in a training. */
export interface Roles {
  readonly spec: ClusterSpec
  /** This process; `undefined` where it drives all workers. */
  readonly task: Task | undefined
  /** All that train, the chief first. */
  readonly trainers: readonly Trainer[]
  /** Indices of the parameter servers. */
  readonly ps: readonly number[]
}

const isSpec = (cluster: TrainingCluster): cluster is ClusterSpec => 'jobs' in cluster

/** Of callers without types, who may give the addresses themselves. */
const specOf = (cluster: TrainingCluster): ClusterSpec => {
  const given: unknown = cluster
  const spec: unknown = isObject(given) && !('jobs' in given) ? given['spec'] : given
  if (isObject(spec) && Array.isArray(spec['jobs'])) return spec as unknown as ClusterSpec
  throw failure({ tag: 'Usage', code: 'CLUSTER', problem: 'what was given is no cluster', remedy: "Give clusterFromEnv(), clusterSpec({ ps: ['host:port'], worker: ['host:port'] }), or what startLocalCluster gave." })
}

/** @throws `Usage` for what is no cluster, and for one without parameter servers or without workers */
export const rolesOf = (cluster: TrainingCluster): Roles => {
  const spec = specOf(cluster)
  const task = !isSpec(cluster) && 'task' in cluster ? cluster.task : undefined
  const tasksOf = (job: string): readonly { readonly index: number }[] => spec.jobs.find(({ name }) => name === job)?.tasks ?? []
  const ps = tasksOf('ps').map(({ index }) => index)
  if (ps.length === 0) throw failure({ tag: 'Usage', code: 'CLUSTER_NO_PS', problem: 'the cluster has no parameter server, which would hold the variables', remedy: 'Give it a job "ps", or train on this machine with train().' })
  const chief = chiefOf(spec)
  if (chief === undefined) throw failure({ tag: 'Usage', code: 'CLUSTER_NO_CHIEF', problem: 'the cluster has neither a chief nor a worker 0, who would initialise the variables', remedy: 'Give it a job "worker".' })
  const tasks: Task[] = [chief, ...tasksOf('worker').map(({ index }): Task => ({ type: 'worker', index })).filter(({ index }) => chief.type !== 'worker' || index !== chief.index)]
  return {
    spec,
    task,
    ps,
    trainers: tasks.map((one, share) => ({ task: one, target: `grpc://${taskAddress(spec, one) ?? ''}`, share, isChief: share === 0 })),
  }
}

export const describeTask = ({ type, index }: Task): string => `${type} ${index}`
export const deviceOf = ({ type, index }: Task): string => `/job:${type}/task:${index}`
