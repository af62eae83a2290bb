export { writeCheckpoint } from './write-checkpoint.js'
export type { CheckpointReport, NamedTensor, WriteCheckpointOptions } from './write-checkpoint.js'
export { openCheckpoint, readCheckpoint } from './read-checkpoint.js'
export type { Checkpoint, CheckpointEntry } from './read-checkpoint.js'
