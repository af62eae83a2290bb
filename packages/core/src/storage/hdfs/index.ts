export { hdfsStorage } from './hdfs-storage.js'
export type { HdfsOptions } from './hdfs-storage.js'
export type { HdfsIdentity } from './credentials.js'
