export { guessCompression, inflated, MAX_INFLATION, packedWriter, peek, requireCompression } from './compression.js'
export type { Compression, PackedWriter } from './compression.js'
