export { startTensorFlowServer } from './server.js'
export type { TensorFlowServer, TensorFlowServerOptions } from './server.js'
export { startLocalCluster } from './local-cluster.js'
export type { LocalCluster, LocalClusterOptions } from './local-cluster.js'
