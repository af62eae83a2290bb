export { trainOnCluster } from './train-on-cluster.js'
export type {
  ClusterCheckpoints, ClusterModel, ClusterStep, ClusterTrainingOptions, ClusterValidation, ServedFiles, ServedSource, StopAtMetric,
} from './options.js'
export type { ClusterEvaluation, ClusterTrainingReport, RecoveryEvent, WorkerReport } from './report.js'
export type { TrainingCluster } from './roles.js'
export type { Fault, RecoveryBounds } from './recovery.js'
