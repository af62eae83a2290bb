export { guessCompression, inflated, MAX_INFLATION, packedWriter, peek } from './compression.js'
export type { Compression, PackedWriter } from './compression.js'
