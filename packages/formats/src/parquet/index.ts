export { parquetSchema, readParquet } from './read-parquet.js'
export type { ParquetOptions } from './read-parquet.js'
export { writeParquet } from './write-parquet.js'
export type { ParquetCompression, WriteParquetOptions } from './write-parquet.js'
