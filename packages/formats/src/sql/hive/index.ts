export { hiveSchema, readHive } from './read-hive.js'
export type { HiveConnection, HiveServer } from './hive-server.js'
export { writeHive } from './write-hive.js'
export type { HiveWriteReport, WriteHiveOptions } from './write-hive.js'
