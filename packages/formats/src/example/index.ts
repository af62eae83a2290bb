export { ByteBuffer } from './byte-buffer.js'
export { ExampleDecoder } from './example-decoder.js'
export type { ExampleDecoderOptions } from './example-decoder.js'
export { ExampleEncoder } from './example-encoder.js'
