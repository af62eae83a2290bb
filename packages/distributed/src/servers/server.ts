import { failure, job, run, type Job } from '@millrace/core'
import { startNativeServer, type SessionConfig } from '@millrace/export'
import { clusterSpec, taskAddress, type ClusterSpec, type JobAddresses, type JobName } from '../cluster/index.js'

/** A server to start: one task of a cluster. */
export interface TensorFlowServerOptions {
  readonly cluster: ClusterSpec | { readonly [job: string]: JobAddresses }
  readonly job: JobName
  readonly task: number
  /** Default `grpc`. */
  readonly protocol?: string | undefined
  /** Defaults for the sessions of this server. */
  readonly config?: SessionConfig | undefined
  /** Path of libtensorflow or of a folder that holds it. Default: the environment's `LIBTENSORFLOW`, then an installed tfjs-node, then Python's TensorFlow. */
  readonly library?: string | undefined
}

/** A TensorFlow server in this process. It serves until the process ends: TensorFlow has no clean shutdown of one. */
export interface TensorFlowServer {
  /** `grpc://host:port`, for sessions. */
  readonly target: string
  /** Of TensorFlow: `2.21.0`. */
  readonly version: string
}

const isSpec = (cluster: TensorFlowServerOptions['cluster']): cluster is ClusterSpec => 'jobs' in cluster && Array.isArray(cluster.jobs) && cluster.jobs.every((one) => typeof one === 'object')

/**
 * Starts a TensorFlow gRPC server in this process, without Python: the same server as `tf.distribute.Server`. It listens on all
 * interfaces and lets in whoever reaches it.
 *
 * @throws `Usage` when the cluster has no such task, `MissingPeer` without libtensorflow or koffi, `Engine` when the port is taken
 * @example
 * const server = await run(startTensorFlowServer({ cluster: { ps: ['10.0.0.1:2222'], worker: ['10.0.0.2:2222'] }, job: 'ps', task: 0 }))
 */
export const startTensorFlowServer = (options: TensorFlowServerOptions): Job<TensorFlowServer> => job(async (context) => {
  const spec = isSpec(options.cluster) ? options.cluster : clusterSpec(options.cluster)
  if (taskAddress(spec, { type: options.job, index: options.task }) === undefined) {
    throw failure({ tag: 'Usage', code: 'CLUSTER_TASK', problem: `the cluster has no task ${options.job} ${options.task}`, remedy: `Its jobs are ${spec.jobs.map(({ name, tasks }) => `${name} (${tasks.length})`).join(', ')}.` })
  }
  const cluster = Object.fromEntries(spec.jobs.map(({ name, tasks }) => [name, Object.fromEntries(tasks.map(({ index, address }) => [index, address]))]))
  const { job: name, task, protocol, config, library } = options
  return run(startNativeServer({ cluster, job: name, task, protocol, config }, { library }), context)
})
