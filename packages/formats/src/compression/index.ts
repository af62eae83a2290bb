export { compressionOfName, decompress, looksLikeGzip } from './decompress.js'
export type { Compression } from './decompress.js'
