export { SequenceExampleDecoder } from './sequence-decoder.js'
export type { FeatureLists, SequenceDecoderOptions, SequenceSchema } from './sequence-decoder.js'
export { SequenceExampleEncoder } from './sequence-encoder.js'
export type { SequenceColumns } from './sequence-encoder.js'
