export { chiefOf, clusterSpec, clusterToObject, taskAddress, taskCount } from './cluster-spec.js'
export type { ClusterJob, ClusterSpec, JobAddresses, JobName, Task, TaskAddress } from './cluster-spec.js'
export { clusterFromEnv, parseTfConfig, toTfConfig } from './tf-config.js'
export type { Cluster } from './tf-config.js'
