export { writeCheckpoint } from './write-checkpoint.js'
export type { CheckpointReport, NamedTensor, WriteCheckpointOptions } from './write-checkpoint.js'
