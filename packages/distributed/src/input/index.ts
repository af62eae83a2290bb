export { tfRecordSource } from './tfrecord-source.js'
export type { TfRecordShard, TfRecordSourceOptions } from './tfrecord-source.js'
export { findServerShards } from './server-shards.js'
export type { DescribedShards, ServerShards } from './server-shards.js'
