import { tensorflow } from '../proto/index.js'
import { configProto, type SessionConfig } from './session-config.js'

/** A server of a cluster, as TensorFlow is told of it. */
export interface ServerDefinition {
  /** Addresses by job and task index, `host:port`. */
  readonly cluster: { readonly [job: string]: { readonly [index: number]: string } }
  readonly job: string
  readonly task: number
  /** Default `grpc`. */
  readonly protocol?: string | undefined
  /** Defaults for sessions of this server. */
  readonly config?: SessionConfig | undefined
}

/** A `ServerDef`, encoded (`tensorflow/core/protobuf/tensorflow_server.proto`). */
export const encodeServerDef = ({ cluster, job, task, protocol, config }: ServerDefinition): Uint8Array =>
  tensorflow.ServerDef.encode({
    cluster: { job: Object.entries(cluster).map(([name, tasks]) => ({ name, tasks: { ...tasks } })) },
    jobName: job,
    taskIndex: task,
    protocol: protocol ?? 'grpc',
    ...(config === undefined ? {} : { defaultSessionConfig: configProto(config) }),
  }).finish()
