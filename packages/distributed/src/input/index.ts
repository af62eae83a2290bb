export { tfRecordSource } from './tfrecord-source.js'
export type { TfRecordShard, TfRecordSourceOptions } from './tfrecord-source.js'
