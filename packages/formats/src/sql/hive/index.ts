export { hiveSchema, readHive } from './read-hive.js'
export type { HiveConnection, HiveServer } from './hive-server.js'
