export { parquetSchema, readParquet } from './read-parquet.js'
export type { ParquetOptions } from './read-parquet.js'
